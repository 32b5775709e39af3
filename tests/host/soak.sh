# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The highest rate of connections that loopback reaches, with all options, for SOAK_SECONDS (10; the long run has 600).
# Memory and maps must not grow, and each row must be printed or counted as lost. Then this test replays a recording of such
# a load so often that it covers six times as many seconds.
#
#   load (loopback) -> tool -a -r -x -j --record /dev/null -> /dev/null
#
# Nothing reads the rows: a reader would take CPU time from the load.

soak_seconds=${SOAK_SECONDS:-10}
soak_port=20000
soak_threads=$((8 * $(nproc)))	# so that no CPU is ever idle

# map_entries - counts the entries in all maps of the tool; the tool's descriptors show which maps it has
map_entries()
{
	local id
	sed -n 's/^map_id:\t*//p' "/proc/$tool_pid"/fdinfo/* | sort -un | while read -r id; do
		case $(bpftool map show id "$id") in
		*": hash "* | *": lru_hash "*) bpftool map dump id "$id" | sed -n 's/^Found \([0-9]*\) element.*/\1/p' ;;
		esac
	done | awk '{ n += $1 } END { print n + 0 }'
}

rss_kb()
{
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$tool_pid/status"
}

# sample - records second, memory and map entries while the load runs
sample()
{
	while kill -0 "$load_pid" 2>/dev/null; do
		echo "$SECONDS $(rss_kb) $(map_entries)"
		sleep "$1"
	done >samples
}

# load_begin SECONDS
load_begin()
{
	"$peers/load" 1000000000000 --threads "$soak_threads" --port "$soak_port" --seconds "$1" >load 2>load.err &
	load_pid=$!
	pids+=("$load_pid")
}

# load_end - sets connections, and the number of their rows: ten each, and two for each listening socket
load_end()
{
	local status=0
	wait "$load_pid" || status=$?
	expect "exit status of the load: $(cat load.err)" 0 "$status"
	connections=$(sed -n 's/^connections=//p' load)
	per_second=$(sed -n 's/^per_second=//p' load)
	sent=$((10 * connections + 2 * soak_threads))
}

# The maximum of the second half must not exceed that of the first by more than a small slack.
flat()
{
	awk -v column="$2" -v slack="$3" '
		{ at[NR] = $column }
		END {
			for (i = 1; i <= NR; i++)
				if (i <= NR / 2)
					first = at[i] > first ? at[i] : first
				else
					second = at[i] > second ? at[i] : second
			print first, second
			exit !(NR >= 4 && second <= first + slack)
		}' samples >peaks || fail "$1 grows: $(cat peaks), see $(paste -sd, samples)"
}

# peak COLUMN - prints the lowest and the highest sample
peak()
{
	awk -v column="$1" '{ print $column }' samples | sort -n | sed -n '1p; $p' | paste -sd-
}

# sent_and_told - compares the tool's last line with what the load has sent; other processes may have sent a few more events
sent_and_told()
{
	printed=$(sed -n 's/.* \([0-9]*\) rows, [0-9]* lost$/\1/p' err)
	others=$((printed + $(lost) - sent))
	between "rows printed and lost, above the $sent that were sent" 0 $others $((100 * soak_seconds))
}

soak()
{
	local entries
	tool_begin --record /dev/null
	load_begin "$soak_seconds"
	sample $((soak_seconds > 60 ? soak_seconds / 60 : 1))
	load_end
	entries=$(map_entries)
	tool_stop
	sent_and_told
	note "$connections connections, $per_second/s; $sent rows sent, $printed printed, $(lost) lost" \
		"($(sed -n 's/.*: \([0-9]*\) lost: \([^;,]*\).*/\1 \2/p' err | paste -sd,)), $others of others;" \
		"RSS $(peak 2) kB, map entries $(peak 3), $entries after"
	flat RSS 2 1024
	flat "the number of map entries" 3 1000
	between "RSS in kB" 500 "$(awk '{ print $2 }' samples | sort -n | tail -n 1)" 6144
	between "map entries after the load" 0 "$entries" 1000
}

# tool_begin OPTION... - same as tool_start, but discards rows, as a file would grow too large
tool_begin()
{
	: >err
	"$tool" --cache-dir "$cache" "${tool_options[@]}" -a -r -x -j "$@" >/dev/null 2>err &
	tool_pid=$!
	pids+=("$tool_pid")
	wait_for ready
}

# replay_once - replays and discards the rows; sets peak_kb. The last line must equal that of the recorded run.
replay_once()
{
	local pid kb status=0
	"$tool" --replay "$recording" -x -j >/dev/null 2>said &
	pid=$!
	pids+=("$pid")
	while kb=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) && [ "$kb" ]; do
		peak_kb=$kb
		sleep 0.02
	done
	wait $pid || status=$?
	expect "exit status of the replay" 0 "$status"
	expect "stderr of the replay" "$(said err)" "$(cat said)"
}

soak_replay()
{
	local seconds=$((soak_seconds / 20)) times i began_ms took_ms
	recording=''	# not local: it is removed at the very end
	# shellcheck disable=SC2317 # called by clean_up
	undo()
	{
		rm -f "$recording"
	}
	seconds=$((seconds < 2 ? 2 : seconds > 30 ? 30 : seconds))
	times=$((6 * soak_seconds / seconds))
	recording=$(mktemp -p /dev/shm 2>/dev/null || mktemp -p .)
	tool_begin --record "$recording"
	load_begin $seconds
	load_end
	tool_stop
	sent_and_told
	peak_kb=0
	began_ms=$(now_ms)
	for ((i = 0; i < times; i++)); do
		replay_once
		echo "$i $peak_kb" >>samples
	done
	took_ms=$(($(now_ms) - began_ms))
	note "$times replays of $printed rows, $((times * printed * 1000 / took_ms)) rows/s; peak RSS $(peak 2) kB"
	flat "peak RSS" 2 512
}

run_soak()
{
	limit=$((2 * soak_seconds + 120)) run "soak: $soak_seconds s of loopback's highest rate" traced soak
	limit=$((6 * soak_seconds + 120)) run "soak: replays of $((6 * soak_seconds)) s of it" traced soak_replay
}
