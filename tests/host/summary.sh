# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Counts instead of rows, by remote address, as there is no IPVS: compared with the clients' own log and a recording.

# numbers ADDR:PORT COLUMN... - prints the sums over all tables in "rows"
numbers()
{
	local place=$1
	shift
	awk -v place="$place" -v columns="$*" '$1 == place && $2 == "-" {
		n = split(columns, column, " ")
		for (i = 1; i <= n; i++)
			sum[i] += $column[i]
	} END {
		n = split(columns, column, " ")
		for (i = 1; i <= n; i++)
			printf "%d%s", sum[i], i < n ? " " : "\n"
	}' rows
}

# CONN ESTAB REFUSED TIMEOUT UNREACH ABORT NODEST ERROR SYNRTX RESET OPEN
all_numbers="3 4 5 6 7 8 9 10 11 12 13"

# in_recording OLDSTATE NEWSTATE - counts the client's rows to place_4 and place_6
in_recording()
{
	awk -F , -v port="$port" -v change="$1 $2" '$8 == port && $9 " " $10 == change { n++ } END { print n + 0 }' recorded
}

# Both families; established, refused and open connections; compared with the rows of the same run.
sums()
{
	own_port
	server --log servers "$place_4" "$place_6"
	tool_start -a -D "$port" --summary --record recording
	client -n 23 "$place_4"
	client -c -n 101 "$place_6"
	client_fails -n 7 "127.99.0.2:$port"
	client_begin -c -o 60000 -n 5 "$place_4"
	wait_for has_clients_open 5
	tool_stop
	expect "IPv4" "28 28 0 0 0 0 0 0 0 0 5" "$(numbers "$place_4" "$all_numbers")"
	expect "IPv6" "101 101 0 0 0 0 0 0 0 0 0" "$(numbers "$place_6" "$all_numbers")"
	expect "refused" "7 0 7 0 0 0 0 0 0 0 0" "$(numbers "127.99.0.2:$port" "$all_numbers")"
	"$tool" --replay recording -s >recorded 2>said
	expect "connects recorded" 136 "$(in_recording CLOSE SYN_SENT)"
	expect "established ones recorded" 129 "$(in_recording SYN_SENT ESTABLISHED)"
	expect "failed ones recorded" 7 "$(in_recording SYN_SENT CLOSE)"
	expect "lost" "0" "$(sed -n 's/.*: \([0-9]*\) lost$/\1/p' err)"
}

# -p counts only the connects of one process; -T prints the time.
one_process()
{
	local wanted
	own_port
	server "$place_4"
	mkfifo go
	{ read -r _ <go; exec "$peers/client" -n 3 "$place_4"; } >clients.wanted &
	wanted=$!
	pids+=("$wanted")
	tool_start -a -T --summary -p "$wanted"
	client -n 5 "$place_4"
	echo >go
	wait "$wanted"
	client -n 7 "$place_4"
	tool_stop
	expect "connects" "3 3" "$(numbers "$place_4" 3 4)"
	[[ $(head -n 1 rows) =~ ^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]$ ]] || fail "no time: $(head -n 1 rows)"
}

# has_clients_open N - true if N of the client's connections are established
has_clients_open()
{
	[ "$(ss -H -t -n state established dport = ":$port" | wc -l)" = "$1" ]
}

# The tool prints COUNT tables in time, each with its own part of the connects.
tables()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --summary 1 4
	client -n 11 "$place_4"
	wait_for has_rows 2
	client -n 12 "$place_4"
	tool_end
	expect "tables" 4 "$(grep -c ^VIP rows)"
	expect "all of them together" "23 23" "$(numbers "$place_4" 3 4)"
}

# At the end the tool prints a table of the rest.
last_table()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --summary 600
	client -n 11 "$place_4"
	tool_stop
	expect "tables" 1 "$(grep -c ^VIP rows)"
	expect "connects" "11" "$(numbers "$place_4" 3)"
}

# switches - prints how often the tool has slept so far
switches()
{
	awk '/^voluntary/ { print $2 }' "/proc/$tool_pid/status"
}

ticks()
{
	sed 's/.*) //' "/proc/$tool_pid/stat" | awk '{ print $12 + $13 }'
}

