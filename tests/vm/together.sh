# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Many tests share one tool. By default the tool shows all network namespaces, and each test has its own namespaces: so tests
# that start the tool without options can run at the same time, and their timers run in parallel.
#
#   test 1: network, servers --> tool_start --.            .--> clients --> tool_stop: its rows are there --> verdict
#   test 2: network, servers --> tool_start --+- the tool -+--> clients --> tool_stop: its rows are there --> verdict
#   ...                                       |   starts   |
#   test n: network, servers --> tool_start --'            '--> clients --> tool_stop: its rows are there --> verdict
#
# "together" replaces "run" and defers a test until run_together, which prints all verdicts in that order. A test does
# not notice it: tool_start and tool_stop wait for the others and for the rows. Two tools run, as some tests read JSON.
# build/peers/split gives each row to the test that owns the namespace of its socket. A row that belongs to no test, or
# that a tool reports as lost, makes the last verdict a failure.
#
# If the kernel skips programs (kernel_skips), the tools report how many. If they report any, a failed test runs once more,
# with a tool of its own, as the shared tool may have caused the failure.

the_tools="one tool for many tests: nothing lost, no row of nobody's"	# name of the last verdict
at_once=12	# tests with running clients at the same time: with more, packets wait so long that TCP sends them again
put_off=()	# "NAME FUNCTION ARG..." of each test, quoted for the shell

# together NAME FUNCTION [ARG...]
together()
{
	wanted "${hooks:+"--hooks $hooks: "}$1" || wanted "${hooks:+"--hooks $hooks: "}$the_tools" || return 0
	[ ! "$listing" ] || echo "${hooks:+"--hooks $hooks: "}$1"
	put_off+=("$(printf '%q ' "$@")")
}

