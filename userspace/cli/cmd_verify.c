/* sluice verify, prove. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/msg.h"
#include "cli/cli.h"
#include "cli/export_manifest.h"
#include "cli/inert.h"
#include "cli/options.h"
#include "cli/record_source.h"
#include "record/proof.h"

#define BAD	    1
#define CANNOT_TELL 2

static int take_answer(void *ctx, const char *line, size_t len)
{
	json_t **answer = ctx;
	json_decref(*answer);
	*answer = json_loadb(line, len, 0, NULL);
	return 0;
}

static bool is_fingerprint(const char *key)
{
	return key && strlen(key) == HASH_HEX && strspn(key, "0123456789abcdef") == HASH_HEX;
}

/* NULL: one of them is none, and that was said. */
static json_t *verify_filters(const char *fingerprint, const struct cli_list *checkpoints)
{
	struct checkpoint c;
	struct buf all;
	buf_init(&all, 16 * NOTE_MAX);
	for (int i = 0; i < checkpoints->n; i++) {
		if (checkpoint_read_line(checkpoints->at[i], &c) < 0) {
			cli_error("%s: no checkpoint", checkpoints->at[i]);
			cli_remedy(
			    "a line \"checkpoint sluice/NODE ...\" as the daemon's log or a sink "
			    "has it, in quotes");
			buf_done(&all);
			return NULL;
		}
		struct buf line;
		buf_init(&line, NOTE_MAX);
		checkpoint_line(&line, &c);
		buf_add_span(&all, buf_span(&line));
		buf_add_u8(&all, '\n');
		buf_done(&line);
	}
	buf_add_u8(&all, 0);
	json_t *filters = buf_err(&all)
			      ? NULL
			      : json_pack("{s:s?,s:s?}", "fingerprint", fingerprint, "checkpoints",
					  checkpoints->n ? (const char *)buf_span(&all).p : NULL);
	buf_done(&all);
	return filters;
}

/* What it names may come from a record that somebody else wrote. */
static void put_line(const char *line)
{
	struct buf b;
	buf_init(&b, 8 * strlen(line) + 64);
	inert_add(&b, span_str(line), NULL);
	buf_add_str(&b, "\n");
	fwrite(buf_span(&b).p, 1, buf_len(&b), stdout);
	buf_done(&b);
}

/* Whose signatures were believed: what an auditor compares. */
static void put_key(const struct record_source *source, const json_t *verdict, const char *fingerprint)
{
	const char *key = json_string_value(json_object_get(verdict, "key"));
	const char *whose = fingerprint	     ? "as given"
			    : source->key    ? "of the file given"
			    : !source->store ? "the node's own"
					     : "as the folder names it, or keys/node.pub beside it";
	if (key && *key)
		printf("key %s: %s\n", key, whose);
}

/* What cannot be told of the data is bad all the same if the manifest does not fit it. */
static int check_manifest(const char *folder, const json_t *verdict, int code, char **ret_said)
{
	const char *root = json_string_value(json_object_get(verdict, "root"));
	if (code == BAD || (code == CANNOT_TELL && !(root && *root))) /* it was not read to its end */
		return code;
	int said = export_check(folder, verdict, ret_said);
	if (code == 0 || said == BAD)
		return said;
	free(*ret_said);
	*ret_said = NULL;
	return code;
}

static int verify_store_or_daemon(struct record_source *source, const struct cli_list *checkpoints)
{
	_cleanup_(freep) char *said = NULL;
	json_t *verdict = NULL, *more;
	size_t i;
	const char *fingerprint = is_fingerprint(source->key) ? source->key : NULL;
	json_t *filters = verify_filters(fingerprint, checkpoints);
	if (!filters)
		return CANNOT_TELL;
	source->is_key_named = fingerprint != NULL;
	source->key = fingerprint ? NULL : source->key;
	int r = record_ask(source, "verify", filters, take_answer, &verdict);
	const char *line = json_string_value(json_object_get(verdict, "line"));
	int code = r == 0 && line ? (int)json_integer_value(json_object_get(verdict, "exit"))
				  : CANNOT_TELL;
	if (source->store)
		code = check_manifest(source->store, verdict, code, &said);
	line = said ? said : line;
	if (line)
		put_line(line);
	json_array_foreach(json_object_get(verdict, "lines"), i, more)
		put_line(json_string_value(more));
	put_key(source, verdict, fingerprint);
	fflush(stdout);
	if (r < 0 && r != ERR_CONFIG && code == CANNOT_TELL && source->store)
		cli_remedy("the folder has segment-000001 and so on in it, and you may read them");
	json_decref(verdict);
	json_decref(filters);
	return code;
}

/* --- proofs -------------------------------------------------------------------------------------
 */

