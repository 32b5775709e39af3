# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Functions that the suites share. A suite sources this file and its tests, and calls "run" for each test. If the suite is
# called as "SUITE --one FUNCTION [ARG...]", it passes the rest to one_test: each test is a process of its own, in its own
# network namespace and its own empty folder, with a time limit. (A suite that needs no network empties "contained".)
# A suite that is called with --list sets "listing": then "run" only prints the name.

top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
self=$(cd "${0%/*}" && pwd -P)/${0##*/}
built=${BUILD:-$top/build}
tool=$built/ipvs-tcpstate
contained=(unshare --net --)	# command that runs each test
tool_options=(${hooks:+"--hooks=$hooks"})	# options for every start of the tool; "hooks" comes from the environment
peers=$built/peers
# shellcheck disable=SC2034 # for the tests
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
client_in=()	# command that runs the client, for another namespace
tool_in=()	# the same for the tool
limit=${limit:-240}	# seconds for one test
patience=${patience:-60}	# seconds to wait for one condition
pause=${pause:-0.05}	# seconds between two checks of a condition
tries=${TRIES:-1}	# tries for each test; more than one is for a machine so busy that a failure proves nothing
listing=''	# if set, tests are only listed
PATH=$PATH:/usr/sbin:/sbin

# take_arguments [--list | PATTERN...] - reads the arguments of a suite; without any, T in the environment is the pattern
take_arguments()
{
	[ "${1-}" != --list ] || { listing=1; shift; }
	patterns=("$@")
	[ $# != 0 ] || patterns=(${T:+"$T"})
}

# run_all FUNCTION - runs all tests; FUNCTION calls "run" for each test
run_all()
{
	failures=0 number=0
	[ ! "$listing" ] || { "$1"; return; }
	scratch=$(mktemp -d) && chmod 755 "$scratch" || exit 1
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	"$1"
	[ $failures = 0 ]
}

# run NAME FUNCTION [ARG...] - runs a test and prints its verdict. With TRIES=N in the environment a test has up to N tries.
# A failed try is always shown, and tests/check counts it.
run()
{
	local name=${hooks:+"--hooks $hooks: "}$1 dir status try
	shift
	wanted "$name" || return 0
	[ ! "$listing" ] || { echo "$name"; return; }
	for ((try = 1; ; try++)); do
		if attempt "$@" || [ $try -ge "$tries" ]; then
			break
		fi
		echo "AGAIN $name"
		show_log
	done
	tell "$name"
}

# tell NAME - prints the verdict, from "status" and the files in "dir"
tell()
{
	local text=''
	case "$status" in
	0)
		[ ! -e "$dir/note" ] || text=$(<"$dir/note")
		echo "PASS $1$text"
		;;
	4) echo "SKIP $1: $(grep -v '^took ' "$dir/log" | tail -n 1)" ;;
	*)
		echo "FAIL $1"
		failures=$((failures + 1))
		show_log
		echo "    this test alone: $(alone "$1")"
		return
		;;
	esac
	[ "${V-0}" != 1 ] || show_log
}

# alone NAME - prints the command that runs only this test; in a VM "vm_name" is set
alone()
{
	local suite=${self%/*} quote="'"
	suite=${suite##*/}
	[ "$suite" != lint ] || { echo "make lint T='${1//$quote/$quote\\$quote$quote}'"; return; }
	echo "make check-$suite${vm_name:+ KERNEL=$vm_name} T='${1//$quote/$quote\\$quote$quote}'"
}

# attempt FUNCTION [ARG...] - runs a test once. Sets dir and status: 0 passed, 4 skipped, others failed. Fails if the test
# failed
attempt()
{
	local began_us=${EPOCHREALTIME/[.,]/}
	dir=$scratch/$((++number))
	mkdir "$dir" || exit 1
	(cd "$dir" && exec timeout -k 5 "$limit" "${contained[@]}" "$self" --one "$@") </dev/null >"$dir/log" 2>&1
	status=$?
	if [ $status = 0 ] || [ $status = 4 ]; then
		left_behind >>"$dir/log" 2>&1 && status=1
	fi
	[ $status != 124 ] || echo "no end within $limit s" >>"$dir/log"
	took
	[ $status = 0 ] || [ $status = 4 ]
}

# took - logs the time of a test, for V=1
took()
{
	local tenths=$(((${EPOCHREALTIME/[.,]/} - began_us) / 100000))
	[ "${V-0}" != 1 ] || echo "took $((tenths / 10)).$((tenths % 10)) s" >>"$dir/log"
}

show_log()
{
	sed 's/^/    /' "$dir/log"
}

# wanted NAME - true if the array "patterns" is empty, or has this name or a pattern that matches it
wanted()
{
	local pattern
	# shellcheck disable=SC2154 # patterns: the suite's
	[ ${#patterns[@]} -gt 0 ] || return 0
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $1 == "$pattern" || $1 == $pattern ]] && return
	done
	return 1
}

