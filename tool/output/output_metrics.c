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

static void end_line(struct output *o)
{
	put_char(o, '\n');
	output_room(o);		/* no line is longer, as the version is truncated */
}

/* Appends microseconds as seconds, without trailing zeros. */
static void put_seconds(struct output *o, uint64_t us)
{
	put_u64(o, us / 1000000);
	if (us % 1000000 == 0)
		return;
	put_char(o, '.');
	put_microseconds(&o->at, (unsigned)(us % 1000000));
	while (o->at[-1] == '0')
		o->at--;
}

/* Appends the value of a label, in which three characters need an escape. */
static void put_escaped(struct output *o, const char *text, size_t most)
{
	for (size_t i = 0; i < most && text[i]; i++) {
		if (text[i] == '\\' || text[i] == '"')
			put_char(o, '\\');
		if (text[i] == '\n')
			put_text(o, "\\n");
		else
			put_char(o, text[i]);
	}
}

/* The real servers to write: those with labels of their own, then the sums of the others, if any. */
struct chosen {
	const struct metrics_settings *settings;
	const struct stats_real **real;
	size_t n;
};

/* If @r has no labels of its own, it is the sum of those without. */
static void metrics_put_endpoint(struct output *o, const char *addr_key, const char *port_key, const struct stats_real *r,
				 const struct endpoint *e)
{
	put_text(o, addr_key);
	if (!r->chosen)
		put_text(o, "other");
	else if (e->family)
		put_addr(o, e);
	put_text(o, port_key);
	if (e->family)
		put_u64(o, e->port);
	put_char(o, '"');
}

static void put_name_label(struct output *o, const char *key, const struct endpoint *e)
{
	const char *name = output_name(o, e);

	put_text(o, key);
	put_text(o, name ? name : "");
	put_char(o, '"');
}

static void put_labels(struct output *o, const struct chosen *c, const struct stats_real *r)
{
	const struct metrics_settings *s = c->settings;

	put_char(o, '{');
	if (!s->without_vip)
		metrics_put_endpoint(o, "vip=\"", "\",vport=\"", r, &r->vip);
	put_text(o, s->without_vip ? "protocol=\"tcp\"" : ",protocol=\"tcp\"");
	if (!s->without_real)
		metrics_put_endpoint(o, ",real=\"", "\",rport=\"", r, &r->real);
	if (r->source == STATS_IPVS)
		put_text(o, ",source=\"ipvs\"");
	if (s->names && !s->without_vip)
		put_name_label(o, ",vip_name=\"", &r->vip);
	if (s->names && !s->without_real)
		put_name_label(o, ",real_name=\"", &r->real);
}

static void put_head(struct output *o, const char *name, const char *type, const char *help)
{
	put_text(o, "# HELP ");
	put_text(o, name);
	put_char(o, ' ');
	put_text(o, help);
	end_line(o);
	put_text(o, "# TYPE ");
	put_text(o, name);
	put_char(o, ' ');
	put_text(o, type);
	end_line(o);
}

static void put_value(struct output *o, const struct chosen *c, const char *name, const struct stats_real *r, uint64_t value)
{
	put_text(o, name);
	put_labels(o, c, r);
	put_text(o, "} ");
	put_u64(o, value);
	end_line(o);
}

static void put_counter(struct output *o, const struct chosen *c, enum stats_counter counter, const char *name,
			const char *help)
{
	put_head(o, name, "counter", help);
	for (size_t i = 0; i < c->n; i++)
		put_value(o, c, name, c->real[i], c->real[i]->counter[counter]);
}

static void put_connects(struct output *o, const struct chosen *c)
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

	put_head(o, name, "counter", "Connects that have ended, by what became of them.");
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < sizeof(results) / sizeof(results[0]); j++) {
			put_text(o, name);
			put_labels(o, c, c->real[i]);
			put_text(o, ",result=\"");
			put_text(o, results[j].result);
			put_text(o, "\"} ");
			put_u64(o, c->real[i]->counter[results[j].counter]);
			end_line(o);
		}
	}
}

/*
 * The bounds N of 15 * 2^N us. A bucket of struct stats_histogram begins at each bound, so the counts are exact. The bound
 * just below a second separates connects answered at once from those whose SYN was retransmitted, after 1, 3, 7 s.
 */
static const uint8_t connect_bounds[] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };
static const uint8_t life_bounds[] = { 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28 };

