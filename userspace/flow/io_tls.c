/* TLS as the end of a flow. */
#include "flow/io.h"
#include "upstream/tls.h"

static ssize_t end_read(struct flow_end *e, void *p, size_t n)
{
	return tls_read(e->io_ctx, p, n);
}

static ssize_t end_write(struct flow_end *e, const void *p, size_t n)
{
	return tls_write(e->io_ctx, p, n);
}

static void end_shut(struct flow_end *e)
{
	tls_shut(e->io_ctx);
	io_plain.shut(e);
}

static void end_close(struct flow_end *e, bool is_reset)
{
	if (!is_reset)
		tls_shut(e->io_ctx);
	tls_free(e->io_ctx);
	e->io_ctx = NULL;
	io_plain.close(e, is_reset);
}

static enum io_wait end_waits(const struct flow_end *e)
{
	return tls_wants_certificate(e->io_ctx) ? IO_WAITS_OTHER
	       : tls_wants_write(e->io_ctx)	? IO_WAITS_WRITE
						: IO_WAITS_READ;
}

static bool end_is_primed(const struct flow_end *e)
{
	return tls_is_primed(e->io_ctx) && !tls_wants_certificate(e->io_ctx);
}

static const char *end_why(const struct flow_end *e)
{
	return tls_why(e->io_ctx);
}

const struct io_ops io_tls = {end_read,	 end_write,	end_shut, end_close,
			      end_waits, end_is_primed, end_why};
