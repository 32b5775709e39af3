# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What the tool writes to: readers that stand still, pipes that do not block, and signals meanwhile. Each test has a port of
# its own.

# sink_start COMMAND... - starts the tool, as in a shell's foreground, with a pipe as stdout whose reader stands still: this
# shell, by descriptor 7
sink_start()
{
	own_port
	server "$place_4"
	mkfifo pipe
	: >err
	env --default-signal=INT,TERM,HUP "$@" >pipe 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	exec 7<pipe
	wait_for ready
}

# writes_in_vain - true if the tool waits for the reader of its pipe: in write(2), or in poll(2), if the pipe does not block
writes_in_vain()
{
	local call
	read -r call _ <"/proc/$tool_pid/syscall"
	case $(uname -m):$call in
	x86_64:1 | x86_64:7 | aarch64:64 | aarch64:73) ;;
	*) return 1 ;;
	esac
}

# stalled SIGNAL NUMBER OPTION... - the reader stands still: the first signal asks the tool to end, the second makes it end. A
# recording is whole all the same.
stalled()
{
	local name=$1 number=$2 status=0
	shift 2
	need_jq
	sink_start "$tool" --cache-dir "$cache" -a -D $((10000 + BASHPID % 20000)) --record recording "$@"
	client -n 800 "$place_4"
	wait_for writes_in_vain
	kill -"$name" "$tool_pid"
	sleep 0.5
	is_running || fail "the first signal has ended it"
	kill -"$name" "$tool_pid"
	patience=10
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" $((128 + number)) "$status"
	exec 7<&-
	patience=60	# other tests of this machine may be ending, too
	wait_for nothing_left "$cache"
	"$tool" --replay recording >replayed 2>said || fail "the recording is not whole: $(cat said)"
	between "rows in the recording" 400 "$(rows replayed | wc -l)" 4000
}

# timeout(1) sends two signals at once, to its child and to the child's group: they are one.
two_at_once()
{
	local status=0
	own_port
	server "$place_4"
	: >err
	timeout -s TERM 3 "$tool" --cache-dir "$cache" -a -D "$port" >rows 2>err &
	wait_for grep -q 'tracing; Ctrl-C' err
	client -n 20 "$place_4"
	wait $! || status=$?
	expect "exit status of timeout" 124 "$status"
	expect "last line" "ipvs-tcpstate: 100 rows, 0 lost" "$(tail -n 1 err)"
	expect "rows" 100 "$(rows | wc -l)"
}

# second_term_ends - the second SIGTERM ends the tool at once. Uses "status"
second_term_ends()
{
	kill -TERM "$tool_pid"
	patience=10
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 143 "$status"
}

# Nobody reads messages either.
stalled_messages()
{
	local status=0
	own_port
	server "$place_4"
	mkfifo pipe
	"$tool" --cache-dir "$cache" -a -D "$port" >pipe 2>pipe &
	tool_pid=$!
	pids+=("$tool_pid")
	exec 7<pipe
	read -r -u 7 _
	client -n 1200 "$place_4"
	wait_for writes_in_vain
	kill -TERM "$tool_pid"
	sleep 0.5
	second_term_ends
	exec 7<&-
}

# The recording goes to a pipe whose reader stands still.
stalled_recording()
{
	local status=0
	own_port
	server "$place_4"
	mkfifo recording
	: >err
	"$tool" --cache-dir "$cache" -a -D "$port" --record recording >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	exec 7<recording
	wait_for ready
	client -n 400 "$place_4"
	wait_for writes_in_vain
	kill -TERM "$tool_pid"
	sleep 0.5
	is_running || fail "the first signal has ended it"
	second_term_ends
	exec 7<&-
}

# no_block COMMAND... - runs it with pipes as stdout and stderr that do not block; their readers write the files "rows" and
# "err", the first of them not before there is a file "go"
no_block()
{
	python3 - "$@" <<-'END'
	import os, subprocess, sys, threading, time
	def slow(fd, name):
	    with open(name, "wb") as out:
	        while name == "rows" and not os.path.exists("go"):
	            time.sleep(0.05)
	        while data := os.read(fd, 65536):
	            out.write(data)
	            out.flush()
	ends = []
	for name in ("rows", "err"):
	    reader, writer = os.pipe()
	    os.set_blocking(writer, False)
	    threading.Thread(target=slow, args=(reader, name)).start()
	    ends.append(writer)
	done = subprocess.Popen(sys.argv[1:], stdout=ends[0], stderr=ends[1])
	open("pid", "w").write(f"{done.pid}\n")
	for fd in ends:
	    os.close(fd)
	sys.exit(done.wait())
	END
}