static void put_bucket(struct output *o, const struct chosen *c, const char *name, const struct stats_real *r,
		       const uint8_t *bound, uint64_t count)
{
	put_text(o, name);
	put_text(o, "_bucket");
	put_labels(o, c, r);
	put_text(o, ",le=\"");
	if (bound)
		put_seconds(o, 15ULL << *bound);
	else
		put_text(o, "+Inf");
	put_text(o, "\"} ");
	put_u64(o, count);
	end_line(o);
}

/* Writes a histogram of each real server.
 * @kind: enum stats_times */
static void put_histograms(struct output *o, const struct chosen *c, unsigned kind, const char *name, const uint8_t *bounds,
			   size_t n)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct stats_histogram h = stats_histogram(c->real[i], kind);
		uint64_t count = 0;
		size_t at = 0;

		for (size_t k = 0; k < n; k++) {
			for (; at < h.n && stats_number(&h.bucket[at]) < 8U * bounds[k] + 15; at++)
				count += h.bucket[at].n;
			put_bucket(o, c, name, c->real[i], &bounds[k], count);
		}
		put_bucket(o, c, name, c->real[i], NULL, h.count);
		put_text(o, name);
		put_text(o, "_sum");
		put_labels(o, c, c->real[i]);
		put_text(o, "} ");
		put_seconds(o, h.sum_us);
		end_line(o);
		put_text(o, name);
		put_text(o, "_count");
		put_labels(o, c, c->real[i]);
		put_text(o, "} ");
		put_u64(o, h.count);
		end_line(o);
	}
}

static void put_own(struct output *o, const char *name, const char *type, const char *help, uint64_t value)
{
	put_head(o, name, type, help);
	put_text(o, name);
	put_char(o, ' ');
	put_u64(o, value);
	end_line(o);
}

static void put_tool(struct output *o, const struct metrics *m, const struct losses *lost)
{
	put_head(o, "ipvs_tcpstate_build_info", "gauge", "The version of ipvs-tcpstate; always 1.");
	put_text(o, "ipvs_tcpstate_build_info{version=\"");
	put_escaped(o, m->settings.version, 128);
	put_text(o, "\"} 1");
	end_line(o);
	for (int i = 0; i < LOSSES; i++)
		if (loss_causes[i].metric)
			put_own(o, loss_causes[i].metric, "counter", loss_causes[i].help, lost->n[i]);
	put_own(o, "ipvs_tcpstate_real_servers_limit", "gauge",
		"How many real servers of virtual services have labels of their own at most.", m->settings.limit);
	put_own(o, "ipvs_tcpstate_real_servers_other", "gauge",
		"Real servers of virtual services that are summed under the labels other.", m->n_other);
}

static void put_all(struct output *o, const struct metrics *m, const struct chosen *c, const struct losses *lost)
{
	put_counter(o, c, STATS_CONNECTS, "ipvs_tcp_connect_attempts_total", "Connects begun.");
	put_connects(o, c);
	put_counter(o, c, STATS_SYN_RETRANSMITS, "ipvs_tcp_syn_retransmits_total", "SYNs sent again.");
	put_counter(o, c, STATS_RESETS, "ipvs_tcp_resets_total", "Connections reset after they were established.");
	put_head(o, "ipvs_tcp_open_connections", "gauge", "Connections that are established now.");
	for (size_t i = 0; i < c->n; i++)
		put_value(o, c, "ipvs_tcp_open_connections", c->real[i], stats_open(c->real[i]));
	put_head(o, "ipvs_tcp_connect_seconds", "histogram",
		 "Time from connect until the connection was established.");
	put_histograms(o, c, STATS_CONNECT, "ipvs_tcp_connect_seconds", connect_bounds, sizeof(connect_bounds));
	put_head(o, "ipvs_tcp_life_seconds", "histogram",
		 "Time from when the connection was established until it was closed.");
	put_histograms(o, c, STATS_LIFE, "ipvs_tcp_life_seconds", life_bounds, sizeof(life_bounds));
	put_tool(o, m, lost);
}

/* ---- which real servers have labels of their own */

/* Real servers that are known without labels. More than that are summed under "other", and are not remembered. */
#define METRICS_WITHOUT 7680

static void give_labels(struct metrics *m, struct stats_real *r)
{
	if (r->chosen || m->n_chosen == m->settings.limit)
		return;
	r->chosen = true;
	m->n_chosen++;
}