# run_together - runs the deferred tests
run_together()
{
	local name=${hooks:+"--hooks $hooks: "}$the_tools group i n dir status words dirs=() runs=() statuses=() failed=()
	[ ${#put_off[@]} != 0 ] || return 0
	[ ! "$listing" ] || { echo "$name"; put_off=(); return; }
	group=$scratch/together.$number
	mkdir "$group" "$group/text" "$group/json" "$group/ready" "$group/turn"
	mkfifo "$group/turns"
	exec 8<>"$group/turns"
	printf '%*s' $at_once '' >&8
	exec 9>"$group/start"
	flock 9	# until the tools have started
	for ((i = 0; i < ${#put_off[@]}; i++)); do
		eval "words=(${put_off[i]})"
		begin_one "${words[@]:1}"
	done
	begin_one the_tools $i
	exec 9>&-
	for ((i = 0; i < ${#put_off[@]}; i++)); do
		eval "words=(${put_off[i]})"
		end_one $i
		if [ "$status" != 0 ] && [ "$status" != 4 ] && { [ "$tries" -gt 1 ] || kernel_skips; }; then
			failed+=("$i")
		else
			tell "${hooks:+"--hooks $hooks: "}${words[0]}"
		fi
	done
	: >"$group/over"
	end_one $i
	for n in "${failed[@]}"; do
		eval "words=(${put_off[n]})"
		if [ "$tries" -gt 1 ]; then
			echo "AGAIN ${hooks:+"--hooks $hooks: "}${words[0]}"
		elif ! grep -q '^[1-9]' "$group/lost"; then
			end_one "$n"
			tell "${hooks:+"--hooks $hooks: "}${words[0]}"
			continue
		fi
		dir=${dirs[n]}
		show_log
		run "${words[@]}"
	done
	end_one $i
	left_behind >>"$dir/log" 2>&1 && status=1
	tell "$name"
	exec 8>&-
	put_off=()
}

# begin_one FUNCTION [ARG...]
begin_one()
{
	local dir=$scratch/$((++number))
	mkdir "$dir" || exit 1
	dirs+=("$dir")
	one_of_many "$@" &
	runs+=($!)
}

# end_one N - sets dir and status
end_one()
{
	dir=${dirs[$1]}
	if [ ! "${statuses[$1]-}" ]; then
		wait "${runs[$1]}"
		statuses[$1]=$?
	fi
	status=${statuses[$1]}
}

# one_of_many FUNCTION [ARG...] - same as "attempt", with more time, as all tests share the CPUs
one_of_many()
{
	local -x group=$group patience=240 pause=0.3	# a new process takes a twentieth of a second there
	local began_us=${EPOCHREALTIME/[.,]/} status=0
	[ "$1" = the_tools ] || exec 9>&-
	(cd "$dir" && exec timeout -k 5 900 "${contained[@]}" "$self" --one "$@") </dev/null >"$dir/log" 2>&1 || status=$?
	[ ! -e "$group/turn/${dir##*/}" ] || printf ' ' >&8	# lets the next test run
	: >"$group/ready/${dir##*/}"	# a test that fails early has not created it
	[ $status != 124 ] || echo "no end within 900 s" >>"$dir/log"
	took
	return $status
}

# the_tools N - runs the tools for N tests
the_tools()
{
	local format text json
	local folder=$group
	unset group	# the functions called below must not share the tools
	network 4
	service "$vip:80" "$refusing"
	patience=600 wait_for is_ready "$1"
	for format in text json; do
		: >"$folder/$format/beacon"
		ln -s beacon "$folder/$format/$(inode_of_namespace)"
		shared_tool $format
		printf -v "$format" %s "$tool_pid"
	done
	echo $$ >"$folder/beacon.pid"
	flock -u 9
	until [ -e "$folder/over" ]; do
		sleep 1
	done
	for format in text json; do
		tool_pid=${!format}
		mv "err.$format" err
		tool_stop
		echo "$(lost) $format" >>"$folder/lost"
		mv err "err.$format"
	done
	for format in text json; do
		expect "rows of nobody's test, $format" "" \
			"$(sed '/^{"event":"end",/d; /"event":"lost"/d' "$folder/$format/unclaimed")"
	done
	if kernel_skips; then
		between "lost at most" 0 "$(sort -rn "$folder/lost" | awk '{ print $1; exit }')" 20
	else
		expect "lost" "0 text
0 json" "$(<"$folder/lost")"
	fi
	note "$1 tests; lost: $(paste -sd , "$folder/lost")"
}

# shared_tool text|json
shared_tool()
{
	local options=(-x)
	[ "$1" = text ] || options=(-j)
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" "${options[@]}" > >(exec "$peers/split" "$1" "$folder/$1") 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	mv err "err.$1"
}

# is_ready N - true if N tests wait for the tools or have failed
is_ready()
{
	local all=("$folder"/ready/*)
	[ ${#all[@]} -ge "$1" ] && [ -e "${all[0]}" ]
}

# inode_of_namespace [PATH] - prints the inode of a network namespace, by default of the test's own. On kernels before 4.11
# stat(1) prints 0
inode_of_namespace()
{
	local link
	if [ $# = 0 ] || [ "$1" = /proc/self/ns/net ]; then
		link=$(readlink /proc/self/ns/net)
	else
		link=$(nsenter "--net=$1" readlink /proc/self/ns/net)
	fi
	link=${link#*[}
	echo "${link%]}"
}

# shared_start [-j] - tool_start for a test that shares the tools: "rows" has the rows of this test's namespaces
shared_start()
{
	local name inode shared=text other=json
	[ $# = 0 ] || { expect "options of a shared tool" -j "$*"; shared=json other=text; }
	: >"$group/$shared/rows.$$"
	ln -s "$group/$shared/rows.$$" rows
	for name in /proc/self/ns/net /run/netns/[prt]"$$"; do
		[ -e "$name" ] || continue
		inode=$(inode_of_namespace "$name")
		ln -s "rows.$$" "$group/$shared/$inode"
		ln -s /dev/null "$group/$other/$inode"
	done
	: >err
	: >"$group/ready/${PWD##*/}"
	flock -s "$group/start" true	# a lock instead of polling, as many tests wait
	[ -e "$group/beacon.pid" ] || fail "the tools did not start"
	: >"$group/turn/${PWD##*/}"
	read -r -N 1 -u 8	# waits for its turn
}

# shared_stop - tool_stop for such a test: makes a connect, which the tools show after everything before it
shared_stop()
{
	local pid format
	pid=$(nsenter --net="/proc/$(<"$group/beacon.pid")/ns/net" "$peers/client" 10.99.0.1:80 | awk '{ print $6 }') || :
	for format in text json; do
		[ ! rows -ef "$group/$format/rows.$$" ] ||
			wait_for grep -qE "\"pid\":$pid,|^[0-9a-f]+ +$pid " "$group/$format/beacon"
	done
	cp rows rows.all
	mv rows.all rows
}
