/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of struct members from a kernel's own type information, where it has
 * any: exact and a hundred times faster than compiling a text that asks. Pure.
 */
#ifndef BTF_H
#define BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf_member {
	const char *type, *name;	/* struct and member that is asked for */
	bool found;
	uint32_t offset;		/* bytes from the start of the struct, set where found */
	bool bitfield;
};

/**
 * btf_find - look up members
 * @btf:      type information as in /sys/kernel/btf, @len bytes
 * @base:     the kernel's own, where @btf is a module's, else NULL; @base_len bytes
 * @members:  @n of them; those found are filled, the others untouched
 * Return: 0, or -EBADMSG where the bytes are not understood.
 * Source: Documentation/bpf/btf.rst
 */
int btf_find(const void *btf, size_t len, const void *base, size_t base_len,
	     struct btf_member *members, size_t n);

#endif
