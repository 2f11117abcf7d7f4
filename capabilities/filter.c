/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/filter.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capabilities/filter-private.h"
#include "capabilities/template.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/limits.h"

/* The flag alone: O_TMPFILE has O_DIRECTORY in it, which opens without it have, too. */
#define TMPFILE_FLAG (O_TMPFILE & ~O_DIRECTORY)

typedef enum FilterAction {
        FILTER_MISSING, /* ENOSYS */
        FILTER_REFUSE,  /* EPERM */
        FILTER_ALLOW,
} FilterAction;

struct Filter {
        gatomicrefcount n_refs;
        char *name;        /* owned */
        GHashTable *calls; /* static or interned name -> FilterAction */
        uint64_t families; /* bit n = AF_n */
        bool is_privileged;
        GBytes *programs[_SPEC_FILTER_MAX]; /* owned; all NULL until it is compiled */
};

typedef struct Family {
        const char *name;
        int number;
} Family;

static const Family family_names[] = {
        { "can", AF_CAN },         { "bluetooth", AF_BLUETOOTH }, { "netlink", AF_NETLINK },
        { "packet", AF_PACKET },   { "vsock", AF_VSOCK },
};

typedef void *FilterContext;
static void filter_context_done(FilterContext *context) {
        if (*context)
                seccomp_release(*context);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FilterContext, filter_context_done)

/*
 * Profiles
 */
static void set_calls(Filter *filter, const char *const *names, FilterAction action) {
        for (size_t i = 0; names[i]; i++)
                g_hash_table_insert(filter->calls, (char *) names[i], GINT_TO_POINTER(action));
}

static Filter *filter_new(const char *name) {
        Filter *filter = g_new0(Filter, 1);

        g_atomic_ref_count_init(&filter->n_refs);
        filter->name = g_strdup(name);
        filter->calls = g_hash_table_new(g_str_hash, g_str_equal);
        filter->families = 1ULL << AF_UNIX | 1ULL << AF_INET | 1ULL << AF_INET6;
        set_calls(filter, filter_allowed, FILTER_ALLOW);
        set_calls(filter, filter_refused, FILTER_REFUSE);
        set_calls(filter, filter_privileged, FILTER_REFUSE);
        return filter;
}

Filter *filter_new_default(void) {
        return filter_new("default");
}

Filter *filter_ref(Filter *filter) {
        g_atomic_ref_count_inc(&filter->n_refs);
        return filter;
}

void filter_unref(Filter *filter) {
        if (!filter || !g_atomic_ref_count_dec(&filter->n_refs))
                return;
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++)
                g_clear_pointer(&filter->programs[i], g_bytes_unref);
        g_hash_table_unref(filter->calls);
        g_free(filter->name);
        g_free(filter);
}

const char *filter_get_name(const Filter *filter) {
        return filter->name;
}

bool filter_is_privileged(const Filter *filter) {
        return filter->is_privileged;
}

/* Its number here; negative: this architecture does not have it. -ENOENT: nobody knows it. */
static int find_number(const char *name, int *ret) {
        *ret = seccomp_syscall_resolve_name(name);
        if (*ret != __NR_SCMP_ERROR)
                return 0;
        for (size_t i = 0; filter_numbers[i].name; i++)
                if (strcmp(filter_numbers[i].name, name) == 0) {
                        *ret = filter_numbers[i].number;
                        return 0;
                }
        return -ENOENT;
}

G_GNUC_PRINTF(3, 4)
static void add_finding(GPtrArray *findings, unsigned line, const char *format, ...) {
        TemplateFinding *finding = g_new0(TemplateFinding, 1);
        va_list args;

        va_start(args, format);
        finding->text = g_strdup_vprintf(format, args);
        va_end(args);
        finding->line = line;
        finding->column = 1;
        g_ptr_array_add(findings, finding);
}

static void read_call(Filter *filter, const char *name, FilterAction action, unsigned line,
                      GPtrArray *findings) {
        static const char *const needed[] = { "execve", "exit_group", NULL };
        int number;

        if (find_number(name, &number) < 0)
                add_finding(findings, line, "There is no system call '%s'", name);
        else if (action == FILTER_REFUSE && g_strv_contains(needed, name))
                add_finding(findings, line, "'%s' cannot be refused: no program starts without it", name);
        else {
                if (action == FILTER_ALLOW && g_strv_contains(filter_privileged, name))
                        filter->is_privileged = true;
                g_hash_table_insert(filter->calls, (char *) g_intern_string(name), GINT_TO_POINTER(action));
        }
}

