#include "proto/postgres/value_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/jw.h"
#include "base/macro.h"

#define USECS_PER_DAY 86400000000LL
#define EPOCH_DAYS    730425 /* from 0000-03-01 to 2000-01-01, proleptic Gregorian */
#define DIMS_MAX      6	     /* MAXDIM */

struct type {
	uint32_t oid;
	const char *name;
	uint32_t array;
	const char *array_name;
	bool (*write)(struct cur *c, struct buf *out);
};

/* --- numbers ------------------------------------------------------------------------------------
 */

static bool write_bool(struct cur *c, struct buf *out)
{
	uint8_t v = cur_u8(c);
	buf_add_str(out, v ? "true" : "false");
	return v <= 1;
}

static bool write_int2(struct cur *c, struct buf *out)
{
	buf_printf(out, "%d", (int16_t)cur_u16(c));
	return true;
}

static bool write_int4(struct cur *c, struct buf *out)
{
	buf_printf(out, "%d", (int32_t)cur_u32(c));
	return true;
}

static bool write_int8(struct cur *c, struct buf *out)
{
	buf_printf(out, "%lld", (long long)cur_u64(c));
	return true;
}

static bool write_oid(struct cur *c, struct buf *out)
{
	buf_printf(out, "%u", cur_u32(c));
	return true;
}

