/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals that end the tool: SIGINT, SIGTERM, SIGHUP, unless SIGHUP asks it to read its files again. The first one asks
 * the tool to end: it still writes what it has seen, and waits for slow readers. The second one makes it end: what is not
 * read yet goes nowhere, but all is undone. The third one does not even wait for that.
 */
#ifndef STOP_H
#define STOP_H

#include <signal.h>

/**
 * stop_catch_signals - from now on the signals set the flag, except those that were ignored at the start
 * Also ignores SIGPIPE and SIGXFSZ: write(2) returns the error.
 * Return: the flag; it is the number of signals that have asked the tool to end.
 */
const volatile sig_atomic_t *stop_catch_signals(void);

/**
 * stop_not_by_hangup - from now on SIGHUP ends the tool only if the tool has lost its terminal; else it asks to read files again
 * Call it after stop_catch_signals().
 * Return: the number of signals that asked for that.
 */
const volatile sig_atomic_t *stop_not_by_hangup(void);

/** stop_add_sink - at the second signal, stop waiting for the reader of @fd; a file has none, and gets everything */
void stop_add_sink(int fd);

/** stop_end - after a second signal, end as if it had not been caught: a shell shows that, and a script ends too */
void stop_end(void);

#endif
