# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# One namespace with loopback only; the client connects to 127.99.0.1:7711 and [::1]:7711. Other processes of this
# machine make connections too, so tests select rows by these addresses and ports.

place_4=127.99.0.1:7711
place_6='[::1]:7711'
changes="CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE"

# traced FUNCTION [ARG...] - runs a test only on hosts that can trace
traced()
{
	[ -z "$lacking" ] || skip "$lacking"
	ip link set lo up
	"$@"
}

# first_start - compiles; the later tests use the cache
first_start()
{
	local began_ms
	began_ms=$(now_ms)
	patience=$limit
	compile_all -a
	note "$(($(now_ms) - began_ms)) ms, for rows, counters and both"
	! grep -q 'rows: from the cache' err.rows || fail "taken from an empty cache"
	expect "compiled programs" 3 "$(compiled | wc -l)"
}

# need_cache - fills the cache, in case that this test runs alone
need_cache()
{
	[ ! "$(compgen -G "$cache/*.rows.*")" ] || return 0
	tool_start -a
	tool_stop
}

later_start()
{
	local began_ms took_ms
	need_cache
	began_ms=$(now_ms)
	tool_start -a -v
	took_ms=$(($(now_ms) - began_ms))
	note "$took_ms ms"
	grep -q 'rows: from the cache' err || fail "compiled again"
	! grep -E 'LLVM|libbcc|clang' "/proc/$tool_pid/maps" || fail "this is mapped"
	[ ! -e /sys/kernel/btf/vmlinux ] || grep -q 'btf.*: from the cache' err || fail "BTF is read again"
	[ -e /sys/module/ip_vs ] || ! grep 'IPVS had already' err || fail "without IPVS its connections are looked for"
	tool_stop
	between "ms until it traces" 0 "$took_ms" 2000
}

# Each connection has five rows of the client, and those of the server.
all_rows()
{
	local place=$1 change
	server "$place"
	tool_start -a -D 7711
	client -n 23 "$place"
	tool_stop
	expect "rows of the client" "$(client_rows "$place")" "$(own_rows "$place")"

	: >clients
	tool_start -a -L 7711
	client -n 23 "$place"
	wait_for has_closed 23
	tool_stop
	for change in "SYN_RECV ESTABLISHED" "ESTABLISHED CLOSE_WAIT" "CLOSE_WAIT LAST_ACK" "LAST_ACK CLOSE"; do
		expect "$change of the server" 23 "$(rows | grep -c " $change - -\$")"
	done
	expect "rows of the client" "" "$(own_rows "$place")"
}

# A listener that is older than the tool has only its last row. It is tracked no more than any other closed socket.
old_listener()
{
	server "$place_4"
	tool_start -a -L 7711
	kill -KILL "$(<server_pids)"
	wait_for has_rows 1
	tool_stop
	expect "states" "LISTEN CLOSE" "$(rows | cut -d ' ' -f 5,6)"
	expect "messages about losses" "ipvs-tcpstate: 1 rows, 0 lost" "$(grep -v tracing err)"
}

has_closed()
{
	[ "$(grep -c 'LAST_ACK *-> CLOSE ' rows)" -ge "$1" ]
}

own_rows()
{
	rows | awk -v end="$(tr -d '[]' <<<"$1")" '$2 == "client" && $4 == end'
}

# Without kprobes the row of SYN_SENT is made before the kernel has chosen the port, as with tcpstates.
client_rows()
{
	local early=1
	[ -e /sys/bus/event_source/devices/kprobe ] || [ -e /sys/kernel/tracing/kprobe_events ] ||
		[ -e /sys/kernel/debug/tracing/kprobe_events ] || early=
	awk -v early="$early" -v to="$(tr -d '[]' <<<"$1")" -v changes="$changes" '{
		gsub(/[][]/, "", $2)
		no_port = $2
		sub(/[0-9]+$/, "0", no_port)
		n = split(changes, state, " ")
		for (i = 2; i <= n; i++)
			print $6, "client", i == 2 && !early ? no_port : $2, to, state[i - 1], state[i], "-", "-"
	}' clients
}

# refused REASON - the reason needs the headers or the BTF of the running kernel
refused()
{
	tool_start -a -D 7711
	client_fails -n 7 "$place_4"
	tool_stop
	expect "rows" "7 CLOSE SYN_SENT
7 SYN_SENT CLOSE" "$(own_rows "$place_4" | cut -d ' ' -f 5,6 | sort | uniq -c | sed 's/^ *//')"
	expect "reasons" "- refused" "$(own_rows "$place_4" | cut -d ' ' -f 8 | sort -u | paste -s -d ' ')"
}

count()
{
	server "$place_4"
	tool_start -a -D 7711 -n 7
	client -n 3 "$place_4"
	tool_end
	expect rows "$(client_rows "$place_4" | head -n 7)" "$(rows)"
}

duration()
{
	local began_ms
	tool_start -a -d 2
	began_ms=$(now_ms)
	tool_end
	between "ms until the end" 1500 $(($(now_ms) - began_ms)) 10000
}

closed_pipe()
{
	server "$place_4"
	: >err
	{
		"$tool" --cache-dir "$cache" -a 2>err && echo 0 >status || echo $? >status
	} | head -n 1 >rows &
	wait_for grep -q 'tracing; Ctrl-C' err
	client "$place_4"
	wait_for test -s status
	expect "exit status" 0 "$(cat status)"
	expect "lines that head has read" 1 "$(wc -l <rows)"
}

# The tool must report rows that it cannot write.
full_disk()
{
	local status=0
	server "$place_4"
	: >err
	"$tool" --cache-dir "$cache" -a >/dev/full 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for wrote_or_gone
	[ ! -d "/proc/$tool_pid" ] || client "$place_4"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 1 "$status"
	expect "lines that say so" 1 "$(grep -c 'cannot write.*No space left on device' err)"
}

wrote_or_gone()
{
	grep -q 'tracing; Ctrl-C' err || is_gone
}

# The tool starts without stdout: its rows must not go to a file that it has opened itself.
no_stdout()
{
	local status=0
	timeout 30 "$tool" --cache-dir "$cache" -a -d 1 >&- 2>err || status=$?
	expect "exit status" 1 "$status"
	grep -q 'cannot write' err || fail "does not say so"
}

memory()
{
	local kb
	server "$place_4"
	tool_start "$@"
	client -n 500 "$place_4"
	kb=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$tool_pid/status")
	! has_child || fail "a child is left"
	tool_stop
	note "RSS $kb kB"
	between "RSS in kB" 500 "$kb" 6144
}

# If the tool is killed, its compiler process ends too.
killed_while_compiling()
{
	local child children
	"$tool" --no-cache -a >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for has_child
	mapfile -t children < <(pgrep -P "$tool_pid")
	pids+=("${children[@]}")
	kill -KILL "$tool_pid"
	patience=15
	for child in "${children[@]}"; do
		wait_for is_dead "$child"
	done
}

has_child()
{
	pgrep -P "$tool_pid" >/dev/null
}

# is_dead PID - true if the process has ended, or is a zombie
is_dead()
{
	[ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}

stopped_while_compiling()
{
	"$tool" --no-cache -a >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for has_child
	kill -TERM "$tool_pid"
	patience=15
	tool_end
}

# ---- the cache; problems with it are reported with -v, and are never an error

own_cache()
{
	need_cache
	cp -rp "$cache" ./cache
	cache=$PWD/cache
	entry=$(compgen -G "$cache/*.rows.*")
}

# recompiles PATTERN - checks that the tool does not use the entry, for the given reason, and runs all the same
recompiles()
{
	tool_start -a -v
	tool_stop
	! grep -q 'rows: from the cache' err || fail "the entry was used"
	grep -qE "$1" err || fail "does not say '$1'"
}

# mended - checks that the tool has replaced the bad entry
mended()
{
	tool_start -a -v
	tool_stop
	grep -q 'rows: from the cache' err || fail "the entry was not replaced"
}

damaged_entry()
{
	local size
	own_cache
	size=$(stat -c %s "$entry")
	case $1 in
	short) truncate -s $((size / 2)) "$entry" ;;
	long) printf more >>"$entry" ;;
	empty) : >"$entry" ;;
	noise) head -c "$size" /dev/urandom >"$entry" ;;
	esac
	recompiles "$2"
	mended
}

