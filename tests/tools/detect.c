/* The detectors by themselves. detect [-k KINDS] [-w WAY]: a line of standard input is a text; what
 * is found is printed, "line start length kind" with tabs between. detect -s N: all of standard
 * input is one text, searched N times: GB/s for each way. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "policy/detect/detect.h"

static uint64_t kinds_of(char *names)
{
	uint64_t kinds = 0;
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ","))
		for (int k = 0; k < DETECT_COUNT; k++)
			if (!strcmp(name, detect_names[k]))
				kinds |= 1ull << k;
	return kinds;
}

static void print_finds(const struct detect *d)
{
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	for (size_t n = 0; (len = getline(&line, &cap, stdin)) > 0; n++) {
		struct detect_walk w;
		struct find f;
		detect_begin(&w, d, span_of(line, (size_t)len - (line[len - 1] == '\n')));
		while (detect_next(&w, &f))
			printf("%zu\t%zu\t%zu\t%s\n", n, f.at, f.len, detect_names[f.kind]);
	}
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* of this core: others may use the machine */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The best of the rounds. */
static void measure(const struct detect *d, int rounds)
{
	static const char *const ways[] = {"plain", "ssse3", "avx2"};
	struct buf b;
	buf_init(&b, 1 << 30);
	uint8_t *p;
	ssize_t n;
	while ((p = buf_reserve(&b, 1 << 20)) && (n = read(STDIN_FILENO, p, 1 << 20)) > 0)
		buf_commit(&b, (size_t)n);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		double best = 1e9;
		size_t finds = 0;
		for (int k = 0; detect_use(ways[i]) && k < rounds; k++) {
			struct detect_walk w;
			struct find f;
			double from = seconds();
			detect_begin(&w, d, buf_span(&b));
			for (finds = 0; detect_next(&w, &f);)
				finds++;
			double took = seconds() - from;
			best = MIN(best, took);
		}
		if (best < 1e9)
			printf("%s\t%.2f GB/s\t%zu finds in %zu bytes\n", ways[i],
			       (double)buf_len(&b) / best / 1e9, finds, buf_len(&b));
	}
	buf_done(&b);
}

int main(int argc, char **argv)
{
	struct detect d = {DETECT_BUILT_INS, 0, NULL};
	int rounds = 0;
	for (int c; (c = getopt(argc, argv, "k:w:s:")) != -1;) {
		if (c == 'k')
			d.kinds = kinds_of(optarg);
		else if (c == 's')
			rounds = atoi(optarg);
		else if (c != 'w' || !detect_use(optarg))
			return 2;
	}
	if (rounds)
		measure(&d, rounds);
	else
		print_finds(&d);
	return 0;
}
