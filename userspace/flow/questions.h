/* What a workload asked the gateway's resolver for: the declared names that it was given addresses of, so that a
 * connect, and the name that its TLS asks for, agree with a name that this workload knows; and how many questions it
 * asks. One a session, shared by its renewals. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define QUESTIONS_NAMES 256 /* of one workload; the one not asked for longest goes first */
#define QUESTIONS_PER_S 200 /* questions of one workload; as many at once */

struct questions;

struct questions *questions_new(void); /* NULL: out of memory */
void questions_free(struct questions *a);
/* It was given addresses of name. Without memory it is as if it had not been. */
void questions_note(struct questions *a, const char *name);
/* 0: not asked for; else the larger the later. */
uint64_t questions_when(struct questions *a, const char *name);
/* May one more question be answered now? */
bool questions_may(struct questions *a, uint64_t now_ns);
