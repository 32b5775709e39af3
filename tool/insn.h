/* SPDX-License-Identifier: Apache-2.0 */
/* BPF programs put together by hand: those that are too small, and too seldom needed, to be compiled. */
#ifndef INSN_H
#define INSN_H

#include "abi.h"

#include <stddef.h>
#include <stdint.h>

#define INSNS_MAX 512

struct insns {
	size_t n;
	struct bpf_insn insn[INSNS_MAX];
};

/** insn_add - one instruction more; its parts as in struct bpf_insn */
void insn_add(struct insns *to, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm);

/** insn_map - @reg = the address of a map */
void insn_map(struct insns *to, uint8_t reg, int map_fd);

/** insn_lookup - r0 = the address of the map's first value; the program ends where it has none */
void insn_lookup(struct insns *to, int map_fd);

/** insn_begin - a new program: r6 is then the address of the map's first value, r8 what r1 was */
void insn_begin(struct insns *to, int map_fd);

/**
 * insn_load - end the program, with 0, and load it
 * @type: enum bpf_prog_type
 * @kern_version: LINUX_VERSION_CODE of the running kernel, for kprobes before 5.0; 0 where it does not matter
 * Return: its descriptor, or a negative errno.
 */
int insn_load(struct insns *program, uint32_t type, uint32_t kern_version);

#endif
