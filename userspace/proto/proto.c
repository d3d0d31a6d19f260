#include "proto/proto.h"

#include <string.h>

#include "base/macro.h"
#include "proto/dns/dns.h"
#include "proto/postgres/postgres.h"
#include "proto/tcp/tcp.h"

const struct proto *proto_by_name(const char *name)
{
	static const struct proto *const protos[] = {&proto_postgres, &proto_tcp, &proto_dns};
	for (size_t i = 0; i < ARRAY_LEN(protos); i++)
		if (!strcmp(protos[i]->name, name))
			return protos[i];
	return NULL;
}
