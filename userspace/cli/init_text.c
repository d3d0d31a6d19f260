/* The files of `sluice init`, as a person would write them. */
#include <jansson.h>
#include <stdlib.h>

#include "cli/init.h"
#include "cli/session.h"

void init_quote(struct buf *out, const char *s)
{
	json_t *j = json_string(s);
	char *text = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;
	if (text)
		buf_add_str(out, text);
	else
		out->err = ERR_MALFORMED;
	free(text);
	json_decref(j);
}

void init_pattern(struct buf *out, const char *schema)
{
	struct buf p;
	bool is_plain = (*schema == '_' || (*schema >= 'a' && *schema <= 'z')) &&
			strspn(schema, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(schema);
	buf_init(&p, 1024);
	if (!is_plain)
		buf_add_u8(&p, '"');
	for (const char *c = schema; *c; c++)
		buf_add(&p, c[0] == '"' ? "\"\"" : c, c[0] == '"' ? 2 : 1);
	buf_add_cstr(&p, is_plain ? ".*" : "\".*");
	init_quote(out, (const char *)buf_span(&p).p);
	buf_done(&p);
}

static void add_relations(struct buf *out, const struct init_facts *f)
{
	buf_add_str(out, "\"relations\": [");
	for (int i = 0; i < f->n_schemas; i++) {
		buf_add_str(out, i ? ", " : "");
		init_pattern(out, f->schemas[i]);
	}
	buf_add_str(out, "]");
}

static void add_target(struct buf *out, const char *host, const char *port, const char *before)
{
	struct buf t;
	buf_init(&t, 1024);
	buf_printf(&t, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	buf_add_u8(&t, 0);
	buf_add_str(out, before);
	init_quote(out, (const char *)buf_span(&t).p);
	buf_done(&t);
}

static void add_resources(struct buf *out, const struct init_facts *f, const struct init_place *p)
{
	struct buf source;
	char id[64];
	buf_init(&source, 4096);
	buf_printf(&source, "file:%s", p->credential);
	buf_add_u8(&source, 0);
	buf_printf(out, "  \"resources\": [\n    {\n      \"name\": \"%s\",\n      \"protocol\": \"postgres\",\n"
			"      \"match\": [", p->resource);
	add_target(out, f->host, f->port, "");
	if (!strcmp(f->host, "localhost")) {
		add_target(out, "127.0.0.1", f->port, ", ");
		add_target(out, "::1", f->port, ", ");
	}
	buf_add_str(out, "],\n      \"credentials\": {\"viewer\": ");
	init_quote(out, (const char *)buf_span(&source).p);
	buf_add_str(out, ", \"operator\": ");
	init_quote(out, (const char *)buf_span(&source).p);
	buf_add_str(out, "}\n    }");
	for (int i = 0; i < p->allow->n; i++) {
		id_text(p->allow->at[i], id, sizeof(id));
		buf_printf(out, ",\n    {\"name\": \"%s\", \"protocol\": \"tcp\", \"match\": [", id);
		init_quote(out, p->allow->at[i]);
		buf_add_str(out, "]}");
	}
	buf_add_str(out, "\n  ],\n");
	buf_done(&source);
}

static void add_rules(struct buf *out, const struct init_facts *f, const struct init_place *p)
{
	char id[64];
	buf_add_str(out, "  \"rules\": [\n");
	for (int i = 0; i < p->allow->n; i++) {
		id_text(p->allow->at[i], id, sizeof(id));
		buf_printf(out, "    {\"id\": \"%s\", \"resource\": \"%s\", \"roles\": [\"viewer\", \"operator\"], "
				"\"effect\": \"allow\"},\n", id, id);
	}
	buf_printf(out, "    {\"id\": \"read\", \"resource\": \"%s\", \"roles\": [\"viewer\", \"operator\"], "
			"\"verbs\": [\"select\"],\n     ", p->resource);
	add_relations(out, f);
	buf_printf(out, ", \"effect\": \"allow\"},\n    {\"id\": \"write\", \"resource\": \"%s\", "
			"\"roles\": [\"operator\"], \"verbs\": [\"insert\", \"update\"],\n     ", p->resource);
	add_relations(out, f);
	buf_add_str(out, ", \"effect\": \"allow\"}\n  ]\n}\n");
}

void init_policy(const struct init_facts *f, const struct init_place *p, struct buf *out)
{
	buf_add_str(out, "{\n  \"version\": 1,\n  \"issuers\": [\n    {\"issuer\": ");
	init_quote(out, p->issuer);
	buf_add_str(out, ", \"audience\": ");
	init_quote(out, p->audience);
	buf_add_str(out, ", \"groups_claim\": \"groups\", \"owner_claim\": \"act.sub\"}\n  ],\n"
			 "  \"roles\": {\"viewer\": [\"viewer\"], \"operator\": [\"operator\"]},\n");
	add_resources(out, f, p);
	add_rules(out, f, p);
	buf_add_u8(out, 0);
}

static void add_path(struct buf *out, const char *dir, const char *name)
{
	struct buf path;
	buf_init(&path, 4096);
	buf_printf(&path, "%s/%s", dir, name);
	buf_add_u8(&path, 0);
	init_quote(out, (const char *)buf_span(&path).p);
	buf_done(&path);
}

void init_config(const struct init_place *p, const char *enrol_user, struct buf *out)
{
	buf_add_str(out, "{\n  \"policy\": ");
	add_path(out, p->dir, "policy.json");
	buf_add_str(out, ",\n  \"credential_dirs\": [");
	add_path(out, p->dir, "credentials");
	if (enrol_user) {
		buf_add_str(out, "],\n  \"enrol\": {\"users\": [");
		init_quote(out, enrol_user);
		buf_add_str(out, "]}");
	} else {
		buf_add_str(out, "]");
	}
	buf_add_str(out, ",\n  \"local_issuer\": {\"enabled\": true, \"issuer\": ");
	init_quote(out, p->issuer);
	buf_add_str(out, ", \"audience\": ");
	init_quote(out, p->audience);
	buf_add_str(out, "}\n}\n");
	buf_add_u8(out, 0);
}
