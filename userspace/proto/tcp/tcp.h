/* The opaque protocol: one operation ("connect"), then bytes both ways, unread. */
#pragma once

#include "proto/proto.h"

extern const struct proto proto_tcp;
