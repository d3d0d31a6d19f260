/* The daemon's own configuration (not the policy): /etc/sluice/sluice.json, one table of keys with
 * type, bounds, default and doc. Immutable after load; inherited by the children. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/span.h"
#include "config_hooks.h"

struct addr;

#define CONFIG_LIST_MAX 16

struct config {
	const char *node;	 /* "node": default the host name */
	const char *instance;	 /* "instance": default "sluice"; pins, cgroup root */
	const char *user;	 /* "user": whom the children run as; default "sluice" */
	const char *run_dir;	 /* "run_dir": default /run/sluice: control.sock, state */
	const char *state_dir;	 /* "state_dir": default /var/lib/sluice: store/, keys/ */
	const char *policy;	 /* "policy": default /etc/sluice/policy.json */
	const char *bpffs;	 /* "bpffs": default /sys/fs/bpf */
	const char *cgroup_root; /* "cgroup_root": NULL finds it */
	const char *credential_dirs[CONFIG_LIST_MAX]; /* "credential_dirs": where file: credentials may lie */
	int n_credential_dirs;
	const char *key_dirs[CONFIG_LIST_MAX]; /* "key_dirs": where file: JWKS may lie */
	int n_key_dirs;
	uint32_t enrol_uids[CONFIG_LIST_MAX]; /* "enrol": {"users": [..], "groups": [..]}; root always may */
	uint32_t enrol_gids[CONFIG_LIST_MAX];
	int n_enrol_uids, n_enrol_gids;
	int loops;	      /* "loops": 0: one per core */
	int spin_us;	      /* "spin_us": polling before sleeping, while one flow alone is busy */
	bool is_durable;      /* "audit": {"durability": "sync" | "memory"} */
	uint64_t store_bytes; /* "audit": {"segment_bytes"}: LMDB map size */
	int segment_seconds;  /* a segment is closed when it is this old; 0: never */
	int keep_seconds;     /* "audit": {"keep_seconds", "keep_bytes"}: 0: for ever */
	uint64_t keep_bytes;
	int checkpoint_events, checkpoint_seconds;
	const char *encrypt_to[CONFIG_LIST_MAX]; /* "audit": {"encrypt_to"}: PEM files (record/sealer.h) */
	int n_encrypt_to;
	int compress; /* "audit": {"compress"}: level of zstd; 0: off */
	uint32_t audit_gids[CONFIG_LIST_MAX]; /* "audit": {"groups"}: may read and export the record */
	int n_audit_gids;
	const char *audit_sinks[CONFIG_LIST_MAX]; /* "audit": {"sinks"}: URLs (control/sinks.h) */
	int n_audit_sinks;
	const char *audit_sink_ca; /* "audit": {"sink_ca"}: NULL: the system's authorities */
	bool has_local_issuer; /* "local_issuer": {"enabled", "issuer", "audience"} */
	const char *local_issuer, *local_audience;
	const char *metrics_listen; /* "metrics_listen": "127.0.0.1:9464" or NULL: off */
	/* "public_url", "console": {...}: NULL where not set */
	const char *public_url, *console_listen, *console_certificate, *console_key;
	const char *console_issuer, *console_issuer_ca, *console_client_id, *console_client_secret;
	const char *console_groups_claim, *console_scope;
	const char *admin_groups[CONFIG_LIST_MAX], *approver_groups[CONFIG_LIST_MAX],
		*auditor_groups[CONFIG_LIST_MAX];
	int n_admin_groups, n_approver_groups, n_auditor_groups;
	int session_minutes, idle_minutes;
	struct hooks hooks; /* "webhooks": [...] */
	int credential_ttl_s;
	int login_timeout_ms, idle_timeout_ms, startup_timeout_ms;
	int max_flows;
	size_t payload_limit; /* "audit": {"payload_limit"}: record/parts.h */
	size_t text_limit; /* bytes of statement text and of each parameter in an event */
	size_t mask_limit; /* bytes of a row that are kept to mask it: proto.h */
	int log_level;
};

/* NULL path: defaults only. On ERR_CONFIG ret_why holds "file:line:column: what, expected what". */
must_check int config_load(const char *path, struct config **ret_cfg, char *ret_why, size_t why_size);
/* The same for text that came from elsewhere; name stands for the file in errors. */
must_check int config_parse(struct span text, const char *name, struct config **ret_cfg, char *ret_why,
			    size_t why_size);
void config_free(struct config *c);
/* Prints the table of keys: type, bounds, default, what it is for. */
void config_help(FILE *out);
/* "127.0.0.1:9464" or "[::1]:9464" -> endpoint. ERR_MALFORMED otherwise. */
must_check int config_endpoint(const char *text, struct addr *ret);
