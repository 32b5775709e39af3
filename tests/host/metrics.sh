# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# --metrics: the file itself, and Prometheus' answers about it. node_exporter's textfile collector delivers it to Prometheus.
#
#   client ---> 127.99.0.1:N   30 answered                   tool -a --metrics textfile/ipvs.prom 1
#          ---> 127.99.0.2:N   10 answered                     |
#          ---> 127.99.0.3:N    7 refused                    node_exporter :9100 <--- Prometheus :9090 <--- curl
#          ---> 10.99.9.9:N     1 answered, after a second   (gone when its first SYN arrives)
#
# Without IPVS there are no real servers; the remote address stands for the virtual service. In this namespace all ports are
# free.

# ---- Prometheus

exporter=http://127.0.0.1:9100 prometheus=http://127.0.0.1:9090

# prometheus_start - starts it on the folder "textfile", with the installed example's rules
prometheus_start()
{
	local program
	for program in prometheus prometheus-node-exporter promtool curl jq; do
		[ "$(command -v $program)" ] || skip "no $program; run: make setup"
	done
	prometheus-node-exporter --collector.disable-defaults --collector.textfile \
		--collector.textfile.directory="$PWD/textfile" --web.listen-address="${exporter#http://}" >exporter.log 2>&1 &
	pids+=($!)
	cp "$top/scripts/examples/alerts.yml" .
	cat >prometheus.yml <<-'END'
	global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }
	rule_files: [alerts.yml]
	scrape_configs:
	  - job_name: node
	    static_configs: [{ targets: ["127.0.0.1:9100"] }]
	END
	promtool check config prometheus.yml >config.log
	prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="${prometheus#http://}" \
		>prometheus.log 2>&1 &
	pids+=($!)
	wait_for curl -s -f -o ready "$prometheus/-/ready"
}

# ask QUERY - prints Prometheus' current answer as JSON
ask()
{
	curl -s -S -f --data-urlencode "query=$1" "$prometheus/api/v1/query" || { cat prometheus.log; fail "no answer to: $1"; }
}

