# shellcheck shell=bash disable=SC2034,SC2154 # variables of tests/compile/run
# SPDX-License-Identifier: Apache-2.0
#
# Builds the tool for the systems of its users: headers of Linux 3.10 and glibc 2.17, as on RHEL 7, and the C of gcc 4.8.
# A newer machine has none of them. So this script hides in the machine's own headers what the old ones lack:
#   - bpf(2) and perf events, as if they had no headers, and the headers of other newer features;
#   - newer numbers of system calls, of prctl(2), capabilities and socket options, and newer names in glibc's headers.
# Some things cannot be hidden, so the script searches for them afterwards: functions of a newer glibc in the program, by the
# symbol versions in this machine's libc; keywords of newer compilers in the sources. -Wpedantic
# makes compilers report what C11 lacks, such as a declaration after a label. clang rejects what gcc accepts as a constant
# only from version 8 on.

# Headers that 3.10 lacks; it has half of perf_event.h.
lacking=(linux/bpf.h linux/bpf_common.h linux/btf.h linux/perf_event.h linux/io_uring.h linux/landlock.h linux/memfd.h
	linux/nsfs.h linux/openat2.h linux/pidfd.h)
# Headers that have more names now.
grown=(asm/unistd.h asm/socket.h linux/prctl.h linux/capability.h fcntl.h sched.h stdio.h sys/mman.h sys/random.h
	sys/socket.h)
# The last numbers that 3.10 has: system calls of each machine, PR_..., CAP_..., SO_...
case $(uname -m) in
aarch64) last_call=273 ;;
*) last_call=313 ;;
esac
last_prctl=40 last_capability=36 last_option=45
# Names that glibc's headers have since 2.17, or may have
new_names='O_TMPFILE|F_OFD_[A-Z]*|F_(ADD|GET)_SEALS|F_SEAL_[A-Z_]*|F_[GS]ET_RW_HINT|F_[GS]ET_FILE_RW_HINT|RENAME_[A-Z]*'
new_names+='|AT_STATX_[A-Z_]*|AT_RECURSIVE|STATX_[A-Z_]*|MFD_[A-Z_]*|GRND_[A-Z]*|MAP_FIXED_NOREPLACE|MAP_SYNC|MADV_FREE'
new_names+='|MADV_COLD|MADV_PAGEOUT|CLONE_PIDFD|CLONE_NEWCGROUP|CLONE_NEWTIME|SCHED_DEADLINE|SCHED_RESET_ON_FORK'
new_names+='|PR_CAP_AMBIENT[A-Z_]*'
# glibc functions that its headers substitute for old ones, so the tool has no choice.
moved='f?stat(64)?|lstat(64)?|fstatat(64)?|mknod(at)?|fcntl64|__isoc23_.*'
# Names from gcc 4.9 and later
new_words='_Generic|_Atomic|_Thread_local|__auto_type|__has_[a-z_]*|__builtin_[a-z]*_overflow|fallthrough|nonstring'

# defined HEADER - prints "NAME VALUE" of each macro
defined()
{
	echo "#include <$1>" | "$cc" -D_GNU_SOURCE -E -dM -xc - 2>/dev/null | sed -n 's/^#define \([A-Za-z_0-9]*\) /\1 /p'
}

# newer PREFIX LAST HEADER - prints the names of numbers above LAST
newer()
{
	defined "$3" | awk -v prefix="$1" -v last="$2" 'index($1, prefix) == 1 && $2 ~ /^[0-9]+$/ && $2 > last { print $1 }'
}

# lost HEADER - prints the names in HEADER that 3.10 and glibc 2.17 lack
lost()
{
	case $1 in
	asm/unistd.h) newer __NR_ $last_call "$1" ;;
	linux/prctl.h) newer PR_ $last_prctl "$1" ;;
	linux/capability.h) newer CAP_ $last_capability "$1" ;;
	asm/socket.h) newer SO_ $last_option "$1" ;;
	esac
	defined "$1" | awk '{ print $1 }' | grep -xE "$new_names"
}

