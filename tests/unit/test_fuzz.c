/* SPDX-License-Identifier: Apache-2.0 */
/* Random input for all that reads what others wrote: the same numbers in each
 * run, a few seconds in all. The sanitizers watch the ends of every buffer. */
#include "unit.h"

#include "btf.h"
#include "correlate.h"
#include "decode.h"
#include "format.h"
#include "host.h"
#include "object.h"
#include "options.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* xorshift64*, Vigna 2016 */
static uint64_t seed;

static uint64_t any(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1d;
}

static unsigned below(unsigned n)
{
	return (unsigned)(any() >> 33) % n;
}

static int start(void **state)
{
	(void)state;
	seed = 0x9e3779b97f4a7c15;
	return 0;
}

/* A copy of its very length. */
static void *exactly(const void *bytes, size_t len)
{
	void *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

static void check_ports(const struct port_list *list)
{
	assert_in_range(list->n, 0, OPTIONS_PORTS_MAX);
	for (size_t i = 0; i < list->n; i++)
		assert_in_range(list->port[i], 1, 65535);
}

static char *random_word(void)
{
	static const char *const words[] = {
		"-a", "-T", "-t", "-w", "-s", "-j", "-4", "-6", "-v", "-h", "-L", "-D", "-n", "-d", "-b",
		"80", "443", "0", "65535", "65536", "80,443", "80,,1", ",", "80,", "4294967295", "256",
		"4294967296", "--", "-", "", "--csv", "--localport", "--localport=", "--remoteport=1,2",
		"--count", "--c", "--hooks", "kprobe", "raw", "--hooks=x", "--cache-dir", "/tmp",
		"--all=1", "-aTtwsL", "-L1,2,3", "--version", "--ebpf", "--no-cache", "--check", "--json",
		"--record", "--replay", "--replay=x",
	};
	char word[24];
	size_t len = 0;

	if (below(4))
		return strdup(words[below(N_OF(words))]);
	if (below(2))
		word[len++] = '-';
	for (unsigned n = below(20); n; n--)
		word[len++] = (char)(1 + below(255));
	word[len++] = '\0';
	return exactly(word, len);
}

static void options_fuzz(void **state)
{
	unsigned good = 0;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		char *argv[8] = { strdup("x") };
		int argc = 1 + (int)below(6), err;
		struct options o;

		for (int i = 1; i < argc; i++)
			argv[i] = random_word();
		err = options_parse(&o, argc, argv);
		if (err) {
			assert_int_equal(err, -EINVAL);
			assert_in_range(strnlen(o.error, sizeof(o.error)), 10, sizeof(o.error) - 1);
		} else {
			good++;
			assert_string_equal(o.error, "");
			assert_false(o.ipv4 && o.ipv6);
			assert_false(o.csv && o.json);
			check_ports(&o.lports);
			check_ports(&o.rports);
			assert_true(o.count <= UINT32_MAX && o.seconds <= UINT32_MAX);
			assert_in_range(o.pages, 1, 16384);
			assert_int_equal(o.pages & (o.pages - 1), 0);
			assert_in_range(o.hooks, HOOK_WISH_ANY, HOOK_WISH_KPROBE);
			assert_true(!o.cache_dir || *o.cache_dir);
		}
		for (int i = 0; i < argc; i++)
			free(argv[i]);
	}
	assert_in_range(good, 1000, 29000);	/* both sides were tried */
}

