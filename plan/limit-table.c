/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/limit-table.h"

#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

/* Of cgroup v2's weights; a default weight is LIMIT_WEIGHT_DEFAULT in every setting. */
#define V2_WEIGHT_MAX        10000
#define V2_WEIGHT_DEFAULT    100
#define LIMIT_WEIGHT_DEFAULT 1024
/* blkio.weight: 10 to 1000, 500 is the default (Documentation/block/bfq-iosched and CFQ before it). */
#define V1_IO_WEIGHT_MIN     10
#define V1_IO_WEIGHT_MAX     1000
#define V1_IO_WEIGHT_DEFAULT 500
/* What cpu.shares takes (kernel/sched/sched.h: MIN_SHARES, MAX_SHARES); more is cut off by the kernel. */
#define SHARES_MIN 2
#define SHARES_MAX (1 << 18)

/* kernel/sched/core.c: tg_set_cfs_bandwidth(); below it a quota is refused. */
#define CPU_USEC_MIN       1000
#define CPU_PERIOD_MAX     (1000 * 1000)
#define CPU_PERIOD_DEFAULT (100 * 1000)
#define CPU_QUOTA_MAX      (1000ULL * 1000 * 1000 * 1000) /* a million CPUs; quota times period fits 64 bits */

#define PIDS_LIMIT_MAX (4 * 1024 * 1024) /* PID_MAX_LIMIT */

static const LimitSetting settings[] = {
        { "cpu.max", NULL, "cpu.max", LIMIT_CPU, LIMIT_MERGE_LARGEST, CPU_USEC_MIN, CPU_QUOTA_MAX, true },
        { "cpu.period", "cpu.cfs_period_us", NULL, LIMIT_USEC, LIMIT_MERGE_SMALLEST, CPU_USEC_MIN,
          CPU_PERIOD_MAX, false },
        { "cpu.quota", "cpu.cfs_quota_us", NULL, LIMIT_USEC, LIMIT_MERGE_LARGEST, CPU_USEC_MIN, CPU_QUOTA_MAX,
          true },
        { "cpu.weight", "cpu.shares", "cpu.weight", LIMIT_WEIGHT, LIMIT_MERGE_LARGEST, SHARES_MIN, INT32_MAX,
          false },
        { "cpuset.cpus", "cpuset.cpus", "cpuset.cpus", LIMIT_LIST, LIMIT_MERGE_UNION, 0, 0, false },
        { "cpuset.mems", "cpuset.mems", "cpuset.mems", LIMIT_LIST, LIMIT_MERGE_UNION, 0, 0, false },
        { "io.max", NULL, "io.max", LIMIT_RATES, LIMIT_MERGE_LARGEST, 1, INT64_MAX, true },
        { "io.weight", "blkio.weight", "io.weight", LIMIT_WEIGHT, LIMIT_MERGE_LARGEST, 10,
          V2_WEIGHT_MAX *LIMIT_WEIGHT_DEFAULT / V2_WEIGHT_DEFAULT, false },
        { "memory.high", NULL, "memory.high", LIMIT_BYTES, LIMIT_MERGE_LARGEST, 1, INT64_MAX, true },
        { "memory.low", "memory.soft_limit_in_bytes", "memory.low", LIMIT_BYTES, LIMIT_MERGE_LARGEST, 0,
          INT64_MAX, true },
        { "memory.max", "memory.limit_in_bytes", "memory.max", LIMIT_BYTES, LIMIT_MERGE_LARGEST, 1, INT64_MAX,
          true },
        { "memory.min", NULL, "memory.min", LIMIT_BYTES, LIMIT_MERGE_LARGEST, 0, INT64_MAX, true },
        { "memory.swap.max", NULL, "memory.swap.max", LIMIT_BYTES, LIMIT_MERGE_LARGEST, 0, INT64_MAX, true },
        { "memory.total.max", "memory.memsw.limit_in_bytes", NULL, LIMIT_BYTES, LIMIT_MERGE_LARGEST, 1,
          INT64_MAX, true },
        { "net_cls.classid", "net_cls.classid", NULL, LIMIT_CLASS, LIMIT_MERGE_NONE, 1, UINT32_MAX, false },
        { "pids.max", "pids.max", "pids.max", LIMIT_COUNT, LIMIT_MERGE_LARGEST, 1, PIDS_LIMIT_MAX, true },
};

