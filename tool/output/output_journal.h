/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends rows to the systemd journal, with tcpstates' fields and ours. The tool loads libsystemd
 * at run time, so it builds and runs without it.
 */
#ifndef OUTPUT_JOURNAL_H
#define OUTPUT_JOURNAL_H

#include "rows/names.h"
#include "rows/row.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { JOURNAL_FIELDS_MAX = 24, JOURNAL_TEXT_MAX = 4096 };

/** A row as sd_journal_sendv(3) takes it: each field is "NAME=value", with its length. */
struct journal_entry {
	char text[JOURNAL_TEXT_MAX];
	struct iovec field[JOURNAL_FIELDS_MAX];		/* they point into text */
	int n;
};

/** All zero: not open. */
struct journal {
	void *library;
	int (*send)(const struct iovec *fields, int n);	/* sd_journal_sendv(3) */
	struct journal_entry entry;
	const struct names *names;			/* set by the owner: of addresses; NULL: none are sent */
	const volatile sig_atomic_t *stop;		/* signals that have asked the tool to end */
	uint64_t refused;				/* rows that the journal did not take */
	int err;					/* negative errno of the first refused row */
};

/**
 * journal_open - load libsystemd, and check that a journal runs
 * @j:     all zero; the caller calls journal_close() in either case
 * @stop:  a row waits for a slow journal until this is 2; kept; NULL if no row is sent
 * @errmsg: one line with the remedy, set on failure
 * Return: 0 or -ENOENT.
 */
int journal_open(struct journal *j, const volatile sig_atomic_t *stop, char *errmsg, size_t len);

/** journal_row - send a row; if the journal does not take it, count it in @j */
void journal_row(struct journal *j, const struct row *row);

void journal_close(struct journal *j);

/**
 * journal_entry_set - set the fields from a row; pure
 * @name:  name of the program
 * @names: of addresses; NULL: none
 */
void journal_entry_set(struct journal_entry *e, const char *name, const struct names *names, const struct row *row);

#endif