static void format_fuzz(void **state)
{
	static const char *const names[] = { "skaddr", "saddr", "daddr_v6", "common_pid", "" };
	size_t len;
	char *format = host_read_bytes("tests/unit/formats/inet_sock_set_state-6.18", &len);
	unsigned found = 0, broken = 0;

	(void)state;
	assert_non_null(format);
	for (int round = 0; round < 20000; round++) {
		size_t size = below(4) ? len : below((unsigned)len);
		char *text = exactly(format, size + 1);
		struct format_field f = { 4711, 815 };
		int err;

		text[size] = '\0';
		for (unsigned n = below(12); n && size; n--)
			text[below((unsigned)size)] = below(2) ? (char)any() : "[];:0 \n*"[below(8)];
		err = format_find(text, names[below(N_OF(names))], &f);
		if (!err) {
			assert_in_range(f.offset, 0, 4096);
			assert_in_range(f.size, 0, 4096);
			found++;
		} else {
			assert_true(err == -ENOENT || err == -EINVAL);
			assert_int_equal(f.offset, 4711);
			assert_int_equal(f.size, 815);
			broken += err == -EINVAL;
		}
		free(text);
	}
	assert_in_range(found, 1000, 19000);
	assert_in_range(broken, 10, 19000);
	free(format);
}

/* Whether decode has to take @o: said here a second time, in other words. */
static bool is_sound(const struct object *o)
{
	for (uint32_t i = 0; i < o->n_maps; i++)
		if (strnlen(o->maps[i].name, 16) == 16)
			return false;
	for (uint32_t i = 0; i < o->n_programs; i++) {
		uint64_t end = (uint64_t)o->programs[i].first + o->programs[i].n_insns;

		if (strnlen(o->programs[i].name, 32) == 32 || end > o->n_insns ||
		    o->programs[i].n_insns == 0)
			return false;
	}
	for (uint32_t i = 0; i < o->n_insns; i++)
		if (o->insns[i].code == 0x18 && o->insns[i].src_reg == 1 &&
		    !(o->insns[i].imm >= 0 && o->insns[i].imm < (int)o->n_maps))
			return false;
	return true;
}

static void random_object(struct object *o, struct bpf_insn insns[64])
{
	memset(o, 0, sizeof(*o));
	o->n_maps = below(OBJECT_MAPS_MAX + 1);
	o->n_programs = below(OBJECT_PROGRAMS_MAX + 1);
	o->n_insns = 1 + below(63);
	o->insns = insns;
	for (uint32_t i = 0; i < o->n_maps; i++) {
		o->maps[i].max_entries = (uint32_t)any();
		memset(o->maps[i].name, 'm', below(100) ? below(16) : 16);
	}
	for (uint32_t i = 0; i < o->n_programs; i++) {
		o->programs[i].first = below(100) ? below(o->n_insns) : (uint32_t)any();
		o->programs[i].n_insns = below(50) ? 1 : below(3) * 0x7fffffff;
		memset(o->programs[i].name, 'p', below(100) ? below(32) : 32);
	}
	for (uint32_t i = 0; i < o->n_insns; i++) {
		uint64_t bits = any();

		memcpy(&insns[i], &bits, sizeof(bits));
		if (below(8))
			continue;
		insns[i].code = 0x18;
		insns[i].src_reg = 1;
		insns[i].imm = below(100) && o->n_maps ? (int)below(o->n_maps) : (int)any();
	}
}

static void object_fuzz(void **state)
{
	unsigned good = 0, damaged = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct bpf_insn insns[64];
		struct object o, back;
		void *bytes, *part;
		size_t len;
		int err;

		random_object(&o, insns);
		assert_int_equal(object_encode(&o, &bytes, &len), 0);
		err = object_decode(&back, bytes, len);
		assert_int_equal(err, is_sound(&o) ? 0 : -EBADMSG);
		if (!err) {
			good++;
			assert_int_equal(back.n_insns, o.n_insns);
			assert_memory_equal(back.insns, insns, o.n_insns * sizeof(*insns));
			assert_memory_equal(back.programs, o.programs, sizeof(o.programs));
			object_constant(&back, "pp");
			object_free(&back);
		}
		/* What follows may be whole by chance, but never unsound. */
		for (unsigned n = 1 + below(4); n; n--)
			((unsigned char *)bytes)[below(below(2) ? 32 : (unsigned)len)] = (unsigned char)any();
		len = below(2) ? len : below((unsigned)len + 1);
		part = exactly(bytes, len);
		err = object_decode(&back, part, len);
		if (!err) {
			assert_true(is_sound(&back));
			object_free(&back);
		} else {
			assert_int_equal(err, -EBADMSG);
			damaged++;
		}
		free(part);
		free(bytes);
	}
	assert_in_range(good, 1000, 19000);
	assert_in_range(damaged, 10000, 20000);
}

