#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "config_place.h"

#define CONFIG_MAX (256 * 1024)

enum kind { K_STR, K_NAME, K_PATH, K_PATHS, K_INT, K_SIZE, K_BOOL, K_ENUM, K_ENDPOINT, K_UIDS, K_GIDS,
	    K_STRS, K_HOOKS };
static const char *const kind_names[] = {
	"string",	  "name",	   "absolute path",   "list of absolute paths",
	"integer",	  "integer",	   "true or false",   "one of",
	"address:port",	  "list of users", "list of groups",  "list of strings",
	"list of objects"};

/* One key. min and max bound numbers and the lengths of strings; of an enum, def lists the words, the
 * default first, and the field gets the word's place in `words`. */
struct key {
	const char *name; /* dotted: "audit.durability" */
	enum kind kind;
	size_t offset, count_offset;
	int64_t min, max;
	const char *def;   /* NULL: none, or found at run time */
	const char *words; /* "sync|memory" */
	const char *doc;
};

#define AT(field)	   offsetof(struct config, field), 0
#define LIST(field, count) offsetof(struct config, field), offsetof(struct config, count)

static const struct key keys[] = {
	{"node", K_NAME, AT(node), 1, 63, NULL, NULL,
	 "this machine's name in every record; the host name unless set"},
	{"instance", K_NAME, AT(instance), 1, 32, "sluice", NULL,
	 "names the pinned programs and the cgroup that workloads live under"},
	{"user", K_NAME, AT(user), 1, 32, "sluice", NULL, "whom the unprivileged processes run as"},
	{"run_dir", K_PATH, AT(run_dir), 2, 90, "/run/sluice", NULL,
	 "control.sock and the state that a restart takes over"},
	{"state_dir", K_PATH, AT(state_dir), 2, 200, "/var/lib/sluice", NULL,
	 "store/ (the audit record) and keys/"},
	{"policy", K_PATH, AT(policy), 2, 200, "/etc/sluice/policy.json", NULL,
	 "the policy file; watched for changes"},
	{"bpffs", K_PATH, AT(bpffs), 2, 200, "/sys/fs/bpf", NULL,
	 "mount point of a bpffs; mounted there if it is none"},
	{"cgroup_root", K_PATH, AT(cgroup_root), 2, 200, NULL, NULL,
	 "mount point of cgroup2; found unless set"},
	{"credential_dirs", K_PATHS, LIST(credential_dirs, n_credential_dirs), 2, 200,
	 "/etc/sluice/credentials", NULL, "where file: and command: credentials may lie"},
	{"key_dirs", K_PATHS, LIST(key_dirs, n_key_dirs), 2, 200, "/etc/sluice/keys", NULL,
	 "where file: key sets of issuers may lie"},
	{"enrol.users", K_UIDS, LIST(enrol_uids, n_enrol_uids), 0, 0, NULL, NULL,
	 "who may run workloads; root always may"},
	{"enrol.groups", K_GIDS, LIST(enrol_gids, n_enrol_gids), 0, 0, NULL, NULL,
	 "groups whose members may"},
	{"loops", K_INT, AT(loops), 0, 16, "0", NULL, "event loops of the proxy; 0: one per core"},
	{"spin_us", K_INT, AT(spin_us), 0, 1000, "100", NULL,
	 "how long a loop that one flow alone keeps busy polls before it sleeps, in microseconds; 0: never"},
	{"audit.durability", K_ENUM, AT(is_durable), 0, 1, "sync", "memory|sync",
	 "what makes effects permanent waits for the disk (sync) or not (memory)"},
	{"audit.segment_bytes", K_SIZE, AT(store_bytes), 1 << 20, 1ll << 46, "17179869184", NULL,
	 "a segment of the record is closed when it is this large, and the next begun"},
	{"audit.segment_seconds", K_INT, AT(segment_seconds), 0, 2147483647, "86400", NULL,
	 "or this old; 0: whatever its age"},
	{"audit.keep_seconds", K_INT, AT(keep_seconds), 0, 2147483647, "0", NULL,
	 "closed segments that are older are removed, and a signed event says so; 0: never"},
	{"audit.keep_bytes", K_SIZE, AT(keep_bytes), 0, 1ll << 50, "0", NULL,
	 "the oldest closed segments are removed when all take more than this on disk; 0: never"},
	{"audit.encrypt_to", K_PATHS, LIST(encrypt_to, n_encrypt_to), 2, 200, NULL, NULL,
	 "RSA public keys (PEM) of auditors: statements, parameters, rows and errors on record are sealed for them"},
	{"audit.compress", K_INT, AT(compress), 0, 19, "0", NULL,
	 "statements, parameters, rows and errors on record are compressed (zstd, this level) where that makes them "
	 "smaller; 0: never"},
	{"audit.payload_limit", K_SIZE, AT(payload_limit), 0, 2097152, "0", NULL,
	 "a text or parameters too long for their event are kept whole beside it, up to this many bytes; 0: cut"},
	{"audit.groups", K_GIDS, LIST(audit_gids, n_audit_gids), 0, 0, NULL, NULL,
	 "groups whose members may read, search, export and verify the whole record; root always may"},
	{"audit.checkpoint_events", K_INT, AT(checkpoint_events), 1, 1000000, "10000", NULL,
	 "a signed checkpoint at least every so many events"},
	{"audit.checkpoint_seconds", K_INT, AT(checkpoint_seconds), 1, 86400, "60", NULL,
	 "and every so many seconds"},
	{"audit.sinks", K_STRS, LIST(audit_sinks, n_audit_sinks), 8, 1000, NULL, NULL,
	 "where checkpoints go off the node: https://HOST/PATH, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, "
	 "syslog+unix:///PATH"},
	{"audit.sink_ca", K_PATH, AT(audit_sink_ca), 2, 200, NULL, NULL,
	 "authorities (PEM) for https sinks, in place of the system's"},
	{"local_issuer.enabled", K_BOOL, AT(has_local_issuer), 0, 1, "false", NULL,
	 "may root mint tokens on this machine"},
	{"local_issuer.issuer", K_STR, AT(local_issuer), 1, 200, "https://sluice.local", NULL,
	 "the issuer's name in those tokens"},
	{"local_issuer.audience", K_STR, AT(local_audience), 1, 200, "sluice", NULL, "and their audience"},
	{"metrics_listen", K_ENDPOINT, AT(metrics_listen), 0, 0, NULL, NULL,
	 "where /metrics, /healthz and /readyz are served; off unless set"},
	{"public_url", K_STR, AT(public_url), 10, 200, NULL, NULL,
	 "https://host[:port] under which people reach the console: in notices to approvers and agents"},
	{"console.listen", K_ENDPOINT, AT(console_listen), 0, 0, NULL, NULL,
	 "where the console and the admin API are served over TLS; off unless set"},
	{"console.certificate", K_PATH, AT(console_certificate), 2, 200, "/etc/sluice/console.crt", NULL,
	 "its certificate and the chain above it (PEM); read again on SIGHUP"},
	{"console.key", K_PATH, AT(console_key), 2, 200, "/etc/sluice/console.key", NULL,
	 "the certificate's private key (PEM)"},
	{"console.issuer", K_STR, AT(console_issuer), 8, 200, NULL, NULL,
	 "the OpenID provider that people log in with: its issuer URL"},
	{"console.issuer_ca", K_PATH, AT(console_issuer_ca), 2, 200, NULL, NULL,
	 "PEM file of the authorities that the provider's certificate is checked against; the system's unless set"},
	{"console.client_id", K_STR, AT(console_client_id), 1, 200, "sluice", NULL,
	 "the client that the provider knows the console as"},
	{"console.client_secret", K_STR, AT(console_client_secret), 6, 200, NULL, NULL,
	 "\"file:/path\" beneath key_dirs: the client's secret; a public client unless set"},
	{"console.groups_claim", K_STR, AT(console_groups_claim), 1, 200, "groups", NULL,
	 "where the provider's token holds a person's groups"},
	{"console.scope", K_STR, AT(console_scope), 6, 200, "openid profile email groups", NULL,
	 "what is asked of the provider"},
	{"console.admin_groups", K_STRS, LIST(admin_groups, n_admin_groups), 1, 200, NULL, NULL,
	 "groups whose members administer: sessions, policy, records"},
	{"console.approver_groups", K_STRS, LIST(approver_groups, n_approver_groups), 1, 200, NULL, NULL,
	 "groups whose members see requests and may vote where a rule names a group of theirs"},
	{"console.auditor_groups", K_STRS, LIST(auditor_groups, n_auditor_groups), 1, 200, NULL, NULL,
	 "groups whose members read the record and the policy, and change nothing"},
	{"console.session_minutes", K_INT, AT(session_minutes), 1, 1440, "480", NULL,
	 "a login ends after so long"},
	{"console.idle_minutes", K_INT, AT(idle_minutes), 1, 1440, "30", NULL, "and after so long unused"},
	{"webhooks", K_HOOKS, AT(hooks), 0, 0, NULL, NULL,
	 "{name, url, format: json|slack|teams, secret: file:/path, groups}: where rules' \"notify\" tells people,"
	 "\n      "
	 "signed with secret (beneath key_dirs); answers signed with it count for its groups"},
	{"login_timeout_ms", K_INT, AT(login_timeout_ms), 100, 600000, "10000", NULL,
	 "for the login to an upstream"},
	{"credential_ttl_s", K_INT, AT(credential_ttl_s), 0, 3600, "0", NULL,
	 "what a credential's command said serves this long; 0: it is run for each login"},
	{"idle_timeout_ms", K_INT, AT(idle_timeout_ms), 0, 2147483647, "0", NULL,
	 "a flow without traffic is closed; 0: never"},
	{"startup_timeout_ms", K_INT, AT(startup_timeout_ms), 100, 600000, "10000", NULL,
	 "for a client to say what it wants"},
	{"max_flows", K_INT, AT(max_flows), 1, 1000000, "10000", NULL, "connections at a time"},
	{"text_limit", K_SIZE, AT(text_limit), 64, 65536, "16384", NULL,
	 "bytes of a statement, and of each parameter, in a record"},
	{"mask_limit", K_SIZE, AT(mask_limit), 4096, 16777216, "16777216", NULL,
	 "bytes kept of a row up to its last masked column, and of a masked field in a COPY; longer ones are "
	 "refused"},
	{"log_level", K_ENUM, AT(log_level), 0, 0, "info", "debug|info|warn|error",
	 "the least level that is logged"},
};

