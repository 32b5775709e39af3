/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles every text in every variant, and loads every program to test it with the kernel's verifier, also programs that
 * this host would not choose. It attaches nothing, so it also runs on hosts that cannot trace. It prints a line for each
 * step: "ok" or "failed", the step, its result. The exit status is 0 if every step was ok.
 */
#include "base/log.h"
#include "bpf/loader.h"
#include "output/output.h"
#include "trace/plan.h"
#include "trace/printing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool report_step(struct output *o, bool ok, const char *what, const char *how)
{
	put_text(o, ok ? "ok " : "failed ");
	put_text(o, what);
	put_text(o, *how ? ": " : "");
	put_text(o, how);
	put_char(o, '\n');
	output_flush(o);
	return ok;
}

static bool rehearse_compile(const struct plan *p, const struct programs_text *text, struct programs *programs,
		    struct output *o, const char *what)
{
	char how[64] = "";
	bool ok = !programs_start(programs, p->host, text, NULL) && !programs_step(programs, true) &&
		  programs->object.n_programs;

	if (ok)
		snprintf(how, sizeof(how), "%u programs, %u instructions", programs->object.n_programs,
			 programs->object.n_insns);
	return report_step(o, ok, what, ok ? how : programs->errmsg);
}

static bool has_any(void *cookie, const struct hook *hook)
{
	const struct plan *p = cookie;

	if (hook->event >= HOOK_SYN_ACK ? !p->options->server : hook->event >= HOOK_FORWARD && !p->options->director)
		return false;
	if (hook->event < HOOK_SYN_ACK && p->options->server && !p->options->all)
		return false;
	if (hook->kind == HOOK_RAW_TRACEPOINT)
		return p->host->raw_tracepoints && (hook->event != HOOK_STATE_SECOND || p->host->raw_may_skip);
	if (hook->kind != HOOK_TRACEPOINT)
		return true;
	return hook->event == HOOK_STATE ? p->defines.state_tracepoint
					: p->defines.retransmit_tracepoint;
}

static bool load(struct plan *p, const struct object *object, enum hook_choice wish, struct output *o, const char *what)
{
	const struct hook *chosen[HOOK_EVENTS];
	struct loaded loaded;
	char errmsg[512] = "";
	const struct map_sizes sizes = { .conns = (uint32_t)p->options->max_conns, .open_before = 1,
					 .paths = 1, .tallies = 1, .buckets = 1, .cpus = 1 };
	bool ok;

	hooks_choose(wish, has_any, p, chosen);
	ok = !loader_open(&loaded, object, chosen, &sizes, errmsg, sizeof(errmsg));
	loader_close(&loaded);
	return report_step(o, ok, what, errmsg);
}

/* What the programs are for. */
struct purpose {
	bool rows, counts;
	enum director director;
	bool server, all;
	const char *what;
};

static void set_defines(struct plan *p, int read_helper, const struct purpose *purpose)
{
	char *state = host_format(p->host, "sock", "inet_sock_set_state");
	char *retransmit = host_format(p->host, "tcp", "tcp_retransmit_skb");

	probe_text_defines(&p->defines, read_helper, state, retransmit);
	plan_add_defines(p, purpose->rows, purpose->counts);
	free(state);
	free(retransmit);
}

static bool main_text(struct plan *p, int read_helper, const struct purpose *purpose, struct output *o)
{
	static const struct {
		enum hook_choice wish;
		const char *what;
	} kinds[] = {
		{ HOOK_CHOICE_RAW, "raw" },
		{ HOOK_CHOICE_TRACEPOINT, "tracepoint" },
		{ HOOK_CHOICE_KPROBE, "kprobe" },
	};
	struct programs programs = PROGRAMS_NONE;
	struct programs_text text;
	char what[96];
	bool ok;

	set_defines(p, read_helper, purpose);
	text = plan_main_text(p);
	snprintf(what, sizeof(what), "compile for %s, reading by helper %d", purpose->what, read_helper);
	ok = rehearse_compile(p, &text, &programs, o, what);
	for (size_t i = 0; ok && i < N_OF(kinds); i++) {
		snprintf(what, sizeof(what), "load for %s, hooks %s", purpose->what, kinds[i].what);
		ok = load(p, &programs.object, kinds[i].wish, o, what);
	}
	programs_close(&programs);
	return ok;
}

