/* The table of requests: who may ask what. Whatever is not in it, or is in it wrongly, ends the peer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "identity/identity.h"
#include "priv/beneath.h"
#include "priv/monitor_internal.h"

#define STATE_MAX	 (32 * 1024)
#define DEAD_LETTERS_MAX (16 * 1024 * 1024)

/* NULL unless the member is a string of 1 to max bytes. */
static const char *text_of(const json_t *j, const char *key, size_t max)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s && *s && strlen(s) <= max ? s : NULL;
}

static bool number_of(const json_t *j, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(j, key);
	if (!json_is_integer(v))
		return false;
	*ret = json_integer_value(v);
	return true;
}

static bool is_session_name(const char *s)
{
	return s && !strncmp(s, "s-", 2) && strlen(s) >= 4 && strlen(s) <= 32 &&
	       strspn(s + 2, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(s + 2);
}

/* control's opaque state, of bounded size. */
static json_t *state_of(const json_t *in)
{
	json_t *state = json_object_get(in, "state");
	size_t size = json_is_object(state) ? json_dumpb(state, NULL, 0, JSON_COMPACT) : 0;
	return size && size <= STATE_MAX ? state : NULL;
}

/* The process that a pidfd stands for, by what the kernel says of the descriptor. */
static int pid_of_pidfd(int pidfd)
{
	char path[64], line[128];
	int pid = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid;
}

static bool is_alive(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

static int check_newcomer(struct child *c, struct msg *in, int64_t pid, struct answer *a)
{
	if (in->n_fds != 1 || pid <= 1)
		return ERR_MALFORMED;
	if (pid_of_pidfd(in->fds[0]) != pid || !is_alive(in->fds[0])) {
		a->why = "the process is gone";
		return ERR_NOT_FOUND;
	}
	int managed = kernel_pid_is_managed(c->m->kernel, (int)pid);
	if (managed != 0)
		a->why = "the process is in a managed cgroup already";
	return managed > 0 ? ERR_DENIED : managed;
}

static int on_enrol(struct child *c, struct msg *in, struct answer *a)
{
	const char *session = text_of(in->json, "session", 40), *path = text_of(in->json, "cgroup", 4000);
	json_t *state = state_of(in->json), *foreign = NULL;
	struct workload *l = NULL;
	int64_t pid;
	if (!is_session_name(session) || !state || !number_of(in->json, "pid", &pid) ||
	    (path && (*path != '/' || strstr(path, "/.."))))
		return ERR_MALFORMED;
	int r = check_newcomer(c, in, pid, a);
	if (r < 0)
		return r;
	if (!monitor_beat(c->m)) {
		a->why =
			"the gateway is not whole: a part of it is starting or silent; try again in a moment";
		return ERR_STATE;
	}
	r = workload_enrol(&c->m->workloads, session, (int)pid, path, state, &l, &foreign);
	if (foreign && r < 0) {
		a->body = json_pack("{so}", "foreign", foreign);
		a->why = "processes in the cgroup hold sockets from before";
	} else if (r < 0 && path) {
		log_warn("%s cannot be enrolled: %s", path, err_text(r));
		a->why = r == ERR_EXISTS ? "it is one already, see sluice status"
					 : "it is no cgroup of the cgroup2 tree that can be managed";
	}
	if (r < 0)
		return r;
	a->body = json_pack("{s:s,s:I,s:I,s:I}", "cgroup", l->cgroup, "cgroup_id", (json_int_t)l->cgroup_id,
			    "generation", (json_int_t)l->generation, "netns",
			    (json_int_t)(l->n_netns ? l->netns[0] : 0));
	if (foreign)
		json_object_set_new(a->body, "ended", foreign);
	/* The process may have ended while it was moved: its number must not have been another's by then. */
	if (!path && !is_alive(in->fds[0])) {
		json_decref(TAKE(a->body));
		a->why = "the process is gone";
		r = workload_unenrol(&c->m->workloads, l);
		return r < 0 ? r : ERR_NOT_FOUND;
	}
	return 0;
}

static int find(struct child *c, struct msg *in, struct workload **ret_l)
{
	int64_t id;
	if (!number_of(in->json, "cgroup_id", &id))
		return ERR_MALFORMED;
	struct workload *l = workload_by_cgroup(&c->m->workloads, (uint64_t)id);
	if (!l)
		return ERR_NOT_FOUND;
	*ret_l = l;
	return 0;
}

static int on_update(struct child *c, struct msg *in, struct answer *a)
{
	struct workload *l;
	json_t *state = state_of(in->json);
	int r = state ? find(c, in, &l) : ERR_MALFORMED;
	(void)a;
	if (r == 0)
		workload_update(&c->m->workloads, l, state);
	return r;
}

static int on_unenrol(struct child *c, struct msg *in, struct answer *a)
{
	struct workload *l;
	int r = find(c, in, &l);
	(void)a;
	if (r < 0)
		return r;
	read_last_refusals(c->m, l->cgroup_id); /* while they still have a session */
	return workload_unenrol(&c->m->workloads, l);
}

static int on_contain(struct child *c, struct msg *in, struct answer *a)
{
	static const struct {
		const char *action;
		int (*run)(struct workloads *w, struct workload *l);
	} actions[] = {{"freeze", workload_freeze}, {"thaw", workload_thaw}, {"kill", workload_kill},
		       {"release", workload_release}};
	const char *action = text_of(in->json, "action", 16);
	struct workload *l;
	int r = action ? find(c, in, &l) : ERR_MALFORMED;
	(void)a;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].action, action)) {
			if (actions[i].run == workload_release)
				read_last_refusals(c->m, l->cgroup_id);
			return actions[i].run(&c->m->workloads, l);
		}
	return r == 0 ? ERR_MALFORMED : r;
}