/* io.max in four files, and what each is called in v2's line and by people. */
static const struct {
        const char *v1, *v2, *words;
        bool is_bytes;
} rate_names[_LIMIT_RATE_MAX] = {
        [LIMIT_RATE_READ_BYTES] = { "blkio.throttle.read_bps_device", "rbps", "read", true },
        [LIMIT_RATE_WRITE_BYTES] = { "blkio.throttle.write_bps_device", "wbps", "written", true },
        [LIMIT_RATE_READ_OPERATIONS] = { "blkio.throttle.read_iops_device", "riops", "reads", false },
        [LIMIT_RATE_WRITE_OPERATIONS] = { "blkio.throttle.write_iops_device", "wiops", "writes", false },
};

/* What somebody may look for here and finds elsewhere. */
static const struct {
        const char *prefix, *instead;
} elsewhere[] = {
        { "devices.", "which devices a sandbox has is said with the gateway 'devicenode'" },
        { "freezer.", "sandboxes are frozen with Freeze" },
        { "cgroup.", "the group itself belongs to the service" },
        { "memory.kmem.", "kernel memory counts into memory.max" },
        { "net_prio.", "classes of traffic are said with 'net_cls.classid'" },
};

/* ---- names ---- */

static const LimitSetting *find_named(const char *name, size_t size) {
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
                if (strlen(settings[i].name) == size && memcmp(settings[i].name, name, size) == 0)
                        return settings + i;
        return NULL;
}

/* "8:0" or a path below /dev. */
static bool device_is_valid(const char *device) {
        const char *at = device;

        if (g_str_has_prefix(device, "/dev/"))
                return plan_path_check("Device", device, NULL) >= 0 && plan_text_is_clean(device) &&
                       !strpbrk(device, " \\");
        for (int part = 0; part < 2; part++) {
                size_t n = strspn(at, "0123456789");

                /* 12 bits of major, 20 of minor (include/linux/kdev_t.h); no leading zero: one name for one
                 */
                if (n == 0 || n > 7 || (n > 1 && at[0] == '0') ||
                    g_ascii_strtoull(at, NULL, 10) >= (part == 0 ? 1U << 12 : 1U << 20))
                        return false;
                at += n;
                if (part == 0 && *at++ != ':')
                        return false;
        }
        return *at == '\0';
}

const LimitSetting *limit_find(const char *key) {
        const char *colon = strchr(key, ':');
        const LimitSetting *setting = find_named(key, colon ? (size_t) (colon - key) : strlen(key));

        if (!setting || (setting->type == LIMIT_RATES) != (colon != NULL))
                return NULL;
        return colon && !device_is_valid(colon + 1) ? NULL : setting;
}

const char *const *limit_get_names(void) {
        static const char *names[2 * G_N_ELEMENTS(settings) + _LIMIT_RATE_MAX + 1];
        size_t n = 0;

        if (names[0])
                return names;
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                names[n++] = settings[i].name;
                if (settings[i].v1 && strcmp(settings[i].v1, settings[i].name) != 0)
                        names[n++] = settings[i].v1;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(rate_names); i++)
                names[n++] = rate_names[i].v1;
        return names;
}

/* ---- reading ---- */

static int value_refuse(const char *name, const char *text, const char *expected, Error *error) {
        g_autofree char *shown = plan_text_excerpt(text);

        return error_setf(error, ERROR_INVALID_ARGS, "Value '%s' of '%s' is not %s", shown, name, expected);
}

static bool is_unlimited(const char *text) {
        return strcmp(text, "max") == 0 || strcmp(text, "infinity") == 0;
}

/* Digits only, no sign, no space. */
static bool read_number(const char *text, uint64_t *ret) {
        return g_ascii_isdigit(text[0]) && g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, ret, NULL);
}

