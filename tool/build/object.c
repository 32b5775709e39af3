/* SPDX-License-Identifier: Apache-2.0 */
#include "build/object.h"

#include "base/hash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x33544356	/* a new format needs a new number */

struct head {
	uint32_t magic, size;		/* size of the whole block, bytes */
	uint32_t kern_version, n_maps, n_programs, n_insns;
	uint64_t checksum;		/* of the whole block, with this member as 0 */
};

/* Computes the checksum of the head and the @len bytes that follow it. */
static uint64_t checksum(struct head h, const void *rest, size_t len)
{
	h.checksum = 0;
	return hash_bytes(hash_bytes(HASH_BEGIN, &h, sizeof(h)), rest, len);
}

void object_free(struct object *o)
{
	if (!o)
		return;
	free(o->insns);
	memset(o, 0, sizeof(*o));
}

static void append(char **at, const void *bytes, size_t len)
{
	if (len)
		memcpy(*at, bytes, len);
	*at += len;
}

static void take(const char **at, void *to, size_t len)
{
	if (len)
		memcpy(to, *at, len);
	*at += len;
}

static size_t block_size(const struct head *h)
{
	return sizeof(*h) + h->n_maps * sizeof(struct object_map) +
	       h->n_programs * sizeof(struct object_program) +
	       h->n_insns * sizeof(struct bpf_insn);
}

int object_encode(const struct object *o, void **bytes, size_t *len)
{
	struct head h = { .magic = MAGIC,	    .kern_version = o->kern_version,
			  .n_maps = o->n_maps,	    .n_programs = o->n_programs,
			  .n_insns = o->n_insns };
	char *block, *at;

	h.size = (uint32_t)block_size(&h);
	block = malloc(h.size);
	if (!block)
		return -ENOMEM;
	at = block + sizeof(h);
	append(&at, o->maps, o->n_maps * sizeof(o->maps[0]));
	append(&at, o->programs, o->n_programs * sizeof(o->programs[0]));
	append(&at, o->insns, o->n_insns * sizeof(o->insns[0]));
	h.checksum = checksum(h, block + sizeof(h), h.size - sizeof(h));
	memcpy(block, &h, sizeof(h));
	*bytes = block;
	*len = h.size;
	return 0;
}

static bool is_valid(const struct object *o)
{
	for (uint32_t i = 0; i < o->n_maps; i++)
		if (o->maps[i].name[sizeof(o->maps[i].name) - 1])
			return false;
	for (uint32_t i = 0; i < o->n_programs; i++) {
		const struct object_program *p = &o->programs[i];

		if (p->name[sizeof(p->name) - 1] || !p->n_insns || p->first > o->n_insns ||
		    p->n_insns > o->n_insns - p->first)
			return false;
	}
	for (uint32_t i = 0; i < o->n_insns; i++)
		if (object_loads_map(&o->insns[i]) &&
		    (o->insns[i].imm < 0 || (uint32_t)o->insns[i].imm >= o->n_maps))
			return false;
	return true;
}

int object_decode(struct object *o, const void *bytes, size_t len)
{
	const char *at = bytes;
	struct object new = { 0 };
	struct head h;

	if (len < sizeof(h))
		return -EBADMSG;
	take(&at, &h, sizeof(h));
	if (h.magic != MAGIC || h.size != len || h.n_maps > OBJECT_MAPS_MAX ||
	    h.n_programs > OBJECT_PROGRAMS_MAX || h.n_insns > OBJECT_INSNS_MAX ||
	    block_size(&h) != len || checksum(h, at, len - sizeof(h)) != h.checksum)
		return -EBADMSG;
	new.kern_version = h.kern_version;
	new.n_maps = h.n_maps;
	new.n_programs = h.n_programs;
	new.n_insns = h.n_insns;
	new.insns = calloc(h.n_insns + 1, sizeof(*new.insns));
	if (!new.insns)
		return -ENOMEM;
	take(&at, new.maps, h.n_maps * sizeof(new.maps[0]));
	take(&at, new.programs, h.n_programs * sizeof(new.programs[0]));
	take(&at, new.insns, h.n_insns * sizeof(*new.insns));
	if (!is_valid(&new)) {
		object_free(&new);
		return -EBADMSG;
	}
	*o = new;
	return 0;
}

const struct object_program *object_program(const struct object *o, const char *name)
{
	for (uint32_t i = 0; i < o->n_programs; i++)
		if (!strcmp(o->programs[i].name, name))
			return &o->programs[i];
	return NULL;
}

int object_map(const struct object *o, const char *name)
{
	for (uint32_t i = 0; i < o->n_maps; i++)
		if (!strcmp(o->maps[i].name, name))
			return (int)i;
	return -ENOENT;
}

int object_constant(const struct object *o, const char *name)
{
	const struct object_program *p = object_program(o, name);
	const struct bpf_insn *insn;

	if (!p || p->n_insns != 2)
		return -ENOENT;
	insn = &o->insns[p->first];
	if ((insn[0].code != (BPF_ALU64 | BPF_MOV | BPF_K) &&
	     insn[0].code != (BPF_ALU | BPF_MOV | BPF_K)) ||
	    insn[0].dst_reg != BPF_REG_0 || insn[0].imm < 0 ||
	    insn[1].code != (BPF_JMP | BPF_EXIT))
		return -ENOENT;
	return insn[0].imm;
}
