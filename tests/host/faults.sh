# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# Faults on hosts: processes are killed, and memory, descriptors or disk space run out. Nothing may stay behind, and the
# next start must work. This test has its own port.

place=127.99.0.1:7736

# orphans - prints the programs of this tool that no process holds any more
orphans()
{
	bpftool -j prog show | jq -r '.[] | select((.name // "" | test("^(state_|retransmit_|error_raw)")) and
		((.pids // []) | length) == 0) | .id'
}

# nothing_left CACHE - true if killed tools have left neither programs nor temporary files
nothing_left()
{
	[ -z "$(orphans)" ] && [ -z "$(find "$1" -name '.*.[0-9]*')" ]
}

# works_again - checks that the next start traces
works_again()
{
	server "$place"
	tool_start -a -D 7736 "$@"
	client -n 3 "$place"
	tool_stop
	expect "rows of the next start" 15 "$(rows | wc -l)"
}

need_jq()
{
	command -v jq >/dev/null || skip "no jq"
}

# compilers PID - prints the children of a process, which may have ended
compilers()
{
	pgrep -P "$1" || :
}

# Kills the tool after more and more milliseconds: while it examines the host, loads, attaches and traces.
killed_at_start()
{
	local ms
	need_jq
	own_cache
	for ms in 1 3 5 8 12 16 20 25 30 40 60 90; do
		"$tool" --cache-dir "$cache" -a >rows 2>err &
		tool_pid=$!
		pids+=("$tool_pid")
		sleep "0.$(printf %03d $ms)"
		kill -KILL "$tool_pid"
		wait_for is_gone
	done
	wait_for nothing_left "$cache"
	works_again
}

# Kills the tool while it compiles and stores what it has compiled.
killed_before_kept()
{
	local children child
	need_jq
	mkdir -m 700 cache
	cache=$PWD/cache
	"$tool" --cache-dir "$cache" -a >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for has_child
	mapfile -t children < <(compilers "$tool_pid")
	kill -KILL "$tool_pid"
	patience=15
	for child in "${children[@]}"; do
		wait_for is_dead "$child"
	done
	patience=30
	wait_for nothing_left "$cache"
}

killed_at_end()
{
	local i
	need_jq
	server "${place%?}9"
	for i in 0 0 0.002 0.005 0.01; do
		tool_start -a
		client -n 50 "${place%?}9"
		kill -TERM "$tool_pid"
		sleep $i
		kill -KILL "$tool_pid" 2>/dev/null || :
		wait_for is_gone
	done
	wait_for nothing_left "$cache"
	works_again
}

# The tool removes the temporary files of a process that was killed while it wrote, but not those of a live one.
leftover_files()
{
	local dead
	own_cache
	true &
	dead=$!
	wait $dead
	: >"$cache/.6.1.0.rows.0123456789abcdef.$dead"
	: >"$cache/.6.1.0.layout.0123456789abcdef.$dead"
	: >"$cache/.6.1.0.rows.0123456789abcdef.$$"
	: >"$cache/.other.$dead"
	works_again
	expect "files" ".6.1.0.rows.0123456789abcdef.$$ .other.$dead" \
		"$(find "$cache" -name '.?*' -printf '%f\n' | sort | paste -s -d ' ')"
}

# compiler_begins - waits until the compiler's process runs
compiler_begins()
{
	"$tool" --no-cache -a >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for has_child
	child=$(compilers "$tool_pid" | head -n 1)
	pids+=("$child")
}

compiler_dies()
{
	local child status=0
	compiler_begins
	kill -KILL "$child"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 3 "$status"
	expect "lines that say so" 1 "$(grep -c "the compiler's process ended early" err)"
}

# The tool waits for the compiler without limit; Ctrl-C ends both.
compiler_hangs()
{
	local child
	compiler_begins
	kill -STOP "$child"
	sleep 0.3
	is_running || fail "the tool has ended"
	patience=15
	tool_stop
	wait_for is_dead "$child"
}

# The limit is for the tool and the compiler's process.
no_memory()
{
	local status=0
	(
		ulimit -v 150000
		exec timeout 60 "$tool" --no-cache -a -d 1 >rows 2>err
	) || status=$?
	expect "exit status" 3 "$status"
	expect "lines on stderr" 1 "$(wc -l <err)"
	grep -qE "ended early|cannot load libbcc|memory" err || fail "does not say why: $(cat err)"
}

# The tool prints rows all the same. The offsets of BTF have room, the programs do not; no half-written file stays.
full_disk_of_cache()
{
	undo()
	{
		umount small 2>/dev/null
	}
	mkdir -m 700 small
	mount -t tmpfs -o size=8k,mode=700 tmpfs small || skip "no tmpfs can be mounted"
	cache=$PWD/small
	works_again -v
	grep -q 'cannot write cache.*No space left on device' err || fail "does not say so with -v"
	expect "files" "$(find small -name "$(uname -r).btf.*")" "$(find small -type f)"
	if [ -e /sys/kernel/btf/vmlinux ]; then
		expect "entries of BTF" 1 "$(find small -type f | wc -l)"
	fi
}

# Below the number that the tool names it does not start; with that number all works, whatever the options.
descriptors()
{
	local n needed
	prlimit --nofile=8 "$tool" -a --check >out || :
	needed=$(sed -n 's/^open files *missing *8 permitted, up to \([0-9]*\) needed; run: ulimit -n \1$/\1/p' out)
	[ "$needed" ] || fail "--check does not say so: $(cat out)"
	for n in 4 8 16 30 $((needed - 1)); do
		misuse 3 "may open $n files, and needs up to $needed, .*; run: ulimit -n $needed\$" \
			prlimit --nofile="$n" "$tool" --cache-dir "$cache" -a
	done
	# Above the soft limit the tool helps itself.
	prlimit --nofile=16:"$needed" "$tool" --cache-dir "$cache" -a -D 7736 --record recording --metrics ipvs.prom 1 >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	client_fails -n 3 "$place"
	wait_for test -s ipvs.prom
	note "$(find "/proc/$tool_pid/fd" -type l | wc -l) of $needed"
	between "open files" 5 "$(find "/proc/$tool_pid/fd" -type l | wc -l)" $((needed - 40))
	tool_stop
	works_again
}

# The pipe is full, as its reader is slow: no row is lost in it.
slow_reader()
{
	server "$place"
	mkfifo pipe
	: >err
	"$tool" --cache-dir "$cache" -a -D 7736 >pipe 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	exec 7<pipe
	wait_for ready
	client -n 400 "$place"
	sleep 1
	cat <&7 >rows &
	pids+=($!)
	tool_stop
	exec 7<&-
	wait $! || :
	expect "rows and lost" 2000 "$(($(rows | wc -l) + $(lost)))"
	note "$(lost) lost"
}

# side_by_side N - checks that each of N tools sees everything
side_by_side()
{
	local i all=()
	server "$place"
	for ((i = 0; i < $1; i++)); do
		tool_start -a -D 7736
		mv rows "rows.$i"
		mv err "err.$i"
		all+=("$tool_pid")
	done
	client -n 20 "$place"
	for ((i = 0; i < $1; i++)); do
		tool_pid=${all[i]}
		tool_stop
		expect "rows of instance $i" 100 "$(rows "rows.$i" | wc -l)"
	done
}

no_modules()
{
	mount -t tmpfs tmpfs /lib/modules
	[ ! -e /sys/kernel/kheaders.tar.xz ] || skip "this kernel has its headers in itself"
	misuse 3 'no headers of the running kernel: no /lib/modules/.*; or bring the programs: --programs FILE' "$tool" --cache-dir "$cache" -a
}

read_only_root()
{
	local dir=$PWD
	mount --bind / / || skip "/ cannot be mounted anew here"
	mount -o remount,ro,bind / || skip "/ cannot be made read-only here"
	! touch /read-only 2>/dev/null || skip "/ is still writable"
	mount -t tmpfs tmpfs "$dir"
	cd "$dir" || exit
	cache=/var/cache/ipvs-tcpstate-none
	works_again -v
	grep -q 'cannot make cache.*Read-only file system' err || fail "does not say so with -v"
}

run_faults()
{
	run "faults: killed while it starts" traced killed_at_start
	run "faults: killed while it compiles: nothing is left" traced killed_before_kept
	run "faults: killed while it ends" traced killed_at_end
	run "faults: files left by killed ones are removed" traced leftover_files
	run "faults: the compiler is killed" traced compiler_dies
	run "faults: the compiler hangs" traced compiler_hangs
	run "faults: no memory for the compiler" traced no_memory
	run "faults: full disk of the cache" traced full_disk_of_cache
	run "faults: few descriptors" traced descriptors
	run "faults: slow reader" traced slow_reader
	run "faults: two side by side" traced side_by_side 2
	run "faults: ten side by side" traced side_by_side 10
	run "faults: no /lib/modules" traced elsewhere no_modules
	run "faults: read-only /" traced elsewhere read_only_root
}