/* "K", "KiB", "kb", ...: the number of bits to shift by, or -1. */
static int read_unit(const char *text) {
        static const char letters[] = "kmgt";
        const char *letter = text[0] ? strchr(letters, g_ascii_tolower(text[0])) : NULL;
        const char *rest = letter ? text + 1 : text;

        if (letter && g_ascii_tolower(rest[0]) == 'i')
                rest++;
        if (g_ascii_tolower(rest[0]) == 'b')
                rest++;
        if (*rest)
                return -1;
        return letter ? 10 * (int) (letter - letters + 1) : 0;
}

/* A decimal number with at most 6 digits behind the point, in millionths of 1 << @shift, cut off to whole
 * ones. False above 63 bits. */
static bool read_decimal(const char *text, const char **ret_end, uint64_t *ret_whole,
                         uint64_t *ret_millionths) {
        const char *at = text;
        uint64_t whole = 0, millionths = 0;

        if (!g_ascii_isdigit(*at))
                return false;
        for (; g_ascii_isdigit(*at); at++) {
                if (whole > INT64_MAX / 10 - 1)
                        return false;
                whole = whole * 10 + (uint64_t) (*at - '0');
        }
        if (*at == '.') {
                uint64_t weight = 100 * 1000;

                if (!g_ascii_isdigit(*++at))
                        return false;
                for (; g_ascii_isdigit(*at); at++, weight /= 10) {
                        if (weight == 0)
                                return false;
                        millionths += weight * (uint64_t) (*at - '0');
                }
        }
        *ret_end = at;
        *ret_whole = whole;
        *ret_millionths = millionths;
        return true;
}

static bool read_bytes(const char *text, uint64_t *ret) {
        uint64_t whole, millionths;
        const char *unit;
        int shift;

        if (!read_decimal(text, &unit, &whole, &millionths))
                return false;
        shift = read_unit(unit);
        /* half a byte is a mistake, not a byte or none */
        if (shift < 0 || (shift == 0 && millionths > 0) || whole > (uint64_t) INT64_MAX >> shift)
                return false;
        whole = (whole << shift) + (millionths << shift) / (1000 * 1000);
        if (whole > INT64_MAX)
                return false;
        *ret = whole;
        return true;
}

static uint64_t scale(uint64_t value, uint64_t to, uint64_t from) {
        return (value * to + from / 2) / from;
}

static bool is_cpu_weight(const LimitSetting *setting) {
        return setting->min == SHARES_MIN;
}

static int parse_weight(const LimitSetting *setting, bool is_v1, const char *text, LimitValue *ret,
                        Error *error) {
        bool is_cpu = is_cpu_weight(setting);
        const char *number = !is_v1 && !is_cpu && g_str_has_prefix(text, "default ") ? text + 8 : text;
        uint64_t value;

        if (is_v1 && is_cpu) {
                if (!read_number(number, &value) || value < SHARES_MIN || value > INT32_MAX)
                        return value_refuse("cpu.shares", text, "a whole number from 2 to 2147483647", error);
                ret->number = value;
        } else if (is_v1) {
                if (!read_number(number, &value) || value < V1_IO_WEIGHT_MIN || value > V1_IO_WEIGHT_MAX)
                        return value_refuse(setting->v1, text, "a whole number from 10 to 1000", error);
                ret->number = scale(value, LIMIT_WEIGHT_DEFAULT, V1_IO_WEIGHT_DEFAULT);
        } else {
                if (!read_number(number, &value) || value < 1 || value > V2_WEIGHT_MAX)
                        return value_refuse(setting->name, text, "a whole number from 1 to 10000", error);
                ret->number = scale(value, LIMIT_WEIGHT_DEFAULT, V2_WEIGHT_DEFAULT);
        }
        return 0;
}