static void decode_fuzz(void **state)
{
	unsigned good = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = below(4) ? sizeof(struct event) + below(8) : below(200);
		unsigned char bytes[200], *copy;
		struct event ev, before;
		bool sound;
		int err;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)any();
		if (len >= sizeof(ev) && below(8)) {
			bytes[24] = (unsigned char)below(5);	/* type */
			bytes[25] &= below(8) ? 15 : 255;	/* states */
			bytes[26] &= 15;
			bytes[116] = below(2) ? 2 : 10;		/* families */
			bytes[90] = below(8) ? 10 : (unsigned char)any();
		}
		copy = exactly(bytes, len);
		memset(&ev, 0x5a, sizeof(ev));
		before = ev;
		err = decode(&ev, copy, len);
		sound = len >= sizeof(ev) && len < sizeof(ev) + 8 && bytes[24] >= 1 && bytes[24] <= 3 &&
			bytes[25] < 16 && bytes[26] < 16 && (bytes[116] == 2 || bytes[116] == 10) &&
			(bytes[90] == 0 || bytes[90] == 2 || bytes[90] == 10);
		assert_int_equal(err, sound ? 0 : -EBADMSG);
		if (sound) {
			good++;
			bytes[115] = '\0';
			assert_memory_equal(&ev, bytes, sizeof(ev));
		} else {
			assert_memory_equal(&ev, &before, sizeof(ev));
		}
		free(copy);
	}
	assert_in_range(good, 10000, 190000);
}

static void btf_fuzz(void **state)
{
	(void)state;
	for (int round = 0; round < 50000; round++) {
		struct btf_member m[] = { { "ab", "c", false, 0, false }, { "", "", false, 0, false } };
		uint32_t words[64] = { 1 << 16 | 0xeb9f, 24 };
		size_t len = sizeof(words) - below(16);
		char *copy;
		int err;

		words[3] = 4 * below(50);
		words[4] = words[3];
		words[5] = (uint32_t)len - 24 - words[4];
		for (size_t i = 6; i < N_OF(words); i++)
			words[i] = below(2) ? below(8) : below(20) << 24 | below(4);
		if (!below(4))
			words[1 + below(5)] = below(2) ? (uint32_t)any() : below(256);
		((char *)words)[len - 1] = (char)below(2);
		copy = exactly(words, len);
		err = btf_find(copy, len, below(2) ? copy : NULL, len, m, N_OF(m));
		assert_true(err == 0 || err == -EBADMSG);
		free(copy);
	}
}