/* A configuration and the memory that its strings live in. */
struct owned {
	struct config c;
	struct arena arena;
};

struct load {
	struct owned *o;
	const char *name; /* of the file */
	struct span text;
	char *why;
	size_t why_size;
};

static void *field(const struct load *l, size_t offset)
{
	return (char *)&l->o->c + offset;
}

/* "file:line:column: " and the sentence. index: the element of a list, or -1. */
__attribute__((format(printf, 4, 5))) static int wrong(struct load *l, const char *key, int index,
						       const char *fmt, ...)
{
	struct place at = config_place(l->text, key, index);
	va_list ap;
	int n = snprintf(l->why, l->why_size, "%s:%d:%d: \"%s\": ", l->name, at.line, at.column, key);
	if (n < 0 || (size_t)n >= l->why_size)
		return ERR_CONFIG;
	va_start(ap, fmt);
	vsnprintf(l->why + n, l->why_size - (size_t)n, fmt, ap);
	va_end(ap);
	return ERR_CONFIG;
}

static bool is_name(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(s) &&
	       *s != '.' && *s != '-';
}

static bool is_path(const char *s)
{
	return *s == '/' && !strstr(s, "/../") && !strstr(s, "//");
}

int config_endpoint(const char *text, struct addr *ret)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (!len || len >= sizeof(host) || strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return ERR_MALFORMED;
	long port = strlen(colon + 1) <= 5 ? strtol(colon + 1, NULL, 10) : 0;
	bool is_v6 = text[0] == '[';
	if (port < 1 || port > 65535 || (is_v6 && text[len - 1] != ']') || (!is_v6 && memchr(text, ':', len)))
		return ERR_MALFORMED;
	snprintf(host, sizeof(host), "%.*s", (int)len - 2 * is_v6, text + is_v6);
	struct addr a;
	if (addr_parse_ip(host, &a) < 0)
		return ERR_MALFORMED;
	a.port = (uint16_t)port;
	*ret = a;
	return 0;
}

