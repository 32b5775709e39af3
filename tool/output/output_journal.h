/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to the systemd journal, with tcpstates' fields and ours. libsystemd is found at run
 * time, so that the tool builds and runs without it.
 */
#ifndef OUTPUT_JOURNAL_H
#define OUTPUT_JOURNAL_H

#include "rows/row.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { JOURNAL_FIELDS_MAX = 20, JOURNAL_TEXT_MAX = 2048 };

/** A row as the journal takes it: each field is "NAME=value", its length is counted. */
struct journal_entry {
	char text[JOURNAL_TEXT_MAX];
	struct iovec field[JOURNAL_FIELDS_MAX];		/* point into text */
	int n;
};

/** All zero: none open. */
struct journal {
	void *library;
	int (*send)(const struct iovec *fields, int n);	/* sd_journal_sendv(3) */
	struct journal_entry entry;
	int interrupted;				/* times that a signal ended a wait for it */
	uint64_t refused;				/* rows that the journal did not take */
	int err;					/* negative errno of the first of them */
};

/**
 * journal_open - find libsystemd, and that a journal runs
 * @j:     all zero; journal_close() it in either case
 * @cause: one line with the remedy, set on failure
 * Return: 0 or -ENOENT.
 */
int journal_open(struct journal *j, char *cause, size_t len);

/** journal_row - send a row; what the journal does not take is counted in @j */
void journal_row(struct journal *j, const struct row *row);

void journal_close(struct journal *j);

/**
 * journal_entry_set - a row's fields; pure
 * @name: of the program
 */
void journal_entry_set(struct journal_entry *e, const char *name, const struct row *row);

#endif
