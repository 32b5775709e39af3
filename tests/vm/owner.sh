# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# C-PID and C-COMM are those of the process that called connect, whichever process runs when the state changes.

# containers_of_ipvs - clients of IPVS in control groups of both versions; the one in v2 is gone when its rows are printed
containers_of_ipvs()
{
	mkdir v1 v2
	mount -t cgroup2 none v2
	mount -t cgroup -o pids none v1
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start -x
	make_group v2 "kubepods.slice/$pod_slice/cri-containerd-$container_id.scope"
	client_in_group -q "$vip:80"
	echo "$client_pid ${container_id:0:12} $pod_uid" >expected
	rmdir "$cgroup_dir"
	make_group v1 "docker/$container_id"
	client_in_group -o 1000 "$vip:80"
	echo "$client_pid ${container_id:0:12} -" >>expected
	tool_stop
	expect "PID, container, pod" "$(sort expected)" "$(owners text)"
	expect "rows" 10 "$(tail -n +2 rows | wc -l)"
}

# busy - starts a process for each CPU that never sleeps, so that softirqs interrupt it
busy()
{
	local cpu
	for ((cpu = $(nproc); cpu > 0; cpu--)); do
		while :; do :; done &
		pids+=($!)
	done
}

# The server ends the connection while the client sleeps and other processes run.
owner_asleep()
{
	network "$1"
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	client -c -w -n 11 "$vip:80" &
	pids+=($!)
	wait_for has_served 11
	busy
	kill -KILL "$(cat server_pids)"
	wait_for has_changes 11 LAST_ACK CLOSE
	tool_stop
	expect "rows, sorted" \
		"$(expected_rows "$vip:80" "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE" | sort)" "$(rows | sort)"
}

# A reset arrives while the client sleeps.
owner_reset()
{
	network "$1"
	service "$vip:80" "$real_1"
	server --reset "$real_1"
	tool_start
	busy
	client -c -b 1 -w -n 7 "$vip:80"
	wait_for has_changes 7 ESTABLISHED CLOSE
	tool_stop
	expect "rows, sorted" "$(expected_rows "$vip:80" "CLOSE SYN_SENT ESTABLISHED CLOSE/reset" | sort)" \
		"$(rows | sort)"
}

# connect(2) returns before the answer arrives; the answer comes from another namespace, so it is handled in softirq.
owner_not_blocking()
{
	pod_network "$1"
	service "$vip:80" "$real_2"
	service "$vip:81" "$refusing_2"
	server_elsewhere "$real_2"
	tool_start
	busy
	client -n 7 -g 20000 "$vip:80"
	expected_rows "$vip:80" "$answered" >expected
	: >clients
	client_fails -n 7 -p 41000 -g 20000 "$vip:81"
	wait_for has_changes 7 SYN_SENT CLOSE
	tool_stop
	expect "results of connect" ECONNREFUSED "$(cut -d ' ' -f 4 clients | sort -u)"
	expect "rows of those that were accepted" "$(cat expected)" "$(rows_to "$vip:80")"
	expect "C-PID and C-COMM of those that were refused" "$(awk '{ print $6, "client" }' clients | sort -u)" \
		"$(rows_to "$vip:81" | cut -d ' ' -f 1,2 | sort -u)"
}

# passed HOW COMM - the process that ends the connection is not the one that opened it
passed()
{
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	"$peers/pass" "$1" "$vip:80" >clients
	wait_for has_rows 5
	tool_stop
	expect rows "$(expected_rows "$vip:80" "$answered" | sed "s/ client / $2 /")" "$(rows)"
}

# uring COMM [OPTION] - connects with io_uring; COMM is a pattern
uring()
{
	local status=0 comm=$1
	shift
	network 4
	service "$vip:80" "$real_1"
	server "$real_1"
	tool_start
	"$peers/uring" "$@" "$vip:80" >clients || status=$?
	[ $status != 4 ] || { tool_stop; skip "$(cat clients)"; }	# without tool_stop it might leave kprobes
	expect "exit status of uring" 0 $status
	wait_for has_rows 5
	tool_stop
	note "C-COMM is $(rows | cut -d ' ' -f 2 | sort -u | paste -s -d ' ')"
	# Before 5.12 the kernel threads for io_uring did not belong to the process.
	if [ $# != 0 ] && [ "$(rows | head -n 1 | cut -d ' ' -f 1)" != "$(awk '{ print $6 }' clients)" ]; then
		[[ $(uname -r) =~ ^5\.([5-9]|1[01])\. ]] || fail "C-PID is not that of the process"
		expect "rows without owner" "$(expected_rows "$vip:80" "$answered" | cut -d ' ' -f 3-)" \
			"$(rows | cut -d ' ' -f 3-)"
		note "C-PID is that of a thread of the kernel"
		return
	fi
	expect "rows without C-COMM" "$(expected_rows "$vip:80" "$answered" | cut -d ' ' -f 1,3-)" \
		"$(rows | cut -d ' ' -f 1,3-)"
	rows | cut -d ' ' -f 2 | grep -vqxE "$comm" && fail "C-COMM: $(rows)"
	return 0
}

run_owner()
{
	local ip
	for ip in 4 6; do
		twice $ip "IPv$ip, owner: asleep while the server ends it" owner_asleep $ip
		twice $ip "IPv$ip, owner: asleep while the server resets it" owner_reset $ip
		twice $ip "IPv$ip, owner: connect that does not block" owner_not_blocking $ip
	done
	together "owner: a connection that a child inherits" passed fork pass
	together "owner: a connection that is passed on by SCM_RIGHTS" passed message pass
	together "owner: a socket that another process connects" passed socket heir
	together "owner: connect by io_uring" uring uring
	together "owner: connect by io_uring, by a worker of the kernel" uring "iou-wrk-[0-9]+" --async
	together "owner: connect by io_uring, by a polling thread of the kernel" uring "iou-sqp-[0-9]+" --sqpoll
}