static int check_string(struct load *l, const struct key *k, const char *s, int index)
{
	struct addr a;
	size_t len = strlen(s);
	if (k->kind == K_NAME && !is_name(s))
		return wrong(l, k->name, index, "\"%s\", expected letters, digits, '.', '_' and '-'", s);
	if ((k->kind == K_PATH || k->kind == K_PATHS) && !is_path(s))
		return wrong(l, k->name, index, "\"%s\", expected an absolute path without \"..\"", s);
	if (k->kind == K_ENDPOINT && config_endpoint(s, &a) < 0)
		return wrong(l, k->name, index,
			     "\"%s\", expected an address and a port, such as 127.0.0.1:9464", s);
	if (k->max && (len < (size_t)k->min || len > (size_t)k->max))
		return wrong(l, k->name, index, "%zu bytes long, expected %lld to %lld", len,
			     (long long)k->min, (long long)k->max);
	return 0;
}

static int set_string(struct load *l, const struct key *k, const json_t *v)
{
	const char *s = json_string_value(v);
	if (!s)
		return wrong(l, k->name, -1, "expected a string (%s)", kind_names[k->kind]);
	int r = check_string(l, k, s, -1);
	if (r == 0)
		*(const char **)field(l, k->offset) = arena_str(&l->o->arena, s);
	return r;
}