/* "150%", "12.5%" of one CPU; "QUOTA", "QUOTA PERIOD", "max", "max PERIOD" as in v2. */
static bool read_cpu(const char *text, LimitValue *ret) {
        g_auto(GStrv) words = g_strsplit(text, " ", 3);
        uint64_t whole, millionths;
        const char *end;

        ret->period = CPU_PERIOD_DEFAULT;
        if (read_decimal(text, &end, &whole, &millionths) && strcmp(end, "%") == 0) {
                if (whole > CPU_QUOTA_MAX / 1000)
                        return false;
                ret->number = whole * (CPU_PERIOD_DEFAULT / 100) +
                              millionths * (CPU_PERIOD_DEFAULT / 100) / 1000000;
        } else {
                if (!words[0] || g_strv_length(words) > 2)
                        return false;
                if (words[1] && (!read_number(words[1], &ret->period) || ret->period < CPU_USEC_MIN ||
                                 ret->period > CPU_PERIOD_MAX))
                        return false;
                if (is_unlimited(words[0])) {
                        ret->number = LIMIT_UNLIMITED;
                        ret->period = CPU_PERIOD_DEFAULT; /* it means nothing then: one form only */
                        return true;
                }
                if (!read_number(words[0], &ret->number))
                        return false;
        }
        return ret->number >= CPU_USEC_MIN && ret->number <= CPU_QUOTA_MAX;
}

/* ---- lists ---- */

typedef struct NumberSet {
        uint8_t has[CPUS_MAX];
} NumberSet;

static bool set_add_range(NumberSet *set, const char *text) {
        g_auto(GStrv) ends = g_strsplit(text, "-", 2);
        uint64_t first, last;

        if (!ends[0] || !read_number(ends[0], &first) || !read_number(ends[1] ?: ends[0], &last) ||
            first > last || last >= CPUS_MAX)
                return false;
        memset(set->has + first, 1, (size_t) (last - first + 1));
        return true;
}

static bool set_add_list(NumberSet *set, const char *text) {
        g_auto(GStrv) ranges = g_strsplit(text, ",", CPUS_MAX);

        for (char **range = ranges; *range; range++)
                if (!set_add_range(set, *range))
                        return false;
        return ranges[0] != NULL;
}

static char *set_format(const NumberSet *set) {
        GString *text = g_string_new(NULL);

        for (int i = 0; i < CPUS_MAX; i++) {
                int first = i;

                if (!set->has[i])
                        continue;
                while (i + 1 < CPUS_MAX && set->has[i + 1])
                        i++;
                g_string_append_printf(text, i > first ? "%s%d-%d" : "%s%d", text->len > 0 ? "," : "", first,
                                       i);
        }
        return g_string_free(text, FALSE);
}

static char *list_normalize(const char *text) {
        g_autofree NumberSet *set = g_new0(NumberSet, 1);

        return set_add_list(set, text) ? set_format(set) : NULL;
}

/* ---- rates ---- */

static bool read_rate(LimitRate rate, const char *text, uint64_t *ret) {
        if (is_unlimited(text)) {
                *ret = LIMIT_UNLIMITED;
                return true;
        }
        return (rate_names[rate].is_bytes ? read_bytes(text, ret) : read_number(text, ret)) && *ret > 0 &&
               *ret <= INT64_MAX;
}

static bool read_rate_word(const char *word, LimitValue *ret) {
        for (int i = 0; i < _LIMIT_RATE_MAX; i++) {
                size_t n = strlen(rate_names[i].v2);

                if (strncmp(word, rate_names[i].v2, n) == 0 && word[n] == '=')
                        return ret->rates[i] == 0 && read_rate((LimitRate) i, word + n + 1, ret->rates + i);
        }
        return false;
}

/* @v1_rate: the one that a v1 name says; _LIMIT_RATE_MAX for a line of v2. */
static int parse_rates(const char *name, const char *text, LimitRate v1_rate, char **ret_key, LimitValue *ret,
                       Error *error) {
        g_auto(GStrv) words = g_strsplit(text, " ", 0);
        bool good = words[0] && words[1] && device_is_valid(words[0]);

        if (v1_rate < _LIMIT_RATE_MAX) {
                /* v1 says 0 for no limit */
                good = good && !words[2];
                if (good && strcmp(words[1], "0") == 0)
                        ret->rates[v1_rate] = LIMIT_UNLIMITED;
                else
                        good = good && read_rate(v1_rate, words[1], ret->rates + v1_rate);
        } else
                for (char **word = words + 1; good && *word; word++)
                        good = read_rate_word(*word, ret);
        if (!good)
                return value_refuse(
                        name, text,
                        v1_rate < _LIMIT_RATE_MAX
                                ? "a device and a rate, as in '8:0 1M'"
                                : "a device and rates (rbps wbps riops wiops), as in '8:0 rbps=1M'",
                        error);
        *ret_key = g_strdup_printf("io.max:%s", words[0]);
        return 0;
}

