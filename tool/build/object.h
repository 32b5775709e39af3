/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs and the maps that they use. libbcc or the cache provides
 * them; they are not loaded into the kernel yet. Pure. */
#ifndef OBJECT_H
#define OBJECT_H

#include "base/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_MAPS_MAX 24
#define OBJECT_PROGRAMS_MAX 48
#define OBJECT_INSNS_MAX 65536

struct object_map {
	char name[16];
	uint32_t type, key_size, value_size, max_entries, flags;
};

struct object_program {
	char name[32];
	uint32_t first, n_insns;	/* index and number in the object's insns */
};

/* In an instruction that loads a map (BPF_PSEUDO_MAP_FD), imm is the index of the map. */
struct object {
	uint32_t kern_version;		/* LINUX_VERSION_CODE of the headers */
	uint32_t n_maps, n_programs, n_insns;
	struct object_map maps[OBJECT_MAPS_MAX];
	struct object_program programs[OBJECT_PROGRAMS_MAX];
	struct bpf_insn *insns;		/* owned by the object */
};

/** object_free - free what @o owns and empty it; @o may be NULL or empty */
void object_free(struct object *o);

/**
 * object_encode - encode @o as one block of bytes
 * @bytes, @len: set on 0; the caller frees @bytes
 * Return: 0 or -ENOMEM.
 */
int object_encode(const struct object *o, void **bytes, size_t *len);

/**
 * object_decode - decode a block of object_encode(); checks everything in it
 * @o: filled on 0, free with object_free()
 * Return: 0, -ENOMEM, or -EBADMSG if the bytes are not a complete, valid object.
 */
int object_decode(struct object *o, const void *bytes, size_t len);

const struct object_program *object_program(const struct object *o, const char *name);

/** object_map - look up a map by name; Return: its index, or -ENOENT */
int object_map(const struct object *o, const char *name);

/**
 * object_constant - get the result of a program that only returns a constant
 * Return: the constant, or -ENOENT if there is no such program or it does more than that.
 */
int object_constant(const struct object *o, const char *name);

/** object_loads_map - true if the instruction loads a map; its imm is the index of the map */
static inline bool object_loads_map(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_MAP_FD;
}

#endif
