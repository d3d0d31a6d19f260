/* The reviewed lists themselves; sorted. builtin.h answers questions about them. */
#pragma once

struct builtin_group {
	const char *why;
	const char *const *names;
	int n;
};

extern const char *const builtin_reads[];
extern const int builtin_n_reads;
extern const char *const builtin_newer_reads[];
extern const int builtin_n_newer_reads;
extern const struct builtin_group builtin_groups[];
extern const int builtin_n_groups;
