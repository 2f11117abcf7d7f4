/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spec: what a sandbox is made of before anything is opened
 *
 * The template's walls, and what the service adds for this one sandbox: its name, owner, ids, environment. Pure
 * data, complete: the shim needs nothing else to start it.
 */
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "plan/session.h"
#include "util/error.h"
#include "util/wire.h"

/* Below the first are the host's own users; less than a whole range leaves ids of images without an owner. */
#define SPEC_ID_BASE_MIN  65536u
#define SPEC_ID_COUNT_MIN 65536u

/* The layer that stands for the host's /usr. */
#define SPEC_LAYER_HOST_USR "host-usr"

typedef enum SpecNetwork {
        SPEC_NETWORK_VETH, /* its own, which may get a link when one is granted */
        SPEC_NETWORK_NONE, /* its own, with loopback only, for ever */
        SPEC_NETWORK_HOST, /* the host's */
        _SPEC_NETWORK_MAX,
        _SPEC_NETWORK_INVALID = -EINVAL,
} SpecNetwork;

/* Programs of seccomp(2), in the order in which they are loaded. init has the first two from its beginning, so that
 * apps inherit them; the third is for apps that may do less. */
typedef enum SpecFilter {
        SPEC_FILTER_ARGUMENTS, /* refuses arguments, lets all else through */
        SPEC_FILTER_INIT,      /* what apps may call, and what init needs to start them */
        SPEC_FILTER_APPS,      /* what apps may call; NULL where init needs nothing more */
        _SPEC_FILTER_MAX,
} SpecFilter;

typedef enum SpecUpper {
        SPEC_UPPER_EPHEMERAL,  /* a tmpfs, empty at each start */
        SPEC_UPPER_NONE,       /* the root is read-only */
        SPEC_UPPER_PERSISTENT, /* a folder below state_folder, one for owner, template and name */
        _SPEC_UPPER_MAX,
        _SPEC_UPPER_INVALID = -EINVAL,
} SpecUpper;

typedef struct Spec {
        /* this sandbox */
        char *name;         /* owned */
        uid_t owner;
        char *hostname;     /* owned */
        uint32_t id_base;   /* first host id of its range */
        uint32_t id_count;  /* 65536 */
        char **environment; /* owned; "NAME=value" of every program, from the creator; above the plan's */
        Session session;    /* where the servers of its owner are */
        char *state_folder; /* owned; absolute on the host: where what outlives a sandbox is kept */

        /* its template */
        char *template_name;         /* owned */
        char **layers;               /* owned; SPEC_LAYER_HOST_USR or absolute host folders and images, top first */
        char **hide;                 /* owned; absolute paths inside that show nothing */
        char **folders;              /* owned; absolute paths inside that are made (Mkdir=) */
        SpecUpper upper;
        uint64_t upper_size;         /* bytes that an ephemeral upper takes, and /dev/shm */
        char **mounts;               /* owned; lines of plan/spec-mount.h */
        bool map_host_root;          /* a writable grant may stand for host uid 0 */
        uint32_t app_uid, app_gid;   /* inside */
        char *app_home;              /* owned; inside; made, and owned by the app */
        char **template_environment; /* owned; below the plan's */
        uint64_t memory_max;         /* bytes; 0 = not limited */
        uint64_t tasks_max;          /* 0 = not limited */
        int halt_signal;
        uint64_t stop_timeout_usec;
        uint64_t start_timeout_usec;
        bool user_namespace;         /* false: ids inside are the host's */
        SpecNetwork network;
        char *seccomp;               /* owned; name of the filter of system calls; NULL = "default" */
        uint64_t linux_capabilities; /* bit n = capability n of capabilities(7), which programs may have */
        char **masked;               /* owned; absolute paths inside that cannot be read, beside the built-in ones */
        char **read_only;            /* owned; absolute paths inside that cannot be written, likewise */
        char **command;              /* owned; argv of a program that is run without one; empty = none */
        char *working_directory;     /* owned; absolute inside; NULL = the app's home for the app, "/" else */
        bool has_privileged_filter;  /* its filter allows calls that take walls down */
        GBytes *filters[_SPEC_FILTER_MAX]; /* owned; struct sock_filter; all NULL with seccomp "none" */
} Spec;

/* The words of a template: "veth", "none", "host". */
const char *spec_network_to_string(SpecNetwork network);
SpecNetwork spec_network_from_string(const char *name);

/* The words of a template: "ephemeral", "none", "persistent". */
const char *spec_upper_to_string(SpecUpper upper);
SpecUpper spec_upper_from_string(const char *name);

/* The lines of a template that take down a wall between the sandbox and the host: "User=no", "Network=host",
 * "Seccomp=none", "LinuxCapabilities=". Only an administrator who says so in the settings gets them. Free with g_strfreev(). */
char **spec_list_privileges(const Spec *spec);

/* The host's id that stands for id 0 inside: the begin of its range, or 0 without a user namespace. */
uint32_t spec_get_root_id(const Spec *spec);

/* Timeouts of util/limits.h, SIGTERM, 65536 ids, a user namespace, uid and gid 1000 inside; all else is 0 or NULL
 * (no strings). */
Spec *spec_new(void);
Spec *spec_copy(const Spec *spec);
void spec_free(Spec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spec, spec_free)

void spec_put(WireWriter *writer, const Spec *spec);
/* Refuses what no sandbox can be made of: a missing name, ranges that overflow, relative paths. */
int spec_get(WireReader *reader, Spec **ret, Error *error);
