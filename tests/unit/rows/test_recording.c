/* SPDX-License-Identifier: Apache-2.0 */
/* Raw events to a file and back; files that are cut off, damaged or foreign. */
#include "../unit.h"

#include "rows/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REALTIME_NS (-1234567890123LL)

static const struct losses losses = { {
	[LOSS_BUFFER_FULL] = 1, [LOSS_MISSED] = 20, [LOSS_SOCKETS_FULL] = 300, [LOSS_CONNECTS_FULL] = UINT64_MAX,
	[LOSS_REASONS] = 4000,
} };

struct place {
	char dir[32], path[64];
	char errmsg[192];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/test_recording.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/file", p->dir);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

/* Makes a sample whose bytes depend on its number. */
static const char *sample(unsigned number, size_t len)
{
	static char bytes[65536];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(number * 31 + i);
	return bytes;
}

static void create(struct recording *r, struct place *p)
{
	assert_int_equal(recording_create(r, p->path, REALTIME_NS, p->errmsg, sizeof(p->errmsg)), 0);
}

static void finish(struct recording *r)
{
	assert_int_equal(recording_end(r, &losses), 0);
	recording_close(r);
}

static struct losses losses_of(unsigned round)
{
	return (struct losses){ {
		[LOSS_BUFFER_FULL] = round, [LOSS_MISSED] = 2, [LOSS_SOCKETS_FULL] = 3, [LOSS_CONNECTS_FULL] = UINT64_MAX,
		[LOSS_REASONS] = 5,
	} };
}

static void lose(struct recording *r, unsigned round)
{
	const struct recording_lost lost = { round * 1000 + 1, losses_of(round), round == 3 };

	assert_int_equal(recording_lost(r, &lost), 0);
}

/* Writes rounds of 1, 2, ... @rounds samples of growing length. */
static void write_rounds(struct place *p, unsigned rounds)
{
	struct recording r;
	unsigned number = 0;

	create(&r, p);
	for (unsigned round = 1; round <= rounds; round++) {
		for (unsigned i = 0; i < round; i++, number++)
			recording_sample(&r, sample(number, number), number);
		assert_int_equal(recording_round(&r, round * 1000, round * 10), 0);
		if (round % 3 == 0)
			lose(&r, round);
	}
	finish(&r);
}

/* Reads what write_rounds() wrote, as far as possible. Return: the kind of the end or an error. */
static int read_rounds(struct place *p, unsigned rounds)
{
	unsigned number = 0, round = 1, i = 0;
	struct recording_item item;
	struct recording_reader r;
	struct losses lost;
	int result;

	p->errmsg[0] = '\0';
	result = recording_open(&r, p->path, p->errmsg, sizeof(p->errmsg));
	if (!result)
		assert_true(r.realtime_ns == REALTIME_NS);
	while (!result) {
		result = recording_next(&r, &item, p->errmsg, sizeof(p->errmsg));
		if (result)
			break;
		if (item.kind == RECORDING_SAMPLE) {
			assert_in_range(i++, 0, round - 1);
			assert_int_equal(item.len, number);
			assert_memory_equal(item.data, sample(number, number), number);
			number++;
		} else if (item.kind == RECORDING_ROUND) {
			assert_int_equal(i, round);
			assert_int_equal(item.before_ns, round * 1000);
			assert_int_equal(item.rows, round * 10);
			round++;
			i = 0;
		} else if (item.kind == RECORDING_LOST) {
			assert_int_equal((round - 1) % 3, 0);
			assert_int_equal(item.lost.ts_ns, (round - 1) * 1000 + 1);
			lost = losses_of(round - 1);
			assert_memory_equal(&item.lost.since, &lost, sizeof(lost));
			assert_int_equal(item.lost.last, round == 4);
			i = 0;
		} else {
			result = (int)item.kind;
		}
		if (item.kind == RECORDING_END) {
			assert_int_equal(round, rounds + 1);
			assert_memory_equal(&item.end, &losses, sizeof(losses));
		}
	}
	if (result < 0)
		assert_in_range(strlen(p->errmsg), 5, sizeof(p->errmsg) - 1);
	recording_reader_close(&r);
	return result;
}

static void there_and_back(void **state)
{
	struct place *p = *state;

	for (unsigned rounds = 0; rounds < 20; rounds++) {
		write_rounds(p, rounds);
		assert_int_equal(read_rounds(p, rounds), RECORDING_END);
	}
}

/* More than fits into one block, and samples of the maximum size. */
static void large_round(void **state)
{
	struct place *p = *state;
	struct recording_item item;
	struct recording_reader in;
	struct recording out;

	create(&out, p);
	for (unsigned i = 0; i < 40; i++)
		recording_sample(&out, sample(i, 65500 + i % 8), 65500 + i % 8);
	assert_int_equal(recording_round(&out, 5, 6), 0);
	finish(&out);
	assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
		assert_int_equal(item.kind, RECORDING_SAMPLE);
		assert_int_equal(item.len, 65500 + i % 8);
		assert_memory_equal(item.data, sample(i, item.len), item.len);
	}
	assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(item.kind, RECORDING_ROUND);
	assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(item.kind, RECORDING_END);
	recording_reader_close(&in);
}

