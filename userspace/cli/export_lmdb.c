#include "cli/export_lmdb.h"
int export_lmdb(const char *folder, const struct record_source *source, const json_t *filters)
{
	(void)folder; (void)source; (void)filters;
	return ERR_UNSUPPORTED;
}