# answer QUERY LABEL... - prints a line for each element: the values of the labels ("-": empty) and the number
answer()
{
	local query=$1
	shift
	ask "$query" | jq -r --args '.data.result[] | . as $e |
		[($ARGS.positional[] | $e.metric[.] // "-"), ($e.value[1] | tonumber * 1e9 | round / 1e9)] | join(" ")' "$@" | sort
}

# answers EXPECTED QUERY
answers()
{
	[ "$(answer "$2")" = "$1" ]
}

# ---- tests

# late - the first SYN to an address that does not exist yet is lost; the SYN a second later finds it
late()
{
	ip link add v$$ type veth peer name w$$
	ip link set v$$ up
	ip link set w$$ up arp off
	ip address add 10.99.9.1/24 dev v$$
	ip neighbour add 10.99.9.9 lladdr 02:00:00:00:00:09 dev v$$
	client_begin "10.99.9.9:$port"
	sleep 0.3
	ip address add 10.99.9.9/32 dev lo
	server "10.99.9.9:$port"
	wait $!
}

# traffic - makes the connections of the drawing
traffic()
{
	server "127.99.0.1:$port" "127.99.0.2:$port"
	client -n 30 "127.99.0.1:$port"
	client -n 10 "127.99.0.2:$port"
	client_fails -n 7 "127.99.0.3:$port"
	late
}

file_of_metrics()
{
	own_port
	mkdir textfile
	umask 077
	tool_start -a -D "$port" --metrics textfile/ipvs.prom 1 --record recording
	wait_for test -e textfile/ipvs.prom
	expect "first file" 0 "$(awk '/^ipvs_tcp_/' textfile/ipvs.prom | wc -l)"
	traffic
	tool_stop
	expect "stdout" "" "$(cat rows)"
	expect "files" "644 ipvs.prom" "$(cd textfile && find . ! -type d -printf '%m %P\n')"
	expect "counts" "10.99.9.9:$port - 1 1 0 0 0 0 0 0 1 0
127.99.0.1:$port - 30 30 0 0 0 0 0 0 0 0
127.99.0.2:$port - 10 10 0 0 0 0 0 0 0 0
127.99.0.3:$port - 7 0 7 0 0 0 0 0 0 0" "$(python3 "$top/tests/metrics.py" counts textfile/ipvs.prom)"
	"$tool" --replay recording -j >rows.json
	expect "counts of the recording" "$(python3 "$top/tests/metrics.py" row-counts rows.json)" \
		"$(python3 "$top/tests/metrics.py" counts textfile/ipvs.prom)"
	expect "times of the recording" "$(python3 "$top/tests/metrics.py" row-times rows.json)" \
		"$(python3 "$top/tests/metrics.py" times textfile/ipvs.prom)"
	[ "$(command -v promtool)" ] || skip "no promtool; run: make setup"
	promtool check metrics <textfile/ipvs.prom
}

# The default interval, together with a table: both are written at the end.
beside_a_table()
{
	own_port
	server "127.99.0.1:$port"
	tool_start -a -D "$port" --summary --metrics ipvs.prom
	wait_for test -e ipvs.prom	# the first one is written when tracing has begun
	client -n 23 "127.99.0.1:$port"
	expect "no new file within 15 seconds" 0 "$(awk '/^ipvs_tcp_/' ipvs.prom | wc -l)"
	tool_stop
	expect "table" "127.99.0.1:$port - 23 23" "$(awk '$2 == "-" { print $1, $2, $3, $4 }' rows)"
	expect "file" "127.99.0.1:$port - 23 23 0 0 0 0 0 0 0 0" "$(python3 "$top/tests/metrics.py" counts ipvs.prom)"
}

# known_as N OTHER - true if N series of real servers, "other" too, are in the file, and "other" has OTHER connects; copies the
# file to "known"
known_as()
{
	cp ipvs.prom known
	[ "$(awk '/^ipvs_tcp_connect_attempts_total/ { n++ } /^ipvs_tcp_connect_attempts_total.*"other"/ { other = $2 }
		END { print n + 0, other + 0 }' known)" = "$1 $2" ]
}

# attempts ADDR - prints the connects of its series
attempts()
{
	awk -v vip="vip=\"$1\"" '/^ipvs_tcp_connect_attempts_total/ && index($1, vip) { print $2 }' known
}

# Real servers that are dead leave the file, and a live one gets a place. One that has a connection open stays.
dead_ones_leave()
{
	own_port
	server "0.0.0.0:$port"
	tool_start -a -D "$port" --metrics ipvs.prom --forget 8 1
	client_begin -o 60000 "127.98.0.1:$port"
	connect_to 1 512
	wait_for known_as 512 0
	expect "lines about connections" $((512 * 45)) "$(grep -c '^ipvs_tcp_' known)"
	client -n 3 "127.99.0.1:$port"
	client_begin -o 60000 "127.99.0.1:$port"
	wait_for known_as 513 4
	expect "the live one has no room" "" "$(attempts 127.99.0.1)"
	wait_for known_as 3 4
	expect "lines about connections" $((3 * 45)) "$(grep -c '^ipvs_tcp_' known)"
	expect "the live one: what was counted before stays in the sum" 0 "$(attempts 127.99.0.1)"
	between "elements of the tool's maps" 1 "$(map_entries)" 50
	client -n 5 "127.99.0.1:$port"
	connect_to 1 2
	wait_for known_as 4 4
	expect "live, back again, with a connection open" "5 1 1" \
		"$(attempts 127.99.0.1) $(attempts 127.98.0.2) $(attempts 127.98.0.1)"
	expect "open" "1 0 1 0" "$(awk '/^ipvs_tcp_open_connections/ { print $2 }' known | paste -s -d ' ')"
	tool_stop
	expect "stderr" 1 "$(grep -c 'more than 512' err)"
}

# metrics_count - INTERVAL COUNT ends the tool, as with tables
metrics_count()
{
	local began_ms
	tool_start -a --metrics ipvs.prom 1 2
	began_ms=$(now_ms)
	tool_end
	between "ms until the end" 1500 $(($(now_ms) - began_ms)) 10000
}

prometheus_answers()
{
	local quantile
	own_port
	mkdir textfile
	prometheus_start
	tool_start -a -D "$port" --metrics textfile/ipvs.prom 1 --record recording
	wait_for answers 0 'ipvs_tcpstate_real_servers_other'
	traffic
	wait_for answers 48 'sum(ipvs_tcp_connect_attempts_total)'
	wait_for answers 41 'sum(ipvs_tcp_connects_total{result="established"})'

	expect "which one refuses" "127.99.0.3 $port 7" \
		"$(answer 'sum by (vip, vport) (ipvs_tcp_connects_total{result="refused"}) > 0' vip vport)"
	expect "spread" "10.99.9.9 0.024390244
127.99.0.1 0.731707317
127.99.0.2 0.243902439" "$(answer 'sum by (vip) (ipvs_tcp_connects_total{result="established"}) / on () group_left ()
		sum (ipvs_tcp_connects_total{result="established"}) > 0' vip)"
	expect "whose SYNs are sent again" "10.99.9.9 1" "$(answer 'ipvs_tcp_syn_retransmits_total > 0' vip)"
	expect "which one took longer than 0.98 s" "10.99.9.9 1" \
		"$(answer 'ipvs_tcp_connect_seconds_count - ignoring (le) ipvs_tcp_connect_seconds_bucket{le="0.98304"} > 0' vip)"
	expect "connections open" 0 "$(answer 'sum(ipvs_tcp_open_connections)')"
	expect "errors of the collector" 0 "$(answer 'node_textfile_scrape_error')"
	tool_stop

	"$tool" --replay recording -j >rows.json
	for quantile in 0.99 0.5; do
		expect "connect time, quantile $quantile" \
			"$(python3 "$top/tests/metrics.py" row-quantile $quantile rows.json | awk '{ sub(/:.*/, "", $1); print $1, $3 }')" \
			"$(answer "histogram_quantile($quantile, ipvs_tcp_connect_seconds_bucket) >= 0" vip)"
	done
	expect "rules of the example with an error" "" "$(curl -s "$prometheus/api/v1/rules" |
		jq -r '.data.groups[].rules[] | select(.health == "err") | .name, .lastError')"
	expect "rules" 7 "$(curl -s "$prometheus/api/v1/rules" | jq '[.data.groups[].rules[]] | length')"
}

shows_something()
{
	[ "$(ask "$1" | jq '.data.result | length')" -gt 0 ]
}

# Checks that each panel of the example's dashboard has data.
dashboard()
{
	local expr
	own_port
	mkdir textfile
	prometheus_start
	tool_start -a -D "$port" --metrics textfile/ipvs.prom 1
	wait_for answers 0 'ipvs_tcpstate_real_servers_other'
	traffic
	wait_for answers 48 'sum(ipvs_tcp_connect_attempts_total)'
	wait_for answers 41 'sum(ipvs_tcp_connects_total{result="established"})'
	jq -r '.panels[].targets[].expr' "$top/scripts/examples/dashboard.json" >exprs
	[ "$(wc -l <exprs)" -ge 10 ] || fail "no panels"
	while read -r expr; do
		# shellcheck disable=SC2016 # variables of Grafana
		expr=$(sed -E 's/\$__(rate_interval|range)/1m/g; s/\$(instance|vip|real|source)/.*/g' <<<"$expr")
		wait_for shows_something "$expr"	# an increase needs two samples
	done <exprs
	note "$(wc -l <exprs) questions"
	tool_stop
}

# Uses a file from a VM with IPVS (tests/vm/metrics.sh) with a healthy, a slow, a refusing and a dead real server.
behind_ipvs()
{
	ip link set lo up
	mkdir textfile
	cp "$here/ipvs.prom" textfile
	prometheus_start
	wait_for answers 32 'sum(ipvs_tcp_connect_attempts_total)'
	expect "which one refuses" "fd00:99::1 80 fd00:99:1::3 8080 9" \
		"$(answer 'ipvs_tcp_connects_total{result="refused"} > 0' vip vport real rport)"
	expect "which one is dead" "fd00:99::1 81 2001:db8:113::2 8080 5" "$(answer 'ipvs_tcp_syn_retransmits_total > 0
		unless ignoring (result) ipvs_tcp_connects_total{result="established"} > 0' vip vport real rport)"
	expect "which one is slow" "fd00:99:3::2" \
		"$(answer 'histogram_quantile(0.99, ipvs_tcp_connect_seconds_bucket) > 0.5' real | cut -d ' ' -f 1)"
	expect "spread" "fd00:99:1::1 0.333333333
fd00:99:1::3 0.333333333
fd00:99:3::2 0.333333333" "$(answer 'ipvs_tcp_connect_attempts_total{vport="80"} / on (vip, vport) group_left ()
		sum by (vip, vport) (ipvs_tcp_connect_attempts_total)' real)"
}

# The disk is full for a while: the tool reports it once, keeps the old file, and continues.
metrics_full_disk()
{
	own_port
	mkdir small
	mount -t tmpfs -o size=64k tmpfs small
	tool_start -a -D "$port" --metrics small/ipvs.prom 1
	cp small/ipvs.prom before
	dd if=/dev/zero of=small/filler bs=4096 2>/dev/null || :
	wait_for grep -q 'cannot write metrics to small/ipvs.prom: No space left on device' err
	sleep 2.2
	expect "messages" 1 "$(grep -c 'cannot write' err)"
	expect "files" "filler ipvs.prom" "$(find small ! -type d -printf '%P\n' | sort | paste -s -d ' ')"
	cmp before small/ipvs.prom
	rm small/filler
	wait_for grep -q 'metrics are written to small/ipvs.prom again' err
	tool_stop
	umount small
}

# The folder is root's at the start. Then it is made again by another user, whose files root may write only with a capability.
folder_made_again()
{
	local before
	own_port
	mkdir textfile
	tool_start -a -D "$port" --metrics textfile/ipvs.prom 1
	rm -r textfile
	mkdir -m 755 textfile
	chown 65534:65534 textfile
	wait_for test -s textfile/ipvs.prom
	client_fails -n 7 "127.99.0.3:$port"
	before=$(stat -c %i textfile/ipvs.prom)
	chmod 500 textfile
	wait_for another_file "$before"
	tool_stop
	expect "counts" "127.99.0.3:$port - 7 0 7 0 0 0 0 0 0 0" "$(python3 "$top/tests/metrics.py" counts textfile/ipvs.prom)"
	! grep -q 'Permission denied' err || fail "was not permitted once"
}

another_file()
{
	[ "$(stat -c %i textfile/ipvs.prom)" != "$1" ]
}

# full_at_the_end - the exit status is 1
full_at_the_end()
{
	local status=0
	mkdir textfile
	tool_start -a --metrics textfile/ipvs.prom 1
	mv textfile elsewhere
	wait_for grep -q 'cannot write metrics.*make its folder first' err
	kill -TERM "$tool_pid"
	wait_for is_gone
	wait "$tool_pid" || status=$?
	expect "exit status" 1 "$status"
}

run_metrics()
{
	run "--metrics into no folder" misuse 1 "cannot write metrics to no/ipvs.prom: No such file .*make its folder" \
		"$tool" --metrics no/ipvs.prom
	run "--metrics over a device" misuse 1 "cannot write metrics to /dev/null: it is no regular file" \
		"$tool" --metrics /dev/null
	run "--metrics with -n" misuse 2 "--metrics and --count exclude" "$tool" --metrics x -n 1
	run "--metrics: 48 connects, and the rows of their recording" traced file_of_metrics
	run "--metrics beside --summary" traced beside_a_table
	run "--metrics FILE INTERVAL COUNT" traced metrics_count
	run "--metrics: 512 dead ones leave, a live one gets their place" traced dead_ones_leave
	run "--metrics: full disk, for a while" traced metrics_full_disk
	run "--metrics: folder made again by another user" traced folder_made_again
	run "--metrics: folder gone at the end: status 1" traced full_at_the_end
	run "--metrics: Prometheus tells who refuses, is slow, and the spread" traced prometheus_answers
	run "--metrics: Prometheus on a file from behind IPVS" behind_ipvs
	run "--metrics: each panel of the dashboard" traced dashboard
}
