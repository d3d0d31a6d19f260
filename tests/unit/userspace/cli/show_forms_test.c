/* Events that are told by their fields: what is there, what is left out, and that nothing of it
 * acts. */
#include "cli/inert.c"
#include "cli/show_forms.c"

#include "tests/unit/tap.h"

static void shows(const char *json, const char *want)
{
	json_t *e = json_loads(json, 0, NULL);
	struct buf out;
	buf_init(&out, 4096);
	CHECK(show_form(&out, e, "  ") == (want != NULL));
	buf_add_u8(&out, 0);
	CHECK_STR((const char *)buf_span(&out).p, want ? want : "");
	buf_done(&out);
	json_decref(e);
}

int main(void)
{
	shows("{\"type\":\"approval.vote\",\"request\":\"r-1\",\"by\":\"ann\",\"verdict\":"
	      "\"approve\",\"words\":\"\","
	      "\"choice\":\"once\",\"from\":\"unix uid 0\"}",
	      "request r-1: ann says approve (once)  from unix uid 0");
	shows("{\"type\":\"approval.vote\",\"request\":\"r-1\",\"by\":\"ann\",\"verdict\":\"deny\","
	      "\"words\":\"not\\u001b[31m "
	      "now\",\"from\":\"x\"}",
	      "request r-1: ann says deny: not\\x1b[31m now  from x");
	shows("{\"type\":\"approval.release\",\"request\":\"r-1\",\"votes\":[7,9]}",
	      "request r-1: is released by the answers 7, 9");
	shows("{\"type\":\"approval.request\",\"request\":\"r-1\",\"rule\":\"ddl\",\"tag\":\"ALTER "
	      "TABLE\",\"gives\":\"\","
	      "\"deadline\":1795000000,\"text\":\"ALTER\\nTABLE\"}",
	      "request r-1: rule ddl asks people about ALTER TABLE, until 2026-11-18T11:06:40Z\n  "
	      "ALTER\n  TABLE");
	shows("{\"type\":\"grant.end\",\"grant\":\"g-1\",\"end\":\"expired\",\"used\":0}",
	      "grant g-1 ends: expired  used 0 times");
	shows("{\"type\":\"session.guard\"}", "guard: -"); /* a field that is missing */
	shows("{\"type\":\"node.start\",\"version\":\"1\",\"gaps\":[\"lsm\",\"x\\n\"]}",
	      "the daemon starts, version 1; the kernel lacks "
	      "lsm, x\\x0a");
	shows("{\"type\":\"op\"}", NULL);
	shows("{}", NULL);
	return tap_done();
}
