/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples as in the perf buffers: they are decoded, sorted, and printed by every printer. First come one byte of options
 * and 8 bytes of the clock. A sample with err_known above 127 ends a round.
 */
#include "fuzz.h"

#include "rows/correlate.h"
#include "lines.h"
#include "output/output.h"
#include "output/output_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 9 };

/* True if decode must accept it: the same rules again, by byte offsets. */
static bool is_sound(const uint8_t *bytes, size_t len)
{
	return len >= 128 && len < 144 && bytes[24] >= 1 && bytes[24] <= 11 && bytes[25] < 16 && bytes[26] < 16 &&
	       (bytes[116] == 2 || bytes[116] == 10) && (bytes[90] == 0 || bytes[90] == 2 || bytes[90] == 10);
}

static void check_line(const struct output *o, char *text)
{
	unsigned lines = 1;

	*o->at = '\0';
	if (o->format == &output_terminal && !strncmp(text + strspn(text, "TIME(s) "), "SKADDR", 6))
		lines = 2;
	expect(lines_are_text(text, lines, o->screen.colour));
	if (o->format == &output_csv)
		expect(lines_fields(text) ==
		       15U + o->settings.time + o->settings.timestamp + (o->settings.extended ? 6 : 0) + (o->settings.names ? 2 : 0) +
		       (o->settings.extended && o->settings.director ? 3 : 0));
	else if (o->format == &output_json)
		expect(lines_is_json(text));
	else
		expect(strstr(text, " -> "));
}

static void check_entry(const struct journal_entry *e, const struct row *row)
{
	char line[JOURNAL_TEXT_MAX + 1];

	expect(e->n >= (row->forwarded ? 9 : 11) && e->n <= JOURNAL_FIELDS_MAX);
	for (int i = 0; i < e->n; i++) {
		size_t len = e->field[i].iov_len;

		expect(len < JOURNAL_TEXT_MAX);
		memcpy(line, e->field[i].iov_base, len);
		memcpy(line + len, "\n", 2);
		expect(strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strcspn(line, "="));
		expect(lines_are_text(line, 1, false));
	}
}

/* One output for each printer, in a buffer of exactly the size that is guaranteed for a row. */
static struct output outputs[5];

static void start_printers(const struct output_settings *settings, bool colour, const uint8_t clock[8])
{
	static const struct output_format *const formats[] = {
		&output_text, &output_wide, &output_terminal, &output_csv, &output_json,
	};

	for (size_t i = 0; i < N_OF(outputs); i++) {
		static char *buffers[N_OF(formats)];

		if (!buffers[i])
			buffers[i] = fuzz_copy((const uint8_t[OUTPUT_ROW_MAX]){ 0 }, OUTPUT_ROW_MAX - 1);
		outputs[i] = (struct output){
			.settings = *settings, .format = formats[i], .fd = -1, .buffer = buffers[i],
			.end = buffers[i] + OUTPUT_ROW_MAX, .clock_s = -1, .stamp_s = -1,
		};
		memcpy(&outputs[i].wall.realtime_ns, clock, 8);
		if (formats[i] == &output_terminal) {
			output_terminal_init(&outputs[i]);
			outputs[i].screen.colour = colour;
		}
	}
}

static void print(const struct row *row)
{
	static struct journal_entry *entry;

	for (size_t i = 0; i < N_OF(outputs); i++) {
		outputs[i].at = outputs[i].buffer;
		output_row(&outputs[i], row);
		expect(outputs[i].at < outputs[i].end);
		check_line(&outputs[i], outputs[i].buffer);
	}
	if (!entry)
		entry = (struct journal_entry *)fuzz_bytes((const uint8_t[sizeof(*entry)]){ 0 }, sizeof(*entry));
	journal_entry_set(entry, "ipvs-tcpstate", outputs[0].settings.names, row);
	check_entry(entry, row);
}

/* Rows must be in order, and none may be from a time for which rows may still come. */
static unsigned take_rows(struct correlate *c, uint64_t before_ns)
{
	unsigned taken = 0;
	uint64_t last_ns = 0;
	struct row row;

	correlate_sort(c);
	while (correlate_next(c, before_ns, &row)) {
		expect(row.ts_ns >= last_ns && row.ts_ns < before_ns);
		last_ns = row.ts_ns;
		taken++;
		print(&row);
	}
	correlate_keep(c, before_ns);
	return taken;
}

/* Return: true if it was an event. */
static bool add(struct correlate *c, const uint8_t *data, size_t len)
{
	uint8_t *sample = fuzz_bytes(data, len);
	int err;

	err = correlate_add(c, sample, len);
	expect(err == (is_sound(data, len) ? 0 : -EBADMSG));
	free(sample);
	return !err;
}

/* Names for services of the recordings in tests/replay; one of the greatest length. */
static const struct names *some_names(void)
{
	static struct names names;
	char text[NAMES_LEN_MAX + 128], errmsg[64];

	snprintf(text, sizeof(text), "10.99.0.1:80 web\n10.99.0.1 other-ports\n:: any\nfd00:99::1 %0*d\n", NAMES_LEN_MAX, 0);
	if (!names.n)
		expect(!names_add_text(&names, "some", text, strlen(text), errmsg, sizeof(errmsg)));
	return &names;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct correlate c;
	static struct output_settings settings;
	unsigned events = 0, rows = 0;
	size_t whole;

	if (size < HEAD)
		return 0;
	whole = data[0] & 64 ? sizeof(struct event) : EVENT_SIZE_OLD;
	settings.time = data[0] & 1;
	settings.timestamp = data[0] & 2;
	settings.extended = data[0] & 4;
	settings.wide = data[0] & 16;
	settings.director = data[0] & 32;
	settings.names = data[0] & 64 ? some_names() : NULL;
	start_printers(&settings, data[0] & 8, data + 1);
	if (!c.size)
		expect(!correlate_init(&c));
	data += HEAD;
	for (size -= HEAD; size;) {
		size_t len = size < whole ? size : whole;

		if (add(&c, data, len)) {
			events++;
			if (data[offsetof(struct event, err_known)] > 127)
				rows += take_rows(&c, c.events[c.n - 1].ts_ns);
		}
		data += len;
		size -= len;
	}
	rows += take_rows(&c, UINT64_MAX);
	expect(events == rows + c.n);
	for (uint32_t i = 0; i < c.n; i++)
		expect(c.events[i].ts_ns == UINT64_MAX);
	c.n = c.next = 0;
	return 0;
}