/* ---- one setting ---- */

static const LimitSetting *find_in_either(const char *name, bool *ret_is_v1) {
        *ret_is_v1 = false;
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
                if (strcmp(settings[i].name, name) == 0)
                        return settings + i;
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
                if (settings[i].v1 && strcmp(settings[i].v1, name) == 0) {
                        *ret_is_v1 = true;
                        return settings + i;
                }
        return NULL;
}

static int setting_refuse(const char *name, Error *error) {
        g_autofree char *shown = plan_text_excerpt(name);

        for (size_t i = 0; i < G_N_ELEMENTS(elsewhere); i++)
                if (g_str_has_prefix(name, elsewhere[i].prefix))
                        return error_setf(error, ERROR_UNSUPPORTED, "Setting '%s' cannot be set here: %s",
                                          shown, elsewhere[i].instead);
        return error_setf(error, ERROR_UNSUPPORTED,
                          "Setting '%s' is unknown, a limit of cgroup v1 or v2 was expected", shown);
}

static int parse_bytes(const LimitSetting *setting, bool is_v1, const char *name, const char *text,
                       LimitValue *ret, Error *error) {
        if (is_unlimited(text) || (is_v1 && strcmp(text, "-1") == 0))
                ret->number = LIMIT_UNLIMITED;
        else if (!read_bytes(text, &ret->number) || ret->number < setting->min || ret->number > setting->max)
                return value_refuse(name, text, "a size such as '1048576', '512M' or 'max'", error);
        return 0;
}

static int parse_number(const LimitSetting *setting, bool is_v1, const char *name, const char *text,
                        LimitValue *ret, Error *error) {
        g_autofree char *expected = NULL;

        if (setting->may_be_unlimited &&
            (is_unlimited(text) || (is_v1 && setting->type == LIMIT_USEC && strcmp(text, "-1") == 0))) {
                ret->number = LIMIT_UNLIMITED;
                return 0;
        }
        if (read_number(text, &ret->number) && ret->number >= setting->min && ret->number <= setting->max)
                return 0;
        expected = g_strdup_printf("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT "%s",
                                   setting->min, setting->max, setting->may_be_unlimited ? " or 'max'" : "");
        return value_refuse(name, text, expected, error);
}

/* As the original has it: 0xAAAABBBB, leading zeros of AAAA may be dropped. */
static int parse_class(const char *name, const char *text, LimitValue *ret, Error *error) {
        size_t n = strlen(text);

        if (n < 7 || n > 10 || strncmp(text, "0x", 2) != 0 ||
            !g_ascii_string_to_unsigned(text + 2, 16, 1, UINT32_MAX, &ret->number, NULL))
                return value_refuse(name, text,
                                    "a class such as '0x00010002', with 5 to 8 digits that are not all 0",
                                    error);
        return 0;
}

static int parse_value(const LimitSetting *setting, bool is_v1, const char *name, const char *text,
                       LimitValue *ret, Error *error) {
        switch (setting->type) {
        case LIMIT_BYTES:
                return parse_bytes(setting, is_v1, name, text, ret, error);
        case LIMIT_COUNT:
        case LIMIT_USEC:
                return parse_number(setting, is_v1, name, text, ret, error);
        case LIMIT_WEIGHT:
                return parse_weight(setting, is_v1, text, ret, error);
        case LIMIT_CPU:
                if (read_cpu(text, ret))
                        return 0;
                return value_refuse(name, text,
                                    "'50%' of a CPU, '50000 100000' microseconds of a period, or 'max'",
                                    error);
        case LIMIT_LIST:
                ret->list = list_normalize(text);
                return ret->list ? 0 : value_refuse(name, text, "a list of numbers such as '0-3,6'", error);
        case LIMIT_CLASS:
                return parse_class(name, text, ret, error);
        case LIMIT_RATES:
        case _LIMIT_TYPE_MAX:
                break;
        }
        g_assert_not_reached();
}

