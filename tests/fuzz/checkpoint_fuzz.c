/* A checkpoint from anywhere, as a note and as a line: what is accepted is what would be written.
 */
#include <stdlib.h>
#include <string.h>

#include "record/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(struct span text, void (*write)(struct buf *, const struct checkpoint *),
		    const struct checkpoint *c)
{
	struct buf b;
	buf_init(&b, NOTE_MAX);
	write(&b, c);
	if (buf_err(&b) || !span_eq(buf_span(&b), text))
		abort();
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint c;
	char *line = strndup((const char *)data, size);
	if (checkpoint_read(span_of(data, size), &c) == 0)
		must_be(span_of(data, size), checkpoint_write, &c);
	if (checkpoint_read_line(line, &c) == 0) {
		const char *at = strstr(line, "checkpoint sluice/");
		size_t len = strlen(at);
		while (len && strchr(" \t\r\n", at[len - 1]))
			len--;
		must_be(span_of(at, len), checkpoint_line, &c);
	}
	free(line);
	return 0;
}
