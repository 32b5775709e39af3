/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that libbcc compiles, and the -D list that adapts them to a host. Pure. */
#ifndef PROBE_TEXT_H
#define PROBE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PROBE_TEXT_DEFINES_MAX 32

struct probe_defines {
	size_t n;
	bool state_tracepoint;		/* true if the text has the program of this tracepoint */
	bool retransmit_tracepoint;
	char text[PROBE_TEXT_DEFINES_MAX][48];		/* "-DNAME=VALUE" */
	const char *flags[PROBE_TEXT_DEFINES_MAX];	/* pointers to these, for libbcc */
};

/** probe_text_main - get the text of the tracing programs; static */
const char *probe_text_main(void);

/** probe_text_server - get the text of --server alone, a part of the main text; static */
const char *probe_text_server(void);

/** probe_text_layout - get the text whose functions return offsets; static */
const char *probe_text_layout(void);

#define PROBE_TEXT_LAYOUT_FLAGS 3

/** probe_text_layout_flags - clang's flags for that text, which its first comment explains; static */
extern const char *const probe_text_layout_flags[PROBE_TEXT_LAYOUT_FLAGS];

/**
 * probe_text_defines - make the -D list of the main text
 * @d:              filled; has pointers into itself: do not copy it
 * @read_helper:    number of the BPF helper that reads kernel memory
 * @state_format:   format file of sock:inet_sock_set_state, NULL if this kernel lacks it
 * @retransmit_format: format file of tcp:tcp_retransmit_skb, or NULL
 *
 * If there is no format file, or it lacks a field that the program reads, the text does not have the
 * program of that tracepoint: see the two bools in struct probe_defines.
 */
void probe_text_defines(struct probe_defines *d, int read_helper, const char *state_format,
		       const char *retransmit_format);

/** probe_text_report - define what the programs produce: events for rows, counters, or both */
void probe_text_report(struct probe_defines *d, bool rows, bool counts);

/** probe_text_add - define NAME as 1; see probes/common.bpf.h for the names */
void probe_text_add(struct probe_defines *d, const char *name);

/** probe_text_omit - omit a program for state changes or retransmits from the text */
void probe_text_omit(struct probe_defines *d, const char *program);

/** probe_text_print - print a text, with its -D list as #define lines, for --ebpf */
void probe_text_print(FILE *to, const char *text, const struct probe_defines *d);

#endif
