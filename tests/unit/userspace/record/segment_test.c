/* One segment: what is on disk before it is used, what opens and what does not, sealing, listing. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../../tap.h"
#include "fault_calls.h"
#include "record/segment.h"
#include "rig_sign.h"

static char dir[PATH_MAX], store[PATH_MAX + 16];

static void make_store(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sluice-segment-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(store, sizeof(store), "%s/store", dir);
	CHECK_INT(mkdir(store, 0700), 0);
}

static int open_one(uint32_t number, enum segment_mode mode)
{
	struct segment *s;
	int r = segment_open(store, number, mode, 1 << 20, &s);
	if (r == 0)
		segment_unref(s);
	return r;
}

/* Puts a value into meta, in a transaction of its own. */
static void put_meta(uint32_t number, const char *key, const char *value)
{
	struct segment *s;
	MDB_txn *txn;
	MDB_val k = {strlen(key), (void *)key}, v = {strlen(value), (void *)value};
	CHECK_INT(segment_open(store, number, SEGMENT_WRITE, 1 << 20, &s), 0);
	CHECK_INT(mdb_txn_begin(s->env, NULL, 0, &txn), 0);
	CHECK_INT(mdb_put(txn, s->dbs[DB_META], &k, &v, 0), 0);
	CHECK_INT(mdb_txn_commit(txn), 0);
	segment_unref(s);
}

static void file_of(uint32_t number, const char *name, char out[PATH_MAX + 64])
{
	snprintf(out, PATH_MAX + 64, "%.4000s/" SEGMENT_NAME "/%s", store, number, name);
}

/* A power cut leaves some pages and not others: what makes the file one of LMDB's is synced before
 * anything lies behind it. */
static void is_on_disk_before_it_is_used(void)
{
	bool is_synced = false, has_more = false;
	make_store();
	fault->log_len = 0;
	fault->logs = true;
	put_meta(1, "schema", SEGMENT_SCHEMA);
	fault->logs = false;
	for (uint64_t at = 0; at < fault->log_len;) {
		const struct fault_entry *e = (const void *)(fault->log + at);
		at += sizeof(*e) + (e->len + 7) / 8 * 8;
		if (strcmp(e->file, "segment-000001/data.mdb") != 0)
			continue;
		is_synced = is_synced || e->op == FAULT_SYNC;
		if (e->op != FAULT_WRITE || e->off + e->len <= 8192)
			continue;
		has_more = true;
		CHECK(is_synced);
	}
	CHECK(is_synced && has_more);
	rig_remove(dir);
}

static void opens_what_is_whole(void)
{
	char file[PATH_MAX + 64];
	struct stat st;
	make_store();
	CHECK_INT(open_one(1, SEGMENT_READ), ERR_NOT_FOUND);
	CHECK_INT(open_one(1, SEGMENT_WRITE), 0);
	CHECK_INT(open_one(1, SEGMENT_READ), ERR_NOT_FOUND); /* not begun */
	put_meta(1, "schema", SEGMENT_SCHEMA);
	CHECK_INT(open_one(1, SEGMENT_READ), 0);
	put_meta(2, "schema", "9");
	CHECK_INT(open_one(2, SEGMENT_READ), ERR_UNSUPPORTED);
	CHECK_INT(open_one(2, SEGMENT_WRITE), ERR_UNSUPPORTED);
	file_of(1, "data.mdb", file);
	CHECK_INT(stat(file, &st), 0);
	CHECK_INT(truncate(file, st.st_size - 4096), 0);
	CHECK_INT(open_one(1, SEGMENT_READ), ERR_VERIFY);
	CHECK_INT(truncate(file, 4096), 0); /* as a crash at its making leaves it */
	CHECK_INT(open_one(1, SEGMENT_READ), ERR_NOT_FOUND);
	CHECK_INT(open_one(1, SEGMENT_WRITE), 0);
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	CHECK_INT(ftruncate(fd, 0), 0);
	CHECK_INT(ftruncate(fd, 65536), 0);
	close(fd);
	CHECK_INT(open_one(1, SEGMENT_READ), ERR_VERIFY);
	CHECK_INT(open_one(1, SEGMENT_WRITE), ERR_VERIFY); /* nothing is begun anew over it */
	rig_remove(dir);
}

