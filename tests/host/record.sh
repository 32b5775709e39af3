# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Recordings made while there are connections: a replay must print what the tool printed, byte for byte.

# said - prints the tool's messages except the first
said()
{
	grep -v 'tracing; Ctrl-C' "$1" || :
}

# replays_the_same [OPTION...] - checks that a replay prints what the recording tool printed with these options
replays_the_same()
{
	"$tool" --replay recording "$@" >replayed 2>said
	cmp rows replayed || fail "not what was printed with '$*'"
	expect "stderr" "$(said err)" "$(cat said)"
}

# round_trip CONNECTIONS [OPTION...] - records half of them one after another, and half at once
round_trip()
{
	local half=$(($1 / 2))
	shift
	server "$place_4" "$place_6"
	tool_start -a --record recording "$@"
	client -n $half "$place_4"
	client -n $half -c "$place_6"
	tool_stop
	between "rows" $((2 * half * 9)) "$(wc -l <rows)" $((2 * half * 20))	# client, server, and other processes
	replays_the_same "$@"
	note "$(($(wc -l <rows) - 1)) rows, $(lost) lost, $(stat -c %s recording) bytes"
}

# A recording that was made with one output format can be printed in all others, any number of times.
other_formats()
{
	server "$place_4"
	tool_start -a --record recording -j
	client -n 50 "$place_4"
	tool_stop
	"$tool" --replay recording -s >rows.csv 2>said
	"$tool" --replay recording >rows.text 2>said
	expect "rows of CSV" "$(jq -r 'select(.ms) | [.skaddr, .lport, .newstate] | join(" ")' rows)" \
		"$(awk -F , 'NR > 1 { print $1, $6, $10 }' rows.csv)"
	expect "rows of text" "$(wc -l <rows.csv)" "$(wc -l <rows.text)"
	replays_the_same -j
}

# Another tool traces at the same time with filters in the kernel. Times, and so the order
# between sockets, differ slightly. This test has its own port.
filters()
{
	local recorder
	server 127.99.0.1:7733 '[::1]:7733'
	tool_start -a --record recording
	recorder=$tool_pid
	mv rows rows.all
	mv err err.all
	tool_start -a "$@"
	client -n 20 127.99.0.1:7733
	client -n 20 '[::1]:7733'
	client_fails 127.99.0.2:7733
	wait_for has_rows 99
	tool_stop
	tool_pid=$recorder
	tool_stop
	"$tool" --replay recording "$@" >replayed 2>said
	expect "rows with $*" "$(rows | sort)" "$(rows replayed | sort)"
	note "$(($(wc -l <rows) - 1)) of $(($(wc -l <rows.all) - 1)) rows"
}

recorded_count()
{
	server "$place_4"
	tool_start -a --record recording -D 7711 -n 7 -j
	client -n 3 "$place_4"
	tool_end
	expect "lines" 8 "$(wc -l <rows)"
	replays_the_same -j
}

# The buffer has one page, and nobody reads it while connections are made.
recorded_losses()
{
	server "$place_4"
	tool_start -a --record recording -b 1 -j
	kill -STOP "$tool_pid"
	client -n 100 "$place_4"
	kill -CONT "$tool_pid"
	tool_stop
	between "lost" 500 "$(lost)" 5000
	replays_the_same -j
}

# The file already has everything that was printed.
killed_recorder()
{
	local status=0
	server "$place_4"
	tool_start -a --record recording
	client -n 50 "$place_4"
	wait_for has_rows 400
	kill -KILL "$tool_pid"
	wait_for is_gone
	"$tool" --replay recording >replayed 2>said || status=$?
	expect "exit status" 1 "$status"
	expect "stderr" "ipvs-tcpstate: recording ends early: the tool that recorded was killed or could not write; \
what there is was printed" "$(cat said)"
	cmp rows <(head -c "$(stat -c %s rows)" replayed) || fail "not what was printed"
}

full_disk_of_recording()
{
	local status=0
	# shellcheck disable=SC2317 # called by clean_up
	undo()
	{
		umount small 2>/dev/null
	}
	mkdir small
	mount -t tmpfs -o size=64k tmpfs small || skip "no tmpfs can be mounted"
	server 127.99.0.1:7734
	tool_start -a -D 7734 --record small/recording
	client -n 20 127.99.0.1:7734
	wait_for has_rows 100
	client -n 500 127.99.0.1:7734
	wait_for has_rows 2500
	is_running || fail "the tool has ended"
	kill -TERM "$tool_pid"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 1 "$status"
	expect "lines that say so" "ipvs-tcpstate: cannot record to small/recording: No space left on device; the \
recording ends here, tracing goes on" "$(grep 'record' err)"
	status=0
	"$tool" --replay small/recording >replayed 2>said || status=$?
	expect "exit status of the replay" 1 "$status"
	between "rows replayed" 100 "$(wc -l <replayed)" 520
	cmp replayed <(head -n "$(wc -l <replayed)" rows) || fail "not what was printed"
}

# cannot_record PATTERN FILE - checks the message when FILE cannot be written
cannot_record()
{
	misuse 1 "$1" "$tool" --cache-dir "$cache" -a --record "$2"
}

recording_cannot_be()
{
	mkdir folder
	: >file
	chmod 640 file
	ln -s file link
	cannot_record 'cannot record to missing/recording: No such file' missing/recording
	cannot_record 'cannot record to folder: Is a directory' folder
	cannot_record 'cannot record to link: a symbolic link; give the file itself' link
	cannot_record 'cannot record to /dev/full: No space left' /dev/full
	expect "size of what the link points to" 0 "$(stat -c %s file)"
	tool_start -a --record new
	tool_stop
	expect "mode" 600 "$(stat -c %a new)"
}

run_record()
{
	local options
	run "record: 1200 connections, replayed byte for byte" traced round_trip 1200
	for options in -T -t -w -wTt -s -stT -j; do
		run "record: replayed byte for byte with $options" traced round_trip 60 $options
	done
	run "record: replayed in other formats" traced other_formats
	run "record: replayed with -D as traced with it" traced filters -D 7733
	run "record: replayed with -D and -6 as traced with them" traced filters -6 -D 80,7733
	run "record: replayed with -V as traced with it" traced filters -V '[::1]:7733,127.99.0.2'
	run "record: replayed with -L as traced with it" traced filters -L 7733
	run "record: -n ends the recording too" traced recorded_count
	run "record: what was lost is in it" traced recorded_losses
	run "record: killed" traced killed_recorder
	run "record: full disk: tracing goes on, status 1" traced full_disk_of_recording
	run "record: where it cannot: one line, status 1" traced recording_cannot_be
	run "record: memory below 6 MB" traced memory -a --record recording
}
