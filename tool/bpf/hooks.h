/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of hooks: for each event that the tool traces, the hooks that a
 * kernel may have for it, best first. Pure: a callback checks the host.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include "cli/options.h"

#include <stdbool.h>

enum hook_event {
	HOOK_STATE,		/* a socket changes its state */
	HOOK_STATE_SECOND,	/* the same, if the kernel skipped the program for HOOK_STATE; raw tracepoint only */
	HOOK_RETRANSMIT,	/* the kernel retransmits a segment */
	HOOK_ERROR,		/* the kernel reports an error to a socket's owner */
	HOOK_CONNECT,		/* connect() has its local port and is about to send the SYN */
	HOOK_CONNECT_RETURN,	/* connect() has sent the SYN */
	HOOK_IPVS,		/* IPVS chose a real server */
	HOOK_CLIENT_PORT,	/* IPVS learns the client's port of an expected connection */
	HOOK_NO_DESTINATION,	/* IPVS has no real server for a connection */
	HOOK_EXPIRE,		/* the timer of an IPVS connection expires */
	HOOK_EXPIRE_NOW,	/* IPVS ends a connection at once */
	HOOK_FREE,		/* IPVS has ended a connection */
	HOOK_FORWARD,		/* from here on for --director: IPVS handles a packet of a connection */
	HOOK_FORWARD_NEW,	/* IPVS creates an entry */
	HOOK_FORWARD_REFUSED,	/* IPVS has no real server for a connection */
	HOOK_FORWARD_EXPIRE,	/* the timer of an entry expires */
	HOOK_FORWARD_EXPIRE_NOW, /* IPVS ends an entry at once */
	HOOK_FORWARD_FREE,	/* IPVS has ended an entry */
	HOOK_SYN_ACK,		/* from here on for --server: a SYN-ACK is sent again */
	HOOK_RESET,		/* a reset is sent, for a packet that no socket takes */
	HOOK_RESET_V6,		/* the same for IPv6, if HOOK_RESET is a kprobe */
	HOOK_ACCEPT_SYN,	/* a listener gets a SYN */
	HOOK_ACCEPT_ACK,	/* a listener gets the ACK that completes a handshake */
	HOOK_ACCEPT_ACK_V6,	/* the same for IPv6 */
	HOOK_EVENTS
};

enum hook_kind { HOOK_NONE, HOOK_RAW_TRACEPOINT, HOOK_TRACEPOINT, HOOK_KPROBE, HOOK_KRETPROBE };

struct hook {
	enum hook_event event;
	enum hook_kind kind;
	const char *category;	/* of a tracepoint that is not raw; else NULL */
	const char *target;	/* tracepoint or kernel function */
	const char *program;	/* function in the probe text */
};

/**
 * hooks_choose - choose a hook for each event
 * @wish:   the only kind to use for each event whose hooks include that kind
 * @has:    returns true if this host has the hook
 * @cookie: for @has
 * @chosen: by enum hook_event; NULL if the host has no hook for it. Points into a static table.
 */
void hooks_choose(enum hook_choice wish, bool (*has)(void *cookie, const struct hook *),
		  void *cookie, const struct hook *chosen[HOOK_EVENTS]);

/** hooks_next - the hook after @hook in the table, the first one for NULL; NULL after the last one */
const struct hook *hooks_next(const struct hook *hook);

/** hooks_kind - name of the kind, for messages */
const char *hooks_kind(enum hook_kind kind);

/** hooks_describe - description of the event, for messages */
const char *hooks_describe(enum hook_event event);

#endif