/* Length of the UTF-8 character at @s by RFC 3629, section 4; 0: none. */
static int utf8(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t c;
	int n;

	if (u[0] < 0x80)
		return 1;
	n = (u[0] & 0xe0) == 0xc0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 : (u[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (!n)
		return 0;
	c = u[0] & (0x7fU >> n);
	for (int i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if ((n == 2 && c < 0x80) || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* Reads the safe form back; checks every character on the way. Returns the columns. */
static int unescape(const char *safe, char *to)
{
	int columns = 0;

	while (*safe) {
		int len = utf8(safe);

		assert_in_range(len, 1, 4);
		if (*safe == '\\') {
			unsigned byte;

			assert_int_equal(sscanf(safe, "\\x%2x", &byte), 1);
			*to++ = (char)byte;
			safe += 4;
			columns += 4;
			continue;
		}
		assert_true((unsigned char)*safe >= 0x20 && *safe != 0x7f);
		assert_false((unsigned char)safe[0] == 0xc2 && (unsigned char)safe[1] < 0xa0);
		memcpy(to, safe, (size_t)len);
		to += len;
		safe += len;
		columns++;
	}
	*to = '\0';
	return columns;
}

static void random_comm(char comm[16])
{
	static const char *const bits[] = { "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x90\xa7", "\xc2\x9b",
					    "\xed\xa0", "\xe0\x80", "\\", "\"", ",", "\n", "a", "z" };
	size_t len = 0, want = below(16);

	memset(comm, 0, 16);
	while (len < want) {
		const char *bit = bits[below(N_OF(bits))];

		if (below(3))
			comm[len++] = (char)(1 + below(255));
		else
			for (; *bit && len < want; bit++)
				comm[len++] = *bit;
	}
}

static void comm_fuzz(void **state)
{
	unsigned whole = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t size = 1 + below(80);
		int max = (int)below(66), columns;
		char comm[16], *copy, *safe = malloc(size), back[80];

		assert_non_null(safe);
		random_comm(comm);
		copy = exactly(comm, 16);
		output_comm(safe, size, copy, max);
		free(copy);
		assert_in_range(strnlen(safe, size), 0, size - 1);
		columns = unescape(safe, back);
		assert_in_range(columns, 0, max);
		assert_int_equal(strncmp(comm, back, strlen(back)), 0);
		/* Cut only where the next piece would not have fitted. */
		if (comm[strlen(back)])
			assert_true(columns + 4 > max || strlen(safe) + 4 > size - 1);
		else
			whole++;
		free(safe);
	}
	assert_in_range(whole, 10000, 90000);
}

static void random_endpoint(struct endpoint *e, bool may_be_none)
{
	e->family = may_be_none && below(2) ? 0 : below(2) ? AF_INET : AF_INET6;
	e->port = (uint16_t)any();
	for (int i = 0; i < 16; i++)
		e->addr[i] = (uint8_t)(below(3) ? any() : 0);
}

static void random_row(struct row *r, uint64_t ts_ns)
{
	memset(r, 0, sizeof(*r));
	r->ts_ns = ts_ns;
	r->skaddr = any();
	r->span_ns = any() >> below(64);
	r->pid = (uint32_t)any();
	r->uid = (uint32_t)any();
	r->netns = below(2) ? (uint32_t)any() : 0;
	random_comm(r->comm);
	random_endpoint(&r->local, false);
	random_endpoint(&r->remote, false);
	r->remote.family = r->local.family;
	random_endpoint(&r->real, true);
	r->oldstate = (uint8_t)below(16);
	r->newstate = (uint8_t)below(16);
	r->method = r->real.family && below(2) ? "masq" : NULL;
	r->reason = below(2) ? "refused" : NULL;
	r->event = below(2) ? "state" : "moved";
	r->age_ms = below(2) ? (int64_t)(any() >> 1) : -1;
	r->gone_ms = below(2) ? (int64_t)(any() >> 1) : -1;
}

/* Fields of an RFC 4180 line. */
static unsigned csv_fields(const char *line)
{
	unsigned n = 1;
	bool quoted = false;

	for (; *line; line++) {
		if (*line == '"')
			quoted = !quoted;
		else if (*line == ',' && !quoted)
			n++;
	}
	assert_false(quoted);
	return n;
}

static void check_line(const struct options *o, const char *line)
{
	assert_in_range(strlen(line), 60, OUTPUT_ROW_MAX - 1);
	for (const char *s = line; *s; s += utf8(s)) {
		assert_in_range(utf8(s), 1, 4);
		assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
	}
	if (o->csv)
		assert_int_equal(csv_fields(line), 17);
	else if (o->json)
		assert_true(line[0] == '{' && line[strlen(line) - 1] == '}');
	else
		assert_non_null(strstr(line, " -> "));
}

static void rows_fuzz(void **state)
{
	static const struct options formats[] = {
		{ .time = true, .timestamp = true }, { .wide = true, .time = true },
		{ .csv = true, .time = true, .timestamp = true }, { .json = true },
	};

	(void)state;
	for (size_t i = 0; i < N_OF(formats); i++) {
		enum { N = 4000 };
		char *text, *line, *rest;
		struct output out;
		size_t len;
		int fd = memfd_create("rows", 0), n = 0;

		assert_int_equal(output_open(&out, &formats[i], fd), 0);
		for (uint64_t row = 0; row < N; row++) {
			struct row r;

			random_row(&r, row * 1000000007);
			output_row(&out, &r);
		}
		assert_int_equal(output_flush(&out), 0);
		output_close(&out);
		len = (size_t)lseek(fd, 0, SEEK_END);
		text = calloc(1, len + 1);
		assert_non_null(text);
		assert_int_equal(pread(fd, text, len, 0), len);
		close(fd);
		rest = text;
		while ((line = strsep(&rest, "\n")) && rest) {
			check_line(&formats[i], line);
			n++;
		}
		assert_int_equal(n, N);
		free(text);
	}
}

enum { EVENTS = 60000 };

/* Every event of the run, in the order of sending; skaddr is its number. */
struct run {
	uint64_t ts_ns[EVENTS];
	uint8_t seen[EVENTS];
	unsigned sent, taken;
	uint64_t last_ts_ns, last;
};

static void send_some(struct run *r, struct correlate *c, uint64_t from_ns, uint64_t to_ns)
{
	unsigned cpus = 1 + below(8);

	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		uint64_t now_ns = from_ns;

		for (unsigned n = below(60); n && r->sent < EVENTS; n--) {
			struct event ev = { .type = EVENT_STATE, .conn = { .family = AF_INET } };

			/* An interrupt may put a later event before an earlier one. */
			now_ns += below(3) ? below(20) : 0;
			ev.ts_ns = below(10) || now_ns < from_ns + 5 ? now_ns : now_ns - below(5);
			if (ev.ts_ns >= to_ns)
				break;
			ev.skaddr = r->sent;
			r->ts_ns[r->sent++] = ev.ts_ns;
			assert_int_equal(correlate_add(c, &ev, sizeof(ev)), 0);
		}
	}
}

static void take_rows(struct run *r, struct correlate *c, uint64_t before_ns)
{
	struct row row;

	correlate_sort(c);
	while (correlate_next(c, before_ns, &row)) {
		assert_in_range(row.skaddr, 0, r->sent - 1);
		assert_int_equal(row.ts_ns, r->ts_ns[row.skaddr]);
		assert_true(row.ts_ns < before_ns);
		assert_int_equal(r->seen[row.skaddr]++, 0);
		assert_true(row.ts_ns >= r->last_ts_ns);
		/* Of one time: in the order of sending. */
		if (r->taken && row.ts_ns == r->last_ts_ns)
			assert_true(row.skaddr > r->last);
		r->last_ts_ns = row.ts_ns;
		r->last = row.skaddr;
		r->taken++;
	}
	correlate_keep(c, before_ns);
}

static void correlate_fuzz(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	struct correlate c;
	uint64_t now_ns = 1000;

	(void)state;
	assert_non_null(r);
	assert_int_equal(correlate_init(&c), 0);
	while (r->sent < EVENTS) {
		uint64_t before_ns = now_ns + below(300), due = 0;

		send_some(r, &c, now_ns, now_ns + 600);
		take_rows(r, &c, before_ns);
		for (unsigned i = 0; i < r->sent; i++)
			due += r->ts_ns[i] < before_ns;
		assert_int_equal(r->taken, due);	/* none held back */
		now_ns = before_ns;			/* none will come that is older */
	}
	take_rows(r, &c, UINT64_MAX);
	assert_int_equal(r->taken, EVENTS);
	for (unsigned i = 0; i < EVENTS; i++)
		assert_int_equal(r->seen[i], 1);
	correlate_fini(&c);
	free(r);
}

#define CASE(f) cmocka_unit_test_setup(f, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(options_fuzz),
		CASE(format_fuzz),
		CASE(object_fuzz),
		CASE(decode_fuzz),
		CASE(btf_fuzz),
		CASE(comm_fuzz),
		CASE(rows_fuzz),
		CASE(correlate_fuzz),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
