/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every size that a client, a manifest or an app may choose, and why it ends where it ends
 */

/* Names */
#define SANDBOX_NAME_MAX    64  /* contract section 1: [A-Za-z0-9][A-Za-z0-9_.-]{0,63} */
#define CAPABILITY_NAME_MAX 255 /* as long as a bus name may be; capability names are reverse DNS like them */

/* Manifests */
#define MANIFEST_SIZE_MAX      (1024 * 1024) /* a reviewer reads it; the largest known ones have 20 KiB */
#define MANIFESTS_MAX          4096          /* files in one level */
#define JSON_DEPTH_MAX         32            /* a manifest needs 8 */
#define JSON_KEY_MAX           255           /* bytes; keys are part of every path that is told */
#define JSON_FINDINGS_MAX      1000          /* of one file; nobody reads on, and each has its path */
#define TEMPLATE_SIZE_MAX      (64 * 1024)   /* the default one has 2 KiB */
#define TEMPLATE_LIST_MAX      256           /* layers, hidden paths, folders, variables of a template */
#define FILTER_SIZE_MAX        (4096 * 8)    /* of one program of seccomp(2): BPF_MAXINSNS instructions of 8 bytes */
#define CHECK_DEPTH_MAX        32            /* folders below a folder that `check` is told */
#define CAPABILITIES_MAX       4096          /* in one file, and in one request */
#define GATEWAYS_MAX           64            /* gateway entries in one capability */
#define GATEWAY_ROWS_MAX       1024          /* config rows of one gateway entry */
#define PLAN_ITEMS_MAX         8192          /* of one sandbox: each bind is a mount that every lookup passes */
#define PLAN_ORIGINS_MAX       4096          /* who asked for one item: every capability of a request */
#define SPEC_PATHS_MAX         256           /* layers, hidden paths, folders: work at every start; overlayfs takes 500 */
#define SECCOMP_NAME_MAX       64            /* a template's word for a filter of system calls */
#define PATH_SIZE_MAX          4096          /* PATH_MAX, the terminating NUL included */
#define ARCHIVE_DEPTH_MAX      256           /* folders below folders in a snapshot; each is open meanwhile */
#define ARCHIVE_BYTES_MAX      (UINT64_C(64) << 30) /* of a snapshot's files; holes count */
#define ENV_NAME_MAX           256
#define ENV_VALUE_MAX          (64 * 1024)   /* half of what the kernel takes for one string of execve(2) */
#define GLOB_STARS_MAX         16            /* '*' in one glob: fnmatch(3) tries all ways to fill them */
#define PORT_RANGES_MAX        256           /* of one rule; fifteen are one rule of the kernel's */
#define DNS_NAME_MAX           253           /* RFC 1035, without the dot at the end */
#define IFNAME_MAX             15            /* IFNAMSIZ - 1 */
#define LEASES_MAX             65536         /* of an instance: the number has 4 digits in a link's name */
#define HOSTS_MAX              4096          /* names that one sandbox's rules follow */
#define HOST_ADDRESSES_MAX     64            /* of one name; answers of one packet have some 30 */
#define FORWARDS_MAX           256           /* ports of the host that lead into one sandbox */
#define BUS_PATTERN_MAX        255           /* as long as a bus name may be */
#define BUS_MEMBERS_MAX        256           /* of one rule */
#define LIMIT_TEXT_MAX         4096          /* value of a setting; a list of every other of 1,700 CPUs */
#define CPUS_MAX               8192          /* CONFIG_NR_CPUS goes up to it */
#define DEVICES_MAX            1024          /* of one sandbox, globs resolved: each is a mount and a rule */

/* A program to run */
#define ARGV_MAX            4096
#define ENVIRONMENT_MAX     4096
#define RUN_BYTES_MAX       (1024 * 1024) /* argv and environment together; execve(2) has 2 MiB at 8 MiB stack */
#define RUN_GROUPS_MAX      64
#define RUN_RLIMITS_MAX     16 /* RLIM_NLIMITS */
#define RUNS_MAX            4096 /* programs of one sandbox alive at once */
#define KEPT_RUNS_MAX       8192 /* likewise with those that have ended and are not forgotten */
#define TIMINGS_MAX         64   /* steps of a start that are told; there are a dozen */

/* The service */
#define SANDBOXES_MAX      1024         /* as many ranges as the default [Ids] has; MaxSandboxes= goes up to it */
#define ID_RANGE_COUNT     65536u       /* ids of one sandbox: the oldest programs hold them in 16 bits */
#define SPARE_SHIMS_MAX    64           /* 0.6 MiB each */
#define READY_SANDBOXES_MAX 64          /* of one template; 1 MiB each before an app runs in it */
#define SETTINGS_SIZE_MAX  (256 * 1024) /* one file of settings */
#define LABELS_MAX         64           /* of one sandbox */
#define LABEL_SIZE_MAX     4096         /* name or value of one */
#define HOSTNAME_MAX       64           /* __NEW_UTS_LEN */
#define SANDBOX_MOUNTS_MAX 64           /* by hand in one sandbox; each by descriptor holds one in its shim */
#define TERMINALS_MAX      256          /* of one user's programs; each holds two descriptors of the service */
#define SHIM_QUEUE_MAX     256          /* messages that one shim has not taken yet */
#define BUS_ERROR_MAX      8192         /* bytes of an error on the bus; it may quote a path or an argument */
#define POLKIT_CALLS_MAX     16 /* of one connection that wait for polkit */
#define POLKIT_QUESTIONS_MAX 64 /* about one call */
#define CALLS_PARKED_MAX   512          /* of one caller whose user id the bus has not told yet */

