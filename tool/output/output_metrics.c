/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output_metrics.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE 32768
#define LINE_MAX_BYTES 1024		/* no line is longer, as the version is truncated */

struct sink {
	int fd;
	int err;			/* negative errno of the first write that failed */
	char *at;
	char buffer[BUFFER_SIZE];
};

static void flush(struct sink *s)
{
	if (!s->err)
		s->err = file_write(s->fd, s->buffer, (size_t)(s->at - s->buffer));
	s->at = s->buffer;
}

static void put_words(struct sink *s, const char *text)
{
	put_raw(&s->at, text, strlen(text));
}

static void end_line(struct sink *s)
{
	*s->at++ = '\n';
	if (s->buffer + BUFFER_SIZE - s->at < LINE_MAX_BYTES)
		flush(s);
}

/* Appends microseconds as seconds, without trailing zeros. */
static void put_seconds(struct sink *s, uint64_t us)
{
	put_number(&s->at, us / 1000000);
	if (us % 1000000 == 0)
		return;
	*s->at++ = '.';
	put_microseconds(&s->at, (unsigned)(us % 1000000));
	while (s->at[-1] == '0')
		s->at--;
}

/* Appends the value of a label, in which three characters need an escape. */
static void put_escaped(struct sink *s, const char *text, size_t most)
{
	for (size_t i = 0; i < most && text[i]; i++) {
		if (text[i] == '\\' || text[i] == '"')
			*s->at++ = '\\';
		if (text[i] == '\n')
			put_words(s, "\\n");
		else
			*s->at++ = text[i];
	}
}

static void put_address(struct sink *s, const struct endpoint *e)
{
	struct output o = { .at = s->at };

	put_addr(&o, e);
	s->at = o.at;
}

static void metrics_put_endpoint(struct sink *s, const char *addr_key, const char *port_key, const struct endpoint *e)
{
	put_words(s, addr_key);
	if (e->family)
		put_address(s, e);
	put_words(s, port_key);
	if (e->family)
		put_number(&s->at, e->port);
	*s->at++ = '"';
}

/* If the vip of @r has no family, @r is the sum of the real servers without labels of their own. */
static void put_labels(struct sink *s, const struct stats_real *r)
{
	if (!r->vip.family) {
		put_words(s, "{vip=\"other\",vport=\"\",protocol=\"tcp\",real=\"other\",rport=\"\"");
		return;
	}
	metrics_put_endpoint(s, "{vip=\"", "\",vport=\"", &r->vip);
	put_words(s, ",protocol=\"tcp\"");
	metrics_put_endpoint(s, ",real=\"", "\",rport=\"", &r->real);
}

static void put_head(struct sink *s, const char *name, const char *type, const char *help)
{
	put_words(s, "# HELP ");
	put_words(s, name);
	*s->at++ = ' ';
	put_words(s, help);
	end_line(s);
	put_words(s, "# TYPE ");
	put_words(s, name);
	*s->at++ = ' ';
	put_words(s, type);
	end_line(s);
}

static void put_value(struct sink *s, const char *name, const struct stats_real *r, uint64_t value)
{
	put_words(s, name);
	put_labels(s, r);
	put_words(s, "} ");
	put_number(&s->at, value);
	end_line(s);
}

/* The real servers to write: those with labels of their own, then the sum of the others, if any. */
struct chosen {
	const struct stats_real *real[METRICS_REALS + 1];
	size_t n;
};

static void put_counter(struct sink *s, const struct chosen *c, enum stats_counter counter, const char *name,
			const char *help)
{
	put_head(s, name, "counter", help);
	for (size_t i = 0; i < c->n; i++)
		put_value(s, name, c->real[i], c->real[i]->counter[counter]);
}

static void put_connects(struct sink *s, const struct chosen *c)
{
	static const struct {
		enum stats_counter counter;
		const char *result;
	} results[] = {
		{ STATS_ESTABLISHED, "established" },	{ STATS_REFUSED, "refused" },
		{ STATS_TIMED_OUT, "timeout" },		{ STATS_UNREACHABLE, "unreachable" },
		{ STATS_ABORTED, "aborted" },		{ STATS_NO_DESTINATION, "no-destination" },
		{ STATS_FAILED, "error" },
	};
	static const char name[] = "ipvs_tcp_connects_total";

	put_head(s, name, "counter", "Connects that have ended, by what became of them.");
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < sizeof(results) / sizeof(results[0]); j++) {
			put_words(s, name);
			put_labels(s, c->real[i]);
			put_words(s, ",result=\"");
			put_words(s, results[j].result);
			put_words(s, "\"} ");
			put_number(&s->at, c->real[i]->counter[results[j].counter]);
			end_line(s);
		}
	}
}

