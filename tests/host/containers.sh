# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Containers and pods. There is no runtime here: the tests make control groups with the names that the runtimes give them, in a
# group of their own, and move real processes into them. The VM suite uses this file too.

container_id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
pod_uid=01234567-89ab-cdef-0123-456789abcdef
pod_slice=kubepods-burstable-pod${pod_uid//-/_}.slice

# remove_groups - removes the control groups of the test; clean_up() calls it
remove_groups()
{
	local dir
	[ ${#group_roots[@]} != 0 ] || return 0
	wait	# a process that was killed is in its group for a moment
	for dir in "${group_roots[@]}"; do
		[ ! -d "$dir" ] || find "$dir" -depth -type d -exec rmdir {} + || :
	done
}
group_roots=()

# hierarchy v1|v2 - prints the mount point of a hierarchy of that version
hierarchy()
{
	local type=cgroup
	[ "$1" = v1 ] || type=cgroup2
	awk -v type=$type '$3 == type { print $2; exit }' /proc/self/mounts
}

# make_group v1|v2 PATH - makes the group below one of this test and sets "cgroup_dir" to its folder
make_group()
{
	local mount
	mount=$(hierarchy "$1")
	[ "$mount" ] || skip "no control groups $1"
	[ "$1" = v1 ] || contained_by_kernel
	cgroup_dir=$mount/ipvs-tcpstate-test.$$
	[[ " ${group_roots[*]} " == *" $cgroup_dir "* ]] || group_roots+=("$cgroup_dir")
	cgroup_dir+=/$2
	mkdir -p "$cgroup_dir"
}

# contained_by_kernel - skips on kernels whose BPF programs cannot read the control group
contained_by_kernel()
{
	[ "$(printf '%s\n' 4.18 "$(uname -r)" | sort -V | head -n 1)" = 4.18 ] || skip "BPF reads no control group here"
}

# in_group COMMAND... - runs a command in the group
in_group()
{
	(echo "$BASHPID" >"$cgroup_dir/cgroup.procs" && exec "$@")
}

# stay_in_group - keeps a process in the group
stay_in_group()
{
	(echo "$BASHPID" >"$cgroup_dir/cgroup.procs" && exec sleep 60) &
	pids+=($!)
	wait_for in_its_group
}

# client_in_group [OPTION...] ADDR:PORT - runs the client in the group; its PID goes to "client_pid"
client_in_group()
{
	in_group "$peers/client" "$@" >one
	client_pid=$(sed -n 's/.* pid \([0-9]*\) .*/\1/p' one | sort -u)
	cat one >>clients
}

# owners text|csv|json - prints PID, container and pod of the rows, each once
owners()
{
	case $1 in
	text) awk 'NR > 1 { print $2, $(NF - 1), $NF }' rows ;;
	csv) awk -F , 'NR > 1 { print $2, $(NF - 1) ? $(NF - 1) : "-", $NF ? $NF : "-" }' rows ;;
	json) jq -r 'select(.pid) | "\(.pid) \(.container // "-") \(.pod // "-")"' rows ;;
	esac | sort -u
}

# container_formats text|csv|json [OPTION...] - each path that a runtime makes
container_formats()
{
	local format=$1 path id pod shown
	shift
	server "$place_4"
	tool_start -a -D 7711 "$@"
	: >expected
	while read -r path id pod; do
		make_group v2 "$path"
		client_in_group "$place_4"
		shown=$id
		[ "$format" != text ] || shown=${id:0:12}
		echo "$client_pid $shown $pod" >>expected
		rmdir "$cgroup_dir"	# as if the container had ended: the rows are not written yet
	done <<-END
	docker/$container_id $container_id -
	docker-$container_id.scope $container_id -
	kubepods/burstable/pod$pod_uid/$container_id $container_id $pod_uid
	kubepods.slice/$pod_slice/docker-$container_id.scope $container_id $pod_uid
	kubepods.slice/$pod_slice/cri-containerd-$container_id.scope $container_id $pod_uid
	$pod_slice:cri-containerd:$container_id $container_id $pod_uid
	kubepods.slice/$pod_slice/crio-$container_id.scope $container_id $pod_uid
	kubepods.slice/$pod_slice/crio-conmon-$container_id.scope - $pod_uid
	kubepods.slice/$pod_slice/crio-$container_id.scope/container $container_id $pod_uid
	session-1.scope - -
	END
	tool_stop
	expect "lost" 0 "$(lost)"
	expect "PID, container, pod" "$(sort -u expected)" "$(owners "$format")"
	expect "rows" 50 "$(case $format in json) jq -c 'select(.pid)' rows ;; *) tail -n +2 rows ;; esac | wc -l)"
}