static int on_workloads(struct child *c, struct msg *in, struct answer *a)
{
	(void)in;
	json_t *list = workloads_json(&c->m->workloads);
	_cleanup_(freep) char *text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text ? memfd_of(text, strlen(text), &a->fd) : -ENOMEM;
}

static int on_managed(struct child *c, struct msg *in, struct answer *a)
{
	int64_t pid;
	if (!number_of(in->json, "pid", &pid) || pid <= 0 || pid > INT32_MAX)
		return ERR_MALFORMED;
	int r = kernel_pid_is_managed(c->m->kernel, (int)pid);
	if (r < 0)
		return r;
	uint64_t id;
	a->body = json_pack("{sb}", "managed", r > 0);
	if (r > 0 && kernel_pid_workload(c->m->kernel, (int)pid, &id) == 0)
		json_object_set_new(a->body, "cgroup_id", json_integer((json_int_t)id));
	return 0;
}

static int on_population(struct child *c, struct msg *in, struct answer *a)
{
	struct workload *l;
	int r = find(c, in, &l);
	if (r < 0)
		return r;
	a->body = json_pack("{si}", "n", kernel_cgroup_population(l->cgroup));
	return 0;
}

static int on_stats(struct child *c, struct msg *in, struct answer *a)
{
	struct workload_stats s;
	int64_t id;
	if (!number_of(in->json, "cgroup_id", &id))
		return ERR_MALFORMED;
	int r = kernel_stats(c->m->kernel, (uint64_t)id, &s);
	if (r < 0)
		return r;
	a->body = json_pack("{sIsI}", "connects", (json_int_t)s.connects, "refused", (json_int_t)s.refused);
	return 0;
}

