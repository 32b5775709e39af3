/* SPDX-License-Identifier: Apache-2.0 */
#include "host/syscalls.h"

#include "base/abi.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define NUMBERS 0x40000000U	/* calls from here on are of the x32 ABI */
#elif defined(__aarch64__)
#define ARCHITECTURE 0xc00000b7U	/* AUDIT_ARCH_AARCH64, from 3.17 */
#define NUMBERS UINT32_MAX
#else
#define ARCHITECTURE 0
#define NUMBERS UINT32_MAX
#endif

/* An instruction and a program of classic BPF. The tool does not include linux/filter.h, which today includes names of base/abi.h. */
struct sock_insn {
	uint16_t code;
	uint8_t jump_true, jump_false;	/* instructions to skip */
	uint32_t k;
};

struct sock_program {
	unsigned short n;
	struct sock_insn *insns;
};

#define INSNS_MAX 1024
#define LOAD(offset) { BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(offset) }
#define JUMP(test, k, jump_true, jump_false) { BPF_JMP | (test) | BPF_K, jump_true, jump_false, k }
#define RETURN(action) { BPF_RET | BPF_K, 0, 0, action }

static void add_insns(struct sock_program *p, const struct sock_insn *insns, size_t n)
{
	if (p->n + n <= INSNS_MAX)
		memcpy(p->insns + p->n, insns, n * sizeof(*insns));
	p->n = (unsigned short)(p->n + n);
}

/* Adds the rule for a call. Before and after it the accumulator has the number. */
static void add_rule(struct sock_program *p, const struct call *c, uint32_t action)
{
	/* Both architectures are little-endian: the lower half of an argument is the first one. */
	const uint32_t arg = (uint32_t)(offsetof(struct seccomp_data, args) + c->arg * sizeof(uint64_t));
	const struct sock_insn any[] = {
		JUMP(BPF_JEQ, (uint32_t)c->number, 0, 1),
		RETURN(action),
	};
	const struct sock_insn range[] = {
		JUMP(BPF_JEQ, (uint32_t)c->number, 0, 5),
		LOAD(arg),
		JUMP(BPF_JGE, c->low, 0, 2),
		JUMP(BPF_JGT, c->high, 1, 0),
		RETURN(action),
		LOAD(offsetof(struct seccomp_data, nr)),
	};

	if (c->high == UINT32_MAX)
		add_insns(p, any, sizeof(any) / sizeof(any[0]));
	else
		add_insns(p, range, sizeof(range) / sizeof(range[0]));
}

int syscalls_restrict(const struct calls *lists, size_t n_lists, bool allow)
{
	const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
	const struct sock_insn begin[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		JUMP(BPF_JEQ, ARCHITECTURE, 1, 0),
		RETURN(refuse),
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP(BPF_JGE, NUMBERS, 0, 1),
		RETURN(refuse),
	};
	const struct sock_insn end = RETURN(allow ? refuse : SECCOMP_RET_ALLOW);
	struct sock_insn insns[INSNS_MAX];
	struct sock_program p = { 0, insns };

	if (!ARCHITECTURE)
		return -ENOSYS;
	add_insns(&p, begin, sizeof(begin) / sizeof(begin[0]));
	for (size_t list = 0; list < n_lists; list++)
		for (size_t i = 0; i < lists[list].n; i++)
			add_rule(&p, &lists[list].call[i], allow ? SECCOMP_RET_ALLOW : refuse);
	add_insns(&p, &end, 1);
	if (p.n > INSNS_MAX)
		return -E2BIG;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		return -errno;
	return 0;
}
