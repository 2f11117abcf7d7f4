/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Looking at the host: processes, mounts, descriptors, time
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t system_now_usec(void);
void system_sleep_msec(unsigned msec);

unsigned system_count_fds(pid_t pid);     /* of a process of ours */
bool system_has_stray_mounts(void);       /* in the host's table: what belongs into a monitor's */
bool system_is_mounted(const char *word); /* a line of that table has it */
bool system_is_alive(pid_t pid);          /* a zombie is not */

/* Processes whose cgroup has @name in its path; the first one goes to *ret_pid, which may be NULL. */
unsigned system_count_in_cgroup(const char *name, pid_t *ret_pid);
/* Processes of that cgroup whose command name is @comm; the pid of one of them, or 0. */
pid_t system_find_process(const char *cgroup, const char *comm);
/* Folders of that relative name in the hierarchies. */
unsigned system_count_cgroups(const char *name);
/* SIGKILL to all in it until nobody is left, then takes the folders away: for tests that failed. */
void system_sweep_cgroup(const char *name);

/* A new folder below /tmp, and its end, which comes at the latest with the program's. What is mounted on it
 * is taken off. */
char *system_make_folder(const char *what);
void system_remove_folder(char *path); /* takes the string */
void system_write_file(const char *folder, const char *name, const char *text, mode_t mode);
