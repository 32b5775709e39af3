# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Left running for long on a host that changes, for SOAK_SECONDS (30; scripts/soak takes minutes).
#
#   host: 4 clients ---.                                       .-> tool --record -> pipe -> reader that stalls -> rows
#   pod 1: a client ----+-> VIP :80 -> IPVS -> 2 real servers -+-> tool --summary --metrics --record
#   pod 2: a client ---'    VIP :82 -> IPVS -> a server; the pods' clients are killed, and the pods go
#
# Meanwhile the reader stops for a second, and the clock steps by two hours and back. Then the clients wait while all rows are
# compared with the servers' logs, and, once a minute, while ip_vs is unloaded and loaded again. At the end memory must not have
# grown, the maps must be empty, and nothing may be missing: rows, counts, the recording.

soak_seconds=${SOAK_SECONDS:-30}
soak_reload=$((soak_seconds < 120 ? soak_seconds / 3 : 60))	# seconds between two reloads of ip_vs
soak_states="CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE"

# monotonic - prints seconds that no step of the clock changes
monotonic()
{
	local up
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# soak_tools - starts both tools, in the folders rows and counts
soak_tools()
{
	mkdir -p rows counts/metrics
	mkfifo rows/pipe
	: >rows/err
	cat rows/pipe >>rows/rows &
	reader=$!
	pids+=($!)
	pushd rows >/dev/null || return
	"$tool" --cache-dir "$cache" --record rec -b 2048 >pipe 2>err &	# an emulated CPU may stand still for a long time
	tool_pid=$!
	pids+=($!)
	echo $! >pid
	wait_for ready
	popd >/dev/null || return
	tool_in counts --summary 1 --metrics metrics/ipvs.prom --record /dev/null -b 2048
}

soak_services()
{
	service "$vip:80" "$real_1" "$real_2"
	service "$vip:82" "${real_1%:*}:8082"
}

# soak_pod - makes a pod with a fresh name and address, and sets "pod"
soak_pod()
{
	local own="10.$((100 + pods / 200 % 100)).$((pods % 200 + 1))"
	pods=$((pods + 1))
	pod=s$pods-$$
	ip netns add "$pod"
	ip -batch - <<-END
	link add $pod type veth peer name eth0 netns $pod
	link set $pod up
	address add $own.1/24 dev $pod
	END
	ip -n "$pod" -batch - <<-END
	link set lo up
	link set eth0 up
	address add $own.2/24 dev eth0
	route add default via $own.1
	END
}

# soak_disturb - stops the reader and steps the clock
soak_disturb()
{
	sleep 0.5
	kill -STOP "$reader"
	date -s "@$(($(date +%s) + 7200))" >/dev/null
	sleep 1
	date -s "@$(($(date +%s) - 7200))" >/dev/null
	kill -CONT "$reader"
}

# soak_round - runs all clients once and compares the rows
soak_round()
{
	local i pod running=() held=() gone=()
	for i in 1 2; do
		soak_pod
		gone+=("$pod")
		ip netns exec "$pod" "$peers/client" -w -n "$soak_of_pod" "$vip:80" >"clients.pod$i" &
		running+=($!)
		ip netns exec "$pod" "$peers/client" -c -n 5 -o 600000 "$vip:82" >/dev/null &
		held+=($!)
	done
	for i in 20000 30000 40000 50000; do
		"$peers/client" -w -p $i -n "$soak_of_host" "$vip:80" >"clients.$i" &
		running+=($!)
	done
	soak_disturb &
	running+=($!)
	wait "${running[@]}"
	kill -KILL "${held[@]}"
	wait "${held[@]}" 2>/dev/null || :
	for pod in "${gone[@]}"; do
		ip netns delete "$pod"
	done
	cat clients.* >clients
	total=$((total + $(wc -l <clients)))
	wait_for soak_has_rows $((5 * $(wc -l <clients)))
	awk '$7 != 82' rows/rows >compared
	expect "real servers of service 82" "${real_1%:*}:8082" "$(awk '$7 == 82 { print $12 }' rows/rows | sort -u)"
	printed=$((printed + $(grep -c -v SKADDR rows/rows)))
	: >rows/rows
	check_lives "$soak_states" "$vip:80" clients servers compared
	: >servers
	for i in rows counts; do
		# Not VmRSS: it has the pages of the perf buffers too, which the kernel fills one after another.
		echo "$i $(monotonic) $(awk '$1 == "RssAnon:" { print $2 }' "/proc/$(<$i/pid)/status")" >>rss
	done
}

# soak_has_rows N - true if all rows of the last round are there
soak_has_rows()
{
	[ "$(awk '$7 == 80 && $13 != "retransmit" && $13 != "moved"' rows/rows | wc -l)" -ge "$1" ] &&
		[ "$(awk '$7 == 82 && $10 == "CLOSE"' rows/rows | wc -l)" -ge 10 ]
}

# soak_reloads - unloads ip_vs and loads it again
soak_reloads()
{
	reloads=$((reloads + 1))
	ipvsadm -C	# its services keep the module
	without_ipvs
	wait_for soak_said "$reloads" "ip_vs was unloaded"
	modprobe -a ip_vs ip_vs_rr
	soak_services
	wait_for soak_said "$reloads" "ip_vs is loaded"
}

# soak_said N TEXT - true if both tools have said it N times
soak_said()
{
	[ "$(grep -c "$2" rows/err) $(grep -c "$2" counts/err)" = "$1 $1" ]
}

# soak_left PID - prints how many elements the maps of connections have
soak_left()
{
	local id
	sed -n 's/^map_id:\t*//p' "/proc/$1"/fdinfo/* | sort -un | while read -r id; do
		case $(bpftool map show id "$id") in
		*"name sockets "* | *"name connecting "* | *"name clients "* | *"name entries "* | *"name services "* | *"name open_before "*)
			bpftool map dump id "$id" | sed -n 's/^Found \([0-9]*\) element.*/\1/p'
			;;
		esac
	done | awk '{ n += $1 } END { print n + 0 }'
}

soak_empty()
{
	[ "$(soak_left "$(<rows/pid)") $(soak_left "$(<counts/pid)")" = "0 0" ]
}

# soak_grew NAME - prints by how many kB the memory has grown from the second quarter to the last one, by medians
soak_grew()
{
	awk -v name="$1" '$1 == name { kb[++n] = $3 }
		function median(from, to, i, j, v, m) {
			for (i = from; i <= to; i++) v[++m] = kb[i]
			for (i = 1; i < m; i++) for (j = i + 1; j <= m; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
			return v[int((m + 1) / 2)]
		}
		END { q = int(n / 4); print q ? median(n - q, n) - median(q + 1, 2 * q + 1) : 0 }' rss
}

soak()
{
	local reader pods=0 total=0 printed=0 reloads=0 rounds=0 ends next retransmits name
	local connections=0 shown=0 again=0 late=0 other=0 reset=0 moved=0
	local soak_of_host=${SOAK_CONNECTIONS:-100} soak_of_pod=50
	[ "$(command -v bpftool)" ] || skip "no bpftool here"
	# shellcheck disable=SC2317 # called by clean_up
	undo()
	{
		for name in "/run/netns/s"*"-$$"; do
			[ ! -e "$name" ] || ip netns delete "${name##*/}"
		done
		modprobe -a ip_vs ip_vs_rr
	}
	network 4
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 262144 >/proc/sys/net/ipv4/tcp_max_tw_buckets
	soak_services
	server --close-first "$real_1" "$real_2"
	"$peers/server" --log servers.held "${real_1%:*}:8082" >>server_pids
	soak_tools
	ends=$(($(monotonic) + soak_seconds)) next=$(($(monotonic) + soak_reload))
	while [ "$(monotonic)" -lt $ends ]; do
		soak_round
		rounds=$((rounds + 1))
		echo "round $rounds: $total connections compared"	# printed if a later check fails
		[ "$(monotonic)" -ge $next ] || continue
		soak_reloads
		next=$(($(monotonic) + soak_reload))
	done
	expect "connections" "$total" "$connections"
	ipvsadm -C
	without_ipvs
	wait_for soak_empty
	tools_stop rows counts
	wait "$reader"
	printed=$((printed + $(wc -l <rows/rows)))
	grep -q ": $printed rows, 0 lost$" rows/err || fail "$printed rows were printed: $(tail -n 1 rows/err)"
	grep -q ": 0 lost$" counts/err || fail "lost: $(tail -n 1 counts/err)"
	expect "rows of the recording" "$printed" "$("$tool" --replay rows/rec 2>/dev/null | grep -c -v SKADDR)"
	expect "connects counted" "$total" "$(awk -F '[ ]' '/^ipvs_tcp_connects_total\{vip="10.99.0.1",vport="80"/ { n += $2 } END { print n + 0 }' \
		counts/metrics/ipvs.prom)"
	# In a few rounds the buffers still grow to the size of the largest burst.
	for name in rows counts; do
		between "kB by which the memory of $name has grown" 0 "$(soak_grew $name | sed 's/^-.*/0/')" $((rounds < 20 ? 2048 : 512))
	done
	note "$rounds rounds, $total connections, $printed rows, $again retransmits, $late times syn-lost, $reloads reloads," \
		"$pods pods, memory +$(soak_grew rows) and +$(soak_grew counts) kB, no mismatch"
}

run_soak()
{
	limit=$((soak_seconds * 3 + 300)) run "soak: pods come and go, ip_vs is reloaded, the clock steps, the reader stalls" soak
}
