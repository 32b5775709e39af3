# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the suites share. A suite sources this file and its tests, calls "run" for each test and, called as
# "SUITE --one FUNCTION [ARG...]", hands the rest to one_test: each test is a process of its own in a network
# namespace of its own, in an empty folder, with a time limit. (A suite that needs no network empties "contained".)
# A suite that is called with --list says so in "listing": then "run" prints the name and does no more.

top=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
self=$(cd "${0%/*}" && pwd -P)/${0##*/}
built=${BUILD:-$top/build}
tool=$built/ipvs-tcpstate
contained=(unshare --net --)	# command that runs each test
tool_options=(${hooks:+"--hooks=$hooks"})	# of every start of the tool; "hooks" comes by the environment
peers=$built/peers
# shellcheck disable=SC2034 # for the tests
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
client_in=()	# command that runs the client, for another namespace
limit=${limit:-240}	# seconds for one test
patience=${patience:-60}	# seconds for one condition
pause=${pause:-0.05}	# seconds between looks at it
tries=${TRIES:-1}	# of each test; more are for a machine that is too busy to say something about tests
listing=''	# where it is set, tests are only named
PATH=$PATH:/usr/sbin:/sbin

# take_arguments [--list | PATTERN...] - of a suite; without any, T in the environment is one
take_arguments()
{
	[ "${1-}" != --list ] || { listing=1; shift; }
	patterns=("$@")
	[ $# != 0 ] || patterns=(${T:+"$T"})
}

# run_all FUNCTION - FUNCTION calls "run" for each test
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

# run NAME FUNCTION [ARG...] - run a test and print its verdict. With TRIES=N in the environment one that fails has N
# tries altogether. What failed is shown all the same, and tests/check counts it.
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

# tell NAME - the verdict by "status" and what is in "dir"
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

# alone NAME - the command that runs this one test; in a VM "vm_name" is set
alone()
{
	local suite=${self%/*} quote="'"
	suite=${suite##*/}
	[ "$suite" != lint ] || { echo "make lint T='${1//$quote/$quote\\$quote$quote}'"; return; }
	echo "make check-$suite${vm_name:+ KERNEL=$vm_name} T='${1//$quote/$quote\\$quote$quote}'"
}

# attempt FUNCTION [ARG...] - sets dir and status: 0 passed, 4 skipped, any other failed, as attempt itself has then
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

# took - what V=1 shows of a test's time
took()
{
	local tenths=$(((${EPOCHREALTIME/[.,]/} - began_us) / 100000))
	[ "${V-0}" != 1 ] || echo "took $((tenths / 10)).$((tenths % 10)) s" >>"$dir/log"
}

show_log()
{
	sed 's/^/    /' "$dir/log"
}

# wanted NAME - whether the array "patterns" has it, or a pattern that fits, or nothing at all
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

# left_behind - whether something is; a suite may have more to say
left_behind()
{
	return 1
}

# one_test FUNCTION [ARG...] - in the process that "run" made
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
	local status=$? file
	trap - ERR EXIT
	set +e
	[ ! -e server_pids ] || mapfile -t -O ${#pids[@]} pids <server_pids
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	if declare -F undo >/dev/null; then
		undo
	fi
	if [ $status != 0 ] && [ $status != 4 ]; then
		for file in rows err out clients servers; do
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

# note TEXT - shown beside PASS
note()
{
	echo " ($*)" >note
}

# wait_for COMMAND [ARG...] - until COMMAND is true
wait_for()
{
	local deadline=$((SECONDS + patience))

	until "$@"; do
		[ $SECONDS -lt $deadline ] || fail "waited $patience s in vain for: $*"
		sleep "$pause"	# not "read -t": bash misses an alarm that comes before read(2), and hangs
	done
}

# expect WHAT EXPECTED ACTUAL - compare texts
expect()
{
	[ "$2" != "$3" ] || return 0
	echo "$1: expected (<) and found (>) differ:"
	diff <(echo "$2") <(echo "$3") | head -n 20 || :
	exit 1
}

# between WHAT LOW NUMBER HIGH - decimal fractions
between()
{
	awk -v low="$2" -v n="$3" -v high="$4" 'BEGIN { exit !(n ~ /^[0-9.]+$/ && n >= low && n <= high) }' ||
		fail "$1: $3 is not between $2 and $4"
}

# ---- this kernel; in a mount namespace of the suite's own

# borrow_headers - for a kernel without headers package of its own: those of another are enough for what is tested
# here, as the probes include no more than the names of the registers. Debian has half of them in a "common" tree.
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

# mount_tracefs - where they are missing
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
# tool_start [OPTION...] - rows go to the file "rows", messages to "err"; returns once it traces. In a VM tests may share
# a tool: then "group" is set, see tests/vm/together.sh.
tool_start()
{
	[ ! "${group-}" ] || { shared_start "$@"; return; }
	: >rows
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" "$@" >>rows 2>err &	# ">>": a test may cut off what it has checked
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
}

# tool_start_stamped [OPTION...] - as tool_start, each line in "rows" with the time at which it came first
tool_start_stamped()
{
	: >rows
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" "$@" > >(exec "$peers/stamp" >rows) 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
}

# tool_end - the tool ends, with status 0
tool_end()
{
	local status=0

	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status of the tool" 0 "$status"
}

# tool_stop [SIGNAL]
tool_stop()
{
	[ ! "${group-}" ] || { shared_stop; return; }
	kill -"${1:-INT}" "$tool_pid"
	tool_end
}

# compile_all OPTION... - have compiled programs for rows, for counters and for both in the cache
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

# compiled - what is kept of them
compiled()
{
	stat -c '%n %i %y' "$cache"/*.{rows,counts,both}.*
}

# three_entries OPTION... - what compile_all() has compiled is for every command line: with these options, and those of a line
# each
three_entries()
{
	local line before words
	before=$(compiled)
	expect "compiled programs" 3 "$(wc -l <<<"$before")"
	while read -r line; do
		read -ra words <<<"$line"
		tool_start -v "$@" "${words[@]}"
		! grep -qE 'LLVM|libbcc|clang' "/proc/$tool_pid/maps" || fail "$line: LLVM or libbcc is mapped"
		tool_stop INT
		grep -qE '(rows|counts|both): from the cache' err || fail "$line: compiled again"
		! grep -q 'compiling' err || fail "$line: something is compiled"
		rm -f states.rec
	done <<-'END'

	-4
	-L 7711,7712 -D 80,443 -6
	-V 10.99.0.1:80,[fd99::1] -r -x -j
	-p 1 --down
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

# rows [FILE] - rows of the plain text format without what differs from run to run:
# PID COMM LADDR:LPORT RADDR:RPORT OLDSTATE NEWSTATE REAL REASON
rows()
{
	awk 'NR > 1 { print $2, $3, $4 ":" $5, $6 ":" $7, $8, $10, $12, $13 }' "${1:-rows}"
}

# lost - how many events the tool says it has lost
lost()
{
	[ ! "${group-}" ] || { echo 0; return; }	# of a tool that is shared the last verdict tells
	sed -n 's/.* rows, \(.* left out, \)\{0,1\}\([0-9]*\) lost$/\2/p' err
}

# misuse STATUS PATTERN COMMAND... - COMMAND writes one line to stderr that matches, and nothing to stdout
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

# server [OPTION...] ADDR:PORT... - returns once it listens; its connections are in the file "servers"
server()
{
	"$peers/server" --log servers "$@" >>server_pids
}

# client [OPTION...] ADDR:PORT - its lines are added to the file "clients"
client()
{
	"${client_in[@]}" "$peers/client" "$@" >>clients
}

# client_begin [OPTION...] ADDR:PORT - in the background; $! is its pid
client_begin()
{
	"${client_in[@]}" "$peers/client" "$@" >>clients &
	pids+=($!)
}

# client_fails [OPTION...] ADDR:PORT
client_fails()
{
	local status=0

	client "$@" || status=$?
	expect "exit status of client $*" 1 "$status"
}