# Connections do not wake the tool, and cost it no CPU time.
asleep()
{
	local before ticks_before
	own_port
	server "$place_4"
	tool_start -a -D "$port" --summary 600
	sleep 1.2
	before=$(switches) ticks_before=$(ticks)
	client -n 2000 "$place_4"
	sleep 3
	note "$(($(switches) - before)) switches, $(($(ticks) - ticks_before)) ticks"
	between "times that it woke up" 0 $(($(switches) - before)) $((3 * (SECONDS + 1)))
	between "ticks of CPU" 0 $(($(ticks) - ticks_before)) 2
	tool_stop
	expect "connects" "2000" "$(numbers "$place_4" 3)"
}

summary_json()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --summary -j
	client -n 23 "$place_4"
	tool_stop
	expect "numbers" "127.99.0.1 $port 23 23 0 0 null" "$(jq -r 'select(.event == "summary") |
		"\(.vip.addr) \(.vip.port) \(.connects) \(.established) \(.refused) \(.open) \(.real)"' rows)"
	expect "percentiles in order" true "$(jq 'select(.event == "summary") |
		.connect_p50_ms <= .connect_p90_ms and .connect_p90_ms <= .connect_p99_ms and
		.connect_p99_ms <= .connect_max_ms and .connect_p50_ms > 0 and .life_p50_ms > 0' rows)"
	expect "the end" "0 0 0" "$(jq -r 'select(.event == "end") |
		"\(.lost) \(.connections_not_counted) \(.times_not_counted)"' rows)"
}

histograms()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --histogram
	client -n 23 "$place_4"
	tool_stop
	expect "head" "vip = $place_4, real = -" "$(grep ^vip rows)"
	expect "sum" 23 "$(awk '/->/ { n += $5 } END { print n }' rows)"
}

# The histograms have the time in each state for each connection: as many as the rows of the same run, and the same times.
histograms_of_states()
{
	[ "$(command -v python3)" ] || skip "no python3 here"
	own_port
	server --log servers "$place_4" "$place_6"
	tool_start -a -D "$port" --histogram --states -j --record recording
	client -n 23 "$place_4"
	client -c -n 11 "$place_6"
	client_fails -n 7 "127.99.0.2:$port"
	tool_stop
	"$tool" --replay recording -j >rows.json
	python3 "$top/tests/metrics.py" state-times rows.json rows >found || fail "$(cat found)"
	expect "histograms" "7 127.99.0.2:$port - SYN_SENT
$(for place in "11 $place_6" "23 $place_4"; do
		for state in ESTABLISHED FIN_WAIT1 FIN_WAIT2 SYN_SENT; do
			echo "$place - $state"
		done
	done)" "$(sort -n found)"
}

# Each interval has the states that ended in it, also for a connection that existed before.
states_in_intervals()
{
	own_port
	server "$place_4"
	tool_start -a -D "$port" --histogram --states -s 1
	client_begin -o 60000 "$place_4"
	wait_for grep -q ",SYN_SENT,.*,1$" rows
	! grep -q ESTABLISHED rows || fail "it is established, and has left this state"
	kill -KILL $!
	wait_for grep -q ",FIN_WAIT2,.*,1$" rows
	tool_stop
	expect "states, as they were left" "SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2" \
		"$(awk -F , 'NR > 1 { print $5 }' rows | paste -s -d ' ')"
}

# connect_to FIRST END - connects to each of these remote addresses once, and closes; it may be refused
connect_to()
{
	[ "$(command -v python3)" ] || skip "no python3 here"
	python3 - "$port" "$@" <<-'END'
	import socket, sys
	for i in range(int(sys.argv[2]), int(sys.argv[3])):
	    with socket.socket() as s:
	        try:
	            s.connect((f"127.98.{i // 250}.{i % 250 + 1}", int(sys.argv[1])))
	        except ConnectionRefusedError:
	            pass
	END
}

# refused_ones - counts the lines of remote addresses that have refused one connect
refused_ones()
{
	awk '$2 == "-" && $3 == 1 && $5 == 1' rows | wc -l
}

# last_line - prints what the tool's last message says
last_line()
{
	sed -n '$s/^[^:]*: //p' err
}

# There are 76 remote addresses more than there is room for: the last line has their number, and the other counts are right.
no_room()
{
	own_port
	tool_start -a -D "$port" --summary --max-conns 64
	connect_to 0 1100
	tool_stop
	expect "remote ends" 1024 "$(refused_ones)"
	grep -q ': 76 connections not counted: too many real servers; allow more by --max-conns$' err ||
		fail "does not say so"
	expect "last line" "76 not counted, 0 lost" "$(last_line)"
}