static int set_number(struct load *l, const struct key *k, const json_t *v)
{
	if (!json_is_integer(v))
		return wrong(l, k->name, -1, "expected an integer");
	int64_t n = json_integer_value(v);
	if (n < k->min || n > k->max)
		return wrong(l, k->name, -1, "%lld, expected %lld to %lld", (long long)n, (long long)k->min,
			     (long long)k->max);
	if (k->kind == K_SIZE)
		*(uint64_t *)field(l, k->offset) = (uint64_t)n;
	else
		*(int *)field(l, k->offset) = (int)n;
	return 0;
}

static int set_bool(struct load *l, const struct key *k, const json_t *v)
{
	if (!json_is_boolean(v))
		return wrong(l, k->name, -1, "expected true or false");
	*(bool *)field(l, k->offset) = json_is_true(v);
	return 0;
}

/* max 1: the field is a bool (the second word is true); otherwise an int. */
static int set_enum(struct load *l, const struct key *k, const json_t *v)
{
	const char *s = json_string_value(v);
	int i = 0;
	for (const char *w = k->words; s && w; i++) {
		size_t len = strcspn(w, "|");
		if (strlen(s) == len && !memcmp(s, w, len)) {
			if (k->max == 1)
				*(bool *)field(l, k->offset) = i == 1;
			else
				*(int *)field(l, k->offset) = i;
			return 0;
		}
		w = w[len] ? w + len + 1 : NULL;
	}
	return wrong(l, k->name, -1, "expected one of %s", k->words);
}

static int set_texts(struct load *l, const struct key *k, const json_t *v)
{
	const char **to = field(l, k->offset);
	if (!json_is_array(v) || json_array_size(v) > CONFIG_LIST_MAX)
		return wrong(l, k->name, -1, "expected a list of at most %d: %s", CONFIG_LIST_MAX,
			     kind_names[k->kind]);
	int n = (int)json_array_size(v);
	for (int i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(v, (size_t)i));
		int r = s ? check_string(l, k, s, i) : wrong(l, k->name, i, "expected a string");
		if (r < 0)
			return r;
		to[i] = arena_str(&l->o->arena, s);
	}
	*(int *)field(l, k->count_offset) = n;
	return 0;
}

/* A user's or group's number, from its name or number. False if there is none. */
static bool find_id(const struct key *k, const json_t *v, uint32_t *ret)
{
	const char *s = json_string_value(v);
	if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < UINT32_MAX) {
		*ret = (uint32_t)json_integer_value(v);
		return true;
	}
	struct passwd *pw = s && k->kind == K_UIDS ? getpwnam(s) : NULL;
	struct group *gr = s && k->kind == K_GIDS ? getgrnam(s) : NULL;
	if (!pw && !gr)
		return false;
	*ret = pw ? pw->pw_uid : gr->gr_gid;
	return true;
}

static int set_ids(struct load *l, const struct key *k, const json_t *v)
{
	uint32_t *to = field(l, k->offset);
	if (!json_is_array(v) || json_array_size(v) > CONFIG_LIST_MAX)
		return wrong(l, k->name, -1, "expected a list of at most %d names or numbers",
			     CONFIG_LIST_MAX);
	int n = (int)json_array_size(v);
	for (int i = 0; i < n; i++)
		if (!find_id(k, json_array_get(v, (size_t)i), &to[i]))
			return wrong(l, k->name, i, "expected the name or number of a %s of this machine",
				     k->kind == K_UIDS ? "user" : "group");
	*(int *)field(l, k->count_offset) = n;
	return 0;
}

static int set_hooks(struct load *l, const struct key *k, const json_t *v)
{
	char why[300];
	int index, r = config_hooks_read(&l->o->arena, v, field(l, k->offset), &index, why, sizeof(why));
	return r < 0 ? wrong(l, k->name, index, "%s", why) : 0;
}

static int (*const setters[])(struct load *, const struct key *, const json_t *) = {
	[K_STR] = set_string, [K_NAME] = set_string,	 [K_PATH] = set_string, [K_PATHS] = set_texts,
	[K_INT] = set_number, [K_SIZE] = set_number,	 [K_BOOL] = set_bool,	[K_ENUM] = set_enum,
	[K_UIDS] = set_ids,   [K_ENDPOINT] = set_string, [K_GIDS] = set_ids,	[K_STRS] = set_texts,
	[K_HOOKS] = set_hooks,
};