int limit_parse(const char *name, const char *text, char **ret_key, LimitValue *ret, Error *error) {
        g_auto(LimitValue) value = { 0 };
        g_autofree char *key = NULL;
        LimitRate rate = 0;
        const LimitSetting *setting;
        bool is_v1;
        int r;

        setting = find_in_either(name, &is_v1);
        while (rate < _LIMIT_RATE_MAX && strcmp(rate_names[rate].v1, name) != 0)
                rate++;
        if (!setting && rate == _LIMIT_RATE_MAX)
                return setting_refuse(name, error);
        if (strlen(text) > LIMIT_TEXT_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Value of '%s' has %zu bytes, at most %d can be",
                                  name, strlen(text), LIMIT_TEXT_MAX);
        if (!setting || setting->type == LIMIT_RATES)
                r = parse_rates(name, text, rate, &key, &value, error);
        else {
                r = parse_value(setting, is_v1, name, text, &value, error);
                key = g_strdup(setting->name);
        }
        if (r < 0)
                return r;
        *ret_key = g_steal_pointer(&key);
        *ret = value;
        value = (LimitValue){ 0 };
        return 0;
}

/* ---- values ---- */

static bool number_is_valid(const LimitSetting *setting, uint64_t number) {
        return (number >= setting->min && number <= setting->max) ||
               (setting->may_be_unlimited && number == LIMIT_UNLIMITED);
}

static bool value_is_valid(const LimitSetting *setting, const LimitValue *value) {
        bool has_rate = false, has_bad_rate = false;

        for (int i = 0; i < _LIMIT_RATE_MAX; i++) {
                has_rate = has_rate || value->rates[i] > 0;
                has_bad_rate = has_bad_rate ||
                               (value->rates[i] > 0 && !number_is_valid(setting, value->rates[i]));
        }
        if ((setting->type == LIMIT_RATES) != has_rate || has_bad_rate ||
            (setting->type == LIMIT_LIST) != (value->list != NULL) ||
            (setting->type == LIMIT_CPU) != (value->period != 0))
                return false;
        if (setting->type == LIMIT_LIST) {
                g_autofree char *normal = list_normalize(value->list);

                return value->number == 0 && normal && strcmp(normal, value->list) == 0;
        }
        if (setting->type == LIMIT_RATES)
                return value->number == 0;
        if (setting->type == LIMIT_CPU &&
            (value->period < CPU_USEC_MIN || value->period > CPU_PERIOD_MAX ||
             (value->number == LIMIT_UNLIMITED && value->period != CPU_PERIOD_DEFAULT)))
                return false;
        return number_is_valid(setting, value->number);
}

int limit_check(const char *key, const LimitValue *value, Error *error) {
        const LimitSetting *setting = limit_find(key);

        if (!setting)
                return setting_refuse(key, error);
        if (!value_is_valid(setting, value))
                return error_setf(error, ERROR_INVALID_ARGS, "Value of '%s' is not one that it can have",
                                  key);
        return 0;
}

/* Negative, 0 or positive as @a is less, as much or more. Of equal shares of a CPU the longer period is more:
 * it lets a program run on for longer. */
static int value_compare(const LimitValue *a, const LimitValue *b) {
        uint64_t x = a->number, y = b->number;

        if (a->period > 0 && x != LIMIT_UNLIMITED && y != LIMIT_UNLIMITED) {
                x *= b->period;
                y *= a->period;
        }
        if (x != y)
                return x < y ? -1 : 1;
        return a->period < b->period ? -1 : a->period > b->period;
}

static void merge_lists(LimitValue *to, const LimitValue *from) {
        g_autofree NumberSet *set = g_new0(NumberSet, 1);

        (void) set_add_list(set, to->list);
        (void) set_add_list(set, from->list);
        g_free(to->list);
        to->list = set_format(set);
}