int metrics_add(struct metrics *m, const struct stats *more, uint64_t now_ns)
{
	static const struct endpoint none = { .family = 0 };
	size_t most = m->settings.limit + METRICS_WITHOUT;
	int err = 0;

	for (size_t i = 0; i < more->n && !err; i++) {
		const struct stats_real *add = more->real[i];
		const struct endpoint *vip = m->settings.without_vip ? &none : &add->vip;
		const struct endpoint *real = m->settings.without_real ? &none : &add->real;
		struct stats_real *r = m->known.n < most ? stats_get(&m->known, add->source, vip, real) :
							   stats_find(&m->known, add->source, vip, real);

		if (!r && m->known.n < most)
			return -ENOMEM;
		if (r) {
			r->counted_ns = now_ns;
			give_labels(m, r);
		}
		if (r && r->chosen) {
			err = stats_add(r, add);
			continue;
		}
		err = stats_add(&m->other[add->source], add);
		if (r) {	/* it may get labels while it has connections open */
			r->open += add->open;
			m->other[add->source].open -= add->open;
		}
	}
	return err;
}

struct forgetting {
	struct metrics *m;
	uint64_t before_ns;
};

static bool is_remembered(void *cookie, struct stats_real *r)
{
	const struct forgetting *f = cookie;

	if (r->open > 0 || r->counted_ns >= f->before_ns)
		return true;
	f->m->n_chosen -= r->chosen;
	return false;
}

void metrics_forget(struct metrics *m, uint64_t before_ns)
{
	struct forgetting f = { m, before_ns };

	stats_keep(&m->known, is_remembered, &f);
	for (size_t i = 0; i < m->known.n; i++)
		give_labels(m, m->known.real[i]);
}

/* @other: set to the sums of those without labels; their lists of buckets are those of @m->other
 * Return: 0 or -ENOMEM. The caller frees @c->real. */
static int choose_series(struct metrics *m, struct chosen *c, struct stats_real other[STATS_SOURCES])
{
	size_t n[STATS_SOURCES] = { 0 };

	c->settings = &m->settings;
	c->real = malloc((m->n_chosen + STATS_SOURCES) * sizeof(const struct stats_real *));
	if (!c->real)
		return -ENOMEM;
	memcpy(other, m->other, sizeof(m->other));
	c->n = m->n_other = 0;
	for (size_t i = 0; i < m->known.n; i++) {
		if (m->known.real[i]->chosen) {
			c->real[c->n++] = m->known.real[i];
		} else {
			other[m->known.real[i]->source].open += m->known.real[i]->open;
			n[m->known.real[i]->source]++;
			m->n_other++;
		}
	}
	for (int i = 0; i < STATS_SOURCES; i++) {
		other[i].source = (enum stats_source)i;
		if (n[i] || !stats_idle(&other[i]))	/* counters go on, even if they do not rise */
			c->real[c->n++] = &other[i];
	}
	return 0;
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
	snprintf(errmsg, len, "cannot write metrics to %.200s: %s%s", m->settings.path, strerror(-err),
		 err == -ENOENT ? "; make its folder first" : "");
	return err;
}

int metrics_init(struct metrics *m, const struct metrics_settings *settings, char *errmsg, size_t len)
{
	char name[PATH_MAX];
	int fd, err;

	memset(m, 0, sizeof(*m));
	m->settings = *settings;
	err = check_path(settings->path, errmsg, len);
	if (err)
		return err;
	err = temporary_name(name, settings->path);
	fd = err ? err : create(name);
	if (fd < 0)
		return write_failed(m, fd, errmsg, len);
	close(fd);
	unlink(name);
	return 0;
}

int metrics_write(struct metrics *m, const struct losses *lost, char *errmsg, size_t len)
{
	const struct output_settings plain = { .names = m->settings.names };
	struct output out;
	struct stats_real other[STATS_SOURCES];
	struct chosen c = { .real = NULL };
	char name[PATH_MAX];
	int fd, err = check_path(m->settings.path, errmsg, len);

	if (err)
		return err;
	err = temporary_name(name, m->settings.path);
	fd = err ? err : create(name);
	if (fd < 0)
		return write_failed(m, fd, errmsg, len);
	err = output_open(&out, &plain, fd);
	if (!err)
		err = choose_series(m, &c, other);
	if (!err) {
		put_all(&out, m, &c, lost);
		err = output_flush(&out);
	}
	output_close(&out);
	free(c.real);
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(name, m->settings.path))
		err = -errno;
	if (!err)
		return 0;
	unlink(name);
	return write_failed(m, err, errmsg, len);
}

void metrics_close(struct metrics *m)
{
	stats_free(&m->known);
	for (int i = 0; i < STATS_SOURCES; i++)
		free(m->other[i].bucket);
	memset(m, 0, sizeof(*m));
}