# does_not_block FORMAT... - stdout is a pipe that does not block: each row arrives
does_not_block()
{
	own_port
	server "$place_4"
	no_block "$tool" --cache-dir "$cache" -a -D "$port" "$@" &
	pids+=($!)
	wait_for grep -qs 'tracing; Ctrl-C' err
	tool_pid=$(<pid)
	client -n 800 "$place_4"
	wait_for writes_in_vain
	: >go
	kill -TERM "$(<pid)"
	wait $! || fail "status $?: $(cat err)"
	expect "rows and lost" 4000 "$(($(grep -cE 'FIN_WAIT|SYN_SENT' rows) + $(lost)))"
	note "$(lost) lost"
}

# A text longer than a pipe holds.
text_does_not_block()
{
	no_block "$tool" --ebpf &
	wait_for test -s pid
	tool_pid=$(<pid)
	wait_for writes_in_vain
	: >go
	wait $!
	"$tool" --ebpf >expected
	[ "$(stat -c %s expected)" -gt 65536 ] || fail "the text is short"
	cmp expected rows
	expect "stderr" "" "$(cat err)"
}

# A replay from stdin, a pipe that does not block, and whose writer is slow.
stdin_does_not_block()
{
	local top_rec=$top/tests/replay/ipvs.rec
	"$tool" --replay "$top_rec" -s >expected 2>expected.err
	python3 - "$tool" "$top_rec" <<-'END'
	import os, subprocess, sys, time
	reader, writer = os.pipe()
	os.set_blocking(reader, False)
	with open("replayed", "wb") as out, open("said", "wb") as err:
	    done = subprocess.Popen([sys.argv[1], "--replay", "-", "-s"], stdin=reader, stdout=out, stderr=err)
	os.close(reader)
	data = open(sys.argv[2], "rb").read()
	for at in range(0, len(data), 1000):
	    os.write(writer, data[at:at + 1000])
	    if at < 5000:
	        time.sleep(0.2)
	os.close(writer)
	sys.exit(done.wait())
	END
	cmp expected replayed
	expect "stderr" "$(cat expected.err)" "$(cat said)"
}

# ignored COMMAND SIGNAL... - starts the tool so that it ignores these signals: it goes on
ignored()
{
	local signal how=$1
	shift
	own_port
	server "$place_4"
	: >err
	case $how in
	nohup) nohup "$tool" --cache-dir "$cache" -a -D "$port" >rows 2>err & ;;
	background) "$tool" --cache-dir "$cache" -a -D "$port" >rows 2>err & ;;
	esac
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	for signal; do
		kill -"$signal" "$tool_pid"
	done
	sleep 0.5
	client -n 7 "$place_4"
	wait_for has_rows 35
	tool_stop
	expect "rows" 35 "$(rows | wc -l)"
}

# The rows are in a file that logrotate copies and truncates: it has no hole. A recording is renamed, and the tool started again.
rotated()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --record recording
	client -n 7 "$place_4"
	wait_for has_rows 35
	cp rows rows.1
	: >rows
	mv recording recording.1
	client -n 3 "$place_4"
	wait_for test -s rows
	wait_for has_rows 14
	tool_stop
	expect "rows before" 35 "$(rows rows.1 | wc -l)"
	expect "rows after" 15 "$(wc -l <rows)"
	! grep -qaP '\x00' rows || fail "the file has a hole"
	tool_start -a -D "$port" --record recording
	client -n 2 "$place_4"
	tool_stop
	"$tool" --replay recording.1 >replayed 2>said
	expect "rows of the old recording" 50 "$(rows replayed | wc -l)"
	"$tool" --replay recording >replayed 2>said
	expect "rows of the new recording" 10 "$(rows replayed | wc -l)"
}

run_sinks()
{
	run "sinks: the reader stands still: the second Ctrl-C ends it" traced stalled INT 2
	run "sinks: the reader stands still: the second SIGTERM ends it, JSON" traced stalled TERM 15 -j
	run "sinks: nobody reads messages either" traced stalled_messages
	run "sinks: nobody reads the recording" traced stalled_recording
	run "sinks: timeout sends two signals, which are one" traced two_at_once
	run "sinks: stdout does not block, text" traced does_not_block
	run "sinks: stdout does not block, CSV" traced does_not_block -s
	run "sinks: stdout does not block, JSON" traced does_not_block -j
	run "sinks: stdout does not block, --ebpf" traced text_does_not_block
	run "sinks: stdin does not block, --replay" stdin_does_not_block
	run "sinks: nohup" traced ignored nohup HUP
	run "sinks: a script's background job" traced ignored background INT
	run "sinks: files are rotated" traced rotated
}
