/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attacks: what a hostile app tries, one by one
 *
 * Each attack has an id that stays, the wall that has to refuse it, and a function that tries it in a process
 * of its own. No attack does harm where it succeeds: it asks for what the wall refuses with arguments that
 * change nothing, or for a bounded amount. What an attack has to know of the host comes in PROBE_* variables;
 * without them it says that there is nothing to attack.
 *
 * Static, without GLib: it runs in roots that have no libraries.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef enum Outcome {
        OUTCOME_REFUSED, /* a wall said no */
        OUTCOME_ABSENT,  /* there is nothing to attack: the kernel or the machine does not have it */
        OUTCOME_THROUGH, /* it worked, or came as far as the code behind the wall */
        OUTCOME_BROKEN,  /* the attempt itself went wrong, and proves nothing */
        _OUTCOME_MAX,
} Outcome;

typedef struct Result {
        Outcome outcome;
        int errnum; /* 0 = none */
        char text[192];
        bool may_die; /* a signal that ends the attempt is a refusal */
} Result;

typedef struct Attack Attack;

struct Attack {
        const char *id;   /* "wall-like-group.name" */
        const char *wall; /* of docs/security.md */
        const char *what;
        void (*run)(const Attack *attack, Result *result);
        const char *path; /* what it is tried on, for those that share a function */
        long number;      /* a system call, a signal, a mode */
        unsigned long arguments[6];
};

typedef struct AttackList {
        const Attack *attacks;
        size_t n;
} AttackList;

#define ATTACK_LIST(array)                                                                                   \
        { (array), sizeof(array) / sizeof *(array) }

extern const AttackList call_attacks, mount_attacks, namespace_attacks, process_attacks, privilege_attacks,
        file_attacks, proc_attacks, network_attacks, abi_attacks, limit_attacks;

/* printf(3) into the result. */
void result_set(Result *result, Outcome outcome, int errnum, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* From what a system call returned, and errno: a wall says EPERM, EACCES or EROFS; ENOSYS and EOPNOTSUPP mean
 * that there is nothing behind it; everything else was said by the code that the wall should have kept us
 * from. */
void result_judge(Result *result, long returned);
/* The same, where ENOENT, ESRCH, ENXIO, ENODEV and the like also mean that there is nothing to attack. */
void result_judge_path(Result *result, long returned);
/* THROUGH with this text if @is_through, else REFUSED. */
void result_through_if(Result *result, bool is_through, const char *text);

/* The variable PROBE_@name, or NULL with the result set to ABSENT. */
const char *given(Result *result, const char *name);

/* Runs attack->number with attack->arguments. */
void run_call(const Attack *attack, Result *result);

/* Makes an empty file in @folder (NULL = /tmp) and returns its descriptor; its path in @path. */
int make_file(const char *folder, char path[256]);
/* The whole of a small file, NUL-terminated; bytes read or negative errno. */
long read_text(const char *path, char *buffer, size_t size);
/* A process that another user owns and that is not init; 0 if there is none. The first one looks into /proc
 * only. */
pid_t find_visible(void);
pid_t find_foreign(void);

/* PID_MAX_DEFAULT of the kernel: no sandbox counts further. */
#define PIDS_MAX 32768
