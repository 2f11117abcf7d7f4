/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plan: what must hold in a sandbox
 *
 * Pure data. Gateways add items, each with the capability, file and line that asked for it; the same thing asked
 * for twice becomes one item, the wider of both; two things that cannot both hold are a conflict that names both
 * sides. A plan never says how to reach it: plan/plan-diff.h compares two, and the shim applies the difference.
 *
 * Items are unique by kind and key (a bind's target, a variable's name) and kept sorted by both, so that a
 * folder comes before what is mounted below it and two plans with the same content print the same text.
 *
 * Which order things are added in does not matter to what holds, with these exceptions, all of them variables:
 *   - append and prepend: they compose a value from its parts as they come;
 *   - of two different defaults the first one stays, and a default does not become part of what is composed
 *     after it was, but of what is composed from it.
 * Whether two things conflict never depends on the order, but for a variable that is set after it was added to.
 * Which of them is named first does, and so does the order of an item's origins. Everything else only ever widens.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/limit-table.h"
#include "util/error.h"
#include "util/wire.h"

/* In this order steps are carried out, and in reverse taken back: rules are in force before the link goes up,
 * a proxy knows its rules before it listens. */
typedef enum PlanKind {
        PLAN_BIND,     /* a host path shown inside; key: its target */
        PLAN_ENV,      /* a variable of every program run afterwards; key: its name */
        PLAN_DEVICE,   /* a device of the host, or all that a glob matches; key: the path or glob below /dev */
        PLAN_LIMIT,    /* a limit of the sandbox's control group; key: canonical setting (plan/limit-table.h) */
        PLAN_RULE,     /* what may pass the link; key: the rule in words */
        PLAN_LINK,     /* a network interface; key: its name inside */
        PLAN_BUS_RULE, /* what may pass the proxy of a bus; key: the rule in words */
        PLAN_BUS,      /* a filtered bus, also without any rule; key: "session" or "system" */
        PLAN_SOCKET,   /* the socket of a server of the owner's session; key: "pulseaudio" or "wayland" */
        _PLAN_KIND_MAX,
        _PLAN_KIND_INVALID = -EINVAL,
} PlanKind;

/* The flags of BindMount on the bus, with the same numbers. */
typedef enum PlanBindFlags {
        PLAN_BIND_WRITABLE = 1 << 0,
        PLAN_BIND_OPTIONAL = 1 << 1,  /* a source that does not exist is no error */
        PLAN_BIND_RECURSIVE = 1 << 2, /* with the mounts below the source */
        _PLAN_BIND_FLAGS_ALL = (1 << 3) - 1,
} PlanBindFlags;

/* How a variable meets one of the same name that is in the plan already. */
typedef enum PlanEnvMode {
        PLAN_ENV_DEFAULT, /* what is there stays: for gateways that name their socket */
        PLAN_ENV_SET,     /* a second, different value is a conflict */
        PLAN_ENV_APPEND,  /* old, separator, new; alone it is the value itself */
        PLAN_ENV_PREPEND, /* new, separator, old */
        _PLAN_ENV_MODE_MAX,
        _PLAN_ENV_MODE_INVALID = -EINVAL,
} PlanEnvMode;

typedef enum PlanDeviceFlags {
        PLAN_DEVICE_READ = 1 << 0, /* access in the terms of the devices control group */
        PLAN_DEVICE_WRITE = 1 << 1,
        PLAN_DEVICE_MKNOD = 1 << 2,
        PLAN_DEVICE_ALL = (1 << 3) - 1,    /* all access: the default of manifests */
        PLAN_DEVICE_OPTIONAL = 1 << 3,     /* a name or glob that nothing is found for is no error */
        PLAN_DEVICE_AS_ON_HOST = 1 << 4,   /* somebody asked without a mode: at least the host's mode */
        _PLAN_DEVICE_FLAGS_ALL = (1 << 5) - 1,
} PlanDeviceFlags;