/* Empty rounds are not written, except those that print earlier events. */
static void idle_rounds(void **state)
{
	struct place *p = *state;
	struct recording r;
	struct stat before, after;

	create(&r, p);
	assert_int_equal(fstat(r.fd, &before), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(recording_round(&r, 1, 0), 0);
	assert_int_equal(fstat(r.fd, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(recording_round(&r, 1, 1), 0);
	assert_int_equal(fstat(r.fd, &after), 0);
	assert_true(after.st_size > before.st_size);
	finish(&r);
}

/* If the tool is killed, all its rounds are in the file. */
static void round_is_in_the_file(void **state)
{
	struct place *p = *state;
	struct recording r;

	create(&r, p);
	recording_sample(&r, sample(0, 0), 0);
	assert_int_equal(recording_round(&r, 1000, 10), 0);
	assert_int_equal(read_rounds(p, 1), RECORDING_CUT);
	recording_close(&r);
}

static void nothing_is_recorded(void **state)
{
	struct recording none = { 0 };

	(void)state;
	recording_sample(&none, sample(0, 120), 120);
	assert_int_equal(recording_round(&none, 1, 1), 0);
	assert_int_equal(recording_end(&none, &losses), 0);
	recording_close(&none);
}

static size_t load(struct place *p, char *bytes, size_t size)
{
	int fd = open(p->path, O_RDONLY);
	ssize_t len = read(fd, bytes, size);

	close(fd);
	assert_in_range(len, 1, size - 1);
	return (size_t)len;
}

static void store(struct place *p, const char *bytes, size_t len)
{
	int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void cut_anywhere(void **state)
{
	struct place *p = *state;
	char bytes[8192];
	size_t len;

	write_rounds(p, 6);
	len = load(p, bytes, sizeof(bytes));
	for (size_t n = 0; n < len; n++) {
		store(p, bytes, n);
		assert_int_equal(read_rounds(p, 6), n < 40 ? -EBADMSG : RECORDING_CUT);
	}
	store(p, bytes, len);
	assert_int_equal(read_rounds(p, 6), RECORDING_END);
	bytes[len] = 0;
	store(p, bytes, len + 1);
	assert_int_equal(read_rounds(p, 6), -EBADMSG);
}

/* Any byte is changed to any bit pattern: no wrong sample is returned. */
static void every_byte_changed(void **state)
{
	static const unsigned char changes[] = { 0x01, 0x80, 0xff };
	struct place *p = *state;
	char bytes[8192];
	size_t len;

	write_rounds(p, 6);
	len = load(p, bytes, sizeof(bytes));
	for (size_t n = 0; n < len; n++) {
		for (size_t i = 0; i < N_OF(changes); i++) {
			int result;

			bytes[n] = (char)(bytes[n] ^ changes[i]);
			store(p, bytes, len);
			bytes[n] = (char)(bytes[n] ^ changes[i]);
			result = read_rounds(p, 6);
			/* a length that points beyond the end looks like a cut */
			if (result != RECORDING_CUT)
				assert_int_equal(result, -EBADMSG);
		}
	}
}

/* A block is missing, duplicated or in another position. */
static void blocks_moved(void **state)
{
	struct place *p = *state;
	char whole[8192], bytes[8192];
	size_t len, at = 40, size = 16 + 16;	/* the head; a ROUND */
	struct recording r;

	create(&r, p);
	assert_int_equal(recording_round(&r, 1000, 10), 0);
	assert_int_equal(recording_round(&r, 2000, 20), 0);
	finish(&r);
	len = load(p, whole, sizeof(whole));
	assert_int_equal(len, at + 2 * size + 16 + 5 * 8);

	memcpy(bytes, whole, at);
	memcpy(bytes + at, whole + at + size, len - at - size);
	store(p, bytes, len - size);
	assert_int_equal(read_rounds(p, 2), -EBADMSG);

	memcpy(bytes, whole, at + size);
	memcpy(bytes + at + size, whole + at, len - at);
	store(p, bytes, len + size);
	p->errmsg[0] = '\0';
	{
		struct recording_reader in;
		struct recording_item item;

		assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), -EBADMSG);
		assert_string_equal(p->errmsg, "is damaged");
		recording_reader_close(&in);
	}
}

/* Corrects the checksum of the first block, with @size bytes after its head. */
static void seal_first(char *bytes, size_t size)
{
	uint64_t sum, word;

	memcpy(&sum, bytes + 32, sizeof(sum));
	for (size_t at = 40; at < 40 + 16 + size; at += 8) {
		if (at == 40 + 8)
			continue;	/* the checksum itself */
		memcpy(&word, bytes + at, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3;
	}
	memcpy(bytes + 40 + 8, &sum, sizeof(sum));
}

/* A crafted file, with correct checksums. */
static void crafted_lengths(void **state)
{
	static const uint32_t lengths[] = { 13, 14, 15, 16, 256 * 1024, 0x7fffffff, 0xfffffff8, 0xffffffff };
	struct place *p = *state;

	for (size_t i = 0; i < N_OF(lengths); i++) {
		char bytes[8192];
		uint32_t length;
		size_t len;
		struct recording r;
		struct recording_item item;
		struct recording_reader in;

		create(&r, p);
		recording_sample(&r, sample(0, 12), 12);
		assert_int_equal(recording_round(&r, 1, 1), 0);
		recording_close(&r);
		len = load(p, bytes, sizeof(bytes));
		memcpy(&length, bytes + 40 + 16, sizeof(length));
		assert_int_equal(length, 12);
		memcpy(bytes + 40 + 16, &lengths[i], sizeof(length));
		seal_first(bytes, 16);
		store(p, bytes, len);
		assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
		p->errmsg[0] = '\0';
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), -EBADMSG);
		assert_string_equal(p->errmsg, "is damaged");
		assert_int_equal(in.size, 16);	/* the block itself was accepted */
		recording_reader_close(&in);
	}
}

/* Blocks of losses in format 3: five numbers, in the order of enum loss. */
static void losses_in_the_file(void **state)
{
	static const uint64_t numbers[] = { 11, 12, 13, 14, 15 };
	const struct recording_lost lost = { 77, { { 11, 12, 13, 14, 15, 16, 17, 18 } }, true };
	const uint32_t lost_head[] = { 4, 7 * 8 }, end_head[] = { 3, 5 * 8 };
	const uint64_t when = 77, last = 1;
	struct place *p = *state;
	struct recording_item item;
	struct recording_reader in;
	struct recording r;
	char bytes[256];

	create(&r, p);
	assert_int_equal(recording_lost(&r, &lost), 0);
	assert_int_equal(recording_end(&r, &lost.since), 0);
	recording_close(&r);
	assert_int_equal(load(p, bytes, sizeof(bytes)), 40 + 16 + 7 * 8 + 16 + 5 * 8);
	assert_memory_equal(bytes + 40, lost_head, sizeof(lost_head));
	assert_memory_equal(bytes + 56, &when, 8);
	assert_memory_equal(bytes + 64, numbers, sizeof(numbers));
	assert_memory_equal(bytes + 104, &last, 8);
	assert_memory_equal(bytes + 112, end_head, sizeof(end_head));
	assert_memory_equal(bytes + 128, numbers, sizeof(numbers));

	assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
	for (int i = 0; i < 2; i++) {
		const struct losses *got = i ? &item.end : &item.lost.since;

		memset(&item, 0x5a, sizeof(item));
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
		assert_int_equal(item.kind, i ? RECORDING_END : RECORDING_LOST);
		assert_memory_equal(got->n, numbers, sizeof(numbers));
		for (int other = LOSSES_RECORDED; other < LOSSES; other++)
			assert_int_equal(got->n[other], 0);
	}
	recording_reader_close(&in);
}

/* A block of the clock, before the round that it is for. */
static void clock_in_the_file(void **state)
{
	const uint32_t head[] = { 5, 2 * 8 };
	const uint64_t changed = 77;
	const int64_t realtime = -1;
	struct place *p = *state;
	struct recording_item item;
	struct recording_reader in;
	struct recording r;
	char bytes[256];
	size_t len;

	create(&r, p);
	recording_sample(&r, sample(0, 12), 12);
	assert_int_equal(recording_clock(&r, changed, realtime), 0);
	assert_int_equal(recording_round(&r, 1000, 10), 0);
	recording_close(&r);
	len = load(p, bytes, sizeof(bytes));
	assert_int_equal(len, 40 + 16 + 16 + 16 + 16 + 16 + 16);
	assert_memory_equal(bytes + 72, head, sizeof(head));
	assert_memory_equal(bytes + 88, &changed, 8);
	assert_memory_equal(bytes + 96, &realtime, 8);

	assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(item.kind, RECORDING_SAMPLE);
	assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(item.kind, RECORDING_CLOCK);
	assert_true(item.changed_ns == changed && item.realtime_ns == realtime);
	assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), 0);
	assert_int_equal(item.kind, RECORDING_ROUND);
	recording_reader_close(&in);
}

