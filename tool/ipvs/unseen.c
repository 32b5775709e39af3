/* SPDX-License-Identifier: Apache-2.0 */
#include "ipvs/unseen.h"

#include "ipvs/ipvs.h"

#define TRIES 8

/* Returns how many connections the programs saw IPVS take in this process's network namespace. */
static uint64_t count_seen(const struct loaded *l)
{
	uint64_t n = 0;

	loader_count(l, COUNT_IPVS_CONNS, &n);
	return n;
}

/* IPVS counts a connection just after the program does. This reads IPVS's count last, so the base is too high by the
 * connections that arrive in between. */
static void set_base(struct unseen *u, const struct loaded *l, const char *proc_root)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t seen = count_seen(l), taken;

		if (ipvs_taken(proc_root, &taken))
			return;
		if (!u->known || (int64_t)(taken - seen - u->base) < 0)
			u->base = taken - seen;
		u->known = true;
	}
}

/* This reads IPVS's count first, so the result is too low by the connections that arrive in between. */
void unseen_update(struct unseen *u, const struct loaded *l, const char *proc_root)
{
	uint64_t before, seen = count_seen(l), taken;
	int tries = 0;

	if (!u->known) {
		set_base(u, l, proc_root);
		return;
	}
	do {
		if (ipvs_taken(proc_root, &taken))
			return;
		before = seen;
		seen = count_seen(l);
		if ((int64_t)(taken - seen - u->base - u->now) > 0)
			u->now = taken - seen - u->base;
	} while (seen != before && ++tries < TRIES);
}

void unseen_pause(struct unseen *u)
{
	u->before += u->now;
	u->now = 0;
	u->known = false;
}

uint64_t unseen_count(const struct unseen *u)
{
	return u->before + u->now;
}