typedef enum PlanDirection {
        PLAN_OUTGOING, /* from the sandbox */
        PLAN_INCOMING,
        _PLAN_DIRECTION_MAX,
        _PLAN_DIRECTION_INVALID = -EINVAL,
} PlanDirection;

typedef enum PlanProtocol {
        PLAN_PROTOCOL_ANY, /* with ports: every protocol that has ports, those of the next three lines */
        PLAN_PROTOCOL_TCP,
        PLAN_PROTOCOL_UDP,
        PLAN_PROTOCOL_SCTP,
        PLAN_PROTOCOL_ICMP, /* of IPv4 */
        PLAN_PROTOCOL_ICMPV6,
        _PLAN_PROTOCOL_MAX,
        _PLAN_PROTOCOL_INVALID = -EINVAL,
} PlanProtocol;

typedef enum PlanPeerType {
        PLAN_PEER_ANY, /* of both families */
        PLAN_PEER_IPV4,
        PLAN_PEER_IPV6,
        PLAN_PEER_HOST, /* by name; its addresses are followed while the rule holds */
} PlanPeerType;

/* Who is at the other end. Zeroed = anybody. */
typedef struct PlanPeer {
        PlanPeerType type;
        uint8_t address[16]; /* network byte order; IPv4 in the first 4. Bits behind the prefix are 0 */
        unsigned prefix;     /* bits: 32 or 128 for one address */
        char *host;          /* owned; lower case, without a dot at the end; of HOST only */
} PlanPeer;

typedef struct PlanPortRange {
        uint16_t first, last; /* both included; 1 to 65535 */
} PlanPortRange;

/* Lets through what fits all of it. Zeroed = everything outgoing. */
typedef struct PlanRule {
        PlanDirection direction;
        PlanProtocol protocol;
        PlanPeer peer;
        GArray *peer_ports;  /* owned; of PlanPortRange, sorted, none touches the next; NULL = every port */
        GArray *local_ports; /* the same for the port of the sandbox */
} PlanRule;

/* Directions in which nothing passes but what a rule allows. A rule without the flag of its direction has no
 * effect there: everything passes. */
typedef enum PlanLinkFlags {
        PLAN_LINK_FILTER_OUTGOING = 1 << 0,
        PLAN_LINK_FILTER_INCOMING = 1 << 1,
        PLAN_LINK_FILTER_ALL = (1 << 2) - 1,
} PlanLinkFlags;

typedef enum PlanBus {
        PLAN_BUS_SESSION,
        PLAN_BUS_SYSTEM,
        _PLAN_BUS_MAX,
        _PLAN_BUS_INVALID = -EINVAL,
} PlanBus;

typedef enum PlanBusVerb {
        PLAN_BUS_TALK,
        PLAN_BUS_OWN, /* may own names that fit; implies nothing else */
        _PLAN_BUS_VERB_MAX,
        _PLAN_BUS_VERB_INVALID = -EINVAL,
} PlanBusVerb;

typedef enum PlanBusFlow {
        PLAN_BUS_OUTGOING, /* from the sandbox */
        PLAN_BUS_INCOMING,
        PLAN_BUS_BOTH,
        _PLAN_BUS_FLOW_MAX,
        _PLAN_BUS_FLOW_INVALID = -EINVAL,
} PlanBusFlow;

/* Patterns are whole strings in which '*' stands for any number of characters and '?' for one. */
typedef enum PlanBusPattern {
        PLAN_BUS_PATTERN_NAME,
        PLAN_BUS_PATTERN_INTERFACE,
        PLAN_BUS_PATTERN_PATH,
        PLAN_BUS_PATTERN_MEMBER,
        _PLAN_BUS_PATTERN_MAX,
} PlanBusPattern;

/* A message passes that fits one rule in all of its parts. Strings are owned in an item. */
typedef struct PlanBusRule {
        PlanBus bus;
        PlanBusVerb verb;
        char *name;       /* of the peer; to be owned for OWN */
        PlanBusFlow flow; /* this and what follows: of TALK only, zeroed for OWN */
        char *interface;
        char *path;
        char **members; /* NULL-terminated, at least one; sorted and unique in an item */
} PlanBusRule;

