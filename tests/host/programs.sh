# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --save-programs and --programs: a host that has the file needs neither headers nor libbcc.

# saved - sets "programs" to a file of this kernel; saves it only once
saved()
{
	programs=$cache/saved/programs
	[ ! -e "$programs" ] || return 0
	mkdir -p "$cache/saved"
	timeout "$limit" "$tool" --cache-dir "$cache" --save-programs "$programs" >out 2>err || fail "not saved: $(cat err)"
}

save()
{
	rm -rf "$cache/saved"
	saved
	expect "stdout" "" "$(cat out)"
	grep -qF "saved in $programs, " err || fail "it does not say so"
	grep -qF "for kernel $(uname -r) $(uname -v) $(uname -m), build ID " err || fail "it does not name the kernel"
	! grep 'not saved: "' err || fail "some programs do not compile"
	expect "owner and mode" "0 644" "$(stat -c '%u %a' "$programs")"
	expect "files in the folder" "programs" "$(ls -A "$cache/saved")"
	note "$(stat -c %s "$programs") bytes"
}

# bare_root - makes a root file system that has only the C library and its loader, /proc, /sys and the file; sets "tool"
bare_root()
{
	local lib
	saved
	mkdir -p root/proc root/sys root/etc
	ldd "$tool" | grep -o '/[^ ]*' | sort -u >libs
	for lib in $(<libs); do
		install -D "$lib" "root$lib"
	done
	# Before glibc 2.34 some of it was in libraries of its own.
	! sed 's,.*/,,' libs | grep -vE '^(libc|libdl|libpthread|ld-linux-[a-z0-9_-]*)\.so\.[0-9]$' || fail "more than the C library is linked"
	install -m 755 "$tool" root/ipvs-tcpstate
	install -m 644 "$programs" root/programs
	mount -t proc proc root/proc
	mount --rbind /sys root/sys
	printf '#!/bin/sh\nexec chroot "%s" /ipvs-tcpstate --programs /programs "$@"\n' "$PWD/root" >in_root
	chmod 755 in_root
	tool=$PWD/in_root
}

# not_compiled KIND - checks with -v that nothing was compiled or taken from the cache
not_compiled()
{
	grep -q "$1: from /programs" err || fail "not from the file"
	! grep -E 'compiling|from the cache' err || fail "not only from the file"
	[ ! -e /sys/kernel/btf/vmlinux ] || grep -q 'btf.*: from /programs' err || fail "BTF is read again"
}

only_libc()
{
	local began_ms took_ms rss
	bare_root
	server "$place_4"
	began_ms=$(now_ms)
	tool_start -v -a -D 7711
	took_ms=$(($(now_ms) - began_ms))
	not_compiled rows
	rss=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$tool_pid/status")
	client -n 23 "$place_4"
	tool_stop
	expect "rows of the client" "$(client_rows "$place_4")" "$(own_rows "$place_4")"
	expect "lost" 0 "$(lost)"
	between "ms until it traces" 0 "$took_ms" 2000
	between "RSS in KiB" 0 "$rss" 6000
	note "$(wc -w <libs) libraries, $took_ms ms, RSS $rss KiB"
}

counts_too()
{
	bare_root
	server "$place_4"
	tool_start -v -a --summary -D 7711
	not_compiled counts
	client -n 23 "$place_4"
	tool_stop
	grep -qE '^- +- +23 +23 ' rows || grep -q ' 23 ' rows || fail "the 23 connections are not counted"
	tool_start -v -a --summary --record rec
	not_compiled both
	tool_stop
}

# Tracing gives up the same privileges.
confined()
{
	saved
	while_tracing -a --programs "$programs"
}

saved_without_root()
{
	saved
	without_root --programs "$programs"
}

check_says()
{
	bare_root
	"$tool" -a --check >out 2>err || fail "--check says that it cannot: $(cat out)"
	expect "headers" "not needed, programs in /programs" "$(sed -n 's/^headers *ok *//p' out)"
	expect "libbcc" "not needed with --programs" "$(sed -n 's/^libbcc *ok *//p' out)"
	expect "cache" "not used (--programs)" "$(sed -n 's/^cache *ok *//p' out)"
	printf x >>root/programs
	! "$tool" -a --check >out 2>err || fail "--check says that it can"
	expect "headers" "/programs is damaged; copy it again, or save it again by --save-programs" "$(sed -n 's/^headers *missing *//p' out)"
	misuse 3 '^ipvs-tcpstate: /programs is damaged; copy it again' "$tool" -a
}

