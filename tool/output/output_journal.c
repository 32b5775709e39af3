/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output_journal.h"

#include "base/log.h"
#include "output/output.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libsystemd.so.0"
#define SOCKET "/run/systemd/journal/socket"
#define PRIORITY "5"	/* notice, as in tcpstates */
#define ARROW " \xe2\x86\x92 "

int journal_open(struct journal *j, const volatile sig_atomic_t *stop, char *errmsg, size_t len)
{
	j->stop = stop;
	j->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!j->library) {
		snprintf(errmsg, len, "-Y needs libsystemd (Debian: libsystemd0); install it "
			 "or leave out -Y: %.256s", dlerror());
		return -ENOENT;
	}
	*(void **)&j->send = dlsym(j->library, "sd_journal_sendv");
	if (!j->send) {
		snprintf(errmsg, len, "-Y: no sd_journal_sendv in %s; leave out -Y", LIBRARY);
		return -ENOENT;
	}
	if (access(SOCKET, F_OK)) {
		snprintf(errmsg, len, "-Y: no systemd journal runs here (no %s); start "
			 "systemd-journald or leave out -Y", SOCKET);
		return -ENOENT;
	}
	return 0;
}

void journal_close(struct journal *j)
{
	if (j->library)
		dlclose(j->library);
	memset(j, 0, sizeof(*j));
}

/* Sends the entry. sd_journal_sendv() reports no error if there is no journal, so the tool checks that. The call waits
 * if the journal is slow. After a signal, which asks the tool to end, it is repeated, so that no row is lost; a second
 * signal gives up. */
static int send_entry(struct journal *j)
{
	int err = -EINTR;

	if (access(SOCKET, F_OK))
		return -errno;
	while (err == -EINTR && *j->stop < 2)
		err = j->send(j->entry.field, j->entry.n);
	return err;
}

void journal_row(struct journal *j, const struct row *row)
{
	int err;

	journal_entry_set(&j->entry, log_name(), j->names, row);
	err = send_entry(j);
	if (err < 0 && !j->refused++)
		j->err = err;
}

/* Begins a field directly after the previous one. */
static void begin_field(struct journal_entry *e, struct output *o, const char *name)
{
	e->field[e->n].iov_base = o->at;
	put_text(o, name);
	put_char(o, '=');
}

static void end_field(struct journal_entry *e, const struct output *o)
{
	struct iovec *field = &e->field[e->n++];

	field->iov_len = (size_t)(o->at - (char *)field->iov_base);
}

static void add_text(struct journal_entry *e, struct output *o, const char *name, const char *text)
{
	begin_field(e, o, name);
	put_text(o, text);
	end_field(e, o);
}

static void add_number(struct journal_entry *e, struct output *o, const char *name, uint64_t n)
{
	begin_field(e, o, name);
	put_u64(o, n);
	end_field(e, o);
}

static void add_endpoint(struct journal_entry *e, struct output *o, const struct endpoint *from,
			 const char *addr4, const char *addr6, const char *port)
{
	begin_field(e, o, from->family == AF_INET6 ? addr6 : addr4);
	put_addr(o, from);
	end_field(e, o);
	add_number(e, o, port, from->port);
}

/* @name: in place of the address, or NULL */
static void put_addr_space_port(struct output *o, const struct endpoint *e, const char *name)
{
	if (name)
		put_text(o, name);
	else
		put_addr(o, e);
	put_char(o, ' ');
	put_u64(o, e->port);
}

/* Adds tcpstates' message, followed by what tcpstates does not know. */
static void add_message(struct journal_entry *e, struct output *o, const char *comm,
			const struct row *r)
{
	begin_field(e, o, "MESSAGE");
	put_text(o, r->server ? "server" : r->forwarded ? "ipvs" : comm);
	put_char(o, ' ');
	put_addr_space_port(o, &r->local, NULL);
	put_text(o, ARROW);
	put_addr_space_port(o, &r->remote, output_name(o, &r->remote));
	put_char(o, ' ');
	put_text(o, output_state(r->oldstate));
	put_text(o, ARROW);
	put_text(o, output_state(r->newstate));
	if (r->real.family) {
		put_text(o, " real ");
		put_addr_space_port(o, &r->real, output_name(o, &r->real));
	}
	if (r->reason) {
		put_text(o, " reason ");
		put_text(o, r->reason);
	}
	end_field(e, o);
}

/* The journal itself sets OBJECT_COMM if the sender is root, so our field is OBJECT_TCP_COMM. */
void journal_entry_set(struct journal_entry *e, const char *name, const struct names *names, const struct row *r)
{
	struct output o = { .at = e->text, .settings = { .names = names } };
	char comm[80];

	e->n = 0;
	output_comm(comm, sizeof(comm), r->comm, 64);
	add_message(e, &o, comm, r);
	add_text(e, &o, "PRIORITY", PRIORITY);
	begin_field(e, &o, "SYSLOG_IDENTIFIER");
	put_raw(&o.at, name, strnlen(name, 255));
	end_field(e, &o);
	if (row_has_process(r)) {
		add_number(e, &o, "OBJECT_PID", r->pid);
		add_text(e, &o, "OBJECT_TCP_COMM", comm);
	}
	add_endpoint(e, &o, &r->local, "OBJECT_IPV4_SOURCE_ADDRESS", "OBJECT_IPV6_SOURCE_ADDRESS",
		     "OBJECT_TCP_SOURCE_PORT");
	add_endpoint(e, &o, &r->remote, "OBJECT_IPV4_DESTINATION_ADDRESS",
		     "OBJECT_IPV6_DESTINATION_ADDRESS", "OBJECT_TCP_DESTINATION_PORT");
	add_text(e, &o, "OBJECT_TCP_OLD_STATE", output_state(r->oldstate));
	add_text(e, &o, "OBJECT_TCP_NEW_STATE", output_state(r->newstate));
	add_number(e, &o, "OBJECT_TCP_SPAN_TIME", r->span_ns / 1000);
	if (r->real.family)
		add_endpoint(e, &o, &r->real, "OBJECT_IPV4_REAL_ADDRESS",
			     "OBJECT_IPV6_REAL_ADDRESS", "OBJECT_TCP_REAL_PORT");
	if (r->method)
		add_text(e, &o, "OBJECT_TCP_REAL_METHOD", r->method);
	if (r->reason)
		add_text(e, &o, "OBJECT_TCP_REASON", r->reason);
	if (output_name(&o, &r->remote))
		add_text(e, &o, "OBJECT_TCP_DESTINATION_NAME", output_name(&o, &r->remote));
	if (output_name(&o, &r->real))
		add_text(e, &o, "OBJECT_TCP_REAL_NAME", output_name(&o, &r->real));
	if (r->container && *r->container->id)
		add_text(e, &o, "OBJECT_CONTAINER_ID", r->container->id);
	if (r->container && *r->container->pod)
		add_text(e, &o, "OBJECT_POD_UID", r->container->pod);
}
