/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What abi_list.h lists, as the includer's headers have it: the tool's in test_abi.c, the machine's in abi_system.c. They have
 * the same names, so these are two translation units.
 */
#ifndef ABI_FACTS_H
#define ABI_FACTS_H

#include <stddef.h>
#include <stdint.h>

struct abi_fact {
	const char *what;
	uint64_t value, size;	/* of a member: where it is, and how large */
};

/** abi_of_system - what the machine's headers say, in the order of abi_list.h; Return: how much that is */
size_t abi_of_system(const struct abi_fact **facts);

#define NUMBER(name) { #name, (uint64_t)(name), 0 },
#define MEMBER(type, member) { #type "." #member, offsetof(type, member), sizeof(((type *)0)->member) },

/* A bit field: what the structure's 64 bits number @at hold when it is 1. */
#define BITS(type, field, at) \
	{ #type "." #field, ((const union { type whole; uint64_t word[8]; }){ .whole = { .field = 1 } }).word[at], 0 },

#endif
