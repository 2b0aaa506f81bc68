#!/bin/sh
# newer.sh unpacks newer versions of the peers than this machine's Debian has, from Debian's later suites, below a directory of their own, and writes a program for
# each into bin/ there. Nothing is installed: the programs run with the libraries that were unpacked with them. A second run does nothing.
#
#   sh test/peers/newer.sh build/newer
set -e
test -n "$1" || { echo "usage: newer.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1/bin"
top=$(cd "$1" && pwd)

# get SUITES ARGUMENT... unpacks what apt-get installs by the arguments, with all that it needs, into a root named after the first suite.
get() {
	suites=$1; shift
	root=$top/${suites%% *}
	test ! -e "$root/complete" || return 0
	apt=$root/apt
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/etc/preferences.d" "$apt/etc/apt.conf.d" "$root/root"
	: > "$apt/status"
	for suite in $suites; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
	done > "$apt/etc/sources.list"
	cat > "$apt/apt.conf" <<END
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Install-Recommends "false";
END
	apt-config dump | grep '^Acquire' >> "$apt/apt.conf" || : # how this machine reaches a mirror
	APT_CONFIG=$apt/apt.conf apt-get update -q
	APT_CONFIG=$apt/apt.conf apt-get install -q -y --download-only "$@"
	for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root/root"; done
	rm -rf "$apt"
	: > "$root/complete"
}

# program NAME SUITE PATH writes bin/NAME.
program() {
	in=$top/$2/root
	libraries=$in/usr/lib/x86_64-linux-gnu:$in/usr/lib/x86_64-linux-gnu/systemd:$in/usr/lib/x86_64-linux-gnu/varnish
	printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$in/usr/lib64/ld-linux-x86-64.so.2" "$libraries" "$in$3" > "$top/bin/$1"
	chmod +x "$top/bin/$1"
}

get "experimental sid" -t experimental nginx libnginx-mod-stream haproxy curl
program nginx experimental /usr/sbin/nginx
program haproxy experimental /usr/sbin/haproxy
program curl experimental /usr/bin/curl
