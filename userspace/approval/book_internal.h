/* Between the files of the book. */
#pragma once

#include "approval/book.h"

#define BUCKETS	     4096
#define DISTRUST_MAX 4096

/* Tokens of this person that were issued up to then are not believed. */
struct distrust {
	char *issuer, *subject; /* issuer NULL: of any */
	int64_t until;
};

struct book {
	struct request *first;
	struct request *buckets[BUCKETS];
	struct grant *grants;
	/* Open requests by a hash of who asks, and of the rule: no fewer than each has. */
	uint16_t by_asker[BUCKETS], by_rule[BUCKETS];
	int n_open, n_ended, n_grants;
	size_t bytes; /* of open requests */
	uint64_t epoch, next_request, next_grant;
	struct distrust distrust[DISTRUST_MAX];
	int n_distrust;
};

struct request *bucket_find(struct book *b, const char *hash);
bool moment_is_past(struct moment deadline, struct moment now);
bool is_distrusted(const struct book *b, const struct person *p);
/* "r-t3k9xz-12" */
void book_make_id(char kind, uint64_t epoch, uint64_t n, char out[BOOK_ID_MAX]);
/* Copies into the arena; "" for NULL. NULL: out of memory. */
const char *copy_text(struct arena *a, const char *s);
bool copy_list(struct arena *a, const char *const *from, int n, const char *const **ret);
bool copy_narrow(struct arena *a, const struct narrow *from, struct narrow *to);
