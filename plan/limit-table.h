/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits in both vocabularies of control groups
 *
 * A manifest may name a setting as cgroup v1 does ("memory.limit_in_bytes") or as v2 does ("memory.max"),
 * whichever the host has. One table says which names mean the same; a plan holds only the canonical name, v2's
 * where there is one, and a typed value. Pure: no file is read here. Documentation of both vocabularies: the
 * kernel's Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.
 *
 * Canonical names that v2 does not have:
 *   memory.total.max  memory and swap together, v1's memory.memsw.limit_in_bytes (v2 limits swap by itself:
 *                     memory.swap.max; each needs memory.max to be turned into the other)
 *   cpu.quota, cpu.period  the two halves of cpu.max, which v1 has in two files
 *   net_cls.classid   v2 has no net_cls
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef enum LimitType {
        LIMIT_BYTES,  /* number */
        LIMIT_COUNT,  /* number */
        LIMIT_USEC,   /* number */
        LIMIT_WEIGHT, /* number, in 1024ths of the default weight: CPU shares as they are */
        LIMIT_CPU,    /* number microseconds in each period of so many */
        LIMIT_LIST,   /* list of numbers of CPUs or memory nodes */
        LIMIT_RATES,  /* rates of one device */
        LIMIT_CLASS,  /* number, the 0xAAAABBBB of tc(8)'s AAAA:BBBB */
        _LIMIT_TYPE_MAX,
} LimitType;

/* How two values of one setting become one: the wider. */
typedef enum LimitMerge {
        LIMIT_MERGE_LARGEST,
        LIMIT_MERGE_SMALLEST, /* cpu.period: the same quota in a shorter time is more */
        LIMIT_MERGE_UNION,    /* lists */
        LIMIT_MERGE_NONE,     /* net_cls.classid: no class is wider than another, two are a conflict */
} LimitMerge;

typedef enum LimitRate {
        LIMIT_RATE_READ_BYTES, /* per second, as the others */
        LIMIT_RATE_WRITE_BYTES,
        LIMIT_RATE_READ_OPERATIONS,
        LIMIT_RATE_WRITE_OPERATIONS,
        _LIMIT_RATE_MAX,
} LimitRate;

#define LIMIT_UNLIMITED UINT64_MAX /* "max" */

/* One value. Zeroed = none; what its type does not use stays zero. */
typedef struct LimitValue {
        uint64_t number;                 /* of CPU the quota in microseconds */
        uint64_t period;                 /* of CPU, in microseconds */
        uint64_t rates[_LIMIT_RATE_MAX]; /* of RATES; 0 = not said */
        char *list;                      /* owned; of LIST: "0-3,6", sorted, nothing twice */
} LimitValue;

typedef struct LimitSetting {
        const char *name; /* canonical; of RATES without ":<device>" */
        const char *v1;   /* the file in a v1 hierarchy, NULL = there is none */
        const char *v2;   /* the file in a v2 group, NULL = there is none */
        LimitType type;
        LimitMerge merge;
        uint64_t min, max;   /* of number; LIMIT_UNLIMITED besides if @may_be_unlimited */
        bool may_be_unlimited;
} LimitSetting;

typedef enum CgroupVersion {
        CGROUP_V1 = 1,
        CGROUP_V2 = 2,
} CgroupVersion;

/* By canonical name, "io.max:8:0" included; NULL if unknown. */
const LimitSetting *limit_find(const char *key);

/* NULL-terminated: every name that limit_parse() takes, of both vocabularies, for suggestions. */
const char *const *limit_get_names(void);

/*
 * Reads one setting as a manifest has it, in either vocabulary. *ret_key is the canonical name, owned by the
 * caller; *ret is to be cleared.
 *
 * Values: numbers are decimal. Bytes and rates take a decimal fraction and a unit K, M, G, T, each with "i" and
 * "B" after it or not, upper and lower case, always powers of 1024 ("1.5G"); what has no unit is bytes. "max"
 * and "infinity", and in v1 "-1", are no limit. CPU: "QUOTA PERIOD" or "max PERIOD" in microseconds as in v2,
 * or a share of one CPU in percent ("150%"). Rates: v2's "rbps=1M wiops=100" behind "8:0" or a path below /dev;
 * v1's "8:0 1048576".
 *
 * ERROR_UNSUPPORTED for a setting that is not in the table (the message says what to use instead where
 * something does the same), ERROR_INVALID_ARGS for a value that is out of range or no value; the message quotes
 * it and says what was expected.
 */
int limit_parse(const char *name, const char *text, char **ret_key, LimitValue *ret, Error *error);

/* Is it a value that the setting can have, in its canonical form? For what did not come from limit_parse(). */
int limit_check(const char *key, const LimitValue *value, Error *error);

/* The wider of both into @to. ERROR_CONFLICTING_CAPABILITIES (without the names of who asked) if neither is. */
int limit_merge(const LimitSetting *setting, LimitValue *to, const LimitValue *from, Error *error);

/* True if everything that @narrow allows, @wide allows; of rates those count that both say. */
bool limit_covers(const LimitSetting *setting, const LimitValue *wide, const LimitValue *narrow);

void limit_copy(LimitValue *to, const LimitValue *from);
bool limit_is_equal(const LimitValue *a, const LimitValue *b);
void limit_clear(LimitValue *value);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LimitValue, limit_clear)

/* For people: "512M", "no limit", "150% of a CPU, in turns of 100000 us", "50% of the default". Caller frees. */
char *limit_format(const LimitSetting *setting, const LimitValue *value);

/*
 * What to write into a group of that version, one line each: owned "<file>=<text>" strings, NULL-terminated,
 * e.g. "cpu.weight=100". Weights that the version cannot express are the nearest it can. ERROR_UNSUPPORTED if
 * the version has no such file: see above for those that need another setting.
 */
int limit_to_files(const char *key, const LimitValue *value, CgroupVersion version, char ***ret, Error *error);
