/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of struct members from the kernel's own type information (BTF), if it has
 * any. They are exact, and a hundred times faster to get than by compiling. Pure.
 */
#ifndef BTF_H
#define BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf_member {
	const char *type, *name;	/* the struct and the member to look up */
	bool found;
	uint32_t offset;		/* bytes from the start of the struct, set if found */
	bool bitfield;
	uint32_t number;		/* of its type, for btf_params() */
};

/**
 * btf_find - look up members
 * @btf:      type information as in /sys/kernel/btf, @len bytes
 * @base:     the kernel's type information, @base_len bytes, if @btf belongs to a module, else NULL
 * @members:  @n members; those that are found are filled, the others do not change
 * Return: 0, or -EBADMSG if the bytes are not valid type information.
 * Source: Documentation/bpf/btf.rst
 */
int btf_find(const void *btf, size_t len, const void *base, size_t base_len,
	     struct btf_member *members, size_t n);

/**
 * btf_params - the number of parameters of the function that a pointer points to
 * @pointer: number of the pointer's type, from btf_find() with the same type information
 * Return: 0 if it is not known: no such type, or its types are not in @btf itself.
 */
unsigned btf_params(const void *btf, size_t len, const void *base, size_t base_len, uint32_t pointer);

#endif
