/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the attack tests share: a host worth attacking, and what the probe says of it
 *
 * The host is the test program's own: it makes network, ipc and uts namespaces for itself before anything
 * starts, so that attacks that succeed reach nothing but the test.
 */
#include <glib.h>

#include "tests/fixture/test-client.h"

/* What came of one run of the probe. */
typedef struct Report {
        GHashTable *outcomes; /* owned; id -> "refused", "absent", "through", "broken"; owned strings */
        GHashTable *texts;    /* owned; id -> what came */
} Report;

void report_done(Report *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Report, report_done)

/* One run of the probe. Unset fields are defaults. */
typedef struct Attempt {
        const char *template_name;
        const char *user;
        const char *const *capabilities; /* beside those of the probe */
        const char *const *patterns;     /* of the probe; NULL = all */
        const char *const *environment;  /* pairs, beside the probe's own */
} Attempt;

/* Before test_main(): the namespaces. */
void attack_host_enter(void);
/* For test_main(): the probe's manifests, templates, and the files and sockets that are attacked. */
void attack_prepare(TestService *service);
/* A sandbox in which another user's process waits, beside one whose sockets and files are looked for. Caller
 * frees the path. */
char *attack_create(TestClient *client, const Attempt *attempt);
/* Stops both. */
void attack_stop(TestClient *client, const char *sandbox);
/* Runs the probe in it. */
void attack_run(TestClient *client, const char *sandbox, const Attempt *attempt, Report *ret);
/* Both, in a sandbox that is gone afterwards. */
void attack_try(TestClient *client, const Attempt *attempt, Report *ret);

/* One digest of all programs that take part. Caller frees. */
char *attack_hash_programs(const TestService *service);

/* Environment for the probe, as pairs, NULL-terminated; static. */
const char *const *attack_get_environment(void);

/* Parses what the probe said. Fails the test on anything else. */
void report_parse(const char *text, Report *ret);
/* Ids of the attacks that were not refused, sorted. Caller frees. */
GPtrArray *report_list_through(const Report *report);
/* Fails the test, with the lines, unless all were refused. */
void report_expect_refused(const Report *report, const char *what);

/*
 * With @wall down: prints which attacks came through, and returns how many of these @expected does not say,
 * and of
 * @expected are missing: NULL-terminated patterns as of GPatternSpec. An id may be missing only if this
 * kernel has nothing to attack there, or refuses it to every ordinary process of the host too.
 */
unsigned report_count_wrong(const Report *report, const char *wall, const char *const *expected);