static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
	bool is_stdin = !strcmp(path, "-");
	_cleanup_(closep) int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_read_all(fd, PROOF_TEXT_MAX, ret_text, ret_len);
	if (r < 0)
		cli_error("%s: %s", path, err_text(r));
	return r;
}

static int say_proof(const struct proof_text *t, int err)
{
	const struct checkpoint *c = &t->checkpoint;
	if (err == ERR_STATE) {
		cli_error("--checkpoint: expected the one at event %" PRIu64
			  " of %s, that this proof is about",
			  t->index, c->node);
		return CANNOT_TELL;
	}
	if (err < 0)
		printf("BAD %s %s %" PRIu64 ": %s\n", c->node,
		       t->is_consistency ? "checkpoint" : "event", t->index + !t->is_consistency,
		       err_text(err));
	else if (t->is_consistency)
		printf("OK %s the checkpoint at event %" PRIu64
		       " goes on to the one at event %" PRIu64 "\n",
		       c->node, t->index, c->seq);
	else
		printf("OK %s event %" PRIu64 " is in the tree of the checkpoint at event %" PRIu64
		       "\n",
		       c->node, t->index + 1, c->seq);
	return err < 0;
}

/* Offline: the proof, the key, and for consistency the older checkpoint are all that it takes. */
static int check_proof(const char *path, const char *key_name, const struct cli_list *checkpoints)
{
	_cleanup_(freep) char *text = NULL;
	struct checkpoint old = {0};
	struct proof_text t;
	struct chain *c = NULL;
	uint8_t key[KEY_LEN];
	size_t len = 0;
	if (!key_name || is_fingerprint(key_name) || key_read(key_name, key) < 0)
		return cli_usage("verify", "--proof needs --key FILE, the node's public key (PEM)");
	if (checkpoints->n > 1 ||
	    (checkpoints->n && checkpoint_read_line(checkpoints->at[0], &old) < 0))
		return cli_usage("verify",
				 "with --proof, --checkpoint is one line: the older checkpoint");
	if (read_file(path, &text, &len) < 0)
		return CANNOT_TELL;
	proof_text_init(&t);
	int r = proof_read(span_of(text, len), &t), code = CANNOT_TELL;
	if (r < 0)
		cli_error("%s: no proof that sluice prove wrote", path);
	else if ((r = chain_new(&c)) == 0)
		code = say_proof(&t, proof_check(&t, c, key, checkpoints->n ? &old : NULL));
	chain_free(c);
	proof_text_done(&t);
	return code;
}

int cmd_verify(int argc, char **argv)
{
	struct record_source source = {0};
	struct cli_list checkpoints = {0};
	const char *proof = NULL;
	const struct cli_option options[] = {{"store", &source.store, NULL, NULL},
					     {"key", &source.key, NULL, NULL},
					     {"checkpoint", NULL, NULL, &checkpoints},
					     {"proof", &proof, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 2 || (argc == 2 && (source.store || proof)))
		return cli_usage("verify", "one store at most is expected");
	source.store = argc == 2 ? argv[1] : source.store;
	if (proof)
		return check_proof(proof, source.key, &checkpoints);
	if (source.key && !source.store && !is_fingerprint(source.key))
		return cli_usage("verify",
				 "a key's file goes with a store's folder: the daemon checks with "
				 "the node's own key, whose fingerprint may be given");
	return verify_store_or_daemon(&source, &checkpoints);
}

static int print_proof(const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "proof"));
	if (!text)
		return 1;
	fputs(text, stdout);
	if (fflush(stdout) == 0)
		return 0;
	cli_error("standard output: %s", strerror(errno));
	return 1;
}

int cmd_prove(int argc, char **argv)
{
	struct record_source source = {0};
	const char *to = NULL;
	bool is_consistency = false;
	json_t *answer = NULL;
	const struct cli_option options[] = {{"store", &source.store, NULL, NULL},
					     {"at", &to, NULL, NULL},
					     {"consistency", NULL, &is_consistency, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc < 2 || argc > 2 + is_consistency || (argc == 3 && to))
		return cli_usage("prove", "expected EVENT, or --consistency OLD [NEW]");
	json_t *filters = json_pack("{s:s,s:s?}", is_consistency ? "old" : "event", argv[1], "to",
				    argc == 3 ? argv[2] : to);
	int r =
	    filters ? record_ask(&source, "prove", filters, take_answer, &answer) : ERR_MALFORMED;
	int code = r == 0 ? print_proof(answer) : 1;
	if (code)
		cli_remedy("an event that a checkpoint covers; OLD, NEW and --at are events that a "
			   "checkpoint "
			   "was signed at");
	json_decref(filters);
	json_decref(answer);
	return code;
}
