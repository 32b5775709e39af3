# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The tool in a container, with all that it needs there or without one thing: --check names the thing. There is no runtime
# here, so the tests make the container as one does: namespaces, a root folder with few mounts, a bounding set, a filter.

# image - makes ./root: this machine's programs and libraries, without the files that belong to a host. "mounts", "capabilities",
# "namespaces" and "filter" are what the container gets: at first what scripts/examples/daemonset.yml gives
image()
{
	local example=$top/scripts/examples/daemonset.yml
	mkdir root layers host_cache
	mount -t tmpfs tmpfs layers
	mkdir layers/upper layers/work
	mount -t overlay -o "lowerdir=/,upperdir=$PWD/layers/upper,workdir=$PWD/layers/work" overlay root || skip "no overlay here"
	cp "$tool" root/ipvs-tcpstate
	cp "$host/filtered.py" root/
	rm -rf root/lib/modules/* root/usr/src/* root/var/cache/ipvs-tcpstate
	mkdir -p root/lib/modules root/var/cache/ipvs-tcpstate root/var/lib/prometheus/node-exporter
	mapfile -t mounts < <(sed -n 's/.*{name: \([a-z]*\), mountPath: .*/\1/p' "$example")
	mapfile -t capabilities < <(sed -n 's/^ *add: \[\(.*\)\]$/\1/p' "$example" | tr -d ' ' | tr ,A-Z '\na-z')
	expect "mounts and capabilities in the example" "6 4" "${#mounts[@]} ${#capabilities[@]}"
	namespaces=(--mount --cgroup) filter=''
	cat >inside <<-'END'
		#!/bin/bash
		# Mounts what is named in "mounts", takes all capabilities away that are not in "capabilities", and runs the tool.
		set -e
		mount -t proc proc root/proc
		mount -t sysfs -o ro sysfs root/sys
		mount -t tmpfs tmpfs root/dev
		for place in $mounts; do
			case $place in
			tracefs) mount -t tracefs -o ro tracefs root/sys/kernel/tracing ;;
			modules) mount --rbind /lib/modules root/lib/modules ;;
			src) mount --rbind /usr/src root/usr/src ;;
			cache) mount --bind host_cache root/var/cache/ipvs-tcpstate ;;
			cgroup) [ ! "$hierarchy" ] || mount --rbind "$hierarchy" root/sys/fs/cgroup ;;
			metrics) mount -t tmpfs tmpfs root/var/lib/prometheus/node-exporter ;;
			own-cgroup) mount -t cgroup2 cgroup root/sys/fs/cgroup ;;
			esac
		done
		mount -o remount,bind,ro root
		set=-all
		for name in $capabilities; do
			set+=,+$name
		done
		exec chroot root setpriv --bounding-set "$set" --inh-caps "$set" ${filter:+/filtered.py "$filter"} /ipvs-tcpstate "$@"
	END
	chmod 755 inside
	tool=$PWD/container
	seal
}

# seal - writes "container", which runs the tool in one
seal()
{
	cat >container <<-END
		#!/bin/bash
		cd "$PWD" && exec unshare ${namespaces[*]} --propagation private --fork --kill-child -- \\
			env mounts="${mounts[*]}" capabilities="${capabilities[*]}" filter="$filter" hierarchy="$(hierarchy v2)" ./inside "\$@"
	END
	chmod 755 container
}

# report - prints the lines of --check that do not depend on the kernel, with single spaces
report()
{
	"$tool" --check -a 2>&1 | grep -vE '^(hook|kprobes|layout) ' | tr -s ' '
}

