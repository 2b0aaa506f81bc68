# Uses GitLab's API by python-gitlab, with names that have slashes, dots, spaces and other letters. Its argument is the address of the server.
import sys
import gitlab

gl = gitlab.Gitlab(sys.argv[1], private_token="token")
gl.projects.get("group/sub/project")
gl.groups.get("group/sub group")
project = gl.projects.get("group/sub/project", lazy=True)
for name in ["main", "feature/ü+1", "feature/a b", "a%2Fb", "feature//x", "v1.2.3"]:
    project.branches.get(name)
    project.branches.delete(name)
    project.tags.get(name)
    project.protectedbranches.get(name)
    project.repository_tree(path=name, ref=name)
    project.variables.get(name)
for path in ["README.md", "lib/a b.rb", "lib/ü+%2F.rb", "lib//double", "lib/.hidden/..x", "lib/a;b=c&d?e#f"]:
    project.files.get(file_path=path, ref="feature/1")
    project.files.raw(file_path=path, ref="feature/1")
    project.files.create({"file_path": path, "branch": "main", "content": "x", "commit_message": "m"})
    project.files.delete(file_path=path, branch="main", commit_message="m")
project.wikis.get("page/with slash")
project.labels.delete("group/label")
project.environments.get(1)
project.repository_compare("feature/1", "v1/2")
gl.http_get("/projects/group%2Fsub%2Fproject/jobs/artifacts/main/raw/a/b%20c", query_data={"job": "build/1"})