/* Blocks of losses with fewer numbers, as in formats 1 and 2, or with more are damage. */
static void losses_of_older_formats(void **state)
{
	static const uint32_t sizes[][2] = { { 3, 4 * 8 }, { 4, 6 * 8 }, { 3, 6 * 8 }, { 4, 8 * 8 } };
	struct place *p = *state;

	for (size_t i = 0; i < N_OF(sizes); i++) {
		struct recording_reader in;
		struct recording_item item;
		char bytes[8192];

		write_rounds(p, 0);
		load(p, bytes, sizeof(bytes));
		memset(bytes + 40, 0, 16 + sizes[i][1]);
		memcpy(bytes + 40, sizes[i], sizeof(sizes[i]));
		seal_first(bytes, sizes[i][1]);
		store(p, bytes, 40 + 16 + sizes[i][1]);
		assert_int_equal(recording_open(&in, p->path, p->errmsg, sizeof(p->errmsg)), 0);
		assert_int_equal(recording_next(&in, &item, p->errmsg, sizeof(p->errmsg)), -EBADMSG);
		assert_string_equal(p->errmsg, "is damaged");
		recording_reader_close(&in);
	}
}

static void check_refused(struct place *p, const char *bytes, size_t len, const char *errmsg)
{
	store(p, bytes, len);
	assert_int_equal(read_rounds(p, 0), -EBADMSG);
	if (!strstr(p->errmsg, errmsg))
		fail_msg("'%s' does not say '%s'", p->errmsg, errmsg);
}

