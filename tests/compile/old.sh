# shellcheck shell=bash disable=SC2034,SC2154 # variables of tests/compile/run
# SPDX-License-Identifier: Apache-2.0
#
# The tool built where its users are: with the headers of Linux 3.10 and glibc 2.17, as on RHEL 7, in the language that gcc
# 4.8 has, and libseccomp 2.3. None of them is to be had on a newer machine, so its own headers lose what those have not:
#   - bpf(2) and perf events, as if there were no headers of them, and those of other newer things;
#   - numbers of system calls, prctl(2)'s, capabilities, socket options, and what glibc's headers have defined since.
# What cannot be taken away is looked for afterwards: functions of a newer glibc in the program, by the versions that this
# machine's libc has of them; words of newer compilers and of a newer libseccomp in the sources. -Wpedantic has compilers name
# what C11 has not, such as a declaration behind a label; clang refuses what gcc took for a constant from 8 on only.

# Headers that 3.10 has not; of perf_event.h it has half.
lacking=(linux/bpf.h linux/bpf_common.h linux/btf.h linux/perf_event.h linux/io_uring.h linux/landlock.h linux/memfd.h
	linux/nsfs.h linux/openat2.h linux/pidfd.h)
# Those that have more now.
grown=(asm/unistd.h asm/socket.h linux/prctl.h linux/capability.h fcntl.h sched.h stdio.h sys/mman.h sys/random.h
	sys/socket.h)
# The last that 3.10 has: of the calls of each machine, PR_..., CAP_..., SO_...
case $(uname -m) in
aarch64) last_call=273 ;;
*) last_call=313 ;;
esac
last_prctl=40 last_capability=36 last_option=45
# What glibc's headers have since 2.17, or may have
new_names='O_TMPFILE|F_OFD_[A-Z]*|F_(ADD|GET)_SEALS|F_SEAL_[A-Z_]*|F_[GS]ET_RW_HINT|F_[GS]ET_FILE_RW_HINT|RENAME_[A-Z]*'
new_names+='|AT_STATX_[A-Z_]*|AT_RECURSIVE|STATX_[A-Z_]*|MFD_[A-Z_]*|GRND_[A-Z]*|MAP_FIXED_NOREPLACE|MAP_SYNC|MADV_FREE'
new_names+='|MADV_COLD|MADV_PAGEOUT|CLONE_PIDFD|CLONE_NEWCGROUP|CLONE_NEWTIME|SCHED_DEADLINE|SCHED_RESET_ON_FORK'
new_names+='|PR_CAP_AMBIENT[A-Z_]*'
# Those of glibc that its headers put in place of old ones, so that it is no choice of ours.
moved='f?stat(64)?|lstat(64)?|fstatat(64)?|mknod(at)?|fcntl64|__isoc23_.*'
# gcc 4.9 and later; libseccomp 2.4 and later
new_words='_Generic|_Atomic|_Thread_local|__auto_type|__has_[a-z_]*|__builtin_[a-z]*_overflow|fallthrough|nonstring'
new_words+='|seccomp_(api|notify|transaction|precompute)[a-z_]*|seccomp_export_[a-z]*_mem|SCMP_ACT_(LOG|KILL_[A-Z]*|NOTIFY)'
new_words+='|SCMP_(CMP|A[0-5])_?(32|64)|SCMP_FLTATR_(CTL_(LOG|SSB|OPTIMIZE|WAITKILL)|API_[A-Z]*)'

# defined HEADER - prints "NAME VALUE" of each macro
defined()
{
	echo "#include <$1>" | "$cc" -D_GNU_SOURCE -E -dM -xc - 2>/dev/null | sed -n 's/^#define \([A-Za-z_0-9]*\) /\1 /p'
}

# newer PREFIX LAST HEADER - prints names of plain numbers above LAST
newer()
{
	defined "$3" | awk -v prefix="$1" -v last="$2" 'index($1, prefix) == 1 && $2 ~ /^[0-9]+$/ && $2 > last { print $1 }'
}

# lost HEADER - prints what 3.10 and glibc 2.17 have not of it
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

# old_headers DIR - makes them, for "cc". A name is taken away once, as the tool may define it then.
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

# refused TEXT - whether the old headers do not compile TEXT, which the machine's own do
refused()
{
	local text="#include <fcntl.h>\n#include <sys/prctl.h>\n#include <sys/syscall.h>\n$1\n"
	# shellcheck disable=SC2059 # with its escapes
	printf "$text" | "$cc" -std=gnu11 -D_GNU_SOURCE -fsyntax-only -xc - || return
	# shellcheck disable=SC2059
	! printf "$text" | "$cc" -std=gnu11 -D_GNU_SOURCE -isystem "$headers" -fsyntax-only -xc - 2>/dev/null ||
		{ echo "compiled with the old headers: $1"; return 1; }
}

# new_functions PROGRAM - prints those that glibc has since 2.18 or later
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

# build_old CC - the tool, in build/old-CC
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

# judge NAME COMMAND... - prints the verdict
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

# try_old - build and use it
try_old()
{
	local cc
	for cc in gcc clang; do
		if [ -z "$(command -v "$cc")" ]; then
			echo "SKIP compile: headers of 3.10, $cc: there is none"
			continue
		fi
		judge "compile: headers of 3.10, $cc" build_old "$cc" || continue
		# Some of the host's suite; for all of it: BUILD=$PWD/build/old-gcc tests/check host
		ln -sfn ../peers "$top/build/old-$cc/peers"
	done
	[ "$(id -u)" = 0 ] && [ -x "$top/build/peers/client" ] && [ -x "$top/build/old-gcc/ipvs-tcpstate" ] || return 0
	BUILD=$top/build/old-gcc "$top/tests/host/run" 'first start' '-a: 23 IPv4 connections' '-a: refused, with the reason' |
		sed -E 's/^([A-Z]+) /\1 compile: headers of 3.10: /' || failed=1
}
