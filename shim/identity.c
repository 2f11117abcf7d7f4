/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shim/identity.h"

#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODES_DO_NOT_COUNT (1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH)

/* What leaving fsuid 0 takes out of the effective set (capabilities(7)). */
#define FILES_ARE_OURS                                                                                       \
        (MODES_DO_NOT_COUNT | 1u << CAP_CHOWN | 1u << CAP_FOWNER | 1u << CAP_FSETID | 1u << CAP_MKNOD |      \
         1u << CAP_LINUX_IMMUTABLE)

static void enter(uint32_t id, uint32_t capabilities) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

        (void) setfsgid(id);
        (void) setfsuid(id);
        /* The permitted set keeps them. If it fails, less is allowed and the file operation says so. */
        if (syscall(SYS_capget, &header, sets) < 0)
                return;
        sets[0].effective |= sets[0].permitted & capabilities;
        (void) syscall(SYS_capset, &header, sets);
}

void identity_enter(uint32_t id) {
        enter(id, MODES_DO_NOT_COUNT);
}

void identity_enter_privileged(uint32_t id) {
        enter(id, FILES_ARE_OURS);
}

void identity_leave(void) {
        /* Coming back to 0 makes effective again what is permitted. */
        (void) setfsuid(0);
        (void) setfsgid(0);
}