static void read_family(Filter *filter, const char *name, unsigned line, GPtrArray *findings) {
        const char *names[G_N_ELEMENTS(family_names) + 1] = { NULL };
        g_autofree char *list = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(family_names); i++) {
                names[i] = family_names[i].name;
                if (strcmp(name, names[i]) == 0) {
                        filter->families |= 1ULL << family_names[i].number;
                        return;
                }
        }
        list = g_strjoinv(", ", (char **) names);
        add_finding(findings, line, "Family '%s' is unknown, expected one of: %s", name, list);
}

static void read_line(Filter *filter, const char *text, unsigned line, GPtrArray *findings) {
        static const char *const verbs[] = { "allow", "refuse", "families", NULL };
        g_auto(GStrv) words = g_strsplit_set(text, " \t\r", -1);
        const char *verb = NULL;

        for (size_t i = 0; words[i]; i++) {
                if (words[i][0] == '\0')
                        continue;
                if (words[i][0] == '#')
                        return;
                if (!verb) {
                        verb = words[i];
                        if (!g_strv_contains(verbs, verb)) {
                                add_finding(findings, line,
                                            "'%s' is not understood, expected allow, refuse or families", verb);
                                return;
                        }
                } else if (strcmp(verb, "families") == 0)
                        read_family(filter, words[i], line, findings);
                else
                        read_call(filter, words[i], verb[0] == 'a' ? FILTER_ALLOW : FILTER_REFUSE, line, findings);
        }
}

int filter_parse(const char *name, const char *text, GPtrArray *findings, Filter **ret) {
        g_autoptr(Filter) filter = filter_new(name);
        guint n_before = findings->len;

        *ret = NULL;
        if (strlen(text) > TEMPLATE_SIZE_MAX)
                add_finding(findings, 0, "The file has more than %u bytes", TEMPLATE_SIZE_MAX);
        else if (!g_utf8_validate(text, -1, NULL))
                add_finding(findings, 0, "The file is not UTF-8 text");
        else {
                g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

                for (unsigned i = 0; lines[i]; i++)
                        read_line(filter, lines[i], i + 1, findings);
        }
        if (findings->len > n_before)
                return -EBADMSG;
        *ret = g_steal_pointer(&filter);
        return 0;
}

/*
 * Compiling
 */