# differs LINES COMMAND... - COMMAND takes something away from the container; then --check has LINES in place of others
differs()
{
	local lines=${1//RELEASE/$(uname -r)}
	shift
	report >whole || :
	"$@"
	seal
	report >out || :
	expect "lines that differ" "$lines" "$(grep -vxFf whole out)"
}

# lacks_thing LINES COMMAND... - the same, in a PID namespace, so that the root is known to be another one than the host's
lacks_thing()
{
	image
	own_pids
	seal
	differs "$@"
}

# lacks_among_all LINES COMMAND... - the same, in the host's PID namespace
lacks_among_all()
{
	image
	differs "$@"
}

own_pids()
{
	namespaces+=(--pid)
}

without_mount()
{
	mounts=("${mounts[@]/#$1/}")
}

without_capability()
{
	capabilities=("${capabilities[@]/#$1/}")
}

# filtered NAME... - a filter refuses these system calls
filtered()
{
	local name numbers=()
	for name; do
		numbers+=("$(printf '#include <sys/syscall.h>\n__NR_%s\n' "$name" | gcc -E -P - | tail -n 1)")
	done
	filter=$(IFS=,; echo "${numbers[*]}")
}

without_src()
{
	local link
	link=$(readlink "/lib/modules/$(uname -r)/build") || skip "the headers are no link here"
	[[ $link == /usr/src/* ]] || skip "the headers are not in /usr/src here"
	lacks_thing "headers missing /lib/modules/RELEASE/build leads to $link, which is not there, no kheaders, no --programs; \
add: docker run -v /usr/src:/usr/src:ro; Kubernetes: hostPath /usr/src" without_mount src
}

# What the example gives is enough to trace. The root is read-only, so the folder of the cache is the host's: what one
# container compiles, the next one finds.
everything()
{
	image
	report >out || fail "something is missing: $(cat out)"
	grep -qx 'privilege ok user 0' out || fail "privilege: $(cat out)"
	grep -qx 'perf events ok permitted' out || fail "perf events: $(cat out)"
	grep -qx 'cache ok miss in /var/cache/ipvs-tcpstate: the next start compiles' out || fail "cache: $(cat out)"
	server "$place_4"
	cache=/var/cache/ipvs-tcpstate
	tool_start -a -D 7711
	client -n 23 "$place_4"
	kill "$(pgrep -f -P "$tool_pid" ipvs-tcpstate)"
	tool_end
	expect "rows of the client" "$(client_rows "$place_4")" "$(own_rows "$place_4")"
	expect "lost" 0 "$(lost)"
	report | grep -qx 'cache ok hit in /var/cache/ipvs-tcpstate' || fail "what was compiled is not kept"
}

# "docker run" without any option
plain_docker()
{
	image
	mounts=() capabilities=(chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap net_bind_service sys_chroot kill
		audit_write)
	own_pids
	filtered bpf perf_event_open
	seal
	! report >out || fail "--check says that it can"
	expect "--check" "privilege missing user 0 without CAP_BPF and CAP_PERFMON; add: docker run --cap-add BPF --cap-add PERFMON; \
Kubernetes: capabilities.add BPF, PERFMON; systemd: CapabilityBoundingSet
bpf missing not known without privilege
perf events missing not known without privilege
tracefs missing not mounted; add: docker run -v /sys/kernel/tracing:/sys/kernel/tracing; Kubernetes: hostPath /sys/kernel/tracing
processes warning only those of this PID namespace: $of_processes; add: docker run --pid=host; Kubernetes: hostPID: true
headers missing no /lib/modules/$(uname -r), no kheaders, no --programs; add: docker run -v /lib/modules:/lib/modules:ro -v /usr/src:/usr/src:ro; \
Kubernetes: hostPath /lib/modules and /usr/src" "$(grep -E '^(privilege|bpf|perf|tracefs|processes|headers)' out)"
	misuse 3 '^ipvs-tcpstate: cannot load BPF programs as user 0 without CAP_BPF and CAP_PERFMON; see --check$' "$tool" -a
}

# group_views - the line about control groups, which comes only if containers are looked for
group_views()
{
	[ "$(hierarchy v2)" ] || skip "no control groups v2"
	image
	own_pids
	make_group v2 "docker-$container_id.scope"
	seal
	expect "the host's" "cgroups ok /sys/fs/cgroup" "$(in_group ./container --check -a -x | tr -s ' ' | grep '^cgroups')"
	mounts=("${mounts[@]/#cgroup/own-cgroup}")
	seal
	expect "its own" "cgroups warning only a part of the hierarchy is at /sys/fs/cgroup: containers are not known; \
add: docker run -v /sys/fs/cgroup:/sys/fs/cgroup:ro; Kubernetes: hostPath /sys/fs/cgroup" \
		"$(in_group ./container --check -a -x | tr -s ' ' | grep '^cgroups')"
	without_mount own-cgroup
	seal
	expect "none" "cgroups ok no v2 hierarchy: containers by /proc/PID/cgroup" \
		"$(in_group ./container --check -a -x | tr -s ' ' | grep '^cgroups')"
}

of_processes='connections from before the start and containers in other network namespaces are not known'

run_cluster()
{
	run "cluster: everything there" traced elsewhere everything
	run "cluster: docker run without options" traced elsewhere plain_docker
	run "cluster: without tracefs" traced elsewhere lacks_thing \
		"tracefs missing not mounted; add: docker run -v /sys/kernel/tracing:/sys/kernel/tracing; Kubernetes: hostPath /sys/kernel/tracing" \
		without_mount tracefs
	run "cluster: without /lib/modules" traced elsewhere lacks_thing \
		"headers missing no /lib/modules/RELEASE, no kheaders, no --programs; add: docker run -v /lib/modules:/lib/modules:ro \
-v /usr/src:/usr/src:ro; Kubernetes: hostPath /lib/modules and /usr/src
ip_vs warning not loaded; no /lib/modules/RELEASE, so it is not known whether this kernel has it" without_mount modules
	run "cluster: without /usr/src" traced elsewhere without_src
	run "cluster: without the host's PID namespace" traced elsewhere lacks_among_all \
		"processes warning only those of this PID namespace: $of_processes; add: docker run --pid=host; Kubernetes: hostPID: true" own_pids
	run "cluster: without CAP_BPF" traced elsewhere lacks_thing \
		"privilege missing user 0 without CAP_BPF; add: docker run --cap-add BPF; Kubernetes: capabilities.add BPF; systemd: CapabilityBoundingSet
bpf missing not known without privilege" without_capability bpf
	run "cluster: without CAP_PERFMON" traced elsewhere lacks_thing \
		"privilege missing user 0 without CAP_PERFMON; add: docker run --cap-add PERFMON; Kubernetes: capabilities.add PERFMON; \
systemd: CapabilityBoundingSet
bpf missing not known without privilege
perf events missing not known without privilege" without_capability perfmon
	run "cluster: without CAP_SYS_PTRACE" traced elsewhere lacks_among_all \
		"processes warning no CAP_SYS_PTRACE: $of_processes; add: docker run --cap-add SYS_PTRACE; Kubernetes: capabilities.add SYS_PTRACE; \
systemd: CapabilityBoundingSet" without_capability sys_ptrace
	run "cluster: a filter that refuses bpf(2)" traced elsewhere lacks_thing \
		"bpf missing bpf(2) is forbidden by the seccomp filter of this process; add: docker run --security-opt seccomp=unconfined; \
Kubernetes: seccompProfile type Unconfined" filtered bpf
	run "cluster: a filter that refuses perf_event_open(2)" traced elsewhere lacks_thing \
		"perf events missing perf_event_open(2) is forbidden by the seccomp filter of this process; add: docker run \
--security-opt seccomp=unconfined; Kubernetes: seccompProfile type Unconfined" filtered perf_event_open
	run "cluster: without a folder for the cache" traced elsewhere lacks_thing \
		"cache warning miss in /var/cache/ipvs-tcpstate, and it cannot be written (Read-only file system): each start compiles; \
add: docker run -v /var/cache/ipvs-tcpstate:/var/cache/ipvs-tcpstate; Kubernetes: hostPath /var/cache/ipvs-tcpstate" without_mount cache
	run "cluster: control groups" traced elsewhere group_views
}
