/* What the first number of an Authentication message asks for. PostgreSQL documentation, 55.7 (Message Formats). */
#pragma once

enum {
	AUTH_OK = 0,
	AUTH_CLEARTEXT = 3,
	AUTH_MD5 = 5,
	AUTH_SASL = 10,
	AUTH_SASL_CONTINUE = 11,
	AUTH_SASL_FINAL = 12
};