/* The fewest digits that are read back as the same number. */
static void add_float(struct buf *out, double v, bool is_single)
{
	char text[40] = "";
	if (isnan(v) || isinf(v)) {
		buf_add_str(out, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
		return;
	}
	for (int digits = is_single ? 6 : 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (is_single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
			break;
	}
	buf_add_str(out, text);
}

static bool write_float4(struct cur *c, struct buf *out)
{
	uint32_t bits = cur_u32(c);
	float v;
	memcpy(&v, &bits, sizeof(v));
	add_float(out, (double)v, true);
	return true;
}

static bool write_float8(struct cur *c, struct buf *out)
{
	uint64_t bits = cur_u64(c);
	double v;
	memcpy(&v, &bits, sizeof(v));
	add_float(out, v, false);
	return true;
}

#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_NAN	 0xc000
#define NUMERIC_PLUS	 0xd000 /* infinities, from 14 on */
#define NUMERIC_MINUS	 0xf000
#define NUMERIC_SCALE	 0x3fff
#define NUMERIC_DIGITS	 4000 /* groups of four: more is no value that anybody reads */

static uint16_t digit_at(struct span digits, int i)
{
	return i >= 0 && (size_t)i < digits.len / 2
		   ? (uint16_t)(digits.p[2 * i] << 8 | digits.p[2 * i + 1])
		   : 0;
}

static bool are_digits(struct span digits)
{
	for (size_t i = 0; i < digits.len / 2; i++)
		if (digit_at(digits, (int)i) > 9999)
			return false;
	return true;
}

/* = src/backend/utils/adt/numeric.c, numeric_send: groups of four decimal digits, the first one's
 * weight in groups, the sign, and how many digits stand behind the point. */
static bool write_numeric(struct cur *c, struct buf *out)
{
	uint16_t n = cur_u16(c);
	int weight = (int16_t)cur_u16(c), sign = cur_u16(c), scale = cur_u16(c);
	struct span digits = cur_bytes(c, (size_t)n * 2);
	if (sign >= NUMERIC_NAN) {
		buf_add_str(out, sign == NUMERIC_NAN	? "NaN"
				 : sign == NUMERIC_PLUS ? "Infinity"
							: "-Infinity");
		return sign == NUMERIC_NAN || sign == NUMERIC_PLUS || sign == NUMERIC_MINUS;
	}
	if (cur_err(c) || n > NUMERIC_DIGITS || weight > NUMERIC_DIGITS ||
	    weight < -NUMERIC_DIGITS || scale > NUMERIC_SCALE ||
	    (sign && sign != NUMERIC_NEGATIVE) || !are_digits(digits))
		return false;
	buf_add_str(out, sign ? "-" : "");
	buf_printf(out, "%d", weight < 0 ? 0 : digit_at(digits, 0));
	for (int i = 1; i <= weight; i++)
		buf_printf(out, "%04d", digit_at(digits, i));
	buf_add_str(out, scale ? "." : "");
	for (int at = 0; at < scale; at += 4) {
		char group[8];
		snprintf(group, sizeof(group), "%04d", digit_at(digits, weight + 1 + at / 4));
		buf_printf(out, "%.*s", MIN(scale - at, 4), group);
	}
	return true;
}

/* --- times --------------------------------------------------------------------------------------
 */

struct ymd {
	int64_t year;
	int month, day;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A day that is counted from 2000-01-01. */
static struct ymd date_of(int64_t days)
{
	int64_t z = days + EPOCH_DAYS, era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);
	return (struct ymd){yoe + era * 400 + (month <= 2), month,
			    (int)(doy - (153 * mp + 2) / 5 + 1)};
}

static void add_date(struct buf *out, struct ymd d)
{
	buf_printf(out, "%04lld-%02d-%02d", (long long)(d.year > 0 ? d.year : 1 - d.year), d.month,
		   d.day);
}

static const char *era_of(struct ymd d)
{
	return d.year > 0 ? "" : " BC";
}

/* "08:00:00", with as many digits behind the point as there are. */
static void add_clock(struct buf *out, int64_t usecs)
{
	char part[8];
	int64_t s = usecs / 1000000;
	buf_printf(out, "%02lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60),
		   (long long)(s % 60));
	if (!(usecs % 1000000))
		return;
	int n = snprintf(part, sizeof(part), "%06d", (int)(usecs % 1000000));
	while (part[n - 1] == '0')
		n--;
	buf_printf(out, ".%.*s", n, part);
}

static bool write_date(struct cur *c, struct buf *out)
{
	int32_t v = (int32_t)cur_u32(c);
	if (v == INT32_MIN || v == INT32_MAX) {
		buf_add_str(out, v < 0 ? "-infinity" : "infinity");
		return true;
	}
	struct ymd d = date_of(v);
	add_date(out, d);
	buf_add_str(out, era_of(d));
	return true;
}

static bool write_moment(struct cur *c, struct buf *out, const char *zone)
{
	int64_t v = (int64_t)cur_u64(c);
	if (v == INT64_MIN || v == INT64_MAX) {
		buf_add_str(out, v < 0 ? "-infinity" : "infinity");
		return true;
	}
	int64_t days = floor_div(v, USECS_PER_DAY);
	struct ymd d = date_of(days);
	add_date(out, d);
	buf_add_u8(out, ' ');
	add_clock(out, v - days * USECS_PER_DAY);
	buf_printf(out, "%s%s", zone, era_of(d));
	return true;
}

static bool write_timestamp(struct cur *c, struct buf *out)
{
	return write_moment(c, out, "");
}

static bool write_timestamptz(struct cur *c, struct buf *out)
{
	return write_moment(c, out, "+00");
}

static bool write_time(struct cur *c, struct buf *out)
{
	int64_t v = (int64_t)cur_u64(c);
	if (v < 0 || v > USECS_PER_DAY)
		return false;
	add_clock(out, v);
	return true;
}

static bool write_interval(struct cur *c, struct buf *out)
{
	int64_t usecs = (int64_t)cur_u64(c);
	int days = (int32_t)cur_u32(c), months = (int32_t)cur_u32(c);
	if (usecs == INT64_MIN)
		return false;
	buf_printf(out, "%d months %d days %s", months, days, usecs < 0 ? "-" : "");
	add_clock(out, usecs < 0 ? -usecs : usecs);
	return true;
}

/* --- texts and the rest
 * --------------------------------------------------------------------------- */

static bool write_rest(struct cur *c, struct buf *out)
{
	struct span v = cur_bytes(c, cur_left(c));
	buf_add_span(out, v);
	return utf8_valid(v) && !memchr(v.p, 0, v.len);
}

static bool write_jsonb(struct cur *c, struct buf *out)
{
	return cur_u8(c) == 1 && write_rest(c, out);
}

static bool write_bytea(struct cur *c, struct buf *out)
{
	buf_add_str(out, "\\x");
	buf_add_hex(out, cur_bytes(c, cur_left(c)));
	return true;
}

static bool write_uuid(struct cur *c, struct buf *out)
{
	static const int parts[] = {4, 2, 2, 2, 6};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_add_str(out, i ? "-" : "");
		buf_add_hex(out, cur_bytes(c, (size_t)parts[i]));
	}
	return true;
}

/* catalog/pg_type.dat */
static const struct type types[] = {
    {16, "bool", 1000, "bool[]", write_bool},
    {17, "bytea", 1001, "bytea[]", write_bytea},
    {19, "name", 1003, "name[]", write_rest},
    {20, "int8", 1016, "int8[]", write_int8},
    {21, "int2", 1005, "int2[]", write_int2},
    {23, "int4", 1007, "int4[]", write_int4},
    {25, "text", 1009, "text[]", write_rest},
    {26, "oid", 1028, "oid[]", write_oid},
    {114, "json", 199, "json[]", write_rest},
    {700, "float4", 1021, "float4[]", write_float4},
    {701, "float8", 1022, "float8[]", write_float8},
    {705, "unknown", 0, NULL, write_rest},
    {1042, "char", 1014, "char[]", write_rest},
    {1043, "varchar", 1015, "varchar[]", write_rest},
    {1082, "date", 1182, "date[]", write_date},
    {1083, "time", 1183, "time[]", write_time},
    {1114, "timestamp", 1115, "timestamp[]", write_timestamp},
    {1184, "timestamptz", 1185, "timestamptz[]", write_timestamptz},
    {1186, "interval", 1187, "interval[]", write_interval},
    {1700, "numeric", 1231, "numeric[]", write_numeric},
    {2950, "uuid", 2951, "uuid[]", write_uuid},
    {3802, "jsonb", 3807, "jsonb[]", write_jsonb},
};

static const struct type *find(uint32_t oid, bool *ret_array)
{
	for (size_t i = 0; oid && i < ARRAY_LEN(types); i++)
		if (types[i].oid == oid || types[i].array == oid) {
			*ret_array = types[i].array == oid;
			return &types[i];
		}
	return NULL;
}

const char *value_type_name(uint32_t oid)
{
	bool is_array;
	const struct type *t = find(oid, &is_array);
	return !t ? NULL : is_array ? t->array_name : t->name;
}

static bool write_one(const struct type *t, struct span v, struct buf *out)
{
	struct cur c = cur_of(v);
	return t->write(&c, out) && !cur_err(&c) && !cur_left(&c);
}

/* Elements that hold what an array's text form would stumble over are quoted in it. */
static bool write_element(const struct type *t, struct span v, struct buf *out)
{
	struct buf text;
	buf_init(&text, out->limit);
	bool is_good = write_one(t, v, &text) && !buf_err(&text);
	struct span s = buf_span(&text);
	bool is_plain = s.len > 0 && !(s.len == 4 && !strncasecmp((const char *)s.p, "null", 4));
	for (size_t i = 0; i < s.len; i++)
		is_plain = is_plain && !strchr("{},\"\\ \t\n\r\v\f", s.p[i]);
	buf_add_str(out, is_plain ? "" : "\"");
	for (size_t i = 0; i < s.len; i++) {
		if (!is_plain && (s.p[i] == '"' || s.p[i] == '\\'))
			buf_add_u8(out, '\\');
		buf_add_u8(out, s.p[i]);
	}
	buf_add_str(out, is_plain ? "" : "\"");
	buf_done(&text);
	return is_good;
}

/* = src/backend/utils/adt/arrayfuncs.c, array_send. Of one dimension: the others are shown in hex.
 */
static bool write_array(const struct type *t, struct span v, struct buf *out)
{
	struct cur c = cur_of(v);
	uint32_t dims = cur_u32(&c), has_null = cur_u32(&c), element = cur_u32(&c), n = 0;
	if (dims == 1) {
		n = cur_u32(&c);
		if (cur_u32(&c) != 1) /* its lower bound */
			return false;
	}
	if (cur_err(&c) || dims > 1 || has_null > 1 || element != t->oid || n > cur_left(&c) / 4)
		return false;
	buf_add_u8(out, '{');
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = cur_u32(&c);
		buf_add_str(out, i ? "," : "");
		if (len == UINT32_MAX) {
			buf_add_str(out, "NULL");
			continue;
		}
		struct span e = cur_bytes(&c, len);
		if (cur_err(&c) || !write_element(t, e, out))
			return false;
	}
	buf_add_u8(out, '}');
	return !cur_err(&c) && !cur_left(&c);
}

bool value_text(uint32_t oid, struct span v, struct buf *out)
{
	bool is_array = false;
	const struct type *t = find(oid, &is_array);
	struct buf text;
	if (!t)
		return false;
	buf_init(&text, VALUE_TEXT_MAX(v.len));
	bool is_good = (is_array ? write_array(t, v, &text) : write_one(t, v, &text)) &&
		       !buf_err(&text) && utf8_valid(buf_span(&text));
	if (is_good)
		buf_add_span(out, buf_span(&text));
	buf_done(&text);
	return is_good;
}
