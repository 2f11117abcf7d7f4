/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tables behind filter.c; for it and its tests
 */
typedef struct FilterNumber {
        const char *name; /* static */
        int number;
} FilterNumber;

/* NULL-terminated names of system calls; none is in two of the first three lists. */
extern const char *const filter_allowed[];
extern const char *const filter_refused[];    /* EPERM; a profile may allow them */
extern const char *const filter_privileged[]; /* EPERM; a profile that allows one is for AllowPrivileged=yes only */
extern const char *const filter_of_init[];    /* what init needs in any case */
extern const FilterNumber filter_numbers[];   /* ends with a NULL name */