static json_t *default_of(const struct key *k)
{
	switch (k->kind) {
	case K_INT:
	case K_SIZE:
		return json_integer(strtoll(k->def, NULL, 10));
	case K_BOOL:
		return json_boolean(!strcmp(k->def, "true"));
	case K_PATHS:
		return json_pack("[s]", k->def);
	default:
		return json_string(k->def);
	}
}

static int set_defaults(struct load *l)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!keys[i].def)
			continue;
		json_t *v = default_of(&keys[i]);
		int r = v ? setters[keys[i].kind](l, &keys[i], v) : -ENOMEM;
		json_decref(v);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct key *key_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static bool is_section(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strncmp(keys[i].name, name, len) && keys[i].name[len] == '.')
			return true;
	return false;
}

/* prefix: NULL at the top, else the section's name. */
static int set_members(struct load *l, const char *prefix, json_t *object)
{
	const char *name;
	json_t *v;
	json_object_foreach(object, name, v) {
		char path[160];
		snprintf(path, sizeof(path), "%s%s%s", prefix ? prefix : "", prefix ? "." : "", name);
		const struct key *k = key_by_name(path);
		int r;
		if (k)
			r = setters[k->kind](l, k, v);
		else if (!prefix && is_section(name))
			r = json_is_object(v) ? set_members(l, name, v)
					      : wrong(l, path, -1, "expected an object");
		else
			r = wrong(l, path, -1,
				  "no such key, expected one of those that sluiced --help lists");
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_into(struct load *l)
{
	json_error_t e;
	json_t *root = json_loadb((const char *)l->text.p, l->text.len, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		snprintf(l->why, l->why_size, "%s:%d:%d: %s", l->name, MAX(e.line, 1), MAX(e.column, 1),
			 e.text);
		return ERR_CONFIG;
	}
	int r = 0;
	if (!json_is_object(root)) {
		snprintf(l->why, l->why_size, "%s:1:1: expected an object", l->name);
		r = ERR_CONFIG;
	}
	if (r == 0)
		r = set_members(l, NULL, root);
	json_decref(root);
	return r;
}

static int set_node(struct load *l)
{
	char host[65] = "";
	if (l->o->c.node)
		return 0;
	gethostname(host, sizeof(host) - 1);
	l->o->c.node = arena_str(&l->o->arena, is_name(host) ? host : "localhost");
	return 0;
}

int config_parse(struct span text, const char *name, struct config **ret_cfg, char *ret_why, size_t why_size)
{
	struct owned *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	arena_init(&o->arena, CONFIG_MAX * 2);
	struct load l = {o, name, text, ret_why, why_size};
	int r = set_defaults(&l);
	if (r == 0 && text.len)
		r = parse_into(&l);
	if (r == 0)
		r = set_node(&l);
	if (r == 0 && arena_failed(&o->arena))
		r = -ENOMEM;
	if (r < 0) {
		config_free(&o->c);
		return r;
	}
	*ret_cfg = &o->c;
	return 0;
}

int config_load(const char *path, struct config **ret_cfg, char *ret_why, size_t why_size)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	if (!path)
		return config_parse((struct span){0}, "(defaults)", ret_cfg, ret_why, why_size);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : fd_read_all(fd, CONFIG_MAX, &text, &len);
	if (r < 0) {
		snprintf(ret_why, why_size, "%s:1:1: cannot be read: %s", path, err_text(r));
		return ERR_CONFIG;
	}
	if (!len) {
		snprintf(ret_why, why_size, "%s:1:1: empty, expected an object", path);
		return ERR_CONFIG;
	}
	return config_parse(span_of(text, len), path, ret_cfg, ret_why, why_size);
}

void config_free(struct config *c)
{
	struct owned *o = (struct owned *)c;
	if (!o)
		return;
	arena_done(&o->arena);
	free(o);
}

void config_help(FILE *out)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		fprintf(out, "  %-26s %s", k->name, kind_names[k->kind]);
		if (k->words)
			fprintf(out, " %s", k->words);
		if (k->kind == K_INT || k->kind == K_SIZE)
			fprintf(out, " %lld..%lld", (long long)k->min, (long long)k->max);
		if (k->def)
			fprintf(out, ", default %s", k->def);
		fprintf(out, "\n      %s\n", k->doc);
	}
}