/*
 * The bounds N of 15 * 2^N us. A bucket of struct stats_histogram begins at each bound, so the counts are exact. The bound
 * just below a second separates connects answered at once from those whose SYN was retransmitted, after 1, 3, 7 s.
 */
static const uint8_t connect_bounds[] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };
static const uint8_t life_bounds[] = { 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28 };

static void put_bucket(struct sink *s, const char *name, const struct stats_real *r, const uint8_t *bound,
		       uint64_t count)
{
	put_words(s, name);
	put_words(s, "_bucket");
	put_labels(s, r);
	put_words(s, ",le=\"");
	if (bound)
		put_seconds(s, 15ULL << *bound);
	else
		put_words(s, "+Inf");
	put_words(s, "\"} ");
	put_number(&s->at, count);
	end_line(s);
}

/* The count is the sum of the buckets. A count that is read separately could differ, as the programs go on counting. */
static void put_histogram(struct sink *s, const char *name, const struct stats_real *r,
			  const struct stats_histogram *h, const uint8_t *bounds, size_t n)
{
	uint64_t count = 0;
	size_t bucket = 0;

	for (size_t i = 0; i < n; i++) {
		for (; bucket < 8U * bounds[i] + 15; bucket++)
			count += h->bucket[bucket];
		put_bucket(s, name, r, &bounds[i], count);
	}
	for (; bucket < STATS_BUCKETS; bucket++)
		count += h->bucket[bucket];
	put_bucket(s, name, r, NULL, count);
	put_words(s, name);
	put_words(s, "_sum");
	put_labels(s, r);
	put_words(s, "} ");
	put_seconds(s, h->sum_us);
	end_line(s);
	put_words(s, name);
	put_words(s, "_count");
	put_labels(s, r);
	put_words(s, "} ");
	put_number(&s->at, count);
	end_line(s);
}

static void put_own(struct sink *s, const char *name, const char *type, const char *help, uint64_t value)
{
	put_head(s, name, type, help);
	put_words(s, name);
	*s->at++ = ' ';
	put_number(&s->at, value);
	end_line(s);
}

static void put_tool(struct sink *s, const struct metrics *m, const struct losses *lost)
{
	put_head(s, "ipvs_tcpstate_build_info", "gauge", "The version of ipvs-tcpstate; always 1.");
	put_words(s, "ipvs_tcpstate_build_info{version=\"");
	put_escaped(s, m->version, 128);
	put_words(s, "\"} 1");
	end_line(s);
	for (int i = 0; i < LOSSES; i++)
		if (loss_causes[i].metric)
			put_own(s, loss_causes[i].metric, "counter", loss_causes[i].help, lost->n[i]);
	put_own(s, "ipvs_tcpstate_real_servers_limit", "gauge",
		"How many real servers of virtual services have labels of their own at most.", METRICS_REALS);
	put_own(s, "ipvs_tcpstate_real_servers_other", "gauge",
		"Real servers of virtual services that are summed under the labels other.", m->n_other);
}

static void put_all(struct sink *s, const struct metrics *m, const struct chosen *c, const struct losses *lost)
{
	put_counter(s, c, STATS_CONNECTS, "ipvs_tcp_connect_attempts_total", "Connects begun.");
	put_connects(s, c);
	put_counter(s, c, STATS_SYN_RETRANSMITS, "ipvs_tcp_syn_retransmits_total", "SYNs sent again.");
	put_counter(s, c, STATS_RESETS, "ipvs_tcp_resets_total", "Connections reset after they were established.");
	put_head(s, "ipvs_tcp_open_connections", "gauge", "Connections that are established now.");
	for (size_t i = 0; i < c->n; i++)
		put_value(s, "ipvs_tcp_open_connections", c->real[i], c->real[i]->open);
	put_head(s, "ipvs_tcp_connect_seconds", "histogram",
		 "Time from connect until the connection was established.");
	for (size_t i = 0; i < c->n; i++)
		put_histogram(s, "ipvs_tcp_connect_seconds", c->real[i], &c->real[i]->connect, connect_bounds,
			      sizeof(connect_bounds));
	put_head(s, "ipvs_tcp_life_seconds", "histogram",
		 "Time from when the connection was established until it was closed.");
	for (size_t i = 0; i < c->n; i++)
		put_histogram(s, "ipvs_tcp_life_seconds", c->real[i], &c->real[i]->life, life_bounds,
			      sizeof(life_bounds));
	put_tool(s, m, lost);
	flush(s);
}

