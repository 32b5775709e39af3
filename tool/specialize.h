/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One compiled text is for every command line. What a run wants of it is a constant that the text leaves open: a mark,
 * moved into a register. Here the mark becomes the value, and what that rules out is taken out, as the compiler would
 * have done: what is left is as short as if it had been compiled for this run alone, which verifiers before 4.7 need, and
 * takes no time. Pure.
 */
#ifndef SPECIALIZE_H
#define SPECIALIZE_H

#include "object.h"

struct specialize_choice {
	int32_t mark;		/* the immediate of a move */
	int32_t value;		/* to be in its place, 0 or 1 */
};

/**
 * specialize - fit all programs of @o to a run
 * @choices: @n of them, with different marks
 *
 * A branch is decided where only the move of a mark leads to it, by way of branches that are not taken. A program with a jump out of
 * itself is left as it is: the kernel refuses it.
 * Return: 0, or -ENOMEM with @o as it was.
 */
int specialize(struct object *o, const struct specialize_choice *choices, size_t n);

#endif