static int on_open_key(struct child *c, struct msg *in, struct answer *a)
{
	const struct config *cfg = c->m->cfg;
	const char *path = text_of(in->json, "path", 4000);
	char local[300];
	if (!path)
		return ERR_MALFORMED;
	snprintf(local, sizeof(local), "%s/keys/local.jwks", cfg->state_dir);
	if (cfg->has_local_issuer && !strcmp(path, local)) {
		a->fd = openat(c->m->keys_dir_fd, "local.jwks", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		return a->fd < 0 ? -errno : 0;
	}
	int r = open_beneath(cfg->key_dirs, cfg->n_key_dirs, path, &a->fd);
	if (r == ERR_DENIED)
		a->why = "the key set does not lie in a folder of \"key_dirs\"";
	return r;
}

static int on_open_policy(struct child *c, struct msg *in, struct answer *a)
{
	(void)in;
	a->fd = open(c->m->cfg->policy, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return a->fd < 0 ? -errno : 0;
}

/* The issuer, the audience and the time are ours to say, whatever the request holds. */
static int on_mint(struct child *c, struct msg *in, struct answer *a)
{
	const struct config *cfg = c->m->cfg;
	char key[300], jwks[300];
	json_t *claims = json_object_get(in->json, "claims");
	struct buf token;
	void *pkey = NULL;
	if (!json_is_object(claims))
		return ERR_MALFORMED;
	a->why = "the local issuer is off: set \"local_issuer\": {\"enabled\": true}";
	if (!cfg->has_local_issuer)
		return ERR_UNSUPPORTED;
	a->why = NULL;
	int64_t now = (int64_t)(clock_real_ns() / NS_PER_SEC);
	json_object_set_new(claims, "iss", json_string(cfg->local_issuer));
	json_object_set_new(claims, "aud", json_string(cfg->local_audience));
	json_object_set_new(claims, "iat", json_integer(now));
	snprintf(key, sizeof(key), "%s/keys/local.key", cfg->state_dir);
	snprintf(jwks, sizeof(jwks), "%s/keys/local.jwks", cfg->state_dir);
	_cleanup_(freep) char *text = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
	int r = text ? local_key_load(key, jwks, &pkey) : -ENOMEM;
	if (r < 0)
		return r;
	buf_init(&token, TOKEN_MAX + 1);
	r = token_mint(pkey, span_str(text), &token);
	local_key_free(pkey);
	buf_add_u8(&token, 0);
	if (r == 0)
		r = buf_err(&token);
	if (r == 0)
		a->body = json_pack("{ss}", "token", (const char *)buf_span(&token).p);
	buf_wipe(&token);
	return r;
}

static int on_credential(struct child *c, struct msg *in, struct answer *a)
{
	const char *source = text_of(in->json, "source", 4000);
	return source ? credential_open(c, source, a) : ERR_MALFORMED;
}

/* Off the store, so that a cut tail or a re-signed store shows: into the daemon's log, and by control to
 * the sinks off the node. */
static void tell_checkpoint(struct monitor *m, const struct checkpoint *c)
{
	struct buf b;
	buf_init(&b, NOTE_MAX);
	checkpoint_line(&b, c);
	buf_add_u8(&b, 0);
	if (buf_err(&b) == 0) {
		const char *line = (const char *)buf_span(&b).p;
		log_info("%s", line);
		if (m->cfg->n_audit_sinks)
			child_notify(&m->children[CHILD_CONTROL],
				     json_pack("{s:s,s:s}", "t", "checkpoint", "line", line), NULL, 0);
	}
	buf_done(&b);
}

/* What no receiver of notices took. It does not grow without end: then the log alone has it. */
static int on_open_dead_letters(struct child *c, struct msg *in, struct answer *a)
{
	char path[300];
	struct stat st;
	(void)in;
	snprintf(path, sizeof(path), "%s/dead-letters.jsonl", c->m->cfg->state_dir);
	a->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (a->fd < 0 || fstat(a->fd, &st) < 0)
		return -errno;
	a->why = "state_dir/dead-letters.jsonl is full, or no file";
	return S_ISREG(st.st_mode) && st.st_size < DEAD_LETTERS_MAX ? 0 : ERR_LIMIT;
}

static int on_open_tls(struct child *c, struct msg *in, struct answer *a)
{
	const struct config *cfg = c->m->cfg;
	const char *what = text_of(in->json, "what", 16);
	if (!what || (strcmp(what, "certificate") && strcmp(what, "key")))
		return ERR_MALFORMED;
	a->fd = open(*what == 'c' ? cfg->console_certificate : cfg->console_key,
		     O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return a->fd < 0 ? -errno : 0;
}

#define DECLARED_MAX (1024 * 1024)

/* What the policy declares: from here on a leaf is signed for nothing else. */
static int on_declare(struct child *c, struct msg *in, struct answer *a)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	if (in->n_fds != 1)
		return ERR_MALFORMED;
	int r = memfd_read(in->fds[0], DECLARED_MAX, &text, &len);
	json_t *declared = r == 0 ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	r = declared ? ca_declare(&c->m->ca, declared) : ERR_MALFORMED;
	json_decref(declared);
	if (r < 0 && r != ERR_MALFORMED)
		a->why = "the node's certificate cannot be issued, see the daemon's log";
	if (r < 0)
		log_error("the node's certificate: %s", err_text(r));
	return r;
}

/* The proxy's key under a declared name. */
static int on_leaf(struct child *c, struct msg *in, struct answer *a)
{
	const char *key = text_of(in->json, "key", 400), *name = text_of(in->json, "name", 255),
		   *address = text_of(in->json, "address", 63);
	uint8_t der[300];
	struct buf pem;
	int n = key && strlen(key) % 4 == 0 ? EVP_DecodeBlock(der, (const uint8_t *)key, (int)strlen(key)) : -1;
	if (n <= 0)
		return ERR_MALFORMED;
	buf_init(&pem, 16 * 1024);
	int r = ca_leaf(&c->m->ca, name, address, span_of(der, (size_t)n), &pem);
	if (r == 0)
		a->body = json_pack("{s:s%}", "cert", (const char *)buf_span(&pem).p, buf_len(&pem));
	if (r == ERR_DENIED)
		a->why = "neither the name nor the address is declared";
	buf_done(&pem);
	return r;
}

static int on_sign(struct child *c, struct msg *in, struct answer *a)
{
	const char *hash = text_of(in->json, "hash", HASH_HEX), *root = text_of(in->json, "root", HASH_HEX);
	char sig[2 * SIG_LEN + 1], key_hex[2 * KEY_LEN + 1];
	struct checkpoint cp = {0};
	uint8_t key[KEY_LEN];
	const char *nodes = json_string_value(json_object_get(in->json, "nodes"));
	int64_t seq, from;
	if (!hash || !root || !nodes || !number_of(in->json, "from", &from) || from < 0 ||
	    hex_decode(span_str(hash), cp.hash, HASH_LEN) < 0 || hex_decode(span_str(root), cp.root, HASH_LEN) < 0 ||
	    !number_of(in->json, "seq", &seq) || seq <= 0 || !number_of(in->json, "time", &cp.time) || cp.time < 0)
		return ERR_MALFORMED;
	cp.seq = (uint64_t)seq;
	snprintf(cp.node, sizeof(cp.node), "%s", c->m->cfg->node);
	int r = signer_extend(&c->m->signer, &cp, (uint64_t)from, span_str(nodes));
	if (r == ERR_STATE) {
		a->body = json_pack("{sI}", "from", (json_int_t)c->m->signer.tree.size);
		return 0;
	}
	if (r == ERR_VERIFY)
		a->why = "the record does not go on from what was signed before; if it was begun anew, this "
			 "needs a new key: move keys/node.* away as well";
	if (r == ERR_DENIED)
		a->why = "a checkpoint with this or a later sequence number was signed before";
	if (r == 0)
		r = signer_public(&c->m->signer, key);
	if (r < 0)
		return r;
	tell_checkpoint(c->m, &cp);
	hex_encode(cp.sig, SIG_LEN, sig);
	hex_encode(key, KEY_LEN, key_hex);
	a->body = json_pack("{ssss}", "key", key_hex, "sig", sig);
	return 0;
}

static const struct {
	const char *name;
	enum child_kind who;
	int (*answer)(struct child *c, struct msg *in, struct answer *a);
} requests[] = {
	{"enrol", CHILD_CONTROL, on_enrol},
	{"update", CHILD_CONTROL, on_update},
	{"workloads", CHILD_CONTROL, on_workloads},
	{"unenrol", CHILD_CONTROL, on_unenrol},
	{"contain", CHILD_CONTROL, on_contain},
	{"managed", CHILD_CONTROL, on_managed},
	{"population", CHILD_CONTROL, on_population},
	{"stats", CHILD_CONTROL, on_stats},
	{"open_key", CHILD_CONTROL, on_open_key},
	{"open_policy", CHILD_CONTROL, on_open_policy},
	{"mint", CHILD_CONTROL, on_mint},
	{"open_dead_letters", CHILD_CONTROL, on_open_dead_letters},
	{"declare", CHILD_CONTROL, on_declare},
	{"leaf", CHILD_PROXY, on_leaf},
	{"credential", CHILD_PROXY, on_credential},
	{"open_tls", CHILD_CONSOLE, on_open_tls},
	{"sign", CHILD_RECORDER, on_sign},
};

int request_answer(struct child *c, struct msg *in)
{
	const char *name = json_string_value(json_object_get(in->json, "t"));
	struct answer a = {.fd = -1};
	for (size_t i = 0; name && i < ARRAY_LEN(requests); i++) {
		if (requests[i].who != c->kind || strcmp(requests[i].name, name))
			continue;
		int r = requests[i].answer(c, in, &a);
		if (r == ERR_MALFORMED)
			return r;
		if (!a.is_later)
			child_answer(c, r, &a);
		return 0;
	}
	return ERR_MALFORMED;
}