/* Only formats 3 to 5 are read, whether or not the rest of the head is valid. */
static void other_formats(void **state)
{
	static const uint32_t formats[] = { 0, 1, 2, 6, 257, UINT32_MAX };
	struct place *p = *state;
	char bytes[8192], errmsg[192];
	size_t len;

	write_rounds(p, 3);
	len = load(p, bytes, sizeof(bytes));
	for (size_t i = 0; i < N_OF(formats); i++) {
		uint64_t sum = 0xcbf29ce484222325, word;

		snprintf(errmsg, sizeof(errmsg), "has format %u with events of 136 bytes, this tool reads formats 3 to 5; "
			 "replay it by the release that recorded it", formats[i]);
		memcpy(bytes + 12, &formats[i], sizeof(formats[i]));
		check_refused(p, bytes, len, errmsg);
		for (size_t at = 0; at < 32; at += 8) {
			memcpy(&word, bytes + at, sizeof(word));
			sum = (sum ^ word) * 0x100000001b3;
		}
		memcpy(bytes + 32, &sum, sizeof(sum));
		check_refused(p, bytes, len, errmsg);
		assert_string_equal(p->errmsg, errmsg);
	}
}

static void foreign_files(void **state)
{
	static const char text[] = "SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS REAL";
	static const char zeros[4096];
	struct place *p = *state;
	char bytes[8192], changed[8192];
	size_t len;

	check_refused(p, text, 0, "is empty");
	check_refused(p, text, sizeof(text), "no recording");
	check_refused(p, text, 3, "no recording");
	check_refused(p, zeros, sizeof(zeros), "no recording");
	write_rounds(p, 0);
	len = load(p, bytes, sizeof(bytes));

	memcpy(changed, bytes, len);
	changed[16] = (char)128;
	check_refused(p, changed, len, "has format 5 with events of 128 bytes");
	memcpy(changed, bytes, len);
	for (int i = 0; i < 4; i++)
		changed[8 + i] = bytes[11 - i];
	check_refused(p, changed, len, "other byte order");
	changed[8] = 7;
	check_refused(p, changed, len, "a damaged header");
	memcpy(changed, bytes, len);
	changed[24]++;
	check_refused(p, changed, len, "a damaged header");
}

