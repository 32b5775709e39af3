/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte of options, then a recording: option 1 corrects the checksums, 32 and 64 only read it. It is replayed from
 * memory instead of stdin, and stderr goes to memory too.
 */
#include "fuzz.h"

#include "rows/recording.h"
#include "trace/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *next_byte;
static size_t bytes_left;
static char said[4096];
static size_t said_len;

static ssize_t read_input(void *cookie, char *to, size_t len)
{
	(void)cookie;
	len = len < bytes_left ? len : bytes_left;
	memcpy(to, next_byte, len);
	next_byte += len;
	bytes_left -= len;
	return (ssize_t)len;
}

static ssize_t keep_words(void *cookie, const char *words, size_t len)
{
	(void)cookie;
	expect(len < sizeof(said) - said_len);
	memcpy(said + said_len, words, len);
	said_len += len;
	return (ssize_t)len;
}

static void replace_streams(void)
{
	stdin = fopencookie(NULL, "r", (cookie_io_functions_t){ .read = read_input });
	stderr = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = keep_words });
	expect(stdin && stderr);
	expect(!setvbuf(stderr, NULL, _IONBF, 0));
}

/* FNV-1a of words, as in tool/rows/recording.c. */
static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		sum = (sum ^ word) * 0x100000001b3;
	}
	return sum;
}

/* Corrects checksums: the head's is at 32 of 40 bytes, a block's at 8 of 16; a block's size is at 4. */
static void seal(uint8_t *bytes, size_t len)
{
	size_t at = 40;
	uint64_t sum;

	if (len < at)
		return;
	sum = sum_of(0xcbf29ce484222325, bytes, 32);
	memcpy(bytes + 32, &sum, sizeof(sum));
	while (len - at >= 16) {
		uint32_t size;

		memcpy(&size, bytes + at + 4, sizeof(size));
		if (size > len - at - 16)
			return;
		sum = sum_of(sum_of(sum, bytes + at, 8), bytes + at + 16, size);
		memcpy(bytes + at + 8, &sum, sizeof(sum));
		at += 16 + size;
	}
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Returns the last line of @text, which ends in a newline. */
static const char *last_line(const char *text)
{
	const char *last = text;

	for (const char *at = text; (at = strchr(at, '\n')) && at[1]; at++)
		last = at + 1;
	return last;
}

static void set_options(struct options *o, uint8_t bits)
{
	*o = (struct options){ .replay = "-", .time = bits & 2, .timestamp = bits & 2 };
	o->csv = bits & 4;
	o->json = !o->csv && bits & 8;
	o->wide = o->extended = bits & 16;
	o->ipv4 = bits & 32;
	o->count = bits & 64 ? 2 : 0;
	if (bits & 128) {
		o->rports.n = 1;
		o->rports.port[0] = 80;
	}
}

/* All items must lie within the bytes that were read. No sanitizer sees that, as the memory is larger. */
static void read_only(void)
{
	struct recording_item item = { .kind = RECORDING_SAMPLE };
	struct recording_reader r;
	char errmsg[192];
	int err = recording_open(&r, "-", errmsg, sizeof(errmsg));

	while (!err && item.kind != RECORDING_END && item.kind != RECORDING_CUT) {
		err = recording_next(&r, &item, errmsg, sizeof(errmsg));
		if (!err && item.kind == RECORDING_SAMPLE) {
			const char *from = item.data;

			expect(from >= r.block && item.len <= r.size && from + item.len <= r.block + r.size);
		}
	}
	expect(!err || err == -EBADMSG);
	recording_reader_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const volatile sig_atomic_t stop;
	static struct options options;
	static int nowhere = -1;
	uint8_t *bytes;
	int err;

	if (nowhere < 0) {
		nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		expect(nowhere >= 0);
		replace_streams();
	}
	if (!size)
		return 0;
	set_options(&options, data[0]);
	bytes = (uint8_t *)fuzz_copy(data + 1, size - 1);
	if (data[0] & 1)
		seal(bytes, size - 1);
	next_byte = bytes;
	bytes_left = size - 1;
	said_len = 0;
	clearerr(stdin);
	__fpurge(stdin);	/* removes the rest of the previous input */
	if ((data[0] & 96) == 96) {
		read_only();
		free(bytes);
		return 0;
	}
	err = replay_run(&options, nowhere, &stop);
	said[said_len] = '\0';
	if (err) {
		expect(err == -EBADMSG);
		/* Losses are reported as they happen, up to the damage: three causes, once each. */
		expect(lines(said) >= 1 && lines(said) <= 4 && !strncmp(last_line(said), "ipvs-tcpstate: stdin ", 21));
		expect(lines(said) == 1 || strstr(said, "; enlarge it by -b\n") || strstr(said, "; allow more by --max-conns\n"));
	} else {
		expect(lines(said) >= 1 && strstr(said, " rows, ") && strstr(said, " lost\n"));
	}
	free(bytes);
	return 0;
}
