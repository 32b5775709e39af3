# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Debian package and the RPM from a copy of the sources, installs each in a clean root of this machine's own suite
# under an overlay, runs the tool there and removes the package.

# shellcheck disable=SC2154 # of lib.sh and run

# copy_sources FOLDER - copies everything except build/ and the git data
copy_sources()
{
	mkdir -p "$1"
	tar -C "$top" --exclude-vcs --exclude=./build -cf - . | tar -C "$1" -xf -
}

# build_deb - builds ./ipvs-tcpstate_VERSION_ARCH.deb, without unit tests: another suite runs them
build_deb()
{
	[ -n "$(command -v dpkg-buildpackage)" ] || skip "no dpkg-buildpackage; run: make setup"
	[ -n "$(command -v dh)" ] || skip "no debhelper; run: make setup"
	copy_sources source
	(cd source && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b -us -uc) >deb.log 2>&1 ||
		{ tail -n 20 deb.log; fail "dpkg-buildpackage failed"; }
}

debian_lintian()
{
	local status=0
	[ -n "$(command -v lintian)" ] || skip "no lintian; run: make setup"
	build_deb
	! grep -i 'warning:' deb.log || fail "dpkg-buildpackage warns"
	lintian --allow-root --fail-on error,warning ./*.changes >out 2>&1 || status=$?
	! grep '^[EW]:' out || fail "lintian has findings"
	expect "exit status of lintian" 0 "$status"
	note "$(cd . && echo ipvs-tcpstate_*.deb), $(stat -c %s ipvs-tcpstate_*.deb) bytes"
}

# prepare_root - sets clean_base to a clean root, or sets no_clean_base to the reason why there is none. Runs before the
# tests, as those have no network.
prepare_root()
{
	local suite log
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	clean_base='' no_clean_base='this system has no name of a Debian suite'
	[[ $suite =~ ^[a-z]+$ ]] || return 0
	log=$(mktemp) || return
	clean_base=$("$top/scripts/root" --clean "$suite" 2>"$log") || clean_base=''
	no_clean_base=$(tail -n 1 "$log")
	rm -f "$log"
}

# clean_root - mounts a clean root under an overlay at ./root, with the files that the tool reads; all writes are discarded
clean_root()
{
	[ "$clean_base" ] || skip "$no_clean_base"
	mkdir root layers
	mount -t tmpfs tmpfs layers
	mkdir layers/upper layers/work
	mount -t overlay -o "lowerdir=$clean_base,upperdir=$PWD/layers/upper,workdir=$PWD/layers/work" overlay root ||
		skip "no overlay here"
	mount -t proc proc root/proc
	mount --rbind /sys root/sys
	mount --rbind /dev root/dev
	mkdir -p root/usr/lib/modules root/usr/src
	mount --rbind /usr/src root/usr/src
	mount --rbind /lib/modules root/usr/lib/modules
	root=$PWD/root
}

undo()
{
	[ -z "${root-}" ] || umount --recursive --lazy "$root"
	[ ! -d layers ] || umount --lazy layers
}

# inside COMMAND... - runs COMMAND in the clean root
inside()
{
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
		chroot "$root" "$@"
}

# content - lists the files of the clean root, except what the package manager itself keeps and man's cache
content()
{
	find "$root" -xdev \( -path "$root/proc" -o -path "$root/sys" -o -path "$root/dev" -o -path "$root/usr/src" \
		-o -path "$root/usr/lib/modules" -o -path "$root/var/lib/dpkg" -o -path "$root/root/.rpmdb" \
		-o -path "$root/var/cache/man" -o -path "$root/var/log" -o -path "$root/tmp" \) -prune -o -printf '%y %P\n' | sort
}

# runs_inside - checks the installed tool, its help, its manual page and, if this host can trace, a trace
runs_inside()
{
	local status=0
	inside ipvs-tcpstate --version >out
	grep -qE '^ipvs-tcpstate [0-9]' out || fail "--version: $(cat out)"
	inside ipvs-tcpstate --help >out
	expect "--help" "$("$tool" --help)" "$(cat out)"
	inside ipvs-tcpstate --check >out 2>err || status=$?
	[[ $status =~ ^[03]$ ]] || fail "--check: exit status $status"
	grep -qE '^libbcc +ok ' out || fail "--check does not find the libbcc that the package depends on"
	inside man -w ipvs-tcpstate >out || fail "no manual page"
	inside man ipvs-tcpstate >out 2>err
	grep -qE 'trace +TCP +state' out || fail "no manual page"
	if inside ipvs-tcpstate -a -d 1 >out 2>err; then
		grep -q 'rows, 0 lost' err || fail "a trace: $(cat err)"
		[ -n "$(ls "$root/var/cache/ipvs-tcpstate")" ] || fail "nothing in the cache"
		note "with a trace"
	else
		install -D /dev/null "$root/var/cache/ipvs-tcpstate/entry"
		note "no trace: $(tail -n 1 err)"
	fi
}

debian_root()
{
	build_deb
	clean_root
	content >before
	cp ipvs-tcpstate_*.deb "$root/tmp/package.deb"
	inside dpkg -i /tmp/package.deb >out 2>&1 || fail "dpkg -i: $(cat out)"
	inside dpkg -s ipvs-tcpstate >out
	grep -qx 'Status: install ok installed' out || fail "dpkg -s: $(cat out)"
	runs_inside
	inside dpkg -r ipvs-tcpstate >out 2>&1 || fail "dpkg -r: $(cat out)"
	[ ! -e "$root/usr/sbin/ipvs-tcpstate" ] || fail "dpkg -r left the program"
	[ -d "$root/var/cache/ipvs-tcpstate" ] || fail "dpkg -r took the cache, which is for purge to do"
	inside dpkg -i /tmp/package.deb >out 2>&1 || fail "dpkg -i after dpkg -r: $(cat out)"
	inside dpkg -P ipvs-tcpstate >out 2>&1 || fail "dpkg -P: $(cat out)"
	! grep -i warning out || fail "dpkg -P warns"
	expect "what is left after the purge" "$(cat before)" "$(content)"
	! inside dpkg -s ipvs-tcpstate >out 2>err || fail "dpkg still knows the package: $(cat out)"
}

# The RPM requires packages by their names in RPM distributions, so neither the builder nor the clean root has them.
rpm_root()
{
	local version
	[ -n "$(command -v rpmbuild)" ] || skip "no rpmbuild; run: make setup"
	version=$(sed -n 's/^Version:[[:space:]]*//p' "$top/scripts/ipvs-tcpstate.spec")
	[ -z "$(command -v dpkg-parsechangelog)" ] || expect "versions of the RPM and of the Debian package" \
		"$version" "$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version)"
	copy_sources "ipvs-tcpstate-$version"
	tar -czf "ipvs-tcpstate-$version.tar.gz" "ipvs-tcpstate-$version"
	rpmbuild -tb --nodeps --define "_topdir $PWD/rpm" "ipvs-tcpstate-$version.tar.gz" >rpm.log 2>&1 ||
		{ tail -n 20 rpm.log; fail "rpmbuild failed"; }
	clean_root
	content >before
	mv rpm/RPMS/*/ipvs-tcpstate-"$version"-*.rpm package.rpm
	expect "what the RPM asks for by name" "bcc" "$(rpm -qp --requires package.rpm | grep -vE '[(/]')"
	rpm --root "$root" --nodeps -i package.rpm >out 2>&1 || fail "rpm -i: $(cat out)"
	sed -i '/^rpm: .*Alien/d; /^rpm: However/d' out	# messages that Debian's rpm always prints
	[ ! -s out ] || fail "rpm -i says: $(cat out)"
	expect "what rpm -V finds" "" "$(rpm --root "$root" --nodeps -V ipvs-tcpstate 2>&1)"
	runs_inside
	rpm --root "$root" -e ipvs-tcpstate >out 2>&1 || fail "rpm -e: $(cat out)"
	# In an RPM distribution another package owns folders such as the one for zsh's functions.
	expect "what is left" "$(grep -v '^d ' before)" "$(content | grep -v '^d ')"
	! content | grep '^d .*ipvs-tcpstate' || fail "folders are left"
}