/* ---- which real servers have labels of their own */

/* Returns the index of the virtual service and real server of @r in shown[], or the index at which to insert them. */
static size_t shown_index(const struct metrics *m, const struct stats_real *r, bool *found)
{
	size_t low = 0, high = m->n_shown;

	*found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = stats_order_endpoints(&r->vip, &m->shown[mid].vip);

		if (!order)
			order = stats_order_endpoints(&r->real, &m->shown[mid].real);
		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* True if @r has labels of its own; gives it labels if there is room. */
static bool gets_labels(struct metrics *m, const struct stats_real *r)
{
	bool found;
	size_t at = shown_index(m, r, &found);

	if (found || m->n_shown == METRICS_REALS)
		return found;
	memmove(&m->shown[at + 1], &m->shown[at], (m->n_shown - at) * sizeof(m->shown[0]));
	m->shown[at].vip = r->vip;
	m->shown[at].real = r->real;
	m->n_shown++;
	return true;
}

static void choose_labels(struct metrics *m, const struct stats *s, struct chosen *c, struct stats_real *other)
{
	memset(other, 0, sizeof(*other));
	c->n = m->n_other = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (gets_labels(m, &s->real[i])) {
			c->real[c->n++] = &s->real[i];
		} else {
			stats_add(other, &s->real[i]);
			m->n_other++;
		}
	}
	if (m->n_other)
		c->real[c->n++] = other;
}

/* ---- the file */

/* The name is in the folder of the file, as rename(2) works within one file system. It is hidden and does not end in .prom,
 * so that the collector does not read it. */
static int temporary_name(char name[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	int n = snprintf(name, PATH_MAX, "%.*s.%s.%d.tmp", (int)(base - path), path, base, getpid());

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Return: a descriptor or a negative errno. */
static int create(const char *name)
{
	static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(name, flags, 0644);

	/* A killed tool with the same pid has left it. */
	if (fd < 0 && errno == EEXIST && !unlink(name))
		fd = open(name, flags, 0644);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644)) {		/* whatever the umask: the collector runs as another user */
		int err = -errno;

		close(fd);
		unlink(name);
		return err;
	}
	return fd;
}

/* Refuses what is not a regular file: rename(2) would replace a device or a link too, such as /dev/null or /dev/stdout. */
static int check_path(const char *path, char *errmsg, size_t len)
{
	struct stat st;

	if (lstat(path, &st) || S_ISREG(st.st_mode))
		return 0;
	snprintf(errmsg, len, "cannot write metrics to %.200s: it is no regular file; give another one", path);
	return -EINVAL;
}

static int write_failed(const struct metrics *m, int err, char *errmsg, size_t len)
{
	snprintf(errmsg, len, "cannot write metrics to %.200s: %s%s", m->path, strerror(-err),
		 err == -ENOENT ? "; make its folder first" : "");
	return err;
}

int metrics_init(struct metrics *m, const char *path, const char *version, char *errmsg, size_t len)
{
	char name[PATH_MAX];
	int fd, err;

	memset(m, 0, sizeof(*m));
	m->path = path;
	m->version = version;
	err = check_path(path, errmsg, len);
	if (err)
		return err;
	err = temporary_name(name, path);
	fd = err ? err : create(name);
	if (fd < 0)
		return write_failed(m, fd, errmsg, len);
	close(fd);
	unlink(name);
	return 0;
}

int metrics_write(struct metrics *m, const struct stats *s, const struct losses *lost, char *errmsg, size_t len)
{
	struct stats_real *other = malloc(sizeof(*other));
	struct sink *sink = malloc(sizeof(*sink));
	struct chosen c;
	char name[PATH_MAX];
	int err = -ENOMEM;

	if (!other || !sink)
		goto out;
	err = check_path(m->path, errmsg, len);
	if (err)
		goto out_with_cause;
	err = temporary_name(name, m->path);
	if (err)
		goto out;
	sink->fd = create(name);
	sink->err = 0;
	sink->at = sink->buffer;
	if (sink->fd < 0) {
		err = sink->fd;
		goto out;
	}
	choose_labels(m, s, &c, other);
	put_all(sink, m, &c, lost);
	err = sink->err;
	if (close(sink->fd) && !err)
		err = -errno;
	if (!err && rename(name, m->path))
		err = -errno;
	if (err)
		unlink(name);
out:
	if (err)
		write_failed(m, err, errmsg, len);
out_with_cause:
	free(other);
	free(sink);
	return err;
}
