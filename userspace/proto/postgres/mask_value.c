/* Masked values that are values of their type, so that strict clients go on: PostgreSQL
 * documentation, chapter "Data Types"; the binary forms are those of each type's send function. A
 * type that is not in the table, and whatever has no such value, becomes NULL. */
#include "proto/postgres/masking.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

enum shape { SHAPE_TEXT, SHAPE_JSON, SHAPE_JSONB, SHAPE_CONSTANT, SHAPE_DAY, SHAPE_MOMENT };

struct type {
	uint32_t oid;
	uint32_t array; /* of its arrays */
	enum shape shape;
	const char *text;   /* the constant in text */
	const char *binary; /* the same in binary; NULL: zeros */
	int len;
};

#define ZEROS(n) NULL, n
#define BYTES(s) s, sizeof(s) - 1

/* catalog/pg_type.dat. In binary a numeric of 0 has no digits, weight, sign and scale; a network address
 * has family, bits, is_cidr and length in front; an empty range the flag for that; jsonpath and jsonb a version. */
static const struct type types[] = {
    {16, 1000, SHAPE_CONSTANT, "f", ZEROS(1)},				  /* bool */
    {17, 1001, SHAPE_CONSTANT, "\\x", ZEROS(0)},			  /* bytea */
    {18, 1002, SHAPE_CONSTANT, "", ZEROS(1)},				  /* "char" */
    {19, 1003, SHAPE_TEXT},						  /* name */
    {20, 1016, SHAPE_CONSTANT, "0", ZEROS(8)},				  /* int8 */
    {21, 1005, SHAPE_CONSTANT, "0", ZEROS(2)},				  /* int2 */
    {23, 1007, SHAPE_CONSTANT, "0", ZEROS(4)},				  /* int4 */
    {25, 1009, SHAPE_TEXT},						  /* text */
    {26, 1028, SHAPE_CONSTANT, "0", ZEROS(4)},				  /* oid */
    {114, 199, SHAPE_JSON},						  /* json */
    {142, 143, SHAPE_CONSTANT, "****", BYTES("****")},			  /* xml */
    {600, 1017, SHAPE_CONSTANT, "(0,0)", ZEROS(16)},			  /* point */
    {650, 651, SHAPE_CONSTANT, "0.0.0.0/0", BYTES("\2\0\1\4\0\0\0\0")}, /* cidr */
    {700, 1021, SHAPE_CONSTANT, "0", ZEROS(4)},				  /* float4 */
    {701, 1022, SHAPE_CONSTANT, "0", ZEROS(8)},				  /* float8 */
    {705, 0, SHAPE_TEXT},						  /* unknown */
    {774, 775, SHAPE_CONSTANT, "00:00:00:00:00:00:00:00", ZEROS(8)},	  /* macaddr8 */
    {829, 1040, SHAPE_CONSTANT, "00:00:00:00:00:00", ZEROS(6)},		  /* macaddr */
    {869, 1041, SHAPE_CONSTANT, "0.0.0.0", BYTES("\2\x20\0\4\0\0\0\0")},  /* inet */
    {1042, 1014, SHAPE_TEXT},						  /* bpchar */
    {1043, 1015, SHAPE_TEXT},						  /* varchar */
    {1082, 1182, SHAPE_DAY, "2000-01-01", ZEROS(4)},			  /* date */
    {1083, 1183, SHAPE_CONSTANT, "00:00:00", ZEROS(8)},			  /* time */
    {1114, 1115, SHAPE_MOMENT, "2000-01-01 00:00:00", ZEROS(8)},	  /* timestamp */
    {1184, 1185, SHAPE_MOMENT, "2000-01-01 00:00:00+00", ZEROS(8)},	  /* timestamptz */
    {1186, 1187, SHAPE_CONSTANT, "00:00:00", ZEROS(16)},		  /* interval */
    {1266, 1270, SHAPE_CONSTANT, "00:00:00+00", ZEROS(12)},		  /* timetz */
    {1700, 1231, SHAPE_CONSTANT, "0", ZEROS(8)},			  /* numeric */
    {2950, 2951, SHAPE_CONSTANT, "00000000-0000-0000-0000-000000000000", ZEROS(16)}, /* uuid */
    {3614, 3643, SHAPE_CONSTANT, "", ZEROS(4)},				  /* tsvector */
    {3802, 3807, SHAPE_JSONB},						  /* jsonb */
    {3904, 3905, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* int4range */
    {3906, 3907, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* numrange */
    {3908, 3909, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* tsrange */
    {3910, 3911, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* tstzrange */
    {3912, 3913, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* daterange */
    {3926, 3927, SHAPE_CONSTANT, "empty", BYTES("\1")},			  /* int8range */
    {4072, 4073, SHAPE_CONSTANT, "$", BYTES("\1$")},			  /* jsonpath */
    {4451, 6150, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* int4multirange */
    {4532, 6151, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* nummultirange */
    {4533, 6152, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* tsmultirange */
    {4534, 6153, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* tstzmultirange */
    {4535, 6155, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* datemultirange */
    {4536, 6157, SHAPE_CONSTANT, "{}", ZEROS(4)},			  /* int8multirange */
};

static const struct type *find_type(uint32_t oid)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].oid == oid)
			return &types[i];
	return NULL;
}

static uint32_t element_of(uint32_t oid)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (oid && types[i].array == oid)
			return types[i].oid;
	return 0;
}

static void add_constant(const struct type *t, bool is_binary, struct buf *out)
{
	if (!is_binary) {
		buf_add_str(out, t->text);
		return;
	}
	for (int i = 0; i < t->len; i++)
		buf_add_u8(out, t->binary ? (uint8_t)t->binary[i] : 0);
}

#define EPOCH_DAYS    730425 /* from 0000-03-01 to 2000-01-01, proleptic Gregorian */
#define USECS_PER_DAY 86400000000LL

/* The year of a day that is counted from 2000-01-01. */
static int64_t year_of(int64_t days)
{
	int64_t z = days + EPOCH_DAYS;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	return yoe + era * 400 + (doy >= 306);
}

/* Days from 2000-01-01 to the first of January of a year. */
static int64_t first_day(int64_t year)
{
	int64_t y = year - 1, era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + 306 - EPOCH_DAYS;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static uint64_t read_be(struct span v)
{
	uint64_t x = 0;
	for (size_t i = 0; i < v.len; i++)
		x = x << 8 | v.p[i];
	return x;
}

static bool year_binary(const struct type *t, struct span v, struct buf *out)
{
	if (v.len != (size_t)t->len)
		return false;
	int64_t raw = t->shape == SHAPE_DAY ? (int32_t)read_be(v) : (int64_t)read_be(v);
	bool is_infinite = t->shape == SHAPE_DAY ? raw == INT32_MIN || raw == INT32_MAX
						 : raw == INT64_MIN || raw == INT64_MAX;
	if (is_infinite)
		return false;
	int64_t days = t->shape == SHAPE_DAY ? raw : floor_div(raw, USECS_PER_DAY);
	int64_t first = first_day(year_of(days));
	if (t->shape == SHAPE_DAY)
		buf_add_u32(out, (uint32_t)first);
	else
		buf_add_u64(out, (uint64_t)(first * USECS_PER_DAY));
	return true;
}

/* "2024-05-06...": ISO alone is understood; what else DateStyle brings becomes NULL. */
static bool year_text(const struct type *t, struct span v, struct buf *out)
{
	size_t n = 0;
	while (n < v.len && isdigit(v.p[n]))
		n++;
	bool is_bc = v.len >= 2 && !memcmp(v.p + v.len - 2, "BC", 2);
	if (n < 4 || n > 6 || n >= v.len || v.p[n] != '-' || is_bc)
		return false;
	buf_add(out, v.p, n);
	buf_add_str(out, t->text + 4);
	return true;
}

static bool mask_moment(const struct mask_how *how, const struct type *t, bool is_binary,
			struct span v, struct buf *out)
{
	if (how->way == MASK_YEAR)
		return is_binary ? year_binary(t, v, out) : year_text(t, v, out);
	add_constant(t, is_binary, out);
	return true;
}

static bool mask_element(const void *how, uint32_t type, uint16_t format, struct span value, struct buf *out)
{
	return mask_value(how, type, format, value, out);
}

bool mask_is_built_in(uint32_t type)
{
	return find_type(type) || element_of(type);
}

/* version: that jsonb_send writes in front. */
static bool mask_document(const struct mask_how *how, bool has_version, struct span value, struct buf *out)
{
	struct cur c = cur_of(value);
	if (has_version)
		buf_add_u8(out, 1);
	bool is_version_known = !has_version || cur_u8(&c) == 1;
	if (is_version_known && how->detect && mask_json(how, span_of(c.p, cur_left(&c)), out))
		return true;
	buf_add_str(out, "\"****\"");
	return true;
}

bool mask_value(const struct mask_how *how, uint32_t type, uint16_t format, struct span value,
		struct buf *out)
{
	const struct type *t = find_type(type);
	if (format > 1 || how->way == MASK_NULL || how->way == MASK_DROP)
		return false;
	if (!t) {
		uint32_t element = how->way == MASK_WHOLE ? 0 : element_of(type);
		return element && mask_array(mask_element, how, element, format, value, out);
	}
	if (t->shape == SHAPE_TEXT) /* both formats are the bytes of the text */
		return mask_text(how, value, out);
	if (how->way == MASK_HASH && !how->has_key)
		return false;
	if (how->has_key && mask_keyed(how, type, format, value, out))
		return true;
	if (how->way == MASK_WHOLE) /* what is computed has no constant that is not misleading */
		return false;
	switch (t->shape) {
	case SHAPE_JSONB:
	case SHAPE_JSON:
		return mask_document(how, format && t->shape == SHAPE_JSONB, value, out);
	case SHAPE_DAY:
	case SHAPE_MOMENT:
		return mask_moment(how, t, format == 1, value, out);
	case SHAPE_CONSTANT:
		add_constant(t, format == 1, out);
		return true;
	case SHAPE_TEXT:
		break;
	}
	return false;
}
