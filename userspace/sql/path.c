#include "sql/resolve.h"

#include "base/macro.h"

#define NAME_SIZE 64 /* NAMEDATALEN: longer names are cut */

static bool is_blank(char ch)
{
	return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static const char *skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

/* Cuts a name that was too long at a whole character, as the server does. */
static void end_name(char *name, size_t n, bool is_cut)
{
	size_t lead = n;
	while (is_cut && lead > 0 && ((unsigned char)name[lead - 1] & 0xC0) == 0x80)
		lead--;
	if (is_cut && lead > 0 && (unsigned char)name[lead - 1] >= 0xC0) {
		unsigned char first = (unsigned char)name[lead - 1];
		size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
		if (n - (lead - 1) < want)
			n = lead - 1;
	}
	name[n] = 0;
}

/* One identifier of a list, as SplitIdentifierString reads it (utils/adt/varlena.c). Returns what
 * is behind it, or NULL. */
static const char *read_identifier(const char *s, char *name)
{
	size_t n = 0;
	bool is_quoted = *s == '"', is_closed = false, is_cut = false;
	for (s += is_quoted; *s; s++) {
		char ch = *s;
		if (is_quoted && ch == '"' && *++s != '"') {
			is_closed = true;
			break;
		}
		if (!is_quoted && (ch == ',' || is_blank(ch)))
			break;
		if (!is_quoted && ch >= 'A' && ch <= 'Z')
			ch = (char)(ch - 'A' + 'a');
		if (n + 1 < NAME_SIZE)
			name[n++] = ch;
		else
			is_cut = true;
	}
	if (is_quoted ? !is_closed : n == 0)
		return NULL;
	end_name(name, n, is_cut);
	return s;
}

static int add_schema(const struct catalog *c, struct path *p, const char *name)
{
	if (!strcmp(name, "$user"))
		name = catalog_user(c);
	const struct cat_schema *s = cat_schema(c, name);
	for (int i = 0; s && i < p->n; i++)
		if (p->at[i] == s)
			s = NULL;
	if (!s)
		return 0;
	if (p->n == PATH_MAX_SCHEMAS)
		return ERR_LIMIT;
	p->at[p->n++] = s;
	return 0;
}

/* Unless named, pg_catalog comes first. */
static int add_catalog(const struct catalog *c, struct path *p)
{
	const struct cat_schema *s = cat_schema(c, "pg_catalog");
	for (int i = 0; i < p->n; i++)
		if (p->at[i] == s)
			return 0;
	if (!s || p->n == PATH_MAX_SCHEMAS)
		return s ? ERR_LIMIT : ERR_MALFORMED;
	memmove(p->at + 1, p->at, (size_t)p->n * sizeof(p->at[0]));
	p->at[0] = s;
	p->n++;
	p->is_catalog_implicit = true;
	return 0;
}

int path_read(const struct catalog *c, const char *text, struct path *ret_path)
{
	struct path p = {.n = 0};
	char name[NAME_SIZE];
	const char *s = skip_blanks(text);
	while (*s) {
		s = read_identifier(s, name);
		if (!s)
			return ERR_MALFORMED;
		int r = add_schema(c, &p, name);
		if (r < 0)
			return r;
		s = skip_blanks(s);
		if (*s == 0)
			break;
		if (*s != ',')
			return ERR_MALFORMED;
		s = skip_blanks(s + 1);
		if (!*s)
			return ERR_MALFORMED;
	}
	int r = add_catalog(c, &p);
	if (r == 0)
		*ret_path = p;
	return r;
}

int path_relations(const struct catalog *c, const struct path *p, const char *name,
		   const struct cat_relation **ret, int max)
{
	int n = 0;
	for (int i = 0; i < p->n && n < max; i++) {
		const struct cat_relation *r = cat_relation(c, p->at[i], name);
		if (!r)
			continue;
		ret[n++] = r;
		if (p->at[i]->is_usable)
			break;
	}
	return n;
}

const struct cat_type *path_type(const struct catalog *c, const struct path *p, const char *schema,
				 const char *name)
{
	if (schema) {
		const struct cat_schema *s = cat_schema(c, schema);
		return s ? cat_type_named(c, s, name) : NULL;
	}
	for (int i = 0; i < p->n; i++) {
		const struct cat_type *t = cat_type_named(c, p->at[i], name);
		if (t) /* behind a schema that the login may not use the name is anyone's guess */
			return p->at[i]->is_usable ? t : NULL;
	}
	return NULL;
}
