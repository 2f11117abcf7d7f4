/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/walls.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_CAPABILITIES (1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL)

static int set_capabilities(uint64_t mask, uint64_t inheritable) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

        for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                sets[i].effective = sets[i].permitted = (uint32_t) (mask >> 32 * i);
                sets[i].inheritable = (uint32_t) (inheritable >> 32 * i);
        }
        return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

static bool is_kept(uint64_t mask, int capability) {
        return mask >> capability & 1;
}

int walls_drop_privileges(const InitSetup *setup) {
        /* First, while SETPCAP is effective: leaving uid 0 keeps the capabilities permitted only. */
        for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
                if (!is_kept(setup->capabilities, capability) &&
                    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        return -errno;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
            setgroups(0, NULL) < 0 || setresgid(INIT_UID, INIT_UID, INIT_UID) < 0 ||
            setresuid(INIT_UID, INIT_UID, INIT_UID) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        /* A change of uid clears the parent-death signal that liblxc has set: the monitor's death is ours. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return set_capabilities(OWN_CAPABILITIES | setup->capabilities, 0);
}

int walls_load_filter(const InitSetup *setup, size_t number) {
        const InitFilter *filter = &setup->filters[number];
        struct sock_fprog program = {
                .len = (unsigned short) (filter->size / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *) filter->bytes,
        };

        if (filter->size == 0)
                return 0;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int walls_set_credentials(const InitSetup *setup, const InitRun *run) {
        uint64_t kept = setup->capabilities;
        int r;

        if (kept != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return errno;
        if (setgroups(run->n_groups, (gid_t *) run->groups) < 0 || setresgid(run->gid, run->gid, run->gid) < 0 ||
            setresuid(run->uid, run->uid, run->uid) < 0)
                return errno;
        /* The memory is init's until exec, and the kernel has just made it as dumpable as fs.suid_dumpable says. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return errno;
        r = set_capabilities(kept, kept);
        for (int capability = 0; r >= 0 && capability < 64; capability++)
                if (is_kept(kept, capability) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
                        r = -errno;
        return -r;
}
