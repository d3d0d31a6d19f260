-- What every peer works on. Values at the edges of their types.
CREATE TABLE typed (id int PRIMARY KEY, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, b bool, t text, v varchar(20), c char(5),
	y bytea, d date, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, ia int[], ta text[], ip inet, r int4range);
INSERT INTO typed VALUES (1, -32768, 9223372036854775807, 1.5, -1e300, 12345678901234567890.123456789, true, 'ä€😀', 'v', 'c', '\x00ff',
	'2024-02-29', '1999-12-31 23:59:59.999999', '2024-06-01 12:00:00+02', '1 year 2 mons 3 days 04:05:06.789', '5f0e3a58-9a3b-4a0e-8c6d-0123456789ab',
	'{"a": [1, null]}', '{"b": {"c": 1.50}}', '{{1,2},{3,NULL}}', '{"a,b",NULL,"\"q\""}', '2001:db8::1/64', '[1,5)');
INSERT INTO typed (id) VALUES (2);
CREATE TABLE made (id serial PRIMARY KEY, k text UNIQUE, n int CHECK (n > 0));
CREATE FUNCTION tell(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told %', n USING DETAIL = 'a detail', HINT = 'a hint'; RETURN n; END $$;
