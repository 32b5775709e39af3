/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/compile.h"

#include "base/log.h"
#include "host/distro.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void do_without_layout(struct kernel *k, const struct programs *layout)
{
	log_warning("no reasons, and no IPv6 real servers: %s", layout->errmsg);
	k->layout_final = true;
}

static void take_layout(struct kernel *k, const struct programs *layout)
{
	layout_from_object(&k->layout, &layout->object);
	k->layout_final = true;
}

int compile_start_layout(const struct plan *p, struct programs *layout)
{
	const struct host *h = p->host;
	const struct programs_text text = plan_layout_text(p);
	char hint[160];

	if (!p->saved && !host_headers_match(h)) {
		distro_headers_hint(h->uts.release, hint, sizeof(hint));
		snprintf(layout->errmsg, sizeof(layout->errmsg), "headers in %.99s are of kernel %s, not %s; run: %s",
			 h->headers, h->headers_release, h->uts.release, hint);
		return -EINVAL;
	}
	return programs_start(layout, h, &text, plan_cache_dir(p));
}

static void begin_layout(struct kernel *k, struct programs *layout)
{
	bool wait = k->plan->options->hooks == HOOK_CHOICE_RAW || k->plan->options->director || k->plan->options->server;

	if (k->layout_final)
		return;
	if (compile_start_layout(k->plan, layout) || (wait && programs_step(layout, true)))
		do_without_layout(k, layout);
	else if (layout->ready)
		take_layout(k, layout);
}

int compile_programs(struct kernel *k, struct programs *layout, struct programs *main)
{
	const struct programs_text text = plan_main_text(k->plan);
	bool progress;
	int err;

	begin_layout(k, layout);	/* in parallel with the main text */
	err = programs_start(main, k->plan->host, &text, plan_cache_dir(k->plan));
	progress = !err && !main->ready && isatty(STDERR_FILENO);
	if (progress)
		fprintf(stderr, "%s: compiling for kernel %s ...", log_name(), k->plan->host->uts.release);
	if (!err)
		err = programs_step(main, true);
	if (progress)
		fprintf(stderr, "\r\033[K");
	return err;
}

bool compile_follow(struct kernel *k, struct programs *layout)
{
	if (k->layout_final)
		return true;
	if (programs_step(layout, false)) {
		do_without_layout(k, layout);
		return true;
	}
	if (!layout->ready)
		return false;
	take_layout(k, layout);
	kernel_update_settings(k);
	return true;
}
