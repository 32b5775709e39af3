# shellcheck shell=bash disable=SC2154 # of lib.sh and run
# SPDX-License-Identifier: Apache-2.0
#
# Builds the example image: there is no docker here, so this reads scripts/examples/Dockerfile and does what its lines say. The
# first stage begins with this machine's files, which have a compiler, the second one with the clean root. Both already have
# the packages that the lines install, as there is no network.

# stage BASE - mounts a root of the next stage under an overlay; sets "root"
stage()
{
	local dir=stage.$((++stages))
	mkdir "$dir"
	mount -t tmpfs tmpfs "$dir"
	mkdir "$dir/root" "$dir/upper" "$dir/work"
	mount -t overlay -o "lowerdir=$1,upperdir=$PWD/$dir/upper,workdir=$PWD/$dir/work" overlay "$dir/root" || skip "no overlay here"
	root=$PWD/$dir/root
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
}

# build_image FILE - sets "root" to the last stage's, and "entry" to its entry point
build_image()
{
	local word rest suite='' from to
	declare -A names=()
	stages=0 entry=''
	while read -r word rest; do
		case $word in
		'' | '#'*) ;;
		ARG) suite=${rest#SUITE=} ;;
		FROM)
			[ "${rest%% *}" = "debian:\${SUITE}-slim" ] || fail "not understood: FROM $rest"
			if [[ $rest == *" AS build" ]]; then
				stage /
				names[build]=$root
			else
				stage "$clean_base"
			fi
			;;
		RUN) CFLAGS=-O0 inside sh -c "export CFLAGS=-O0; $rest" >build.log 2>&1 || { tail -n 20 build.log; fail "RUN $rest"; } ;;
		COPY)
			read -r from to <<<"${rest#--from=build }"
			if [ "$from" = . ]; then
				copy_sources "$root/$to"
			else
				cp -a "${names[build]}/$from/." "$root/$to"
			fi
			;;
		ENTRYPOINT) entry=$(jq -r '.[]' <<<"$rest") ;;
		*) fail "not understood: $word $rest" ;;
		esac
	done <"$1"
	expect "suite and end" "$(. /etc/os-release && echo "$VERSION_CODENAME") /usr/sbin/ipvs-tcpstate 2" "$suite $entry $stages"
}

example_image()
{
	local files
	[ "$clean_base" ] || skip "$no_clean_base"
	build_image "$top/scripts/examples/Dockerfile"
	files=$(cd "$root" && find usr/sbin/ipvs-tcpstate usr/share/doc/ipvs-tcpstate/examples -type f | wc -l)
	between "files in the image" 5 "$files" 20
	expect "--help" "$("$tool" --help)" "$(inside "$entry" --help)"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tracefs -o ro tracefs "$root/sys/kernel/tracing"
	mkdir -p "$root/lib/modules" "$root/usr/src"
	mount --rbind /lib/modules "$root/lib/modules"
	mount --rbind /usr/src "$root/usr/src"
	inside "$entry" --check -a >out 2>err || fail "--check: $(grep missing out)"
	ip link set lo up
	server 127.0.0.1:8080
	: >err	# "ready" reads it
	inside "$entry" -a -D 8080 -n 5 >rows 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
	client 127.0.0.1:8080
	wait "$tool_pid" || fail "a trace: $(cat err)"
	expect "states of the client" "CLOSE SYN_SENT
SYN_SENT ESTABLISHED
ESTABLISHED FIN_WAIT1
FIN_WAIT1 FIN_WAIT2
FIN_WAIT2 CLOSE" "$(awk 'NR > 1 { print $8, $10 }' rows)"
}
