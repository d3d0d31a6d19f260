/* What happens to requests and grants, passed on: to those who look at the console, and to the webhooks that the
 * rule names. */
#include "base/macro.h"
#include "control/control_internal.h"

/* Votes and joins are for those who look, and estimates for programs, too. */
static bool is_told(const char *type)
{
	static const char *const types[] = {"request", "escalate", "release", "end"};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

static void on_news(struct feed *f, const char *type, const json_t *news)
{
	struct control *c = (struct control *)((char *)f - offsetof(struct control, news));
	const json_t *request = json_object_get(news, "request");
	if (!json_is_object(request)) {
		live_changed(c, "grants");
		return;
	}
	live_changed(c, "requests");
	if (is_told(type))
		hooks_tell(c, json_object_get(request, "notify"), type, request);
	if (!strcmp(type, "estimate"))
		hooks_tell_programs(c, json_object_get(request, "notify"), type, request);
}

void news_init(struct control *c)
{
	c->news.on_news = on_news;
	approvals_subscribe(c, &c->news);
}
