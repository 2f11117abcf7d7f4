/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Filter: which system calls the programs of a sandbox may make (seccomp(2))
 *
 * A filter is a list of calls: allowed, refused with EPERM, or, for all that is not named, answered ENOSYS. One
 * is compiled in and called "default"; files change it for templates that name them. Beside the list stand the
 * arguments that no list opens: ioctls that type into terminals, set-id modes, new namespaces, rare socket
 * families. Compiling is pure: the same filter gives the same programs.
 *
 * A file has one word per line, with names of system calls behind it, and # comments:
 *
 *      allow ptrace process_vm_readv
 *      refuse socket
 *      families can
 *
 * "families" opens socket(2) for can, bluetooth, vsock, packet or netlink, beside unix, inet, inet6 and routing
 * netlink.
 */
#include <glib.h>
#include <stdbool.h>

#include "plan/spec.h"
#include "util/error.h"

typedef struct Filter Filter;

Filter *filter_new_default(void);

/* Reads @text (NUL-terminated). Findings are TemplateFinding (capabilities/template.h); *ret is NULL if there was
 * any, with -EBADMSG. */
int filter_parse(const char *name, const char *text, GPtrArray *findings, Filter **ret);
Filter *filter_ref(Filter *filter);
void filter_unref(Filter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Filter, filter_unref)

const char *filter_get_name(const Filter *filter);
/* Allows what takes a wall of every sandbox down; for AllowPrivileged=yes only. */
bool filter_is_privileged(const Filter *filter);

/*
 * Compiles it for this machine's own architecture; programs of other ones (i386 and x32 on x86-64) get ENOSYS for
 * every call, as on a kernel that cannot run them. Takes some milliseconds, and is kept: filter_fill_spec() then
 * only takes references. ERROR_SYSTEM for what libseccomp says.
 */
int filter_compile(Filter *filter, Error *error);

/* Compiles it if need be, and fills what @spec says of filters but for the name: each program is struct sock_filter
 * (linux/filter.h) one after the other; SPEC_FILTER_APPS is NULL where it would be the same as SPEC_FILTER_INIT. */
int filter_fill_spec(Filter *filter, Spec *spec, Error *error);
