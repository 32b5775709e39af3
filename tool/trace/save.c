/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/save.h"

#include "base/log.h"
#include "trace/compile.h"
#include "trace/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds to @s what was started with the result @err, and closes it. Returns 0, or a negative errno with @errmsg. */
static int add_compiled(struct saved *s, struct programs *p, int err, char *errmsg, size_t len)
{
	char *key = NULL;

	if (!err)
		err = programs_step(p, true);
	/* An optional text that does not compile has an empty object, and is reported. */
	if (!err && p->object.n_programs) {
		key = saved_key(p->text.text, p->text.flags, p->text.n_flags);
		err = key ? saved_add(s, p->text.kind, key, &p->object) : -ENOMEM;
	}
	if (err)
		snprintf(errmsg, len, "%s", *p->errmsg ? p->errmsg : strerror(-err));
	programs_close(p);
	free(key);
	return err;
}

/* Adds the layout: what BTF has, and what the headers have. A host where ip_vs is not loaded needs the second. */
static int add_layout(struct saved *s, const struct plan *p, char *errmsg, size_t len)
{
	struct programs layout = PROGRAMS_NONE;

	if (p->layout_known)
		layout_save(&p->layout, p->host, s);	/* if that fails, BTF is read again, which takes longer */
	return add_compiled(s, &layout, compile_start_layout(p, &layout), errmsg, len);
}

/* What is reported, in each of three ways: as rows, as counts, or both. */
enum purpose { FOR_SOCKETS, FOR_DIRECTOR = 3, FOR_DIRECTOR_SOCKETS = 6, FOR_SERVER = 9, FOR_SERVER_SOCKETS = 12, PURPOSES = 15 };

/* Sets the options for which these programs are compiled, and no others that matter. */
static void set_purpose(struct options *o, const struct options *given, int purpose)
{
	*o = (struct options){
		.hooks = given->hooks,
		.no_cache = given->no_cache,
		.cache_dir = given->cache_dir,
		.max_conns = given->max_conns,
		.summary = purpose % 3 > 0,
		.record = purpose % 3 > 1 ? "" : NULL,
		.director = purpose >= FOR_DIRECTOR && purpose < FOR_SERVER ? DIRECTOR_DEFAULT : DIRECTOR_OFF,
		.server = purpose >= FOR_SERVER,
		.all = (purpose >= FOR_DIRECTOR_SOCKETS && purpose < FOR_SERVER) || purpose >= FOR_SERVER_SOCKETS,
	};
}

int save_programs(struct saved *s, const struct options *given, const struct host *h, const volatile sig_atomic_t *stop,
		  char *errmsg, size_t len)
{
	int err = 0;

	saved_init(s, given->save_programs, h);
	for (int purpose = FOR_SOCKETS; purpose < PURPOSES && !err; purpose++) {
		struct programs programs = PROGRAMS_NONE;
		struct programs_text text;
		struct options o;
		struct plan p;

		set_purpose(&o, given, purpose);
		plan_make(&p, &o, h, NULL);
		if (purpose == FOR_SOCKETS && add_layout(s, &p, errmsg, len) && !*stop)
			log_warning("not saved: the layout, so %s: %s",
				    p.layout_known ? "no --director before ip_vs is loaded" :
						     "no reasons, and no IPv6 real servers", errmsg);
		text = plan_main_text(&p);
		err = add_compiled(s, &programs, programs_start(&programs, h, &text, plan_cache_dir(&p)), errmsg, len);
		if (*stop) {
			snprintf(errmsg, len, "interrupted, nothing saved");
			return -EINTR;
		}
		if (err && purpose != FOR_SOCKETS) {
			log_warning("not saved: \"%s\": %s", text.kind, errmsg);
			err = 0;
		}
	}
	return err;
}
