/* PostgreSQL's frontend/backend protocol 3.0 as a wire module. */
#pragma once

#include "proto/proto.h"

extern const struct proto proto_postgres;