# from_a_container - the tool is in a container that has the host's /proc and hierarchies, but a control group namespace
from_a_container()
{
	make_group v2 "docker/ffffffffffff${container_id:12}"
	# shellcheck disable=SC2016 # the inner shell expands these
	tool_in=(bash -c 'echo $$ >"$0/cgroup.procs" && exec unshare --cgroup -- "$@"' "$cgroup_dir")
	container_formats text -x
}

# short_lived - a hundred processes that connect, close and exit
short_lived()
{
	local longest
	server "$place_4"
	tool_start -a -x -D 7711
	make_group v2 "kubepods.slice/$pod_slice/cri-containerd-$container_id.scope"
	# shellcheck disable=SC2016 # the inner shell expands these
	in_group bash -c 'for i in {1..100}; do "$1" -q "$2"; done' - "$peers/client" "$place_4" >>clients
	rmdir "$cgroup_dir"
	tool_stop
	longest=$(awk '{ ms = ($NF - $(NF - 2)) / 1e6; most = ms > most ? ms : most } END { print most }' clients)
	expect "clients" 100 "$(sed -n 's/.* pid \([0-9]*\) .*/\1/p' clients | sort -u | wc -l)"
	expect "processes, and their container and pod in all rows" "100 ${container_id:0:12} $pod_uid" \
		"$(owners text | cut -d ' ' -f 2- | uniq -c | sed 's/^ *//')"
	expect "rows" 500 "$(tail -n +2 rows | wc -l)"
	note "100 of 100; the longest connect took $longest ms"
}

# by_process - in a v1 hierarchy the kernel does not tell the group: /proc does, at the first row
by_process()
{
	server "$place_4"
	tool_start -a -x -D 7711
	make_group v1 "docker/$container_id"
	client_in_group -o 300 "$place_4"
	tool_stop
	expect "PID, container, pod" "$client_pid ${container_id:0:12} -" "$(owners text)"
}

# by_netns - a process that is gone, and one that is not known: another process in their namespace tells
by_netns()
{
	server "$place_4"
	tool_start -a -x -D 7711
	make_group v1 "docker/$container_id"
	stay_in_group
	client_in_group "$place_4"
	tool_stop
	expect "PID, container, pod" "$client_pid ${container_id:0:12} -" "$(owners text)"
}

in_its_group()
{
	[ "$(wc -l <"$cgroup_dir/cgroup.procs")" = 1 ]
}

# server_by_netns - the kernel accepts a connection for no process; in a pod the namespace tells the pod only
server_by_netns()
{
	tool_start -a -x -L 7711
	make_group v2 "kubepods.slice/$pod_slice/crio-$container_id.scope"
	stay_in_group
	server "$place_4"
	client "$place_4"
	wait_for has_closed 1
	tool_stop
	expect "container and pod of accepted sockets" "- $pod_uid" "$(awk '$8 == "SYN_RECV" || $8 == "CLOSE_WAIT" ||
		$8 == "LAST_ACK" { print $(NF - 1), $NF }' rows | sort -u)"
}

# no_container - host processes in no container
no_container()
{
	server "$place_4"
	tool_start -a -x -D 7711
	client "$place_4"
	tool_stop
	expect "container, pod" "- -" "$(owners text | cut -d ' ' -f 2-)"
}

# in_netns - two clients, in two namespaces; the one that is asked for by inode, PID or path
in_netns()
{
	local name=$1 inode other
	unshare --net sleep 60 &
	other=$!
	pids+=("$other")
	wait_for other_netns "$other"
	inode=$(stat -L -c %i "/proc/$other/ns/net")
	case $name in
	inode) name=$inode ;;
	pid) name=$other ;;
	path)
		: >mounted
		mount --bind "/proc/$other/ns/net" mounted
		name=./mounted
		;;
	esac
	nsenter --net="/proc/$other/ns/net" ip link set lo up
	tool_start -a -x --netns "$name"
	client_fails "$place_4"
	client_in=(nsenter --net="/proc/$other/ns/net")
	client_fails "$place_4"
	tool_stop
	[ "$1" != path ] || umount mounted
	expect "rows" 2 "$(tail -n +2 rows | wc -l)"
	expect "namespaces of rows" "$inode" "$(awk 'NR > 1 { print $(NF - 5) }' rows | sort -u)"
	expect "PID" "$(tail -n 1 clients | sed 's/.* pid \([0-9]*\) .*/\1/')" "$(awk 'NR > 1 { print $2 }' rows | sort -u)"
}

# counted_in_netns - counters have the connects of one namespace only
counted_in_netns()
{
	local other
	unshare --net sleep 60 &
	other=$!
	pids+=("$other")
	wait_for other_netns "$other"
	nsenter --net="/proc/$other/ns/net" ip link set lo up
	tool_start -a --summary --netns "$other" -D 7711
	client_fails -n 3 "$place_4"
	client_in=(nsenter --net="/proc/$other/ns/net")
	client_fails -n 5 "$place_4"
	tool_stop
	expect "connects, refused" "5 5" "$(numbers "$place_4" 3 5)"
}