static void seals(void)
{
	char file[PATH_MAX + 64];
	struct stat st;
	make_store();
	put_meta(1, "schema", SEGMENT_SCHEMA);
	CHECK_INT(segment_seal(store, 1), 0);
	file_of(1, "lock.mdb", file);
	CHECK(stat(file, &st) < 0);
	file_of(1, "data.mdb", file);
	CHECK_INT(stat(file, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0400);
	CHECK_INT(segment_seal(store, 1), 0); /* again: a crash may have come between */
	CHECK_INT(open_one(1, SEGMENT_READ), 0);
	file_of(1, "lock.mdb", file);
	CHECK(stat(file, &st) < 0); /* reading leaves nothing */
	CHECK(segment_seal(store, 2) < 0);
	rig_remove(dir);
}

static void lists(void)
{
	static const char *const names[] = {"segment-000010", "segment-000002", "segment-2",
					    "segment-0000020", "segment-000000", "segment-000003x",
					    "journal"};
	char path[PATH_MAX + 64];
	uint32_t *list = NULL;
	size_t n = 9;
	make_store();
	CHECK_INT(segment_list(store, &list, &n), 0);
	CHECK_INT(n, 0);
	free(list);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%.4000s/%s", store, names[i]);
		CHECK_INT(mkdir(path, 0700), 0);
	}
	put_meta(9, "schema", SEGMENT_SCHEMA);
	list = NULL;
	CHECK_INT(segment_list(store, &list, &n), 0);
	CHECK_INT(n, 3);
	CHECK(n == 3 && list[0] == 2 && list[1] == 9 && list[2] == 10);
	free(list);
	list = NULL;
	CHECK_INT(segment_list_begun(store, NULL, &list, &n), 0);
	CHECK_INT(n, 2); /* a crash left the last one before anything was in it */
	free(list);
	snprintf(path, sizeof(path), "%.4000s/" SEGMENT_NAME, store, 9u);
	list = NULL;
	CHECK_INT(segment_list(path, &list, &n), 0);
	CHECK(n == 1 && list[0] == SEGMENT_EXPORT);
	free(list);
	CHECK(segment_list("/nowhere", &list, &n) < 0);
	rig_remove(dir);
}

static void keeps_numbers_in_order(void)
{
	static const uint64_t numbers[] = {0, 1, 255, 256, 1ull << 32, UINT64_MAX};
	uint8_t last[8] = {0}, key[8];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		seq_encode(numbers[i], key);
		CHECK(seq_decode(key) == numbers[i]);
		CHECK(memcmp(last, key, 8) <= 0);
		memcpy(last, key, 8);
	}
}

static void names_what_lmdb_says(void)
{
	CHECK_INT(segment_err(MDB_SUCCESS), 0);
	CHECK_INT(segment_err(MDB_NOTFOUND), ERR_NOT_FOUND);
	CHECK_INT(segment_err(MDB_MAP_FULL), ERR_FULL);
	CHECK_INT(segment_err(MDB_CORRUPTED), ERR_VERIFY);
	CHECK_INT(segment_err(MDB_VERSION_MISMATCH), ERR_UNSUPPORTED);
	CHECK_INT(segment_err(ENOSPC), -ENOSPC);
	CHECK_INT(segment_err(MDB_BAD_DBI), -EIO);
}

int main(void)
{
	fault_init();
	is_on_disk_before_it_is_used();
	opens_what_is_whole();
	seals();
	lists();
	keeps_numbers_in_order();
	names_what_lmdb_says();
	return tap_done();
}