int limit_merge(const LimitSetting *setting, LimitValue *to, const LimitValue *from, Error *error) {
        int order = value_compare(from, to);

        switch (setting->merge) {
        case LIMIT_MERGE_NONE:
                if (order != 0)
                        return error_setf(error, ERROR_CONFLICTING_CAPABILITIES,
                                          "'%s' can have one value only", setting->name);
                return 0;
        case LIMIT_MERGE_UNION:
                merge_lists(to, from);
                return 0;
        case LIMIT_MERGE_LARGEST:
        case LIMIT_MERGE_SMALLEST:
                break;
        }
        if (setting->merge == LIMIT_MERGE_SMALLEST ? order < 0 : order > 0) {
                to->number = from->number;
                to->period = from->period;
        }
        for (int i = 0; i < _LIMIT_RATE_MAX; i++)
                to->rates[i] = MAX(to->rates[i], from->rates[i]);
        return 0;
}

bool limit_covers(const LimitSetting *setting, const LimitValue *wide, const LimitValue *narrow) {
        g_auto(LimitValue) both = { 0 };

        limit_copy(&both, wide);
        if (limit_merge(setting, &both, narrow, NULL) < 0)
                return false;
        for (int i = 0; i < _LIMIT_RATE_MAX; i++)
                if (wide->rates[i] == 0)
                        both.rates[i] = 0;
        return limit_is_equal(&both, wide);
}

void limit_copy(LimitValue *to, const LimitValue *from) {
        *to = *from;
        to->list = g_strdup(from->list);
}

bool limit_is_equal(const LimitValue *a, const LimitValue *b) {
        return a->number == b->number && a->period == b->period &&
               memcmp(a->rates, b->rates, sizeof(a->rates)) == 0 && g_strcmp0(a->list, b->list) == 0;
}

void limit_clear(LimitValue *value) {
        g_free(value->list);
        *value = (LimitValue){ 0 };
}

/* ---- for people ---- */

static char *format_bytes(uint64_t bytes) {
        static const char *const units[] = { "", "K", "M", "G", "T" };
        size_t unit = 0;

        while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < G_N_ELEMENTS(units)) {
                bytes /= 1024;
                unit++;
        }
        return g_strdup_printf("%" G_GUINT64_FORMAT "%s", bytes, units[unit]);
}

static char *format_rates(const LimitValue *value) {
        GString *text = g_string_new(NULL);

        for (int i = 0; i < _LIMIT_RATE_MAX; i++) {
                g_autofree char *number = NULL;

                if (value->rates[i] == 0)
                        continue;
                if (value->rates[i] == LIMIT_UNLIMITED)
                        number = g_strdup("unlimited");
                else if (rate_names[i].is_bytes)
                        number = format_bytes(value->rates[i]);
                else
                        number = g_strdup_printf("%" G_GUINT64_FORMAT, value->rates[i]);
                g_string_append_printf(text, "%s%s %s/s", text->len > 0 ? ", " : "", number,
                                       rate_names[i].words);
        }
        return g_string_free(text, FALSE);
}

/* "150%", "12.5%". */
static char *format_percent(uint64_t number, uint64_t whole) {
        uint64_t tenths = scale(number, 1000, whole);

        if (tenths % 10 == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT "%%", tenths / 10);
        return g_strdup_printf("%" G_GUINT64_FORMAT ".%u%%", tenths / 10, (unsigned) (tenths % 10));
}

char *limit_format(const LimitSetting *setting, const LimitValue *value) {
        uint64_t number = value->number;
        g_autofree char *share = NULL;

        if (number == LIMIT_UNLIMITED)
                return g_strdup("no limit");
        switch (setting->type) {
        case LIMIT_BYTES:
                return format_bytes(number);
        case LIMIT_COUNT:
                return g_strdup_printf("%" G_GUINT64_FORMAT, number);
        case LIMIT_USEC:
                return g_strdup_printf("%" G_GUINT64_FORMAT " us", number);
        case LIMIT_WEIGHT:
                share = format_percent(number, LIMIT_WEIGHT_DEFAULT);
                return g_strdup_printf("%s of the default", share);
        case LIMIT_CPU:
                share = format_percent(number, value->period);
                return g_strdup_printf("%s of a CPU, in turns of %" G_GUINT64_FORMAT " us", share,
                                       value->period);
        case LIMIT_LIST:
                return g_strdup(value->list);
        case LIMIT_RATES:
                return format_rates(value);
        case LIMIT_CLASS:
                return g_strdup_printf("0x%08x", (unsigned) number);
        case _LIMIT_TYPE_MAX:
                break;
        }
        g_assert_not_reached();
}