# There are more remote addresses in one table than there is room for at a time: all of them are counted.
room_again()
{
	own_port
	tool_start -a -D "$port" --summary --max-conns 64
	for first in 0 600 1200 1800; do
		connect_to $first $((first + 600))
		sleep 2.2	# the tool looks every second
	done
	tool_stop
	expect "remote ends" 2400 "$(refused_ones)"
	expect "last line" "0 lost" "$(last_line)"
}

# The table has 5,000 remote addresses with the default sizes.
many_addresses()
{
	own_port
	tool_start -a -D "$port" --summary
	connect_to 0 5000
	tool_stop
	expect "remote ends" 5000 "$(refused_ones)"
	expect "last line" "0 lost" "$(last_line)"
}

# rss_at_most KB - checks the greatest RSS that the tool has had
rss_at_most()
{
	between "peak RSS in kB" 500 "$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$tool_pid/status")" "$1"
}

# Memory for the counts of 4,096 remote addresses, in a table and in the metrics: see OVERHEAD in the manual page.
memory_for_many()
{
	local round
	own_port
	server "0.0.0.0:$port"
	tool_start -a -D "$port" --summary --metrics ipvs.prom 1
	for round in 1 2 3; do
		connect_to 0 4096
	done
	wait_for grep -q '^ipvs_tcpstate_real_servers_other 3584$' ipvs.prom
	sleep 1.2
	rss_at_most 12288
	note "$(awk '$1 == "VmHWM:" { print $2, $3 }' "/proc/$tool_pid/status")"
	tool_stop
	expect "established, all tables together" 12288 "$(awk '$2 == "-" { n += $4 } END { print n }' rows)"
	expect "connects in the metrics" 12288 "$(awk '/^ipvs_tcp_connect_attempts_total/ { n += $2 } END { print n }' ipvs.prom)"
	expect "last line" "0 lost" "$(last_line)"
}

# The tool takes the counts while connections open and close: none is counted twice or not at all.
taken_meanwhile()
{
	local connections loops=()
	own_port
	server "127.99.0.1:$port" "127.99.0.2:$port"
	tool_start -a -D "$port" --summary --metrics ipvs.prom 1
	for address in 127.99.0.1 127.99.0.2 127.99.0.1 127.99.0.2; do
		while [ ! -e enough ]; do
			client -r -n 1000 "$address:$port"
		done &
		loops+=($!)
	done
	sleep 6
	touch enough
	wait "${loops[@]}"
	connections=$(wc -l <clients)
	tool_stop
	note "$connections connections, $(grep -c ^VIP rows) tables"
	between "tables" 6 "$(grep -c ^VIP rows)" 20
	expect "connects, established, all tables together" "$connections $connections" \
		"$(awk '$2 == "-" { c += $3; e += $4 } END { print c, e }' rows)"
	expect "open at the end" 0 "$(awk '/^ipvs_tcp_open/ { n += $2 } END { print n }' ipvs.prom)"
	expect "connects, times and lives in the metrics" "$connections $connections $connections" \
		"$(awk '/^ipvs_tcp_connect_attempts/ { c += $2 } /^ipvs_tcp_connect_seconds_count/ { t += $2 }
			/^ipvs_tcp_life_seconds_count/ { l += $2 } END { printf "%d %d %d\n", c, t, l }' ipvs.prom)"
	expect "last line" "0 lost" "$(last_line)"
}

run_summary()
{
	run "--summary: 136 connects, and the rows of their recording" traced sums
	run "--summary -T -p: one process of two" traced one_process
	run "--summary INTERVAL COUNT" traced tables
	run "--summary: the last table has what is left" traced last_table
	run "--summary: sleeps while it counts" traced asleep
	run "--summary -j" traced summary_json
	run "--histogram" traced histograms
	run "--histogram --states: beside the rows of their recording" traced histograms_of_states
	run "--histogram --states INTERVAL" traced states_in_intervals
	run "--summary: no room" traced no_room
	run "--summary: room again in the same table" traced room_again
	run "--summary: 5,000 remote addresses" traced many_addresses
	run "--summary and --metrics: memory for 4,096 remote addresses" traced memory_for_many
	run "--summary INTERVAL: all connects of a busy time, to the last number" traced taken_meanwhile
}
