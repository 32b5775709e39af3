/* SPDX-License-Identifier: Apache-2.0 */
#include "build/probe_text.h"

#include "build/format.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

extern const char embedded_main[];
extern const char embedded_server[];
extern const char embedded_layout[];

const char *probe_text_main(void)
{
	return embedded_main;
}

const char *probe_text_server(void)
{
	return embedded_server;
}

const char *probe_text_layout(void)
{
	return embedded_layout;
}

const char *const probe_text_layout_flags[PROBE_TEXT_LAYOUT_FLAGS] = {
	"-D_UAPI__LINUX_BPF_H__",
	"-D__BPF_HELPERS_H",
	"-fms-extensions",	/* headers of 7.x */
};

__attribute__((format(printf, 2, 3)))
static void add(struct probe_defines *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(d->text[d->n], sizeof(d->text[d->n]), fmt, args);
	va_end(args);
	d->flags[d->n] = d->text[d->n];
	d->n++;
}

struct wanted {
	const char *define, *field;
	bool optional;
};

/* Adds the offsets of all fields. Adds none and returns false if a field that is not optional is missing. */
static bool add_offsets(struct probe_defines *d, const char *format, const struct wanted *w,
			size_t n)
{
	size_t before = d->n;

	if (!format)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct format_field f;

		if (!format_find(format, w[i].field, &f)) {
			add(d, "-D%s=%u", w[i].define, f.offset);
		} else if (!w[i].optional) {
			d->n = before;
			return false;
		}
	}
	return true;
}

void probe_text_defines(struct probe_defines *d, int read_helper, const char *state_format,
			const char *retransmit_format)
{
	static const struct wanted state[] = {
		{ "STATE_SKADDR", "skaddr", false },	 { "STATE_OLDSTATE", "oldstate", false },
		{ "STATE_NEWSTATE", "newstate", false }, { "STATE_SPORT", "sport", false },
		{ "STATE_DPORT", "dport", false },	 { "STATE_PROTOCOL", "protocol", false },
		{ "STATE_SADDR", "saddr", false },	 { "STATE_DADDR", "daddr", false },
		{ "STATE_SADDR_V6", "saddr_v6", false }, { "STATE_DADDR_V6", "daddr_v6", false },
	};
	static const struct wanted retransmit[] = {
		{ "RETRANSMIT_SKADDR", "skaddr", false },
		{ "RETRANSMIT_ERR", "err", true },
	};
	struct format_field protocol;

	memset(d, 0, sizeof(*d));
	add(d, "-DREAD_KERNEL=%d", read_helper);
	d->state_tracepoint = add_offsets(d, state_format, state, sizeof(state) / sizeof(state[0]));
	/* u8 before 5.6 */
	if (d->state_tracepoint && !format_find(state_format, "protocol", &protocol))
		add(d, "-DSTATE_PROTOCOL_TYPE=u%u", 8 * protocol.size);
	d->retransmit_tracepoint = add_offsets(d, retransmit_format, retransmit,
					       sizeof(retransmit) / sizeof(retransmit[0]));
}

void probe_text_report(struct probe_defines *d, bool rows, bool counts)
{
	add(d, "-DREPORT_ROWS=%d", rows);
	add(d, "-DREPORT_COUNTS=%d", counts);
}

void probe_text_add(struct probe_defines *d, const char *name)
{
	add(d, "-D%s=1", name);
}

void probe_text_omit(struct probe_defines *d, const char *program)
{
	add(d, "-DWITHOUT_%s=1", program);
}

void probe_text_print(FILE *to, const char *text, const struct probe_defines *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const char *name = d->flags[i] + strlen("-D");
		int len = (int)strcspn(name, "=");

		fprintf(to, "#define %.*s %s\n", len, name, name + len + 1);
	}
	fputs(text, to);
}
