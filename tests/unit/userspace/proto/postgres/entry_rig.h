/* A flow whose client logs in itself, up to where the server has the startup packet ("START"). Behind rig.c. */

static inline void entry_rig_begin(struct rig *r, bool is_tls, bool is_verified)
{
	const char *const params[] = {"user", "u", "database", "d", NULL};
	struct dialled d = {.startup = span_str("START"), .is_tls = is_tls, .is_verified = is_verified};
	struct buf b;
	buf_init(&b, 1 << 16);
	rig_open(r);
	rig_startup(&b, params);
	rig_put(r, FROM_CLIENT, buf_span(&b));
	buf_done(&b);
	rig_dialled(r, &d);
}

/* What a flow does when the module says that the client is in. */
static inline void entry_rig_catalog(struct rig *r)
{
	if (r->is_dialling && !r->err)
		rig_dialled(r, &(struct dialled){.cancel_pid = 7, .cancel_key = 99});
}