foreign_entry()
{
	own_cache
	chown 65534 "$entry"
	recompiles "not used: not root's alone"
	mended
}

writable_entry()
{
	own_cache
	chmod 666 "$entry"
	recompiles "not used: not root's alone"
	mended
}

linked_entry()
{
	own_cache
	mv "$entry" ./elsewhere
	ln -s "$PWD/elsewhere" "$entry"
	recompiles "cannot open cache entry"
	mended
}

# bad_dir CHANGE - checks that the tool does not even write to this cache
bad_dir()
{
	own_cache
	rm "$cache"/*
	"$@" "$cache"
	recompiles "not used: not root's alone"
	expect "entries" "" "$(ls -A "$cache")"
}

dir_cannot_be()
{
	: >file
	cache=$PWD/file/cache
	recompiles "cannot (make|open) cache"
}

# The tool must read IPVS's connections from before the start within a second, from a tree of files like /proc. On a busy
# machine the test has three tries.
hundred_thousand()
{
	local us=1000000
	mkdir -p proc/1/ns proc/1/net
	ln -s 'net:[4026531840]' proc/1/ns/net
	awk 'BEGIN {
		print "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData"
		for (i = 0; i < 100000; i++)
			printf "TCP %08X %04X 0A630001 0050 0A63%04X 1F90 ESTABLISHED     899\n", 167772160 + i, i % 65535 + 1, i % 65536
	}' >proc/1/net/ip_vs_conn
	for _ in 1 2 3; do
		tool_start -a -v --proc-root proc --max-conns 131072
		tool_stop
		us=$(sed -n 's/.*: 100000 connections that IPVS had already, read in \([0-9]*\) us$/\1/p' err)
		[ "${us:-1000000}" -ge 1000000 ] || break
	done
	note "$((us / 1000)) ms"
	between "us for 100,000 connections" 1 "$us" 999999
}

# The way of kernels up to at least 6.12, of a million connections: a read gives a page, and each takes longer. The tool stops in time, and
# reports how many it has not read. On a busy machine the test has three tries.
million()
{
	local us read writer
	mkdir -p proc/1/ns proc/1/net
	ln -s 'net:[4026531840]' proc/1/ns/net
	mkfifo proc/1/net/ip_vs_conn
	cat >proc/1/net/ip_vs <<-END
	IP Virtual Server version 1.2.1 (size=4096)
	Prot LocalAddress:Port Scheduler Flags
	  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
	TCP  0A630001:0050 rr
	  -> 0A630101:1F90      Masq    1      900000     100000
	UDP  0A630001:0035 rr
	  -> 0A630101:0035      Masq    1      0          77
	END
	cat >pages.py <<-'END'
	import time
	with open("proc/1/net/ip_vs_conn", "wb", buffering=0) as f:
	    for n in range(0, 1000000, 62):
	        time.sleep(n / 62 * 10e-6)
	        f.write(b"".join(b"TCP %08X %04X 0A630001 0050 0A630101 1F90 ESTABLISHED     899\n" %
	                         (0x0a000000 + i // 60000, 1024 + i % 60000) for i in range(n, n + 62)))
	END
	for _ in 1 2 3; do
		python3 pages.py 2>python.err &
		writer=$!
		pids+=($!)
		tool_start -a -v -j --proc-root proc
		tool_stop
		read -r read us < <(sed -n 's/.*: \([0-9]*\) connections that IPVS had already, read in \([0-9]*\) us$/\1 \2/p' err)
		expect "messages" ": $((1000000 - read)) connections from before the start are not shown, or with -a lack their real server: IPVS has too many to read in 1 s
: $((1000000 - read)) connections from before the start not read from IPVS's table: they are not shown, or with -a lack their real server" \
			"$(sed -n 's/^[^:]*\(: [0-9]* connections from\)/\1/p' err)"
		expect "in the last line" "$((1000000 - read))" "$(tail -n 1 rows | sed 's/.*"connections_not_read":\([0-9]*\).*/\1/')"
		[ "$us" -ge 1500000 ] || [ "$read" -lt 62 ] || break
		kill "$writer"
		wait "$writer" || :
	done
	note "$((us / 1000)) ms to read"
	between "connections read" 62 "$read" 65000
	between "us" 1000000 "$us" 1499999
}