typedef enum PlanSocket {
        PLAN_SOCKET_PULSEAUDIO,
        PLAN_SOCKET_WAYLAND,
        _PLAN_SOCKET_MAX,
        _PLAN_SOCKET_INVALID = -EINVAL,
} PlanSocket;

/* What the app may do with the audio server: at least one for PULSEAUDIO, none for WAYLAND. */
typedef enum PlanSocketFlags {
        PLAN_SOCKET_PLAYBACK = 1 << 0,
        PLAN_SOCKET_CAPTURE = 1 << 1,
        _PLAN_SOCKET_FLAGS_ALL = (1 << 2) - 1,
} PlanSocketFlags;

/* Who asked. Strings are owned; NULL file = not from a manifest (the bus, a template). */
typedef struct PlanOrigin {
        char *capability;
        char *file;
        unsigned line, column;
} PlanOrigin;

typedef struct PlanItem {
        PlanKind kind;
        char *key;          /* owned; the target or the name */
        GPtrArray *origins; /* owned PlanOrigin *, at least one, in the order they asked */
        union {
                struct {
                        char *source; /* owned; absolute host path, normalized, or "fd:N" */
                        PlanBindFlags flags;
                        bool has_caller; /* the app stands for this uid and gid, not for the source's owner */
                        uint32_t uid, gid;
                        char *folder; /* owned; the source is resolved inside it, without links; NULL = anywhere */
                } bind;
                struct {
                        char *value;      /* owned; what programs get */
                        PlanEnvMode mode; /* DEFAULT until something stronger was added */
                } env;
                struct {
                        unsigned mode; /* 0 to 0777; with AS_ON_HOST digit by digit the larger of both */
                        PlanDeviceFlags flags;
                } device;
                LimitValue limit;
                PlanRule rule;
                struct {
                        PlanLinkFlags flags;
                } link;
                PlanBusRule bus_rule;
                struct {
                        PlanBus bus;
                } bus;
                struct {
                        PlanSocket server;
                        PlanSocketFlags flags;
                } socket;
        };
} PlanItem;

typedef struct Plan Plan;

Plan *plan_new(void);
Plan *plan_copy(const Plan *plan);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/*
 * Each add copies its arguments and gives 0, or a negative errno with @plan as it was before:
 * ERROR_CONFLICTING_CAPABILITIES for what cannot both hold, ERROR_INVALID_ARGS for what no plan can hold (a path
 * that is not absolute or has an empty, "." or ".." component left, unknown flags, and what the checks below
 * refuse), ERROR_LIMIT_REACHED above PLAN_ITEMS_MAX, PLAN_ORIGINS_MAX or a limit of the kind. The error's place
 * is the origin's. Who can tell a better place, as a gateway can, asks the checks below before.
 */

/* Same target and source: writable wins, recursive wins, optional only if both are. Same target, other source:
 * conflict. The target "/" and targets in /proc and /sys and "/dev" itself are refused. */
int plan_add_bind(Plan *plan, const PlanOrigin *origin, const char *source, const char *target,
                  PlanBindFlags flags, Error *error);

/* The same for what a caller of the bus shows: @source may also be "fd:N", N being the number under which the
 * descriptor goes to the shim beside the plan. With a @caller (NULL = root) the app stands for that caller and sees
 * what is not the caller's as a stranger would: a folder that one may open can hold files that one may not. */
typedef struct PlanCaller {
        uint32_t uid, gid;  /* of the host, never 0 */
        const char *folder; /* as in PlanItem; a source by descriptor has none */
} PlanCaller;
int plan_add_caller_bind(Plan *plan, const PlanOrigin *origin, const PlanCaller *caller, const char *source,
                         const char *target, PlanBindFlags flags, Error *error);

/* The number of a source "fd:N"; -EINVAL for any other. */
int plan_source_get_fd_number(const char *source, uint32_t *ret);

