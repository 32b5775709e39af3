/* SPDX-License-Identifier: Apache-2.0 */
#include "hits.h"

#include "bpf.h"
#include "insn.h"
#include "perfbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where struct pt_regs has a function's first argument, in bytes; arch/.../include/asm/ptrace.h */
#if defined(__x86_64__)
#define FIRST_ARGUMENT 112
#elif defined(__aarch64__)
#define FIRST_ARGUMENT 0
#else
#define FIRST_ARGUMENT (-1)
#endif

/* In words of struct kprobe. */
enum { NMISSED = 4, ADDR, SYMBOL_NAME };

void hits_init(struct hits *h)
{
	memset(h, 0, sizeof(*h));
	h->program_fd = -1;
}

/* At a kprobe on register_kprobe(p): keeps p. */
static int load(const struct hits *h, uint32_t kern_version)
{
	struct insns program;

	insn_begin(&program, h->peek.map_fd);
	insn_add(&program, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_8, FIRST_ARGUMENT, 0);
	insn_add(&program, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, offsetof(struct peek_value, registered), 0);
	insn_add(&program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
	insn_add(&program, BPF_STX | BPF_XADD | BPF_DW, BPF_REG_6, BPF_REG_1, offsetof(struct peek_value, times), 0);
	return insn_load(&program, BPF_PROG_TYPE_KPROBE, kern_version);
}

int hits_open(struct hits *h, int read_helper, uint32_t kern_version)
{
	int err;

	if (FIRST_ARGUMENT < 0)
		return -ENOTSUP;
	err = peek_open(&h->peek, read_helper);
	h->open = true;
	if (err)
		return err;
	h->program_fd = load(h, kern_version);
	if (h->program_fd < 0)
		return h->program_fd;
	h->cpus = perfbuf_cpus();
	h->offset = calloc(h->cpus, sizeof(*h->offset));
	if (!h->offset)
		return -ENOMEM;
	hits_follow(h);
	return 0;
}

void hits_follow(struct hits *h)
{
	for (size_t cpu = 0; cpu < h->cpus; cpu++)
		if (!h->offset[cpu])
			peek_cpu_offset(&h->peek, (int)cpu, &h->offset[cpu]);
}

void hits_expect(struct hits *h)
{
	const int zero = 0;

	h->peek.value.times = 0;
	bpf_update(h->peek.map_fd, &zero, &h->peek.value, BPF_EXIST);
}

/* Words that follow each other. */
static int read_words(struct hits *h, uint64_t from, uint64_t *word, size_t n)
{
	uint64_t addr[PEEK_WORDS];

	for (size_t i = 0; i < n; i++)
		addr[i] = from + i * sizeof(*word);
	return peek_words(&h->peek, addr, word, n);
}

static bool is_name(struct hits *h, uint64_t at, const char *name)
{
	char text[PEEK_WORDS * sizeof(uint64_t)];
	size_t len = strlen(name) + 1;
	uint64_t word[PEEK_WORDS];

	if (!at || len > sizeof(text) || read_words(h, at, word, (len + 7) / 8))
		return false;
	memcpy(text, word, len);
	return !memcmp(text, name, len);
}

int hits_find(struct hits *h, enum hook_fact fact, const char *function)
{
	uint64_t kprobe, word[2 * PEEK_WORDS], missed, hits;
	const int zero = 0;
	size_t at = SYMBOL_NAME + 1;
	int err = bpf_lookup(h->peek.map_fd, &zero, &h->peek.value);

	if (!err && h->peek.value.times != 1)
		err = h->peek.value.times ? -EAGAIN : -ENOENT;
	if (err)
		return err;
	kprobe = h->peek.value.registered;
	err = read_words(h, kprobe, word, PEEK_WORDS);
	if (!err)
		err = read_words(h, kprobe + sizeof(word) / 2, word + PEEK_WORDS, PEEK_WORDS);
	if (err)
		return err;
	while (at < 2 * PEEK_WORDS && word[at] != word[SYMBOL_NAME])
		at++;
	if (at == 2 * PEEK_WORDS || !word[at - 1] || !is_name(h, word[SYMBOL_NAME], function))
		return -ENOENT;
	h->kprobe[fact] = kprobe;
	h->nhit[fact] = word[at - 1];
	/* It is not enabled yet. */
	if (hits_read(h, fact, &missed, &hits) && !missed && !hits)
		return 0;
	hits_forget(h, fact);
	return -ENOENT;
}

void hits_forget(struct hits *h, enum hook_fact fact)
{
	h->kprobe[fact] = 0;
}

/* Return: whether all of them could be read. */
static bool add_hits(struct hits *h, const uint64_t *addr, size_t n, uint64_t *hits)
{
	uint64_t word[PEEK_WORDS];

	if (peek_words(&h->peek, addr, word, n))
		return false;
	for (size_t i = 0; i < n; i++)
		*hits += word[i];
	return true;
}

bool hits_read(struct hits *h, enum hook_fact fact, uint64_t *missed, uint64_t *hits)
{
	uint64_t addr[PEEK_WORDS];
	size_t n = 0;

	if (!h->kprobe[fact])
		return false;
	*hits = 0;
	for (size_t cpu = 0; cpu < h->cpus; cpu++) {
		if (h->offset[cpu])
			addr[n++] = h->nhit[fact] + h->offset[cpu];
		if (n == PEEK_WORDS && !add_hits(h, addr, n, hits))
			return false;
		n %= PEEK_WORDS;
	}
	addr[n] = h->kprobe[fact] + NMISSED * sizeof(uint64_t);
	if (!add_hits(h, addr, n + 1, hits))
		return false;
	*missed = h->peek.value.word[n];
	return true;
}

void hits_close(struct hits *h)
{
	if (h->open)
		peek_close(&h->peek);
	if (h->program_fd >= 0)
		close(h->program_fd);
	free(h->offset);
	hits_init(h);
}