/* ---- for the kernel ---- */

static char *file_line(const char *file, uint64_t number, const char *unlimited) {
        return number == LIMIT_UNLIMITED ? g_strdup_printf("%s=%s", file, unlimited)
                                         : g_strdup_printf("%s=%" G_GUINT64_FORMAT, file, number);
}

static uint64_t weight_to_version(const LimitSetting *setting, uint64_t weight, CgroupVersion version) {
        if (version == CGROUP_V2)
                return CLAMP(scale(weight, V2_WEIGHT_DEFAULT, LIMIT_WEIGHT_DEFAULT), 1, V2_WEIGHT_MAX);
        if (is_cpu_weight(setting))
                return CLAMP(weight, SHARES_MIN, SHARES_MAX);
        return CLAMP(scale(weight, V1_IO_WEIGHT_DEFAULT, LIMIT_WEIGHT_DEFAULT), V1_IO_WEIGHT_MIN,
                     V1_IO_WEIGHT_MAX);
}

static void rates_to_files(const char *device, const LimitValue *value, CgroupVersion version,
                           GPtrArray *files) {
        g_autoptr(GString) line = g_string_new(NULL);

        g_string_printf(line, "io.max=%s", device);
        for (int i = 0; i < _LIMIT_RATE_MAX; i++) {
                bool is_unlimited_rate = value->rates[i] == LIMIT_UNLIMITED;

                if (value->rates[i] == 0)
                        continue;
                if (version == CGROUP_V1)
                        g_ptr_array_add(files,
                                        g_strdup_printf("%s=%s %" G_GUINT64_FORMAT, rate_names[i].v1, device,
                                                        is_unlimited_rate ? 0 : value->rates[i]));
                else if (is_unlimited_rate)
                        g_string_append_printf(line, " %s=max", rate_names[i].v2);
                else
                        g_string_append_printf(line, " %s=%" G_GUINT64_FORMAT, rate_names[i].v2,
                                               value->rates[i]);
        }
        if (version == CGROUP_V2)
                g_ptr_array_add(files, g_strdup(line->str));
}

static void cpu_to_files(const LimitValue *value, CgroupVersion version, GPtrArray *files) {
        g_autofree char *quota = NULL;

        if (version == CGROUP_V1) {
                /* the period first: a quota is checked against it */
                g_ptr_array_add(files, file_line("cpu.cfs_period_us", value->period, "-1"));
                g_ptr_array_add(files, file_line("cpu.cfs_quota_us", value->number, "-1"));
                return;
        }
        quota = file_line("cpu.max", value->number, "max");
        g_ptr_array_add(files, g_strdup_printf("%s %" G_GUINT64_FORMAT, quota, value->period));
}

int limit_to_files(const char *key, const LimitValue *value, CgroupVersion version, char ***ret,
                   Error *error) {
        const LimitSetting *setting = limit_find(key);
        g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
        const char *file;
        int r;

        r = limit_check(key, value, error);
        if (r < 0)
                return r;
        file = version == CGROUP_V1 ? setting->v1 : setting->v2;
        if (setting->type == LIMIT_RATES)
                rates_to_files(strchr(key, ':') + 1, value, version, files);
        else if (setting->type == LIMIT_CPU)
                cpu_to_files(value, version, files);
        else if (!file)
                return error_setf(error, ERROR_UNSUPPORTED, "cgroup v%d has nothing like '%s'", (int) version,
                                  key);
        else if (setting->type == LIMIT_LIST)
                g_ptr_array_add(files, g_strdup_printf("%s=%s", file, value->list));
        else if (setting->type == LIMIT_WEIGHT)
                g_ptr_array_add(files,
                                file_line(file, weight_to_version(setting, value->number, version), NULL));
        else
                g_ptr_array_add(
                        files,
                        file_line(file, value->number,
                                  version == CGROUP_V1 && setting->type != LIMIT_COUNT ? "-1" : "max"));
        g_ptr_array_add(files, NULL);
        *ret = (char **) g_ptr_array_free(g_steal_pointer(&files), FALSE);
        return 0;
}
