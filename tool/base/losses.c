/* SPDX-License-Identifier: Apache-2.0 */
#include "base/losses.h"

const struct loss_cause loss_causes[LOSSES] = {
	[LOSS_BUFFER_FULL] = {
		.key = "lost_buffer_full",
		.metric = "ipvs_tcpstate_lost_rows_total",
		.help = "Rows that were lost because a perf buffer was full.",
		.at_once = "rows are being lost: perf buffer full; enlarge it by -b",
		.at_end = "lost: perf buffer full; enlarge it by -b",
		.rows = true,
	},
	[LOSS_MISSED] = {
		.key = "lost_missed",
		.metric = "ipvs_tcpstate_missed_events_total",
		.help = "Events that were not counted because another BPF program was running on that CPU or kprobes were switched off.",
		.at_end = "lost: not seen because another BPF program was running on that CPU or kprobes were switched off",
		.rows = true,
	},
	[LOSS_SOCKETS_FULL] = {
		.key = "sockets_not_followed",
		.metric = "ipvs_tcpstate_sockets_not_followed_total",
		.help = "Sockets that were not tracked because there were too many at once.",
		.at_once = "some sockets are not tracked: too many at once; allow more by --max-conns",
		.at_end = "sockets not tracked: too many at once; allow more by --max-conns",
	},
	[LOSS_CONNECTS_FULL] = {
		.key = "connects_without_real",
		.metric = "ipvs_tcpstate_connects_without_real_total",
		.help = "Connects whose real server is unknown because there were too many at once.",
		.at_once = "some connects lack their real server: too many at once; allow more by --max-conns",
		.at_end = "connects without their real server: too many at once; allow more by --max-conns",
	},
	[LOSS_REASONS] = {
		.key = "reasons_missed",
		.at_end = "socket errors or ends of IPVS connections not seen because another BPF program was running on that CPU: "
			  "reasons may be missing",
	},
	[LOSS_TALLIES_FULL] = {
		.key = "connections_not_counted",
		.metric = "ipvs_tcpstate_connects_not_counted_total",
		.help = "Connects that were not counted because there were too many real servers.",
		.at_end = "connections not counted: too many real servers; allow more by --max-conns",
		.of_counts = true,
	},
	[LOSS_BUCKETS_FULL] = {
		.key = "times_not_counted",
		.metric = "ipvs_tcpstate_times_not_counted_total",
		.help = "Times that are not in the histograms because there were too many real servers.",
		.at_end = "times not in the percentiles: too many real servers; allow more by --max-conns",
		.of_counts = true,
	},
	[LOSS_UNREAD] = {
		.key = "connections_not_read",
		.metric = "ipvs_tcpstate_connections_not_read_total",
		.help = "Connections from before the start that were not read from IPVS's table because there were too many.",
		.at_end = "connections from before the start not read from IPVS's table: they are not shown, or with -a lack "
			  "their real server",
		.at_end_only = true,
	},
	[LOSS_DAMAGED] = {
		.key = "lost_damaged",
		.at_end = "lost: malformed events",
		.rows = true,
		.at_end_only = true,
	},
};

bool losses_update(struct losses *so_far, const struct losses *now, struct losses *since)
{
	bool any = false;

	for (int i = 0; i < LOSSES; i++) {
		since->n[i] = now->n[i] > so_far->n[i] ? now->n[i] - so_far->n[i] : 0;
		so_far->n[i] += since->n[i];
		any |= since->n[i] != 0;
	}
	return any;
}

uint64_t losses_rows(const struct losses *l)
{
	uint64_t n = 0;

	for (int i = 0; i < LOSSES; i++)
		n += loss_causes[i].rows ? l->n[i] : 0;
	return n;
}
