/* SPDX-License-Identifier: Apache-2.0 */
#include "insn.h"

#include "bpf.h"

#include <errno.h>
#include <string.h>

void insn_add(struct insns *to, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (to->n < INSNS_MAX)
		to->insn[to->n] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15,
						     .off = off, .imm = imm };
	to->n++;	/* too many: insn_load() says so */
}

void insn_map(struct insns *to, uint8_t reg, int map_fd)
{
	insn_add(to, BPF_LD | BPF_IMM | BPF_DW, reg, BPF_PSEUDO_MAP_FD, 0, map_fd);
	insn_add(to, 0, 0, 0, 0, 0);
}

static void insn_end(struct insns *to)
{
	insn_add(to, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	insn_add(to, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void insn_lookup(struct insns *to, int map_fd)
{
	insn_add(to, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0);
	insn_add(to, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
	insn_add(to, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
	insn_map(to, BPF_REG_1, map_fd);
	insn_add(to, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	insn_add(to, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 2, 0);
	insn_end(to);
}

void insn_begin(struct insns *to, int map_fd)
{
	to->n = 0;
	insn_add(to, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_8, BPF_REG_1, 0, 0);
	insn_lookup(to, map_fd);
	insn_add(to, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_0, 0, 0);
}

int insn_load(struct insns *program, uint32_t type, uint32_t kern_version)
{
	union bpf_attr attr;

	insn_end(program);
	if (program->n > INSNS_MAX)
		return -E2BIG;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insn_cnt = (uint32_t)program->n;
	attr.insns = (uintptr_t)program->insn;
	attr.license = (uintptr_t)"GPL";
	attr.kern_version = kern_version;
	return bpf_call(BPF_PROG_LOAD, &attr);
}
