/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of hooks: what the tool wants to see, and where a kernel may show
 * it, best place first. Pure: the host's answers come by a callback.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include "cli/options.h"

#include <stdbool.h>

enum hook_fact {
	HOOK_STATE,		/* a socket changes its state */
	HOOK_STATE_SECOND,	/* ... for which the program for HOOK_STATE was skipped; raw tracepoint only */
	HOOK_RETRANSMIT,	/* a segment is sent again */
	HOOK_ERROR,		/* a socket's owner is told of an error */
	HOOK_CONNECT,		/* connect() has its port and sends the SYN */
	HOOK_CONNECT_RETURN,	/* the SYN is sent */
	HOOK_IPVS,		/* IPVS chose a real server */
	HOOK_CLIENT_PORT,	/* IPVS learns the client's port of a connection that was expected */
	HOOK_NO_DESTINATION,	/* IPVS has no real server */
	HOOK_EXPIRE,		/* the time of an IPVS connection is over */
	HOOK_EXPIRE_NOW,	/* IPVS ends a connection at once */
	HOOK_FREE,		/* IPVS has ended a connection */
	HOOK_FACTS
};

enum hook_kind { HOOK_NONE, HOOK_RAW_TRACEPOINT, HOOK_TRACEPOINT, HOOK_KPROBE, HOOK_KRETPROBE };

struct hook {
	enum hook_fact fact;
	enum hook_kind kind;
	const char *category;	/* of a tracepoint that is not raw */
	const char *target;	/* tracepoint or kernel function */
	const char *program;	/* in the probe text */
};

/**
 * hooks_choose - choose a hook for each fact
 * @wish:   a kind that is taken alone where the fact has a candidate of that kind
 * @has:    whether this host has the hook
 * @cookie: for @has
 * @chosen: by fact; NULL where the host has no candidate. Points into a static table.
 */
void hooks_choose(enum hook_wish wish, bool (*has)(void *cookie, const struct hook *),
		  void *cookie, const struct hook *chosen[HOOK_FACTS]);

/** hooks_next - the hook after @hook in the table, the first one for NULL; NULL after the last one */
const struct hook *hooks_next(const struct hook *hook);

/** hooks_kind - the kind in words, for messages */
const char *hooks_kind(enum hook_kind kind);

/** hooks_what - the fact in words, for messages */
const char *hooks_what(enum hook_fact fact);

#endif
