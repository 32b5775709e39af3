# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# SPDX-License-Identifier: Apache-2.0
#
# Faults that a VM can cause for itself: its CPUs go offline and online, its clock is stepped, kprobes are switched off.

state_tracepoint=/sys/kernel/debug/tracing/events/sock/inet_sock_set_state
cpu_1=/sys/devices/system/cpu/cpu1/online

# on_cpu_1 N - makes N connections from a client on CPU 1
on_cpu_1()
{
	client_in=(taskset -c 1)
	client -n "$1" "$vip:80"
	client_in=()
}

cpu_1_off()
{
	[ -w $cpu_1 ] || skip "CPU 1 cannot be taken offline here"
	undo()
	{
		echo 1 >"$cpu_1"
	}
	echo 0 >"$cpu_1"
}

# cpu_came_online N - true if CPU 1 has come online N times
cpu_came_online()
{
	[ "$(grep -c 'CPU 1 came online: ' err)" = "$1" ]
}

# One CPU is offline at the start, goes online, offline and online again: no event on it is lost.
cpus_come()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	cpu_1_off
	tool_start
	echo 1 >"$cpu_1"
	wait_for cpu_came_online 1
	on_cpu_1 7
	echo 0 >"$cpu_1"
	sleep 4		# the tool checks every second
	client -n 3 "$vip:80"
	echo 1 >"$cpu_1"
	wait_for cpu_came_online 2
	on_cpu_1 7
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	expect "lost" 0 "$(lost)"
}

# The kernel may refuse to change a map for a program that interrupts another change of it: then the connection is counted, and
# no row is wrong, even though elements stay behind.
maps_in_use()
{
	local churn whole
	network 4
	steer lo
	service "$vip:80" "$real_1" "$real_2"
	server "$real_1" "$real_2"
	tool_start
	taskset -c 1 "$peers/churn" sockets clients >churn &
	churn=$!
	pids+=("$churn")
	wait_for grep -q ready churn
	client -n 400 "$vip:80"
	kill "$churn"
	tool_stop
	rows | cut -d ' ' -f 3 | sort | uniq -c | awk '$1 == 5 { print $2 }' >ends
	whole=$(wc -l <ends)
	[ "$whole" -lt 400 ] || skip "this kernel refused no change"
	expect "lost" $((400 - whole)) "$(lost)"
	expect "first rows" 400 "$(rows | grep -c ' CLOSE SYN_SENT ')"
	rows | grep -wFf ends >some
	mv some rows.whole
	grep -wFf ends clients >some || :
	mv some clients
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(cat rows.whole)"
	note "$whole of 400 whole, $(lost) lost"
}

# The clock for durations and for the order of rows is not affected.
clock_stepped()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	client_begin -o 1000 "$vip:80"
	wait_for has_rows 2
	date -s '+1 hour' >/dev/null
	sleep 0.2
	date -s '-1 hour' >/dev/null
	wait $!
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	between "ms of the connection" 900 "$(milliseconds ESTABLISHED FIN_WAIT1 -)" 20000
}