# not_used PATTERN COMMAND... - COMMAND changes the file or its folder; then nothing is loaded
not_used()
{
	local pattern=$1
	shift
	saved
	mkdir folder
	cp "$programs" folder/file
	"$@"
	misuse 3 "$pattern" "$tool" -a --programs folder/file
	! "$tool" -a --check --programs folder/file >out || fail "--check says that it can"
	grep -qE "^headers +missing .*$pattern" out || fail "--check does not say so"
	[ "$1" = truncate ] || misuse 3 "${pattern//folder\/file/folder\/file}" "$tool" -a --programs folder
}

# of_another_kernel - changes the release in the file, and its checksum
of_another_kernel()
{
	python3 - "$1" "$(uname -r)" <<-'END'
		import struct, sys
		data = bytearray(open(sys.argv[1], "rb").read())
		release = sys.argv[2].encode()
		data[24:24 + len(release)] = b"x" * len(release)
		data[8:16] = bytes(8)
		total = 0xcbf29ce484222325
		for byte in data:
		    total = (total ^ byte) * 0x100000001b3 & 0xffffffffffffffff
		data[8:16] = struct.pack("=Q", total)
		open(sys.argv[1], "wb").write(data)
	END
}

other_hooks()
{
	saved
	misuse 3 'lacks the programs "rows": those that it has are for other --hooks, or other switches' "$tool" -a --programs "$programs" --hooks tracepoint
	misuse 3 'No such file' "$tool" -a --programs /nowhere
	! "$tool" --cache-dir "$cache" --save-programs /nowhere/programs >out 2>err || fail "it says that it is saved"
	grep -qx 'ipvs-tcpstate: cannot write /nowhere/programs: No such file or directory' err || fail "does not say why"
}

# The example, on this machine in place of all hosts.
example()
{
	TOOL=$tool THERE=$PWD/there OPTIONS=-a "$top/scripts/examples/fleet-programs" folder localhost localhost >out 2>err ||
		fail "status $?: $(cat out err)"
	grep -qE "^localhost: saved as $(uname -r)-.*\.programs\$" out || fail "not saved: $(cat out)"
	grep -qE "^localhost: headers +ok +not needed, programs in $PWD/there/programs\$" out || fail "not checked: $(cat out)"
	expect "files" "ipvs-tcpstate programs" "$(find there -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -s -d ' ')"
	chmod 777 there/programs
	! TOOL=$tool THERE=$PWD/there OPTIONS=-a "$top/scripts/examples/fleet-programs" folder localhost localhost >out 2>err || fail "says that it is well"
	grep -q "not root's alone" out || fail "does not say why: $(cat out)"
}

run_programs()
{
	limit=300 run "programs: saved" traced save
	run "programs: in a root that has only the C library" traced elsewhere only_libc
	run "programs: counts, in a root that has only the C library" traced elsewhere counts_too
	run "programs: what --check says" traced elsewhere check_says
	run "programs: what is left while it traces" traced confined
	run "programs: without root" traced saved_without_root
	run "programs: file cut short" traced not_used 'folder/file is damaged;' truncate -s -1 folder/file
	run "programs: file of another user" traced not_used 'folder/file not used: .*owner 65534' chown 65534 folder/file
	run "programs: file that others may write" traced not_used 'folder/file not used: .*mode 664' chmod 664 folder/file
	run "programs: folder of another user" traced not_used 'programs in folder .*/folder not used: .*owner 65534' chown 65534 folder
	run "programs: folder that others may write" traced not_used 'programs in folder .*/folder not used: .*mode 1777' chmod 1777 folder
	run "programs: of another kernel" traced not_used "no programs for kernel $(uname -r) .*, but for x+ #" of_another_kernel folder/file
	run "programs: other hooks, no file" traced other_hooks
	run "programs: the example for a fleet" traced example
}
