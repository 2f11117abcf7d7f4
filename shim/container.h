/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Container: the kernel-level mechanism under a sandbox, run by liblxc
 *
 * container_start() forks the monitor: it puts the root together in its own mount namespace and calls liblxc's
 * start with daemonize off, so that it stays LXC's monitor, our child, until the container ends. init says on
 * its socket when it stands; until then nothing has "started". The only file that includes lxc/lxccontainer.h.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan/shim-message.h"
#include "plan/spec.h"
#include "util/error.h"

typedef struct Container Container;

typedef struct ContainerSetup {
        const Spec *spec;
        const char *lxc_name;     /* unique on the host: part of an abstract socket's name */
        const char *cgroup_mount; /* hidden from liblxc */
        const char *init_program; /* path of bulkhead-init on the host */
        int userns_fd;      /* negative: no user namespace */
        int init_socket_fd; /* init's end */
        const int *join_fds;
        size_t n_join_fds;
} ContainerSetup;

int container_start(const ContainerSetup *setup, Container **ret, Error *error);
void container_free(Container *container); /* closes descriptors; the monitor must have been reaped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Container, container_free)

/* The monitor's pid: the caller's child, which it reaps and then reports with container_set_ended(). */
pid_t container_get_monitor(const Container *container);
void container_set_ended(Container *container);

/* init has said that it is ready, and the kernel that this is its pid: opens its namespaces. */
int container_set_ready(Container *container, pid_t init_pid, Error *error);
pid_t container_get_init(const Container *container); /* 0 before that, and after the end */

/* SIGKILL to init, or to the monitor where init is not known yet; ends everything inside. */
void container_kill(Container *container);

/* Why it did not start: what the monitor told, else the last lines of liblxc's own log, else @fallback. */
int container_take_failure(Container *container, ErrorCode fallback_code, const char *fallback, Error *error);

/* How long the monitor took to put the root together; 0 if it has not told. */
uint64_t container_get_rootfs_usec(Container *container);

/* Opens the container's namespaces for who may enter them; *ret_names has static strings, "mnt" and so on, and
 * @ret_fds as many descriptors. Returns their number. */
#define CONTAINER_NAMESPACES_MAX 8
int container_open_namespaces(const Container *container, const char *ret_names[CONTAINER_NAMESPACES_MAX + 1],
                              int ret_fds[CONTAINER_NAMESPACES_MAX], Error *error);

/* Puts the calling process into the container's mount namespace, and back into ours. While inside, relative
 * paths begin at our own /proc/self/fd (see apply-mount.c). */
int container_enter_mounts(Container *container, Error *error);
void container_leave_mounts(Container *container);
/* The same with the monitor's, where nothing of the sandbox can look. */
int container_enter_monitor(Container *container, Error *error);

/* The same with its network namespace; nothing else changes. */
int container_enter_network(Container *container, Error *error);
void container_leave_network(Container *container);
int container_get_network_fd(const Container *container); /* stays the container's; -EBADF after the end */
int container_get_userns_fd(const Container *container); /* stays the container's; negative: it has none */
