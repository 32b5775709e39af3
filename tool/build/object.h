/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled programs and the maps they use, on their way from libbcc or the
 * cache to the kernel. Pure. */
#ifndef OBJECT_H
#define OBJECT_H

#include "base/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_MAPS_MAX 24
#define OBJECT_PROGRAMS_MAX 32
#define OBJECT_INSNS_MAX 32768

struct object_map {
	char name[16];
	uint32_t type, key_size, value_size, max_entries, flags;
};

struct object_program {
	char name[32];
	uint32_t first, n_insns;	/* within the object's insns */
};

/* An instruction that loads a map (BPF_PSEUDO_MAP_FD) has the map's index as imm. */
struct object {
	uint32_t kern_version;		/* LINUX_VERSION_CODE of the headers */
	uint32_t n_maps, n_programs, n_insns;
	struct object_map maps[OBJECT_MAPS_MAX];
	struct object_program programs[OBJECT_PROGRAMS_MAX];
	struct bpf_insn *insns;		/* owned */
};

/** object_free - free what @o owns and empty it; NULL and empty objects are fine */
void object_free(struct object *o);

/**
 * object_encode - make one block of bytes of @o
 * @bytes, @len: set on 0; the caller frees @bytes
 * Return: 0 or -ENOMEM.
 */
int object_encode(const struct object *o, void **bytes, size_t *len);

/**
 * object_decode - the reverse; takes nothing on trust
 * @o: filled on 0, free with object_free()
 * Return: 0, -ENOMEM, or -EBADMSG where the bytes are not a whole, sound object.
 */
int object_decode(struct object *o, const void *bytes, size_t len);

const struct object_program *object_program(const struct object *o, const char *name);

/** object_map - index of a map by name, or -ENOENT */
int object_map(const struct object *o, const char *name);

/**
 * object_constant - what a program returns that only returns a constant
 * Return: the constant, or -ENOENT where there is no such program or it does more than that.
 */
int object_constant(const struct object *o, const char *name);

/** object_loads_map - true for an instruction that loads a map, whose index is its imm */
static inline bool object_loads_map(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_MAP_FD;
}

#endif