static int context_new(uint32_t action, FilterContext *ret) {
        int r;

        *ret = seccomp_init(action);
        if (!*ret)
                return -ENOMEM;
        /* Calls of another architecture's table, x32's among them, would otherwise mean something else here. */
        r = seccomp_attr_set(*ret, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
        /* A binary tree over the numbers: a list would be walked for each call that the kernel cannot cache. */
        return r < 0 ? r : seccomp_attr_set(*ret, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

static int context_export(FilterContext context, GBytes **ret) {
        autofd int fd = memfd_create("bulkhead-filter", MFD_CLOEXEC);
        g_autofree uint8_t *bytes = NULL;
        off_t size;
        int r;

        if (fd < 0)
                return -errno;
        r = seccomp_export_bpf(context, fd);
        if (r < 0)
                return r;
        size = lseek(fd, 0, SEEK_END);
        if (size <= 0 || (size_t) size > FILTER_SIZE_MAX || (size_t) size % sizeof(struct sock_filter) != 0)
                return -E2BIG;
        bytes = g_malloc((size_t) size);
        if (pread(fd, bytes, (size_t) size, 0) != size)
                return -EIO;
        *ret = g_bytes_new_take(g_steal_pointer(&bytes), (size_t) size);
        return 0;
}

static int add_call(FilterContext context, const char *name, uint32_t action) {
        int number, r;

        r = find_number(name, &number);
        if (r < 0 || number < 0)
                return 0; /* not here, so it is answered ENOSYS anyway */
        return seccomp_rule_add_array(context, action, number, 0, NULL);
}

/* @also, or NULL, is allowed whatever the filter says of it. */
static int compile_list(const Filter *filter, const char *const *also, GBytes **ret) {
        g_auto(FilterContext) context = NULL;
        g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(filter->calls), (GCompareFunc) strcmp);
        int r;

        r = context_new(SCMP_ACT_ERRNO(ENOSYS), &context);
        for (GList *name = names; r >= 0 && name; name = name->next) {
                FilterAction action = GPOINTER_TO_INT(g_hash_table_lookup(filter->calls, name->data));

                if (also && g_strv_contains(also, name->data))
                        action = FILTER_ALLOW;
                r = add_call(context, name->data, action == FILTER_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
        }
        for (size_t i = 0; r >= 0 && also && also[i]; i++)
                if (!g_hash_table_contains(filter->calls, also[i]))
                        r = add_call(context, also[i], SCMP_ACT_ALLOW);
        return r < 0 ? r : context_export(context, ret);
}

static int refuse(FilterContext context, const char *name, int errnum, unsigned n,
                  const struct scmp_arg_cmp *comparisons) {
        int number, r;

        r = find_number(name, &number);
        if (r < 0 || number < 0)
                return 0;
        return seccomp_rule_add_array(context, SCMP_ACT_ERRNO((uint32_t) errnum), number, n, comparisons);
}

/* Where the kernel looks at 32 bits only, so do we: what stands in the upper ones must not make a difference. */
static struct scmp_arg_cmp low_is(unsigned argument, uint64_t value) {
        return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, 0xffffffffULL, value);
}

static struct scmp_arg_cmp has_bits(unsigned argument, uint64_t bits) {
        return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, bits);
}

/* Typing into somebody's terminal, the console's messages, and line disciplines, which load modules. */
static int refuse_ioctls(FilterContext context) {
        static const uint64_t requests[] = { TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(requests); i++) {
                struct scmp_arg_cmp request = low_is(1, (uint32_t) requests[i]);

                r = refuse(context, "ioctl", EPERM, 1, &request);
        }
        return r;
}

/* What an app puts on a writable grant must never run with another's rights. openat2(2) keeps its mode behind a
 * pointer, so that no filter sees it: it is in no list. */
static int refuse_set_id(FilterContext context) {
        static const struct {
                const char *name;
                unsigned mode;
                int flags; /* the mode counts only if the file is made; -1 = it always counts */
        } calls[] = {
                { "chmod", 1, -1 },     { "fchmod", 1, -1 },   { "fchmodat", 2, -1 }, { "fchmodat2", 2, -1 },
                { "creat", 1, -1 },     { "mkdir", 1, -1 },    { "mkdirat", 2, -1 },  { "mknod", 1, -1 },
                { "mknodat", 2, -1 },   { "open", 2, 1 },      { "openat", 3, 2 },    { "mq_open", 2, 1 },
        };
        static const uint64_t bits[] = { S_ISUID, S_ISGID }, making[] = { O_CREAT, TMPFILE_FLAG };
        int r = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
                for (size_t b = 0; b < G_N_ELEMENTS(bits); b++)
                        for (size_t m = 0; r >= 0 && m < (calls[i].flags < 0 ? 1 : G_N_ELEMENTS(making)); m++) {
                                struct scmp_arg_cmp comparisons[2] = { has_bits(calls[i].mode, bits[b]) };

                                if (calls[i].flags >= 0)
                                        comparisons[1] = has_bits((unsigned) calls[i].flags, making[m]);
                                r = refuse(context, calls[i].name, EPERM, calls[i].flags < 0 ? 1 : 2, comparisons);
                        }
        return r;
}

/* The kernel refuses most device nodes itself, but not the whiteout of overlayfs. */
static int refuse_devices(FilterContext context) {
        static const uint64_t types[] = { S_IFCHR, S_IFBLK };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(types); i++) {
                struct scmp_arg_cmp old = SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, S_IFMT, types[i]);
                struct scmp_arg_cmp at = SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, S_IFMT, types[i]);

                r = refuse(context, "mknod", EPERM, 1, &old);
                if (r >= 0)
                        r = refuse(context, "mknodat", EPERM, 1, &at);
        }
        return r;
}

/* clone3(2) keeps its flags behind a pointer and is in no list; libc then uses clone(2). */
static int refuse_namespaces(FilterContext context) {
        static const uint64_t flags[] = { CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                          CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET };
#if defined(__s390__) || defined(__CRIS__)
        const unsigned flags_of_clone = 1;
#else
        const unsigned flags_of_clone = 0;
#endif
        struct scmp_arg_cmp new_time = has_bits(0, 0x80 /* CLONE_NEWTIME; clone(2) has a signal there */);
        int r;

        r = refuse(context, "unshare", EPERM, 1, &new_time);
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(flags); i++) {
                struct scmp_arg_cmp clone_flags = has_bits(flags_of_clone, flags[i]);
                struct scmp_arg_cmp unshare_flags = has_bits(0, flags[i]);

                r = refuse(context, "clone", EPERM, 1, &clone_flags);
                if (r >= 0)
                        r = refuse(context, "unshare", EPERM, 1, &unshare_flags);
        }
        return r;
}

/* Each number that is not open, and all above the highest that is: these are compared with all 64 bits, so that a
 * number with bits above 32, which the kernel would cut off, is above. */
