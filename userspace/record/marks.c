#include "record/marks.h"

/* Each key has a slot of its own: by its first two letters and its length. */
#define SLOTS			64
#define SLOT(first, second, len) (((first) + 2u * (second) + 57u * (len)) % SLOTS)

#define KEY(field, first, second, text)                                                            \
	[SLOT(first, second, sizeof(text) - 1)] = {text, sizeof(text) - 1, field}

static const struct {
	char key[10];
	uint8_t len; /* 0: nobody's */
	uint8_t mark;
} slots[SLOTS] = {
    KEY(MARK_FLOW, 'f', 'l', "flow"),
    KEY(MARK_IDENTITY, 'i', 'd', "identity"),
    KEY(MARK_OWNER, 'o', 'w', "owner"),
    KEY(MARK_RESOURCE, 'r', 'e', "resource"),
    KEY(MARK_ROLE, 'r', 'o', "role"),
    KEY(MARK_SESSION, 's', 'e', "session"),
    KEY(MARK_TYPE, 't', 'y', "type"),
    KEY(MARK_TIME, 't', 'i', "time"),
    KEY(MARK_DECISION, 'd', 'e', "decision"),
    KEY(MARK_OBSERVED, 'o', 'b', "observed"),
    KEY(MARK_SQLSTATE, 's', 'q', "sqlstate"),
    KEY(MARK_NODE, 'n', 'o', "node"),
    KEY(MARK_RULE, 'r', 'u', "rule"),
    KEY(MARK_COMMAND, 'c', 'o', "command"),
    KEY(MARK_HOW, 'h', 'o', "how"),
    KEY(MARK_ISSUER, 'i', 's', "issuer"),
    KEY(MARK_REASON, 'r', 'e', "reason"),
    KEY(MARK_EXIT_CODE, 'e', 'x', "exit_code"),
    KEY(MARK_COUNT, 'c', 'o', "count"),
    KEY(MARK_DST, 'd', 's', "dst"),
    KEY(MARK_NAME, 'n', 'a', "name"),
    KEY(MARK_PROTOCOL, 'p', 'r', "protocol"),
    KEY(MARK_OUTCOME, 'o', 'u', "outcome"),
    KEY(MARK_ASKED, 'a', 's', "asked"),
    KEY(MARK_MASKED, 'm', 'a', "masked"),
};

enum mark mark_of(struct span key)
{
	if (key.len < 2)
		return MARKS;
	size_t i = SLOT(key.p[0], key.p[1], key.len);
	bool is_it = slots[i].len == key.len && memcmp(slots[i].key, key.p, key.len) == 0;
	return is_it ? (enum mark)slots[i].mark : MARKS;
}

void marks_take(struct marks *m, const struct scan *s, struct span text)
{
	m->shift = 0;
	memset(m->len, 0, sizeof(m->len));
	for (int i = 0; i < s->n; i++) {
		enum mark f = mark_of(s->fields[i].key);
		if (f == MARKS)
			continue;
		m->at[f] = (uint32_t)(s->fields[i].value.p - text.p);
		m->len[f] = (uint32_t)s->fields[i].value.len;
	}
}

int marks_read(struct marks *m, struct span stored)
{
	struct scan s;
	uint64_t seq;
	int r = chain_prefix_read(stored, m->prev, &seq);
	if (r == 0)
		r = scan_stored(stored, chain_prefix_len(seq), &s);
	if (r == 0)
		marks_take(m, &s, stored);
	return r;
}