/* What an app was refused while it ran */
#define DENIED_TEXT_MAX           512 /* bytes of one text, escaped; a bus name has 255 */
#define DENIED_KINDS_MAX          64  /* that are told apart while they are held back */
#define DENIED_BURST              20  /* told at once */
#define DENIED_PER_SECOND         10  /* told after that, of one sandbox */
#define DENIED_KIND_INTERVAL_USEC (1000 * 1000ULL)
#define DENIED_KEPT_MAX           20  /* of the newest, for who asks later */
#define PENDING_MAX               256 /* names that are not in force yet */
#define MECHANISMS_MAX 16 /* of one sandbox; there are three kinds of them */
#define ADDRESSES_MAX             16  /* of one sandbox */

/* Proxies of sockets */
#define SOCKET_PROXY_TEXT_MAX    256         /* of what one says it refused */
#define SOCKET_PROXY_CLIENTS_MAX 64          /* connections of one sandbox to one server */
#define SOCKET_PROXY_QUEUE_MAX   (64 * 1024) /* bytes on their way to one end; then the other is not read */
#define SOCKET_PROXY_CHUNKS_MAX  64          /* the same counted in packets, which carry descriptors */
#define SOCKET_PROXY_FDS_MAX     32          /* of one packet; Wayland's library sends 28 at most */
#define PULSE_COMMAND_MAX        (64 * 1024) /* bytes of one command; the longest, a property list, has a few KiB */
#define PULSE_COMMANDS_MAX       1024        /* unanswered ones of one client */
#define PULSE_STREAMS_MAX        1024        /* that one client makes in its life */

/* The proxy of a bus: one process for all connections that one sandbox has to it */
#define BUS_PROXY_CONNECTIONS_MAX 256 /* what the reference bus gives one user */
#define BUS_PROXY_MESSAGE_MAX (32 * 1024 * 1024) /* of the system bus; bodies only pass through */
#define BUS_PROXY_HEADER_MAX (32 * 1024)        /* five names of 255 bytes and a path */
#define BUS_PROXY_DRIVER_CALL_MAX (64 * 1024)        /* what an app asks the bus itself: a name, a match rule */
#define BUS_PROXY_DRIVER_REPLY_MAX (4 * 1024 * 1024)  /* a list of 16,000 names */
#define BUS_PROXY_QUEUE_MAX (64 * 1024)        /* bytes for one reader; then nothing more is read for it */
#define BUS_PROXY_PENDING_MAX 4096 /* calls of one connection without their reply, in each direction */
#define BUS_PROXY_MATCHES_MAX 1024 /* match rules of one connection; the system bus takes 512 */
#define BUS_PROXY_MATCH_MAX 1024 /* bytes of one; as the reference bus */
#define BUS_PROXY_PEERS_MAX 1024 /* unique names that one connection has heard of */
#define BUS_PROXY_NAMES_MAX 16384 /* on the bus, for knowing whose unique name is whose */
#define BUS_PROXY_AUTH_LINE_MAX 1024
#define BUS_PROXY_AUTH_LINES_MAX 16
#define BUS_PROXY_AUTH_TIMEOUT_USEC (30 * 1000 * 1000ULL) /* as the reference bus */
#define BUS_PROXY_IDLE_USEC (30 * 1000 * 1000ULL) /* without a connection; the next one starts it again */
#define BUS_PROXY_FDS_MAX 253  /* of one message: SCM_MAX_FD */
#define BUS_PROXY_FILES_MAX 4096 /* RLIMIT_NOFILE: two for a connection, and what travels */
#define BUS_PROXY_REPORTS_MAX 64   /* different refusals that are told each second */

/* Messages */
#define WIRE_BODY_INLINE_MAX (64 * 1024)        /* above it the body travels in a sealed memfd */
#define WIRE_BODY_MAX        (16 * 1024 * 1024) /* a plan of PLAN_ITEMS_MAX items fits */
#define RECORD_SIZE_MAX      (8 * 1024 * 1024)  /* what a service keeps with a shim: names, labels, plans */
#define WIRE_FDS_MAX         252                /* SCM_MAX_FD is 253 */

/* Times */
#define START_TIMEOUT_USEC   (8 * 1000 * 1000ULL)  /* shim, container and init up to "ready"; needs 10 ms */
#define STOP_TIMEOUT_USEC    (2 * 1000 * 1000ULL)  /* halt signal to SIGKILL, unless the template says otherwise */
#define SNAPSHOT_TIMEOUT_USEC (5 * 60 * 1000 * 1000ULL)  /* unless the caller says otherwise; 1 GiB takes 30 s */
#define SNAPSHOT_TIMEOUT_MAX_USEC (60 * 60 * 1000 * 1000ULL)
#define REQUEST_TIMEOUT_USEC (25 * 1000 * 1000ULL) /* service waits for a shim: what D-Bus clients wait */
#define POLKIT_TIMEOUT_USEC  (5 * 1000 * 1000ULL)   /* it decides by itself */
#define POLKIT_DIALOGUE_USEC (120 * 1000 * 1000ULL) /* somebody has to type */
#define ADOPT_TIMEOUT_USEC   (3 * 1000 * 1000ULL)  /* a new service for a shim that it finds; needs 1 ms */
#define UNTOLD_TIMEOUT_USEC  (600 * 1000 * 1000ULL) /* a shim keeps the last exits for a service that may come */