static int refuse_families(FilterContext context, uint64_t families) {
        static const char *const calls[] = { "socket", "socketpair" };
        int r = 0;

        families |= 1ULL << AF_NETLINK; /* its protocols are looked at */
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                uint64_t family = 0;
                struct scmp_arg_cmp above;

                for (; r >= 0 && families >> family != 0; family++) {
                        struct scmp_arg_cmp is = SCMP_CMP64(0, SCMP_CMP_EQ, family);

                        if (!(families & 1ULL << family))
                                r = refuse(context, calls[i], EAFNOSUPPORT, 1, &is);
                }
                above = SCMP_CMP64(0, SCMP_CMP_GE, family);
                if (r >= 0)
                        r = refuse(context, calls[i], EAFNOSUPPORT, 1, &above);
        }
        return r;
}

/* Of netlink, what tells about links and addresses: getifaddrs(3) needs it. It is protocol 0. */
static int refuse_netlink(FilterContext context, uint64_t families) {
        struct scmp_arg_cmp others[] = { SCMP_CMP64(0, SCMP_CMP_EQ, AF_NETLINK),
                                         SCMP_CMP64(2, SCMP_CMP_GT, NETLINK_ROUTE) };

        if (families & 1ULL << AF_NETLINK)
                return 0;
        return refuse(context, "socket", EPROTONOSUPPORT, 2, others);
}

static int refuse_personalities(FilterContext context) {
        /* Those that weaken a process against its own bugs (personality(2)), in any company; the query for the
         * current one, which has all bits, is the one value with this bit and all below. */
        static const uint64_t flags[] = { 0x0040000 /* ADDR_NO_RANDOMIZE */, 0x0100000 /* MMAP_PAGE_ZERO */,
                                          0x0200000 /* ADDR_COMPAT_LAYOUT */, 0x0400000 /* READ_IMPLIES_EXEC */ };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(flags); i++)
                for (unsigned clear = 0; r >= 0 && clear < 32; clear++) {
                        struct scmp_arg_cmp is =
                                SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, flags[i] | 1ULL << clear, flags[i]);

                        if (flags[i] != 1ULL << clear)
                                r = refuse(context, "personality", EPERM, 1, &is);
                }
        return r;
}

static int compile_arguments(const Filter *filter, GBytes **ret) {
        g_auto(FilterContext) context = NULL;
        int r;

        r = context_new(SCMP_ACT_ALLOW, &context);
        if (r >= 0)
                r = refuse_ioctls(context);
        if (r >= 0)
                r = refuse_set_id(context);
        if (r >= 0)
                r = refuse_devices(context);
        if (r >= 0)
                r = refuse_namespaces(context);
        if (r >= 0)
                r = refuse_families(context, filter->families);
        if (r >= 0)
                r = refuse_netlink(context, filter->families);
        if (r >= 0)
                r = refuse_personalities(context);
        return r < 0 ? r : context_export(context, ret);
}

static bool allows_init(const Filter *filter) {
        for (size_t i = 0; filter_of_init[i]; i++)
                if (GPOINTER_TO_INT(g_hash_table_lookup(filter->calls, filter_of_init[i])) != FILTER_ALLOW)
                        return false;
        return true;
}

int filter_compile(Filter *filter, Error *error) {
        g_autoptr(GBytes) arguments = NULL, init = NULL, apps = NULL;
        int r;

        if (filter->programs[SPEC_FILTER_ARGUMENTS])
                return 0;
        r = compile_arguments(filter, &arguments);
        if (r >= 0)
                r = compile_list(filter, filter_of_init, &init);
        if (r >= 0 && !allows_init(filter))
                r = compile_list(filter, NULL, &apps);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot compile the filter '%s'", filter->name);
        filter->programs[SPEC_FILTER_ARGUMENTS] = g_steal_pointer(&arguments);
        filter->programs[SPEC_FILTER_INIT] = g_steal_pointer(&init);
        filter->programs[SPEC_FILTER_APPS] = g_steal_pointer(&apps);
        return 0;
}

int filter_fill_spec(Filter *filter, Spec *spec, Error *error) {
        int r = filter_compile(filter, error);

        if (r < 0)
                return r;
        for (size_t i = 0; i < _SPEC_FILTER_MAX; i++) {
                g_clear_pointer(&spec->filters[i], g_bytes_unref);
                spec->filters[i] = filter->programs[i] ? g_bytes_ref(filter->programs[i]) : NULL;
        }
        spec->has_privileged_filter = filter->is_privileged;
        return 0;
}