/* @separator counts for APPEND and PREPEND; NULL = "". A name is refused that is empty or has '='. */
int plan_add_env(Plan *plan, const PlanOrigin *origin, const char *name, const char *value, PlanEnvMode mode,
                 const char *separator, Error *error);

/* @name as plan_device_check() has it, @mode 0 to 0777. Access adds up, optional only if both are, and of the
 * modes each digit is the larger one (444 and 266 are 466). @mode 0 stands for the host's: the item gets
 * AS_ON_HOST, which the caller cannot give itself. No access at all is refused. */
int plan_add_device(Plan *plan, const PlanOrigin *origin, const char *name, unsigned mode,
                    PlanDeviceFlags flags, Error *error);

/* @key and @value from limit_parse(). The wider value wins: see LimitMerge for the settings where that is not
 * the largest, and for the one that conflicts. */
int plan_add_limit(Plan *plan, const PlanOrigin *origin, const char *key, const LimitValue *value,
                   Error *error);

/* The same rule twice is one. Refused: ports with a protocol that has none, icmp with an IPv6 peer, icmpv6 with
 * an IPv4 one, ports that are not sorted. A rule lets nothing pass without a link: plan_add_link() too. */
int plan_add_rule(Plan *plan, const PlanOrigin *origin, const PlanRule *rule, Error *error);

/* @name inside, "eth0". A direction is filtered if all who asked want it filtered. */
int plan_add_link(Plan *plan, const PlanOrigin *origin, const char *name, PlanLinkFlags flags, Error *error);

/* The same rule twice is one; members may come in any order. A rule lets nothing pass without its bus:
 * plan_add_bus() too. */
int plan_add_bus_rule(Plan *plan, const PlanOrigin *origin, const PlanBusRule *rule, Error *error);

int plan_add_bus(Plan *plan, const PlanOrigin *origin, PlanBus bus, Error *error);

/* What the app may do adds up. Where the socket stands inside, and the variable that names it, are the
 * gateway's. */
int plan_add_socket(Plan *plan, const PlanOrigin *origin, PlanSocket server, PlanSocketFlags flags,
                    Error *error);

/* Adds all items of @other, each for all of its origins, as the functions above would (a variable as SET or
 * DEFAULT: what was composed is not composed again). After a failure @plan is as it was before. */
int plan_merge(Plan *plan, const Plan *other, Error *error);

guint plan_get_size(const Plan *plan);
const PlanItem *plan_get_item(const Plan *plan, guint i);                          /* in order */
const PlanItem *plan_find_item(const Plan *plan, PlanKind kind, const char *key); /* or NULL */
bool plan_item_is_equal(const PlanItem *a, const PlanItem *b); /* in effect: origins do not count */

/* True if all that @narrow opens, @wide opens too; both have the same kind and key, else it is false. */
bool plan_item_covers(const PlanItem *wide, const PlanItem *narrow);

const char *plan_kind_to_string(PlanKind kind);
PlanKind plan_kind_from_string(const char *name);
const char *plan_env_mode_to_string(PlanEnvMode mode);
PlanEnvMode plan_env_mode_from_string(const char *name);
const char *plan_direction_to_string(PlanDirection direction); /* "out", "in" */
PlanDirection plan_direction_from_string(const char *name);
const char *plan_protocol_to_string(PlanProtocol protocol); /* "any", "tcp", ... */
PlanProtocol plan_protocol_from_string(const char *name);
const char *plan_bus_to_string(PlanBus bus); /* "session", "system" */
PlanBus plan_bus_from_string(const char *name);
const char *plan_bus_verb_to_string(PlanBusVerb verb); /* "talk", "own" */
PlanBusVerb plan_bus_verb_from_string(const char *name);
const char *plan_bus_flow_to_string(PlanBusFlow flow); /* "outgoing", "incoming", "both" */
PlanBusFlow plan_bus_flow_from_string(const char *name);
const char *plan_socket_to_string(PlanSocket server); /* "pulseaudio", "wayland" */
PlanSocket plan_socket_from_string(const char *name);

