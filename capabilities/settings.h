/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settings: bulkhead.conf and bulkhead.conf.d (contract section 6)
 *
 * Strict: an unknown section or key, or a value out of range, is a finding with its line, and the value
 * before stays. Reading never fails; the service starts with the rest and says so.
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "capabilities/finding.h"
#include "capabilities/policy-section.h"
#include "plan/lease.h"
#include "plan/session.h"

/* A key as it was last written, whether it could be taken or not. */
typedef struct SettingsLine {
        char *value, *file; /* owned */
        unsigned line, column;
} SettingsLine;

typedef struct Settings {
        char *bus; /* owned; "system", "session" or an address */
        bool softwarecontainer;
        char *compatibility;    /* owned; "safe" or "strict" */
        char *default_template; /* owned */
        unsigned sandboxes_max;
        unsigned sandboxes_per_user_max;
        unsigned spare_shims;
        bool allow_privileged;
        uint32_t ids_base, ids_count;
        char *bridge;                         /* owned; NULL = one of the instance's own */
        LeaseRange ranges[_LEASE_FAMILY_MAX]; /* IPv4= and IPv6= */
        bool nat;
        FirewallChoice firewall;
        bool has_resolver;                          /* DNS=auto: on the bridge; else those of the next line */
        LeaseAddress resolvers[_LEASE_FAMILY_MAX];
        char *runtime_dir;                       /* owned; of the one session there is; NULL = the owner's */
        char *session_paths[_SESSION_SERVER_MAX]; /* owned; of a server that is elsewhere, or NULL */
        char *wayland_display;                   /* owned; a name in runtime_dir, or NULL */
        GPtrArray *policies; /* owned PolicySection *; one for each name */
        GPtrArray *findings; /* owned Finding *, in the order of reading */
        unsigned n_files;    /* that were read */
        bool misses_file;    /* one that is there could not be read */
        char *file, *folder; /* owned; where settings_load() has looked; else NULL */
        GHashTable *lines;   /* owned; "[Section] Key" -> owned SettingsLine, of all but policies */
} Settings;

Settings *settings_new(void); /* the defaults */
void settings_free(Settings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)

/* Reads @text on top of what is there; @file is for the findings. */
void settings_parse(Settings *settings, const char *file, const char *text);

/* Reads one file on top of what is there; one that is missing is fine. */
void settings_read(Settings *settings, const char *file);

/* The file, then the folder's *.conf in order of their names. What is missing is fine. */
Settings *settings_load(const char *config_file, const char *config_folder);

/* Where the servers of a user's session are: as [Session] says, else where a login puts them. */
void settings_get_session(const Settings *settings, uid_t owner, Session *ret);

/*
 * Reads the files of settings_load() anew. Policy sections are taken as they are now; of everything else what was
 * there at the start stays, and a key that has changed is a finding that says so. Names of users and groups are
 * looked up in /etc/passwd and /etc/group alone, which takes no time; one that is not there keeps what
 * settings_resolve() has found, or is a finding. Where a file cannot be read, the policies stay too: what it would
 * have denied is not known.
 */
void settings_reload(Settings *settings);

/* Looks up the users and groups that policy sections name: for who decides by them, once, at its start. */
void settings_resolve(Settings *settings);