# The hooks are attached before IPVS's table is read. Meanwhile come four times as many rows as the buffers hold.
rows_meanwhile()
{
	local place=127.99.0.1:7719
	mkdir -p proc/1/ns proc/1/net
	ln -s 'net:[4026531840]' proc/1/ns/net
	mkfifo proc/1/net/ip_vs_conn
	server "$place"
	(
		trap '' PIPE	# the tool may stop reading
		exec 7>proc/1/net/ip_vs_conn
		for _ in {1..20}; do
			client -n 20 "$place"
			echo >&7 || :
			sleep 0.02
		done
	) 2>clients.err &
	pids+=($!)
	tool_start -a --proc-root proc -b 8 -D 7719
	wait "${pids[0]}"
	tool_stop
	expect "rows" "$(client_rows "$place" | cut -d ' ' -f 2-)" "$(own_rows "$place" | cut -d ' ' -f 2-)"
	expect "lost" 0 "$(lost)"
}

# With less room than connections it stops where the map is full.
no_room_for_all()
{
	mkdir -p proc/1/ns proc/1/net
	ln -s 'net:[4026531840]' proc/1/ns/net
	printf '%s\n' "TCP  0A630001:0050 rr" "  -> 0A630101:1F90      Masq    1      1000       4000" >proc/1/net/ip_vs
	awk 'BEGIN { for (i = 0; i < 5000; i++) printf "TCP %08X 0400 0A630001 0050 0A630101 1F90 ESTABLISHED     899\n", 167772160 + i }' \
		>proc/1/net/ip_vs_conn
	tool_start -a --proc-root proc --max-conns 1000
	tool_stop
	expect "messages" "4000 connections from before the start are not shown, or with -a lack their real server: too many; allow more by --max-conns
4000 connections from before the start not read from IPVS's table: they are not shown, or with -a lack their real server" \
		"$(sed -n 's/.*: \([0-9]* connections\)/\1/p' err)"
}