other_netns()
{
	[ "$(stat -L -c %i "/proc/$1/ns/net")" != "$(stat -L -c %i /proc/self/ns/net)" ]
}

# of_container ID - rows of one container only, which starts later; another one has the same pod
of_container()
{
	local name=$1 other=ffffffffffff${container_id:12}
	server "$place_4"
	tool_start -a -j --container "$name" -D 7711
	client "$place_4"
	make_group v2 "kubepods.slice/$pod_slice/crio-$container_id.scope"
	client_in_group -n 2 "$place_4"
	echo "$client_pid $container_id $pod_uid" >expected
	make_group v2 "kubepods.slice/$pod_slice/crio-$other.scope"
	client_in_group "$place_4"
	[ "$name" != "$pod_uid" ] || echo "$client_pid $other $pod_uid" >>expected
	tool_stop
	expect "PID, container, pod" "$(sort expected)" "$(owners json)"
	expect "rows, filtered" "$((10 * $(wc -l <expected) - ($(wc -l <expected) - 1) * 5)) $((10 - ($(wc -l <expected) - 1) * 5))" \
		"$(jq -r 'select(.event == "end") | "\(.rows) \(.filtered)"' rows)"
}

# pid_namespace - in a PID namespace the rows have the host's PIDs, and -p has those of the namespace
pid_namespace()
{
	local inner
	server "$place_4"
	tool_in=(unshare --pid --fork --mount-proc --kill-child --)
	tool_start -a -D 7711
	client "$place_4"
	kill -TERM "$(pgrep -P "$tool_pid")"
	tool_end
	expect "line on stderr" 1 "$(grep -c 'in the PID namespace of a container: the PIDs in rows are the host.s$' err)"
	expect "PIDs" "$(sed 's/.* pid \([0-9]*\) .*/\1/' clients)" "$(awk 'NR > 1 { print $2 }' rows | sort -u)"
}

# pid_in_namespace - a shell waits in the namespace and becomes the client, which has its number there
pid_in_namespace()
{
	local outer
	server "$place_4"
	mkfifo go
	# shellcheck disable=SC2016 # the inner shell expands these
	unshare --pid --fork --mount-proc --kill-child -- bash -c '
		bash -c "read -r <go; exec \$1 -n 2 \$2" - "$3" "$4" >>clients &
		waiter=$!
		echo $waiter >number
		"$1" --cache-dir "$2" --no-realtime -a -D 7711 -p $waiter >rows 2>err &
		tool=$!
		wait $waiter
		"$3" "$4" >>others
		kill -TERM $tool
		wait $tool' - "$tool" "$cache" "$peers/client" "$place_4" &
	pids+=($!)
	outer=$!
	tool_pid=$!
	wait_for grep -qs 'tracing; Ctrl-C' err
	client "$place_4"
	: >go
	wait "$outer"
	expect "what the client calls itself" "$(cat number)" "$(sed -n 's/.* pid \([0-9]*\) .*/\1/p' clients | tail -n 1)"
	expect "rows" 10 "$(tail -n +2 rows | wc -l)"
	expect "line on stderr" 1 "$(grep -c 'that of -p is the container.s$' err)"
}

run_containers()
{
	run "--netns: by inode number" traced in_netns inode
	run "--netns: by PID" traced in_netns pid
	run "--netns: by path" traced in_netns path
	run "--netns: counters" traced counted_in_netns
	run "--netns: no such process" misuse 2 "no such process; give the PID" "$tool" -a --netns 4194304
	run "--netns: a file" misuse 2 "not a network namespace" "$tool" -a --netns /etc/passwd
	run "--netns: another kind of namespace" misuse 2 "not a network namespace" "$tool" -a --netns /proc/self/ns/pid
	run "--netns: a word" misuse 2 "'pod': give an inode number" "$tool" -a --netns pod
	run "--container: 12 digits" traced of_container "${container_id:0:12}"
	run "--container: all digits" traced of_container "$container_id"
	run "--container: the UID of a pod" traced of_container "$pod_uid"
	run "--container: 11 digits" misuse 2 "first 12 digits" "$tool" -a --container "${container_id:0:11}"
	run "--container: counting" misuse 2 "prints no rows" "$tool" -a --summary --container "$container_id"
	run "PID namespace: the host's numbers" traced pid_namespace
	run "PID namespace: -p" traced pid_in_namespace
	run "containers: every path, -x" traced container_formats text -x
	run "containers: every path, -s -x" traced container_formats csv -s -x
	run "containers: every path, -j" traced container_formats json -j
	run "containers: every path, from within a container" traced from_a_container
	run "containers: 100 short-lived processes" traced short_lived
	run "containers: v1, by /proc" traced by_process
	run "containers: v1, a process that is gone" traced by_netns
	run "containers: accepted connections of a pod" traced server_by_netns
	run "containers: a process in none" traced no_container
}