/* Before 4.17, without raw tracepoints, sk_protocol is not needed. In some of these headers it is a bitfield. */
static bool needs_protocol(const struct host *h)
{
	unsigned int major = 0, minor = 0;

	return sscanf(h->headers_release, "%u.%u", &major, &minor) != 2 || major * 1000 + minor >= 4017;
}

static bool layout_text(const struct plan *p, struct output *o)
{
	const struct programs_text text = plan_layout_text(p);
	struct programs programs = PROGRAMS_NONE;
	struct layout l = { 0 };
	char how[256];
	bool ok = rehearse_compile(p, &text, &programs, o, "compile layout");

	layout_from_object(&l, &programs.object);
	programs_close(&programs);
	snprintf(how, sizeof(how), "sk_err %u skc_net %u skc_v6_daddr %u skc_v6_rcv_saddr %u net_inum %u "
		 "sk_protocol %u/%u inet_sport %u inet_saddr %u ipvs_net %u iph_len %u dest_conn_flags %u cp_state %u "
		 "transition_args %u", l.sk_err, l.skc_net, l.skc_v6_daddr, l.skc_v6_rcv_saddr, l.net_inum, l.sk_protocol,
		 l.protocol_size, l.inet_sport, l.inet_saddr, l.ipvs_net, l.iph_len, l.dest_conn_flags,
		 l.cp_state, l.transition_args);
	if (!needs_protocol(p->host))
		l.sk_protocol = l.protocol_size = 1;
	return ok && report_step(o, layout_knows_sockets(&l) && l.dest_conn_flags && l.iph_len && layout_knows_states(&l),
				 "layout", how);
}

static bool rehearse(struct plan *p, struct output *o)
{
	static const struct purpose purposes[] = {
		{ true, false, DIRECTOR_OFF, false, false, "rows" },
		{ false, true, DIRECTOR_OFF, false, false, "counting" },
		{ true, true, DIRECTOR_OFF, false, false, "rows and counting" },
		{ true, false, DIRECTOR_STATES, false, false, "rows and --director" },
		{ true, true, DIRECTOR_STATES, false, false, "rows, counting and --director" },
		{ true, true, DIRECTOR_OFF, true, false, "rows and counting of --server" },
		{ true, true, DIRECTOR_OFF, true, true, "rows, counting and --server" },
	};
	const struct options *given = p->options;
	struct options options = *given;
	bool ok = layout_text(p, o);

	p->options = &options;
	for (size_t i = 0; i < N_OF(purposes); i++) {
		options.director = purposes[i].director;
		options.server = purposes[i].server;
		options.all = purposes[i].all;
		ok &= main_text(p, p->host->read_helper, &purposes[i], o);
	}
	/* Only the helper's number differs on kernels before 5.5. */
	options = *given;
	if (p->host->read_helper != BPF_FUNC_probe_read)
		ok &= main_text(p, BPF_FUNC_probe_read, &purposes[0], o);
	p->options = given;
	return ok;
}

int main(int argc, char *argv[])
{
	struct output_settings settings;
	struct options options;
	struct output out;
	struct plan plan;
	struct host host;
	bool ok;

	log_init("rehearse", LOG_DEBUG);
	if (options_parse(&options, argc, argv)) {
		log_error("%s", options.error);
		return 2;
	}
	host_probe(&host);
	plan_make(&plan, &options, &host, NULL);
	settings = printing_settings(&options, NULL);
	if (output_open(&out, &settings, STDOUT_FILENO))
		return 1;
	ok = rehearse(&plan, &out);
	output_close(&out);
	return !ok;
}