# The values are from /proc/PID/stat: SCHED_RR is 2. With --summary nothing can be lost, so the tool has ordinary priority.
realtime()
{
	chrt -r 1 true 2>/dev/null || skip "no process may run at a realtime priority here"
	tool_start -a
	expect "policy and priority" "2 1" "$(awk '{ print $41, $40 }' "/proc/$tool_pid/stat")"
	tool_stop
	tool_start -a --no-realtime
	expect "policy, priority and nice with --no-realtime" "0 0 -20" "$(awk '{ print $41, $40, $19 }' "/proc/$tool_pid/stat")"
	tool_stop
	tool_start -a --summary
	expect "policy and priority, counting" "0 0" "$(awk '{ print $41, $40 }' "/proc/$tool_pid/stat")"
	tool_stop
}

# release_of_libbcc RELEASE STATUS WORDS - checks how --check judges a libbcc by its file name, on a kernel from 5.4 on
release_of_libbcc()
{
	local status=0
	[ "$(printf '%s\n' 5.4 "$(uname -r)" | sort -V | head -n 1)" = 5.4 ] || skip "this kernel is older than 5.4"
	mkdir lib
	: >"lib/libbcc.so.$1"
	ln -s "libbcc.so.$1" lib/libbcc.so.0
	LD_LIBRARY_PATH=$PWD/lib "$tool" -a --check >out || status=$?
	expect "exit status of --check" "$2" "$status"
	grep -qE "^libbcc +$3" out || fail "it says: $(grep libbcc out)"
}

ebpf()
{
	"$tool" --ebpf >out 2>err
	expect stderr "" "$(cat err)"
	grep -q '^BPF_PERF_OUTPUT' out || fail "no BPF text"
}

# informs PATTERN OPTION - checks an option that prints something and ends the tool, without root
informs()
{
	cp "$tool" .
	"${nobody[@]}" "./${tool##*/}" "$2" >out 2>err
	expect stderr "" "$(cat err)"
	grep -qE -- "$1" out || fail "stdout does not match '$1'"
}

run_host()
{
	run_misuse
	run "--ebpf: the text" ebpf
	run "--help" informs "--remoteport PORTS" --help
	run "--version" informs "ipvs-tcpstate .*[0-9]" --version
	limit=300 run "first start" traced first_start
	run "later start: nothing is compiled, no LLVM" traced later_start
	run "three entries for every command line" traced three_entries -a
	run "-a: 23 IPv4 connections" traced all_rows "$place_4"
	run "-a: 23 IPv6 connections" traced all_rows "$place_6"
	run "-a: refused, with the reason" traced refused
	run "-a: a listener from before the start" traced old_listener
	run "-n: exactly so many rows" traced count
	run "-d: ends in time" traced duration
	run "closed pipe: status 0" traced closed_pipe
	run "full disk: status 1 and why" traced full_disk
	run "no stdout: status 1 and why" traced no_stdout
	run "100,000 connections from before the start" traced hundred_thousand
	run "a million connections from before the start" traced million
	run "rows while the connections from before the start are read" traced rows_meanwhile
	run "more connections from before the start than there is room for" traced no_room_for_all
	run "realtime priority" traced realtime
	run "memory: below 6 MB" traced memory -a
	run "memory: below 6 MB after compiling" traced memory -a --no-cache
	run "killed while compiling: so is the compiler" traced killed_while_compiling
	run "stopped while compiling: status 0" traced stopped_while_compiling
	run "cache: entry cut short" traced damaged_entry short damaged
	run "cache: entry with something after it" traced damaged_entry long damaged
	run "cache: empty entry" traced damaged_entry empty damaged
	run "cache: entry full of noise" traced damaged_entry noise 'damaged|compiling with'
	run "cache: entry of another user" traced foreign_entry
	run "cache: entry that others may write" traced writable_entry
	run "cache: entry is a link" traced linked_entry
	run "cache: folder of another user" traced bad_dir chown 65534
	run "cache: folder that others may write" traced bad_dir chmod 777
	run "cache: folder that cannot be" traced dir_cannot_be
	run "--check: libbcc 0.11 on a kernel from 5.4 on" traced release_of_libbcc 0.11.0 3 'missing .*before 0\.12'
	run "--check: libbcc 0.12 on a kernel from 5.4 on" traced release_of_libbcc 0.12.0 0 ok
	run_record
	run_beside
	run_journal
	run_summary
	run_metrics
	run_names
	run_terminal
	run_accounting
	run_failures
	run_server
	run_faults
	run_privilege
	run_containers
	run_cluster
	run_programs
	run_sinks
	run_soak
}