# old_headers DIR - writes the old headers for the compiler "cc". They undefine a name only once, as the tool may define it
# afterwards.
old_headers()
{
	local header guard
	mkdir -p "$1/asm" "$1/linux" "$1/sys"
	for header in "${lacking[@]}"; do
		echo "#error \"3.10 has no such $header\"" >"$1/$header"
	done
	for header in "${grown[@]}"; do {
		guard=OLD_${header//[^a-z]/_}
		printf '#include_next <%s>\n#ifndef %s\n#define %s\n' "$header" "$guard" "$guard"
		lost "$header" | sort -u | sed 's/.*/#undef &/'
		echo "#endif"
	} >"$1/$header"; done
}

# refused TEXT - true if TEXT compiles with the machine's headers, but not with the old headers
refused()
{
	local text="#include <fcntl.h>\n#include <sys/prctl.h>\n#include <sys/syscall.h>\n$1\n"
	# shellcheck disable=SC2059 # with its escapes
	printf "$text" | "$cc" -std=gnu11 -D_GNU_SOURCE -fsyntax-only -xc - || return
	# shellcheck disable=SC2059
	! printf "$text" | "$cc" -std=gnu11 -D_GNU_SOURCE -isystem "$headers" -fsyntax-only -xc - 2>/dev/null ||
		{ echo "compiled with the old headers: $1"; return 1; }
}

# new_functions PROGRAM - prints the functions that glibc has only since 2.18 or later
new_functions()
{
	local libc
	libc=$("$cc" -print-file-name=libc.so.6)
	[ -e "$libc" ] || return 0
	nm -D --undefined-only "$1" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -vxE "$moved" |
		awk 'NR == FNR { used[$1]; next }
		$7 != "UND" && $8 ~ /@.*GLIBC_2/ {
			name = version = $8; sub(/@.*/, "", name); sub(/.*GLIBC_2\./, "", version)
			if (name in used) { known[name]; if (version + 0 <= 17) old[name] }
		}
		END { for (name in known) if (!(name in old)) print name }' - <(readelf --dyn-syms -W "$libc")
}

# build_old CC - builds the tool in build/old-CC
build_old()
{
	local cc=$1 build=build/old-$1 headers=$top/build/old-headers-$1 new
	rm -rf "${top:?}/$build" "$headers"
	old_headers "$headers"
	refused '#include <linux/bpf.h>' && refused '#include <linux/perf_event.h>' || return
	refused 'int x = SYS_bpf;' && refused 'int x = __NR_getrandom;' && refused 'int x = PR_CAP_AMBIENT;' || return
	refused '#include <linux/capability.h>\nint x = CAP_CHECKPOINT_RESTORE;' && refused 'int x = O_TMPFILE;' || return
	make -s -C "$top" -j"$(nproc)" CC="$cc" BUILD="$build" CPPFLAGS="-isystem $headers" \
		CFLAGS='-O1 -Wpedantic -Wno-overlength-strings' "$build/ipvs-tcpstate" >/dev/null || return
	new=$(new_functions "$top/$build/ipvs-tcpstate")
	[ -z "$new" ] || { echo "glibc 2.17 has not: $new"; return 1; }
	! grep -rnE --include='*.[ch]' "\<($new_words)\>" "$top/tool" || return
	"$top/$build/ipvs-tcpstate" --help | grep -q '^usage\|^Usage'
}

# judge NAME COMMAND... - runs COMMAND and prints the verdict
judge()
{
	local name=$1 log
	shift
	if log=$("$@" 2>&1); then
		echo "PASS $name"
		return
	fi
	echo "FAIL $name"
	# shellcheck disable=SC2001 # of each line
	sed 's/^/    /' <<<"$log"
	failed=1
	return 1
}

# try_old - builds the old tool and runs it
try_old()
{
	local cc
	for cc in gcc clang; do
		if [ -z "$(command -v "$cc")" ]; then
			echo "SKIP compile: headers of 3.10, $cc: there is none"
			continue
		fi
		judge "compile: headers of 3.10, $cc" build_old "$cc" || continue
		# Runs a part of the host suite. To run all of it: BUILD=$PWD/build/old-gcc tests/check host
		ln -sfn ../peers "$top/build/old-$cc/peers"
	done
	[ "$(id -u)" = 0 ] && [ -x "$top/build/peers/client" ] && [ -x "$top/build/old-gcc/ipvs-tcpstate" ] || return 0
	BUILD=$top/build/old-gcc "$top/tests/host/run" 'first start' '-a: 23 IPv4 connections' '-a: refused, with the reason' |
		sed -E 's/^([A-Z]+) /\1 compile: headers of 3.10: /' || failed=1
}

# ---- musl

# build_musl - builds the tool with musl and the kernel's headers, and compares what it prints of recordings with the tool that
# make has built. A libbcc for glibc does not load there, so root tries a trace with programs that the other tool has compiled.
build_musl()
{
	local build=build/musl headers=$top/build/musl-headers file kept
	mkdir -p "$headers"
	ln -sfn /usr/include/linux "$headers/linux"
	ln -sfn /usr/include/asm-generic "$headers/asm-generic"
	ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$headers/asm"
	make -s -C "$top" -j"$(nproc)" CC=musl-gcc BUILD="$build" CPPFLAGS="-isystem $headers" CFLAGS=-O0 "$build/ipvs-tcpstate" \
		>/dev/null || return
	for file in "$top"/tests/replay/*.rec; do
		cmp <("$top/$build/ipvs-tcpstate" --replay "$file" -j 2>&1) <("$top/build/ipvs-tcpstate" --replay "$file" -j 2>&1) &&
			cmp <("$top/$build/ipvs-tcpstate" --replay "$file" -xwT 2>&1) \
				<("$top/build/ipvs-tcpstate" --replay "$file" -xwT 2>&1) || return
	done
	cmp <("$top/$build/ipvs-tcpstate" --help) <("$top/build/ipvs-tcpstate" --help) || return
	"$top/build/ipvs-tcpstate" --check -a >/dev/null 2>&1 || return 0
	kept=$(mktemp -d) || return
	"$top/build/ipvs-tcpstate" --cache-dir "$kept" -a -d 1 >/dev/null 2>&1 &&
		"$top/$build/ipvs-tcpstate" --cache-dir "$kept" -a -d 1 2>&1 | grep 'rows, 0 lost$'
	set -- $?
	rm -rf "$kept"
	return "$1"
}

try_musl()
{
	if [ -z "$(command -v musl-gcc)" ]; then
		echo "SKIP compile: musl: no musl-gcc; run: make setup-compile"
	else
		judge "compile: musl" build_musl || :
	fi
}