# Rows have the time of day that the host has at their time, however often the clock is stepped, and so has a replay.
clock_stepped_rows()
{
	local step batch stamp port now spans=()
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start -j --record recording
	for step in '+2 hours' '-3 hours' '+10 minutes' ''; do
		: >clients
		now=$(date +%s)
		client -n 3 "$vip:80"
		awk -v batch="${#spans[@]}" '{ sub(/.*:/, "", $2); print $2, batch }' clients >>ports
		sleep 0.2	# the tool prints what is older than 0.052 s
		spans+=("$now $(date +%s)")
		[ ! "$step" ] || date -s "$step" >/dev/null
	done
	date -s '+50 minutes' >/dev/null
	tool_stop
	sed -n 's/^{"time":"\([^"]*\)",.*"lport":\([0-9]*\),.*/\1 \2/p' rows >row_times
	[ "$(wc -l <row_times)" -ge 60 ] || fail "rows: $(cat rows)"
	while read -r stamp port; do
		batch=$(awk -v port="$port" '$1 == port { print $2 }' ports)
		between "time of a row of port $port after $batch steps" $((${spans[batch]% *} - 1)) "$(date -d "$stamp" +%s)" \
			$((${spans[batch]#* } + 1))
	done <row_times
	"$tool" --replay recording -j >replayed
	cmp rows replayed || fail "a replay shows other times"
}

# kprobes_off SWITCH COMMAND - somebody switches all kprobes off and on again: each connect in between is counted, and a start
# reports the problem, and the command that mends it
kprobes_off()
{
	kprobes_switch=$1	# for undo, after the test
	[ -w "$kprobes_switch" ] || skip "this kernel has no $kprobes_switch"
	undo()
	{
		echo 1 >"$kprobes_switch"
	}
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	client -n 3 "$vip:80"
	echo 0 >"$kprobes_switch"
	wait_for grep -qF "kprobes were switched off: " err
	grep -qF "; run: $2" err
	cp clients seen
	client -n 5 "$vip:80"
	echo 1 >"$kprobes_switch"
	wait_for grep -q 'kprobes are switched on again' err
	cp seen clients
	client -n 2 "$vip:80"
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered")" "$(rows)"
	expect lost 5 "$(lost)"
	kprobes_off_all
	misuse 3 "kprobes are switched off on this host.*; run: $2\$" "$tool" --cache-dir "$cache"
	"$tool" --check --cache-dir "$cache" >out && fail "--check finds nothing wrong"
	grep -q "^kprobes *missing .*; run: $2\$" out || fail "--check does not say how to mend it"
}

# With -a the tracepoint still gives rows, at the end of the handshake and with the port, but without the real server.
# Leaves kprobes switched off.
kprobes_off_all()
{
	[ -e "$state_tracepoint" ] || { echo 0 >"$kprobes_switch"; return; }
	: >clients
	tool_start -a
	echo 0 >"$kprobes_switch"
	client -n 4 "$vip:80"
	tool_stop
	expect "rows, -a" "$(expected_rows "$vip:80" "$answered" -)" "$(rows_to "$vip:80")"
	expect "lost, -a" 4 "$(lost)"
}

# The reader of the rows stands still. The second signal ends the tool, which leaves no kprobe behind: left_behind() looks.
reader_stalled()
{
	local status=0
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	mkfifo pipe
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" -j >pipe 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	exec 7<pipe
	wait_for ready
	client -n 60 "$vip:80"	# 300 rows of 400 bytes; a pipe holds 64 KiB
	kill -TERM "$tool_pid"
	sleep 3
	is_running || fail "the first signal has ended it"
	kill -TERM "$tool_pid"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 143 "$status"
	exec 7<&-
}

# service_tool - prints the pid of the service's tool
service_tool()
{
	pgrep --ns "$manager" --nslist pid -x ipvs-tcpstate
}

# is_another PID - true if the service's tool is another process
is_another()
{
	local now
	now=$(service_tool) && [ "$now" != "$1" ]
}

# The example of a systemd service, under a real systemd in namespaces of its own: it starts, writes its file, also into a folder
# that another user has made again, is started again after a crash, and ends.
systemd_service()
{
	local folder=/var/lib/prometheus/node-exporter tool_was manager patience=200 try
	[ -x /lib/systemd/systemd ] || skip "no systemd"
	# shellcheck disable=SC2317 # called by clean_up
	undo()	# its control groups stay, and with them the BPF programs that systemd has attached there
	{
		mkdir groups
		mount -t cgroup2 none groups || return 0
		for ((try = 0; try < 100; try++)); do
			find groups -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
			[ "$(find groups -mindepth 1 -type d)" ] || break
			sleep 0.1
		done
		umount groups
	}
	cat >init <<-END
		set -e
		mount --make-rprivate /
		mount -t tmpfs tmpfs /run
		mkdir -p /run/lock /run/systemd/system /var/cache/ipvs-tcpstate $folder
		mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || [ -e /sys/fs/cgroup/cgroup.procs ]
		mount --bind "$cache" /var/cache/ipvs-tcpstate
		mount -t tmpfs tmpfs /usr/local/sbin
		cp "$tool" /usr/local/sbin/ipvs-tcpstate
		cp "$top/scripts/examples/ipvs-tcpstate.service" /run/systemd/system/
		mount -t tmpfs tmpfs /tmp	# systemd empties them
		mount -t tmpfs tmpfs /var/tmp
		export container=test
		exec /lib/systemd/systemd --system --unit=ipvs-tcpstate.service --log-target=console --show-status=no
	END
	unshare --pid --fork --kill-child --mount --cgroup --ipc --mount-proc bash init >out 2>err &
	pids+=($!)
	wait_for pgrep -P $! >/dev/null
	manager=$(pgrep -P $!)
	wait_for test -s $folder/ipvs.prom
	tool_was=$(service_tool)
	rm -r $folder
	mkdir $folder
	chown 65534 $folder
	wait_for test -s $folder/ipvs.prom
	kill -KILL "$tool_was"
	wait_for is_another "$tool_was"
	kill -TERM "$(service_tool)"
	wait_for eval '! service_tool >/dev/null'
	rm -r $folder
}

run_vm_faults()
{
	run "faults: kprobes are switched off" kprobes_off /sys/kernel/debug/kprobes/enabled \
		"echo 1 >/sys/kernel/debug/kprobes/enabled"
	# On arm64 kprobes do not need ftrace.
	[ "$(uname -m)" = aarch64 ] ||
		run "faults: ftrace is switched off" kprobes_off /proc/sys/kernel/ftrace_enabled "sysctl kernel.ftrace_enabled=1"
	run "a systemd service: the example" systemd_service
	run "faults: CPUs come and go" cpus_come
	more "faults: a map that somebody else changes" maps_in_use
	run "faults: the reader stands still" reader_stalled
	run "faults: the clock is stepped" clock_stepped
	run "faults: the clock is stepped: times of rows" clock_stepped_rows
}
