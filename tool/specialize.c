/* SPDX-License-Identifier: Apache-2.0 */
#include "specialize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is known of an instruction. */
enum { TARGET = 1, SECOND_HALF = 2, REACHED = 4 };

struct work {
	struct bpf_insn *insns;		/* of one program */
	uint32_t n;
	unsigned char *known;		/* by instruction: bits of above */
	uint32_t *place;		/* by instruction: where it goes to; before: those still to be followed */
};

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* Calls and ends go nowhere within the program. */
static bool jumps(const struct bpf_insn *insn)
{
	unsigned op = BPF_OP(insn->code);

	return (BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

static bool always_jumps(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA);
}

static uint32_t target(uint32_t at, const struct bpf_insn *insn)
{
	return (uint32_t)((int64_t)at + 1 + insn->off);
}

/* Where jumps lead to; false where one leads to no instruction, or the program's end is no end. */
static bool find_targets(struct work *w)
{
	bool whole = false;

	for (uint32_t i = 0; i < w->n; i++) {
		whole = w->insns[i].code == (BPF_JMP | BPF_EXIT) || always_jumps(&w->insns[i]);
		if (is_wide(&w->insns[i])) {
			if (++i == w->n)
				return false;
			w->known[i] |= SECOND_HALF;
		}
	}
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->known[i] & SECOND_HALF || !jumps(&w->insns[i]))
			continue;
		if (target(i, &w->insns[i]) >= w->n || w->known[target(i, &w->insns[i])] & SECOND_HALF)
			return false;
		w->known[target(i, &w->insns[i])] |= TARGET;
	}
	return whole;
}

static const struct specialize_choice *choice_of(const struct bpf_insn *insn, const struct specialize_choice *choices,
						 size_t n)
{
	if (insn->code != (BPF_ALU64 | BPF_MOV | BPF_K) && insn->code != (BPF_ALU | BPF_MOV | BPF_K))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (choices[i].mark == insn->imm)
			return &choices[i];
	return NULL;
}

static bool compares_with_zero(const struct bpf_insn *insn, uint8_t reg)
{
	return (insn->code == (BPF_JMP | BPF_JEQ | BPF_K) || insn->code == (BPF_JMP | BPF_JNE | BPF_K)) &&
	       insn->dst_reg == reg && !insn->imm;
}

/* Whether the next instruction may be another one, or register @reg may be. */
static bool loses(const struct bpf_insn *insn, uint8_t reg)
{
	unsigned class = BPF_CLASS(insn->code);

	if (class == BPF_JMP || class == BPF_JMP32)	/* a branch that is not taken changes nothing */
		return !jumps(insn) || always_jumps(insn);
	return class != BPF_ST && class != BPF_STX && insn->dst_reg == reg;
}

/* The first instruction from @at on that compares register @reg with 0, where nothing but its move leads there; NULL: none. */
static struct bpf_insn *find_branch(const struct work *w, uint32_t at, uint8_t reg)
{
	for (; at < w->n && !(w->known[at] & TARGET); at++) {
		if (w->known[at] & SECOND_HALF)
			continue;
		if (compares_with_zero(&w->insns[at], reg))
			return &w->insns[at];
		if (loses(&w->insns[at], reg))
			return NULL;
	}
	return NULL;
}

static void decide(struct work *w, const struct specialize_choice *choices, size_t n)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct specialize_choice *c = w->known[i] & SECOND_HALF ? NULL : choice_of(&w->insns[i], choices, n);
		struct bpf_insn *branch = c ? find_branch(w, i + 1, w->insns[i].dst_reg) : NULL;
		bool taken;

		if (c)
			w->insns[i].imm = c->value;
		if (!branch)
			continue;
		taken = (BPF_OP(branch->code) == BPF_JEQ) == !c->value;
		*branch = (struct bpf_insn){ .code = BPF_JMP | BPF_JA, .off = branch->off };
		if (!taken)
			branch->off = 0;
	}
}

/* @stack: instructions to go on from; @n of them */
static uint32_t push(struct work *w, uint32_t n, uint32_t at)
{
	if (at < w->n && !(w->known[at] & REACHED)) {
		w->known[at] |= REACHED;
		w->place[n++] = at;
	}
	return n;
}

static void reach(struct work *w)
{
	for (uint32_t n = push(w, 0, 0); n;) {
		uint32_t at = w->place[--n];
		const struct bpf_insn *insn = &w->insns[at];

		if (jumps(insn) && !(w->known[at] & SECOND_HALF))
			n = push(w, n, target(at, insn));
		if ((insn->code == (BPF_JMP | BPF_EXIT) || always_jumps(insn)) && !(w->known[at] & SECOND_HALF))
			continue;
		n = push(w, n, at + 1);
	}
}

/* A jump over nothing that is left. */
static bool is_idle(const struct work *w, uint32_t at)
{
	const struct bpf_insn *insn = &w->insns[at];

	if (!always_jumps(insn) || w->known[at] & SECOND_HALF || insn->off < 0)
		return false;
	for (uint32_t i = at + 1; i < target(at, insn); i++)
		if (w->known[i] & REACHED)
			return false;
	return true;
}

/* Return: how many are left */
static uint32_t close_up(struct work *w)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		w->place[i] = left;
		if (w->known[i] & REACHED && is_idle(w, i))
			w->known[i] &= (unsigned char)~REACHED;
		else if (w->known[i] & REACHED)
			left++;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		struct bpf_insn insn = w->insns[i];

		if (!(w->known[i] & REACHED))
			continue;
		if (jumps(&insn) && !(w->known[i] & SECOND_HALF))
			insn.off = (int16_t)((int64_t)w->place[target(i, &insn)] - w->place[i] - 1);
		w->insns[w->place[i]] = insn;
	}
	return left;
}

int specialize(struct object *o, const struct specialize_choice *choices, size_t n)
{
	struct work w = {
		.known = malloc(o->n_insns + !o->n_insns),
		.place = calloc(o->n_insns + !o->n_insns, sizeof(*w.place)),
	};
	int err = w.known && w.place ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < o->n_programs && !err; i++) {
		w.insns = o->insns + o->programs[i].first;
		w.n = o->programs[i].n_insns;
		memset(w.known, 0, w.n);
		if (!find_targets(&w))
			continue;
		decide(&w, choices, n);
		reach(&w);
		o->programs[i].n_insns = close_up(&w);
	}
	free(w.known);
	free(w.place);
	return err;
}
