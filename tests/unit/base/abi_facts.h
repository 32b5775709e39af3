/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items of abi_list.h, as the includer's headers define them: the tool's headers in test_abi.c, the machine's in
 * abi_system.c. Both use the same names, so they are two translation units.
 */
#ifndef ABI_FACTS_H
#define ABI_FACTS_H

#include <stddef.h>
#include <stdint.h>

struct abi_fact {
	const char *what;
	uint64_t value, size;	/* of a member: its offset and size */
};

/** abi_of_system - stores the values of the machine's headers, in the order of abi_list.h; Return: their number */
size_t abi_of_system(const struct abi_fact **facts);

#define NUMBER(name) { #name, (uint64_t)(name), 0 },
#define MEMBER(type, member) { #type "." #member, offsetof(type, member), sizeof(((type *)0)->member) },

/* A bit field: the value of the structure's 64-bit word number @at when the field is 1. */
#define BITS(type, field, at) \
	{ #type "." #field, ((const union { type whole; uint64_t word[8]; }){ .whole = { .field = 1 } }).word[at], 0 },

#endif
