package confine

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// GiveBelow makes a directory, and what root has made in those of its subdirectories that are named, the user's that Drop is for: weir goes on writing there.
// Nothing outside is reached, whatever links the user may have put there, and what is not root's is left alone.
func GiveBelow(directory, who string, names ...string) error {
	uid, gid, err := lookup(who)
	if err != nil || os.Getuid() != 0 || uid == 0 {
		return err
	}
	root, err := os.OpenRoot(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	problems := []error{give(root, ".", uid, gid)}
	for _, name := range names {
		err := fs.WalkDir(root.FS(), name, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return give(root, path, uid, gid)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// give gives a directory, or a file that has one name alone: another name could be one outside.
func give(root *os.Root, path string, uid, gid int) error {
	info, err := root.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 || !info.IsDir() && (!info.Mode().IsRegular() || st.Nlink != 1) {
		return nil
	}
	return root.Lchown(path, uid, gid)
}