/* ---- checks, for those who know where the text stands; all give ERROR_INVALID_ARGS and a message that quotes
 * what they refuse and says what was expected ---- */

/* A path below /dev in its normal form, or a glob: '*' and '?' (neither stands for a '/') and sets "[a-z]",
 * "[!a-z]". Refused: '\', a set that is not closed, more than GLOB_STARS_MAX stars, and what the sandbox has of
 * its own (/dev/pts, /dev/ptmx, /dev/shm, /dev/mqueue, /dev/fd, /dev/stdin and the like). */
int plan_device_check(const char *name, Error *error);
bool plan_device_is_glob(const char *name);
/* Of two modes each digit the larger one: 444 and 266 are 466. */
unsigned plan_device_mode_max(unsigned a, unsigned b);

/* "*" (anybody), an IPv4 or IPv6 address, one with "/PREFIX", or a host name (RFC 1123, underscores too). Bits
 * behind the prefix are cleared. Refused: "", a name that looks like a broken address ("10.0.0.256"), an IPv4
 * address in IPv6 form. Clear *ret with plan_peer_clear(). */
int plan_peer_parse(const char *text, PlanPeer *ret, Error *error);
char *plan_peer_format(const PlanPeer *peer); /* what plan_peer_parse() reads; caller frees */
void plan_peer_clear(PlanPeer *peer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlanPeer, plan_peer_clear)

/* "80", "8000-8080", "8000:8080", several of them with commas. Adds to *ports, which may be NULL at first and is
 * unchanged after a failure; ERROR_LIMIT_REACHED above PORT_RANGES_MAX ranges. */
int plan_ports_parse(const char *text, GArray **ports, Error *error);
/* One range more; those that touch become one. Refused: port 0, an end before its start. */
int plan_ports_add(GArray **ports, unsigned first, unsigned last, Error *error);
char *plan_ports_format(const GArray *ports); /* "80,8000-8080"; "any" for NULL; caller frees */

void plan_rule_clear(PlanRule *rule);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlanRule, plan_rule_clear)

/* The characters that such a name can have (D-Bus Specification, "Valid Names"), '*' and '?', at most
 * BUS_PATTERN_MAX of them; "" fits nothing and is refused. Whether a name without '*' is a whole one is checked
 * too: a path starts with '/', a bus name and an interface have a dot. */
int plan_bus_pattern_check(PlanBusPattern kind, const char *pattern, Error *error);
void plan_bus_rule_clear(PlanBusRule *rule);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlanBusRule, plan_bus_rule_clear)

PlanOrigin *plan_origin_new(const char *capability, const char *file, unsigned line, unsigned column);
PlanOrigin *plan_origin_copy(const PlanOrigin *origin);
void plan_origin_free(PlanOrigin *origin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanOrigin, plan_origin_free)

/* Normal form of an absolute path: no "//", no trailing '/', no "." component. ".." and relative paths are
 * refused, and so are control characters. Caller frees *ret. */
int plan_path_normalize(const char *path, char **ret, Error *error);

/* "capability (file:line)", for messages. Caller frees. */
char *plan_origin_format(const PlanOrigin *origin);

/* Puts the first origin's file and line into an error that is set and has no place yet; returns @r. */
int plan_item_blame(const PlanItem *item, int r, Error *error);

/* plan-print.c: a line per item for people, aligned, untrusted text escaped; the same as JSON:
 * [{"kind","key",...,"origins":[{"capability","file","line","column"}]}]. Caller frees. */
char *plan_print_text(const Plan *plan);
char *plan_print_json(const Plan *plan);

/* What a line of plan_print_text() says of an item besides its kind, key and origins, escaped; both may be "".
 * Caller frees both. */
void plan_item_format(const PlanItem *item, char **ret_value, char **ret_mode);

/* plan-wire.c: to and from the wire. Reading believes nothing: what a plan could not hold, it refuses. */
void plan_put(WireWriter *writer, const Plan *plan);
int plan_get(WireReader *reader, Plan **ret, Error *error);