static void cannot_be_read(void **state)
{
	struct place *p = *state;
	struct recording_reader r;

	assert_int_equal(recording_open(&r, p->path, p->errmsg, sizeof(p->errmsg)), -ENOENT);
	assert_string_equal(p->errmsg, "cannot be opened: No such file or directory");
	recording_reader_close(&r);
	assert_int_equal(recording_open(&r, p->dir, p->errmsg, sizeof(p->errmsg)), -EISDIR);
	assert_string_equal(p->errmsg, "cannot be read: Is a directory");
	recording_reader_close(&r);
}

static void for_its_owner_only(void **state)
{
	struct place *p = *state;
	struct stat st;

	umask(0);
	write_rounds(p, 1);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void written_anew(void **state)
{
	struct place *p = *state;

	write_rounds(p, 15);
	write_rounds(p, 2);
	assert_int_equal(read_rounds(p, 2), RECORDING_END);
}

static void cannot_be_made(void **state)
{
	struct place *p = *state;
	struct recording r;

	assert_int_equal(recording_create(&r, p->dir, 0, p->errmsg, sizeof(p->errmsg)), -EISDIR);
	assert_non_null(strstr(p->errmsg, "cannot record to /tmp/test_recording."));
	assert_non_null(strstr(p->errmsg, ": Is a directory"));
	recording_close(&r);
	assert_int_equal(symlink("/dev/null", p->path), 0);
	assert_int_equal(recording_create(&r, p->path, 0, p->errmsg, sizeof(p->errmsg)), -ELOOP);
	assert_non_null(strstr(p->errmsg, "a symbolic link; give the file itself"));
	recording_close(&r);
	assert_int_equal(recording_create(&r, "/dev/full", 0, p->errmsg, sizeof(p->errmsg)), -ENOSPC);
	assert_string_equal(p->errmsg, "cannot record to /dev/full: No space left on device");
	recording_close(&r);
}

/* The disk becomes full later: this is reported once, and nothing is written after the gap. */
static void write_that_fails(void **state)
{
	struct place *p = *state;
	struct recording r;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), fd;

	assert_true(full >= 0);
	for (unsigned later = 0; later < 2; later++) {
		create(&r, p);
		recording_sample(&r, sample(0, 0), 0);
		assert_int_equal(recording_round(&r, 1000, 10), 0);
		fd = r.fd;
		r.fd = full;
		for (unsigned i = 0; i < later * 100; i++)	/* fails in the middle of a round */
			recording_sample(&r, sample(i, 60000), 60000);
		assert_int_equal(recording_round(&r, 2000, 20), -ENOSPC);
		r.fd = fd;
		assert_int_equal(recording_round(&r, 3000, 30), 0);
		recording_sample(&r, sample(0, 0), 0);
		assert_int_equal(recording_end(&r, &losses), 0);
		recording_close(&r);
		assert_int_equal(read_rounds(p, 1), RECORDING_CUT);
	}
	close(full);
}

#define at_a_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		at_a_place(there_and_back),
		at_a_place(large_round),
		at_a_place(idle_rounds),
		at_a_place(round_is_in_the_file),
		cmocka_unit_test(nothing_is_recorded),
		at_a_place(cut_anywhere),
		at_a_place(every_byte_changed),
		at_a_place(blocks_moved),
		at_a_place(crafted_lengths),
		at_a_place(losses_in_the_file),
		at_a_place(losses_of_older_formats),
		at_a_place(clock_in_the_file),
		at_a_place(other_formats),
		at_a_place(foreign_files),
		at_a_place(cannot_be_read),
		at_a_place(for_its_owner_only),
		at_a_place(written_anew),
		at_a_place(cannot_be_made),
		at_a_place(write_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
