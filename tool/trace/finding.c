/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/finding.h"

static const char *const words[] = { "ok", "warning", "missing" };

static void print_finding_text(struct output *o, const struct finding *f)
{
	const char *start = o->at;

	put_text(o, f->name);
	put_pad(o, start, 12);
	put_char(o, ' ');
	put_text(o, words[f->status]);
	put_pad(o, start, 21);
	put_char(o, ' ');
	put_text(o, f->found);
	if (*f->mend) {
		put_text(o, f->adds ? "; add: " : "; run: ");
		put_text(o, f->mend);
	}
	put_char(o, '\n');
}

static void print_json(struct output *o, const struct finding *f)
{
	put_text(o, "{\"requirement\":");
	put_json(o, f->name);
	put_text(o, ",\"status\":");
	put_json(o, words[f->status]);
	put_text(o, ",\"found\":");
	put_json(o, f->found);
	put_text(o, ",\"mend\":");
	if (*f->mend)
		put_json(o, f->mend);
	else
		put_text(o, "null");
	put_text(o, "}\n");
}

void finding_print(const struct finding *f, struct output *o, bool json)
{
	if (json)
		print_json(o, f);
	else
		print_finding_text(o, f);
}
