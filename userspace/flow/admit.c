#include "flow/admit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "flow/questions.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/names.h"
#include "flow/proxy.h"
#include "flow/refuse.h"
#include "flow/wire.h"
#include "proto/dns/dns.h"

#define NAMES_MAX 16
#define DNS_PORT  53

/* Seen as a reset, at once: silence makes agents hang. */
static void turn_away(struct lane *l, const struct session *s, int fd, const struct flow_info *info, const char *why)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct wire wire;
	wire_end(fd, true, &wire);
	refuse_connection(l, s, info, why, &wire);
	atomic_fetch_sub(&l->n_flows, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static const char *who_is_it(struct lane *l, const struct flow_info *info, struct session **ret_s)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_SEC);
	if (registry_find(l->proxy->registry, info->cgroup_id, info->generation, ret_s) < 0)
		return "no identity";
	if (session_is_over(*ret_s, now_s))
		return (*ret_s)->who.expires ? "the identity has expired" : "the identity was revoked";
	if (atomic_load(&l->proxy->n_flows) >= l->proxy->cfg->max_flows)
		return "too many flows";
	return l->plan ? NULL : "no policy is loaded yet";
}

static bool answers_to(const struct resource *r, const char *name)
{
	for (int i = 0; i < r->n_matches; i++)
		if (r->matches[i].host && !strcmp(r->matches[i].host, name))
			return true;
	return false;
}

struct knowing {
	struct questions *questions;
	bool has_others; /* declared names that lead there, too, and that this workload never asked for */
};

static bool knows(void *ctx, const char *name, bool is_local)
{
	struct knowing *k = ctx;
	bool does = is_local || questions_when(k->questions, name);
	k->has_others |= !does;
	return does;
}

/* What was asked for last comes first. */
static int by_when(const void *a, const void *b, void *questions)
{
	uint64_t x = questions_when(questions, *(const char *const *)a);
	uint64_t y = questions_when(questions, *(const char *const *)b);
	return x < y ? 1 : x > y ? -1 : 0;
}

/* The resource of a destination: by those of its names that this workload asked for, or by the address itself.
 * ret_name: which name led to it, or NULL; ret_why: why there is none. */
static const struct resource *where_to(struct lane *l, const struct session *s, const struct addr *dst,
				       char (*names)[NAMES_TEXT], const char **ret_name, const char **ret_why)
{
	const char *list[NAMES_MAX];
	struct knowing k = {.questions = s->counts->questions};
	int n = names_of(l->proxy->names, dst, knows, &k, names, NAMES_MAX);
	for (int i = 0; i < n; i++)
		list[i] = names[i];
	qsort_r(list, (size_t)n, sizeof(*list), by_when, k.questions);
	*ret_why = k.has_others ? "no name that leads there was asked for" : "not declared";
	const struct resource *r = plan_match(l->plan, dst, list, n);
	*ret_name = NULL;
	for (int i = 0; i < n && r && !*ret_name; i++)
		if (answers_to(r, list[i]))
			*ret_name = list[i];
	return r;
}

static const char *begin(struct lane *l, int fd, const struct flow_info *info, struct session *s)
{
	char names[NAMES_MAX][NAMES_TEXT];
	struct flow_plan p = {.session = s, .info = info, .client_fd = fd};
	int one = 1;
	if (info->dst.port == DNS_PORT) {
		p.proto = proto_by_name("dns");
	} else {
		const char *why;
		p.resource = where_to(l, s, &info->dst, names, &p.name, &why);
		if (!p.resource)
			return why;
		p.proto = proto_by_name(p.resource->protocol);
	}
	if (!p.proto)
		return "the resource's protocol is not built in";
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	int err = flow_start(l, &p);
	return err ? err_text(err) : NULL;
}

/* PostgreSQL has words for it: the client is let in as far as its startup packet, which is answered
 * with the reason (upstream.c: start_dial). */
static bool may_be_told(struct lane *l, const struct flow_info *info, const struct session *s)
{
	char names[NAMES_MAX][NAMES_TEXT];
	const char *name, *why;
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_SEC);
	if (!s || !session_is_over(s, now_s) || !l->plan || info->dst.port == DNS_PORT ||
	    atomic_load(&l->proxy->n_flows) >= l->proxy->cfg->max_flows)
		return false;
	const struct resource *r = where_to(l, s, &info->dst, names, &name, &why);
	return r && !strcmp(r->protocol, "postgres");
}

void admit_known(struct lane *l, int fd, const struct flow_info *info)
{
	struct session *s = NULL;
	const char *why = who_is_it(l, info, &s);
	bool is_told = why && may_be_told(l, info, s);
	if (is_told)
		refuse_connect(l, s, "tcp", info, NULL, why);
	if (!why || is_told)
		why = begin(l, fd, info, s);
	if (why)
		turn_away(l, s, fd, info, why);
	session_unref(s);
}

void admit_connection(struct lane *l, int fd, uint64_t netns, const struct addr *peer,
		      const struct addr *local)
{
	struct flow_info info = {.dst = *local};
	if (!flowmap_take(l->proxy->env->flow_map_fd, netns, false, peer, local, &info)) {
		admit_known(l, fd, &info);
		return;
	}
	turn_away(l, NULL, fd, &info, "no identity");
}

static const char *begin_exchange(struct lane *l, int fd, const struct flow_info *info,
				  struct session *s, const struct addr *peer)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(peer, &sa);
	struct flow_plan p = {.session = s,
			      .info = info,
			      .client_fd = -1,
			      .proto = proto_by_name("dns"),
			      .datagram = datagram_new(fd, &sa, len)};
	if (!p.datagram)
		return "out of memory";
	int err = flow_start(l, &p);
	if (err)
		datagram_free(p.datagram);
	return err ? err_text(err) : NULL;
}

/* So many questions that answering them is all that would be done: told, on record by their number alone. */
static void refuse_question(int fd, const struct addr *peer, struct span msg)
{
	struct sockaddr_storage sa;
	struct dns_query q;
	struct buf out;
	socklen_t len = addr_to_sockaddr(peer, &sa);
	int rcode = dns_parse(msg, &q);
	if (rcode < 0)
		return;
	buf_init(&out, DNS_UDP_PLAIN);
	dns_answer(&q, rcode ? rcode : DNS_REFUSED, NULL, DNS_UDP_PLAIN, &out);
	if (!buf_err(&out))
		(void)sendto(fd, buf_span(&out).p, buf_len(&out), MSG_DONTWAIT, (struct sockaddr *)&sa, len);
	buf_done(&out);
}

void admit_datagram(struct lane *l, int fd, uint64_t netns, const struct addr *peer,
		    const struct addr *local, struct span msg)
{
	struct flow_info info = {.dst = *local};
	struct session *s = NULL;
	uint8_t len[2] = {(uint8_t)(msg.len >> 8), (uint8_t)msg.len};
	const char *why = "no identity";
	if (!flowmap_take(l->proxy->env->flow_map_fd, netns, true, peer, local, &info))
		why = who_is_it(l, &info, &s);
	if (!why && info.dst.port != DNS_PORT)
		why = "not declared";
	if (!why && !questions_may(s->counts->questions, clock_mono_ns())) {
		why = "too many questions";
		refuse_question(fd, peer, msg);
	}
	if (!why)
		why = begin_exchange(l, fd, &info, s, peer);
	if (why) {
		refuse_connect(l, s, "udp", &info, NULL, why);
	} else {
		struct flow *f = container_of(l->flows.prev, struct flow, link);
		atomic_fetch_add(&l->n_flows, 1);
		flow_offer(f, span_of(len, 2), msg);
	}
	session_unref(s);
}
