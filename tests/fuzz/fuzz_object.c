/* SPDX-License-Identifier: Apache-2.0 */
/* A byte that says whether to correct size and checksum, then compiled programs as in the cache. */
#include "fuzz.h"

#include "build/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* True if decode must accept @o: the same rules again, in other words. */
static bool is_sound(const struct object *o)
{
	for (uint32_t i = 0; i < o->n_maps; i++)
		if (strnlen(o->maps[i].name, 16) == 16)
			return false;
	for (uint32_t i = 0; i < o->n_programs; i++) {
		uint64_t end = (uint64_t)o->programs[i].first + o->programs[i].n_insns;

		if (strnlen(o->programs[i].name, 32) == 32 || end > o->n_insns || !o->programs[i].n_insns)
			return false;
	}
	for (uint32_t i = 0; i < o->n_insns; i++)
		if (o->insns[i].code == 0x18 && o->insns[i].src_reg == 1 &&
		    !(o->insns[i].imm >= 0 && o->insns[i].imm < (int)o->n_maps))
			return false;
	return true;
}

static void check(struct object *o, const uint8_t *bytes, size_t len)
{
	size_t again_len;
	void *again;

	expect(is_sound(o));
	for (uint32_t i = 0; i < o->n_programs; i++) {
		expect(object_program(o, o->programs[i].name));
		expect(object_constant(o, o->programs[i].name) >= -ENOENT);
	}
	for (uint32_t i = 0; i < o->n_maps; i++)
		expect(object_map(o, o->maps[i].name) <= (int)i);
	expect(!object_encode(o, &again, &again_len));
	expect(again_len == len && !memcmp(again, bytes, len));
	free(again);
	object_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object o;
	uint8_t *bytes;
	int err;

	if (!size)
		return 0;
	size--;
	bytes = fuzz_bytes(data + 1, size);
	if (data[0] & 1)
		fuzz_seal_object(bytes, size);
	err = object_decode(&o, bytes, size);
	if (!err)
		check(&o, bytes, size);
	else
		expect(err == -EBADMSG);
	free(bytes);
	return 0;
}