# left_behind - true if a test has left something behind; a suite may define its own check
left_behind()
{
	return 1
}

# one_test FUNCTION [ARG...] - runs a test, in the process that "run" started
one_test()
{
	set -eEu -o pipefail
	pids=()
	trap 'echo "failed: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR
	trap clean_up EXIT
	trap 'exit 143' TERM
	"$@"
}

clean_up()
{
	local status=$? file function
	trap - ERR EXIT
	set +e
	[ ! -e server_pids ] || mapfile -t -O ${#pids[@]} pids <server_pids
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	for function in undo remove_groups; do
		! declare -F "$function" >/dev/null || "$function"
	done
	if [ $status != 0 ] && [ $status != 4 ]; then
		for file in rows rows.[0-3] err err.[0-3] out clients servers; do
			[ -s "$file" ] || continue
			echo "-- $file:"
			head -n 20 "$file"
			[ "$(wc -l <"$file")" -le 40 ] || echo "..."
			tail -n +21 "$file" | tail -n 20
		done
	fi
	exit $status
}

fail()
{
	echo "$*"
	exit 1
}

skip()
{
	echo "$*"
	exit 4
}

# elsewhere FUNCTION [ARG...] - runs the rest of the test in a mount namespace of its own
elsewhere()
{
	exec unshare --mount --propagation private -- "$self" --one "$@"
}

now_ms()
{
	echo $(($(date +%s%N) / 1000000))
}

# note TEXT - adds TEXT to the PASS line
note()
{
	echo " ($*)" >note
}

# wait_for COMMAND [ARG...] - waits until COMMAND is true
wait_for()
{
	local deadline=$((SECONDS + patience))

	until "$@"; do
		[ $SECONDS -lt $deadline ] || fail "waited $patience s in vain for: $*"
		sleep "$pause"	# not "read -t": bash misses an alarm that comes before read(2), and hangs
	done
}

# expect WHAT EXPECTED ACTUAL - fails if the two texts differ
expect()
{
	[ "$2" != "$3" ] || return 0
	echo "$1: expected (<) and found (>) differ:"
	diff <(echo "$2") <(echo "$3") | head -n 20 || :
	exit 1
}

# between WHAT LOW NUMBER HIGH - fails unless NUMBER, a decimal fraction, is in the range
between()
{
	awk -v low="$2" -v n="$3" -v high="$4" 'BEGIN { exit !(n ~ /^[0-9.]+$/ && n >= low && n <= high) }' ||
		fail "$1: $3 is not between $2 and $4"
}

# ---- the running kernel, in the suite's own mount namespace

# borrow_headers - lends the headers of another kernel to a kernel without a headers package. They are good enough for these
# tests, as the probes include only the names of the registers. On Debian half of the headers are in a "common" tree.
borrow_headers()
{
	local modules build common
	modules=/lib/modules/$(uname -r)
	[ ! -e "$modules/build/include" ] || return 0
	for build in /usr/src/linux-headers-*; do
		[ -e "$build/include/generated/autoconf.h" ] || continue
		mount -t tmpfs tmpfs /lib/modules && mkdir -p "$modules" && ln -s "$build" "$modules/build"
		common=${build%-*}-common
		[ ! -d "$common" ] || ln -s "$common" "$modules/source"
		return
	done
}

# mount_tracefs - mounts tracefs and debugfs if they are missing
mount_tracefs()
{
	[ -e /sys/kernel/tracing/events ] || mount -t tracefs nodev /sys/kernel/tracing
	[ -e /sys/kernel/debug/tracing ] || mount -t debugfs nodev /sys/kernel/debug
} 2>/dev/null

# ---- the tool

ready()
{
	[[ $(<err) == *"tracing; Ctrl-C"* ]] || { is_running && return 1; fail "the tool did not start"; }
}

is_running()
{
	kill -0 "$tool_pid" 2>/dev/null
}

is_gone()
{
	! is_running
}

# shellcheck disable=SC2154 # cache: the suite's
# tool_start [OPTION...] - starts the tool and returns once it traces. Rows go to the file "rows", messages to "err". In a VM
# several tests may share a tool: then "group" is set, see tests/vm/together.sh.
tool_start()
{
	[ ! "${group-}" ] || { shared_start "$@"; return; }
	: >rows
	: >err
	# bash ignores SIGINT in background processes, and the tool leaves it so. ">>": a test may truncate the file
	"${tool_in[@]}" env --default-signal=INT "$tool" --cache-dir "$cache" "${tool_options[@]}" "$@" >>rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
}

# tool_start_stamped [OPTION...] - same as tool_start, but adds to each line in "rows" the time at which it arrived
tool_start_stamped()
{
	: >rows
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" "$@" > >(exec "$peers/stamp" >rows) 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
}

# tool_end - waits until the tool ends, with status 0
tool_end()
{
	local status=0

	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status of the tool" 0 "$status"
}

# tool_stop [SIGNAL] - sends the signal (TERM) to the tool and waits until it ends
tool_stop()
{
	[ ! "${group-}" ] || { shared_stop; return; }
	kill -"${1:-TERM}" "$tool_pid"
	tool_end
}

# compile_all OPTION... - fills the cache with compiled programs for rows, for counters and for both
compile_all()
{
	tool_start -v "$@"
	tool_stop
	cp err err.rows
	tool_start -v "$@" --summary
	tool_stop
	tool_start -v "$@" --summary --record compiled.rec
	tool_stop
	rm -f compiled.rec
}

# compiled - lists the cached programs with inode and time
compiled()
{
	stat -c '%n %i %y' "$cache"/*.{rows,counts,both}.*
}

# three_entries OPTION... - checks that the programs from compile_all() work for every command line: for these options
# together with those of each line below
three_entries()
{
	local line before words
	before=$(compiled)
	expect "compiled programs" 3 "$(wc -l <<<"$before")"
	while read -r line; do
		read -ra words <<<"$line"
		tool_start -v "$@" "${words[@]}"
		! grep -qE 'LLVM|libbcc|clang' "/proc/$tool_pid/maps" || fail "$line: LLVM or libbcc is mapped"
		tool_stop TERM
		grep -qE '(rows|counts|both): from the cache' err || fail "$line: compiled again"
		! grep -q 'compiling' err || fail "$line: something is compiled"
		rm -f states.rec
	done <<-'END'

	-4
	-L 7711,7712 -D 80,443 -6
	-V 10.99.0.1:80,[fd99::1] -r -x -j
	-p 1 --down
	--failures --slow 10
	-b 1 --max-conns 4
	--record states.rec
	--summary
	--summary 5 -V 10.99.0.1
	--histogram --states -m
	--metrics ipvs.prom 1
	--summary --record states.rec
	END
	expect "the compiled programs" "$before" "$(compiled)"
}

has_rows()
{
	[ "$(wc -l <rows)" -gt "$1" ]	# one line is the header
}

# rows [FILE] - prints the rows of the plain text format without the fields that differ from run to run:
# PID COMM LADDR:LPORT RADDR:RPORT OLDSTATE NEWSTATE REAL REASON
rows()
{
	awk 'NR > 1 { print $2, $3, $4 ":" $5, $6 ":" $7, $8, $10, $12, $13 }' "${1:-rows}"
}

# lost - prints how many events the tool reports as lost
lost()
{
	[ ! "${group-}" ] || { echo 0; return; }	# the last verdict is about the losses of a shared tool
	sed -n 's/.* rows, \(.* filtered, \)\{0,1\}\([0-9]*\) lost$/\2/p' err
}

# misuse STATUS PATTERN COMMAND... - checks that COMMAND exits with STATUS, and writes one line to stderr, which
# matches, and nothing to stdout
misuse()
{
	local status=0 expected=$1 pattern=$2
	shift 2
	timeout 60 "$@" >out 2>err || status=$?
	expect "exit status of $*" "$expected" "$status"
	expect "stdout of $*" "" "$(cat out)"
	expect "lines on stderr of $*" 1 "$(wc -l <err)"
	grep -qE -- "$pattern" err || fail "stderr of $* does not match '$pattern': $(cat err)"
}

run_misuse()
{
	run "unknown option" misuse 2 "'?-z'?" "$tool" -z
	run "unknown long option" misuse 2 --colour "$tool" --colour
	run "port 0" misuse 2 "'0'.*1 to 65535" "$tool" -L 0
	run "port 65536" misuse 2 "'65536'" "$tool" -D 65536
	run "list that ends in a comma" misuse 2 "'80,'" "$tool" -D 80,
	run "-4 and -6" misuse 2 "-4 and -6" "$tool" -4 -6
	run "-n 0" misuse 2 "'0'" "$tool" -n 0
	run "-d without its value" misuse 2 "duration" "$tool" -d
	run "a word too many" misuse 2 "'word'" "$tool" -a word
}

# ---- peers

# server [OPTION...] ADDR:PORT... - starts a server and returns once it listens; "servers" is its log of connections
server()
{
	"$peers/server" --log servers "$@" >>server_pids
}

# client [OPTION...] ADDR:PORT - runs the client; its lines are added to the file "clients"
client()
{
	"${client_in[@]}" "$peers/client" "$@" >>clients
}

# client_begin [OPTION...] ADDR:PORT - starts the client in the background; $! is its pid
client_begin()
{
	"${client_in[@]}" "$peers/client" "$@" >>clients &
	pids+=($!)
}

# client_fails [OPTION...] ADDR:PORT - runs the client; at least one connect must fail
client_fails()
{
	local status=0

	client "$@" || status=$?
	expect "exit status of client $*" 1 "$status"
}
