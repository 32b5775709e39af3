/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that libbcc compiles, and the -D list that fits them to a host. Pure. */
#ifndef PROBE_TEXT_H
#define PROBE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PROBE_TEXT_DEFINES_MAX 32

struct probe_defines {
	size_t n;
	bool state_tracepoint;		/* the text has the programs of these */
	bool retransmit_tracepoint;
	char text[PROBE_TEXT_DEFINES_MAX][48];		/* "-DNAME=VALUE" */
	const char *flags[PROBE_TEXT_DEFINES_MAX];	/* the same, as libbcc takes them */
};

/** probe_text_main - the tracing programs; static */
const char *probe_text_main(void);

/** probe_text_layout - the text whose functions return offsets; static */
const char *probe_text_layout(void);

/**
 * probe_text_defines - make the -D list of the main text
 * @d:              filled on 0; points into itself: do not copy
 * @read_helper:    number of the BPF helper that reads kernel memory
 * @state_format:   format file of sock:inet_sock_set_state, NULL: not on this kernel
 * @retransmit_format: format file of tcp:tcp_retransmit_skb, or NULL
 *
 * Where a format file lacks a field that the programs read, the program of that tracepoint is left
 * out of the text, as where there is no such file: see the two bools.
 */
void probe_text_defines(struct probe_defines *d, int read_helper, const char *state_format,
		       const char *retransmit_format);

/** probe_text_tell - what the programs are for: events for rows, counters, or both */
void probe_text_tell(struct probe_defines *d, bool rows, bool counts);

/** probe_text_add - define NAME as 1; see probes/common.bpf.h for the names */
void probe_text_add(struct probe_defines *d, const char *name);

/** probe_text_leave_out - do without a program for state changes or retransmits */
void probe_text_leave_out(struct probe_defines *d, const char *program);

/** probe_text_print - the main text with its -D list as #define lines, for --ebpf */
void probe_text_print(FILE *to, const struct probe_defines *d);

#endif
