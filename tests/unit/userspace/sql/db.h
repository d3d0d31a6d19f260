/* A PostgreSQL of the test's own with schema.sql in it, and its catalogue. Up at the first use,
 * down when the test ends. */
#pragma once

#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sql/catalog_read.h"
#include "sql/sql.h"

static char db_folder[64];
static PGconn *db_conn;

static inline void db_down(void)
{
	char command[256];
	PQfinish(db_conn);
	snprintf(command, sizeof(command), "tests/lib/postgres down %s; rm -rf %s", db_folder,
		 db_folder);
	if (system(command) != 0)
		printf("could not take down %s\n", db_folder);
}

static int db_free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		exit(3);
	close(fd);
	return ntohs(a.sin_port);
}

static inline void db_do(const char *sql)
{
	PGresult *r = PQexec(db_conn, sql);
	ExecStatusType s = PQresultStatus(r);
	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_EMPTY_QUERY) {
		printf("FAIL setup: %s", PQresultErrorMessage(r));
		exit(3);
	}
	PQclear(r);
}

static char *db_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);
	if (!f || !text || fread(text, 1, 65535, f) == 0)
		exit(3);
	fclose(f);
	return text;
}

static PGconn *db_connect(const char *password)
{
	char dsn[256];
	snprintf(dsn, sizeof(dsn), "host=%s port=%s user=app dbname=postgres password=%s",
		 db_folder, getenv("DB_PORT"), password);
	PGconn *conn = PQconnectdb(dsn);
	if (PQstatus(conn) != CONNECTION_OK) {
		printf("FAIL connect: %s", PQerrorMessage(conn));
		exit(3);
	}
	return conn;
}

static void db_up(void)
{
	char command[256], path[128], port[16];
	snprintf(db_folder, sizeof(db_folder), "/tmp/sluice-sql-XXXXXX");
	if (!mkdtemp(db_folder) || chmod(db_folder, 0755))
		exit(3);
	atexit(db_down);
	snprintf(port, sizeof(port), "%d", db_free_port());
	setenv("DB_PORT", port, 1);
	snprintf(command, sizeof(command), "tests/lib/postgres up %s %s", db_folder, port);
	if (system(command) != 0)
		exit(3);
	snprintf(path, sizeof(path), "%s/password", db_folder);
	char *password = db_read(path), *schema = db_read("tests/unit/userspace/sql/schema.sql");
	password[strcspn(password, "\n")] = 0;
	db_conn = db_connect(password);
	db_do("SET client_min_messages = warning");
	db_do(schema);
	free(password);
	free(schema);
}

/* base: what CATALOG_REST is put on; else NULL. */
static inline struct catalog *db_part(enum catalog_part part, struct catalog *base)
{
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	int err = catalog_builder_new(&b);
	if (!err && part == CATALOG_BUILT_IN)
		catalog_builder_part(b);
	for (int i = 0; !err && i < catalog_n_queries(); i++) {
		const char *sql = catalog_query(i, part);
		if (i == 2 && base)
			err = catalog_builder_share(b, base);
		if (err || !sql)
			continue;
		PGresult *r = PQexec(db_conn, sql);
		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			printf("FAIL query %d: %s", i, PQresultErrorMessage(r));
		for (int row = 0; !err && row < PQntuples(r); row++) {
			const char *fields[32];
			for (int f = 0; f < PQnfields(r); f++)
				fields[f] = PQgetisnull(r, row, f) ? NULL : PQgetvalue(r, row, f);
			err = catalog_add_row(b, i, fields, PQnfields(r));
		}
		PQclear(r);
	}
	if (err || catalog_build(b, &c)) {
		printf("FAIL catalogue: %d\n", err);
		exit(3);
	}
	catalog_builder_free(b);
	db_do("RESET search_path");
	return c;
}

static inline struct catalog *db_catalog(void)
{
	return db_part(CATALOG_WHOLE, NULL);
}
