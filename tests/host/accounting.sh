# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Events sent = printed + filtered out + lost, exactly. A client's socket has five changes of state. This test has its own
# port.

counted=127.99.0.1:7735

# accounts SENT - checks the last line of JSON against SENT and against the other lines
accounts()
{
	local said
	expect "rows, lost lines against the end" "$(jq -c 'select(.event == "end") | [.rows, .lost_buffer_full, .lost_missed,
		.sockets_not_followed, .sent]' rows)" "$(jq -c -s --argjson sent "$1" '
		[([.[] | select(.event == "state")] | length)] + ([.[] | select(.event == "lost")] |
			[(map(.lost_buffer_full) | add // 0), (map(.lost_missed) | add // 0),
				(map(.sockets_not_followed) | add // 0)]) + [$sent]' rows)"
	said=$(jq 'select(.event == "end") | .rows + .filtered + .lost' rows)
	expect "rows, filtered and lost together" "$1" "$said"
	"$tool" --replay recording -j >replayed 2>said
	cmp rows replayed || fail "the recording says otherwise"
	expect "stderr of the replay" "$(grep -v 'tracing; Ctrl-C' err)" "$(cat said)"
}

# json_end KEY
json_end()
{
	jq "select(.event == \"end\") | .$1" rows
}

# start_and_stand_still [OPTION...]
start_and_stand_still()
{
	command -v jq >/dev/null || skip "no jq"
	server "$counted"
	tool_start -a -j -D 7735 --record recording "$@"
	kill -STOP "$tool_pid"
}

buffer_full()
{
	start_and_stand_still -b 1
	client -n 100 "$counted"
	kill -CONT "$tool_pid"
	wait_for grep -q 'rows are being lost: perf buffer full; enlarge it by -b' err
	client -n 1 "$counted"
	kill -STOP "$tool_pid"
	client -n 50 "$counted"
	kill -CONT "$tool_pid"
	wait_for has_lost_lines 2
	tool_stop
	accounts 755
	expect "times that it was said while rows came" 1 "$(grep -c 'are being lost' err)"
	between "events lost" 100 "$(json_end lost_buffer_full)" 755
	note "$(json_end rows) rows, $(json_end lost) lost"
}

has_lost_lines()
{
	[ "$(grep -c '"event":"lost"' rows)" -ge "$1" ]
}

# Lines about losses are at least a second apart, however many losses there are.
lost_lines_are_few()
{
	local began=$SECONDS
	start_and_stand_still -b 1
	kill -CONT "$tool_pid"
	for _ in 1 2 3 4 5 6 7 8; do
		kill -STOP "$tool_pid"
		client -n 50 "$counted"
		kill -CONT "$tool_pid"
		sleep 0.2
	done
	tool_stop
	accounts 2000
	between "lines" 1 "$(grep -c '"event":"lost"' rows)" $((SECONDS - began + 2))
}

left_out()
{
	start_and_stand_still -n 7
	client -n 3 "$counted"
	kill -CONT "$tool_pid"
	tool_end
	accounts 15
	expect "rows" 7 "$(json_end rows)"
	expect "filtered" 8 "$(json_end filtered)"
	grep -q ': 7 rows, 8 filtered, 0 lost$' err || fail "stderr does not say so"
}

map_full()
{
	command -v jq >/dev/null || skip "no jq"
	server "$counted"
	tool_start -a -j -D 7735 --max-conns 4 --record recording
	client_begin -c -n 10 -o 1500 "$counted"
	wait_for grep -q 'some sockets are not tracked: too many at once; allow more by --max-conns' err
	wait $!
	tool_stop
	expect "sockets not followed" 6 "$(json_end sockets_not_followed)"
	accounts 50
	expect "times that it was said while rows came" 1 "$(grep -c 'some sockets are not tracked' err)"
	grep -q ': 6 sockets not tracked' err || fail "the end does not say their number"
}

run_accounting()
{
	run "accounting: buffer full" traced buffer_full
	run "accounting: a line a second" traced lost_lines_are_few
	run "accounting: -n leaves out the rest" traced left_out
	run "accounting: map full" traced map_full
}
