/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc and /sys: settings of the kernel, and what they tell of the host
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/attacks/probe.h"

/* Nothing is written: that it opens for writing is enough. */
static void run_write(const Attack *attack, Result *result) {
        result_judge_path(result, open(attack->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK));
}

static void run_read(const Attack *attack, Result *result) {
        char text[256];
        long n = read_text(attack->path, text, sizeof text);

        if (n == 0)
                result_set(result, OUTCOME_REFUSED, 0, "it is empty");
        else {
                errno = (int) -n;
                result_judge_path(result, n < 0 ? -1 : n);
        }
}

static void run_list(const Attack *attack, Result *result) {
        DIR *folder = opendir(attack->path);

        if (!folder) {
                result_judge_path(result, -1);
                return;
        }
        result_set(result, OUTCOME_REFUSED, 0, "it is empty");
        for (struct dirent *entry; (entry = readdir(folder));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        result_set(result, OUTCOME_THROUGH, 0, "it has %.80s", entry->d_name);
        (void) closedir(folder);
}

static void run_is_writable(const Attack *attack, Result *result) {
        struct statvfs status;

        if (statvfs(attack->path, &status) < 0)
                result_judge_path(result, -1);
        else
                result_through_if(result, !(status.f_flag & ST_RDONLY), "it is mounted for writing");
}

/* Addresses of the kernel, which /proc/kallsyms shows as zeros to whom it does not trust. */
static void run_addresses(const Attack *attack, Result *result) {
        char text[4096];
        long n = read_text(attack->path, text, sizeof text);

        if (n <= 0) {
                errno = n < 0 ? (int) -n : EACCES;
                result_judge_path(result, -1);
                return;
        }
        result_set(result, OUTCOME_REFUSED, 0, "zeros only");
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strtoull(line, NULL, 16) != 0) {
                        result_set(result, OUTCOME_THROUGH, 0, "%.40s", line);
                        return;
                }
}

static char writable[160];
static unsigned n_files;

static int look_for_writable(const char *path, const struct stat *status, int type, struct FTW *walk) {
        static const char *const names[] = { "release_agent", "notify_on_release", "tasks",
                                             "cgroup.procs",  "devices.allow",     "memory.limit_in_bytes",
                                             "memory.max",    "pids.max",          "cgroup.kill",
                                             "cgroup.freeze", "freezer.state" };

        (void) status;
        if (type != FTW_F)
                return 0;
        n_files++;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                int fd;

                if (strcmp(path + walk->base, names[i]) != 0)
                        continue;
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd >= 0) {
                        (void) snprintf(writable, sizeof writable, "%s", path);
                        return 1;
                }
        }
        return 0;
}

/* The way of CVE-2022-0492, and raising our own limits. */
static void run_cgroup_files(const Attack *attack, Result *result) {
        (void) nftw(attack->path, look_for_writable, 32, FTW_PHYS);
        if (writable[0])
                result_set(result, OUTCOME_THROUGH, 0, "%s", writable);
        else
                result_set(result, n_files ? OUTCOME_REFUSED : OUTCOME_ABSENT, 0, "%u files", n_files);
}

static void run_own_map(const Attack *attack, Result *result) {
        int fd = open(attack->path, O_WRONLY | O_CLOEXEC);

        result_judge_path(result, fd < 0 ? -1 : write(fd, "deny", 4));
}

#define WRITE(id_, what_, path_)                                                                             \
        { "proc." id_, "masks", what_, run_write, .path = path_ }
#define SYS(id_, what_, path_)                                                                               \
        { "sys." id_, "masks", what_, run_write, .path = path_ }
#define READ(id_, what_, path_)                                                                              \
        { "read." id_, "masks", "read " what_, run_read, .path = path_ }
#define LIST(id_, what_, path_)                                                                              \
        { "read." id_, "masks", "list " what_, run_list, .path = path_ }

static const Attack attacks[] = {
        WRITE("core-pattern", "run a program on the host at a crash", "/proc/sys/kernel/core_pattern"),
        WRITE("modprobe", "run a program on the host for a module", "/proc/sys/kernel/modprobe"),
        WRITE("hotplug", "run a program on the host for a device", "/proc/sys/kernel/hotplug"),
        WRITE("poweroff-cmd", "run a program on the host at its end", "/proc/sys/kernel/poweroff_cmd"),
        WRITE("sysrq", "allow magic SysRq", "/proc/sys/kernel/sysrq"),
        WRITE("sysrq-trigger", "trigger magic SysRq", "/proc/sysrq-trigger"),
        WRITE("panic", "let the kernel panic", "/proc/sys/kernel/panic_on_oops"),
        WRITE("randomize", "switch off address randomization", "/proc/sys/kernel/randomize_va_space"),
        WRITE("kptr", "show the kernel's addresses", "/proc/sys/kernel/kptr_restrict"),
        WRITE("perf", "allow all performance events", "/proc/sys/kernel/perf_event_paranoid"),
        WRITE("bpf", "allow BPF", "/proc/sys/kernel/unprivileged_bpf_disabled"),
        WRITE("pid-max", "shrink the host's process numbers", "/proc/sys/kernel/pid_max"),
        WRITE("threads-max", "shrink the host's processes", "/proc/sys/kernel/threads-max"),
        WRITE("last-pid", "choose the next process number", "/proc/sys/kernel/ns_last_pid"),
        WRITE("host-name", "set the host name by file", "/proc/sys/kernel/hostname"),
        WRITE("shm-max", "grow shared memory", "/proc/sys/kernel/shmmax"),
        WRITE("sem", "grow semaphores", "/proc/sys/kernel/sem"),
        WRITE("queues", "grow message queues", "/proc/sys/fs/mqueue/queues_max"),
        WRITE("keys", "grow the quota of keys", "/proc/sys/kernel/keys/maxkeys"),
        WRITE("binfmt", "register an interpreter for the host", "/proc/sys/fs/binfmt_misc/register"),
        WRITE("suid-dumpable", "dump set-id programs", "/proc/sys/fs/suid_dumpable"),
        WRITE("hard-links", "allow links to others' files", "/proc/sys/fs/protected_hardlinks"),
        WRITE("file-max", "grow the host's open files", "/proc/sys/fs/file-max"),
        WRITE("drop-caches", "drop the host's caches", "/proc/sys/vm/drop_caches"),
        WRITE("overcommit", "change how memory is promised", "/proc/sys/vm/overcommit_memory"),
        WRITE("swappiness", "change when the host swaps", "/proc/sys/vm/swappiness"),
        WRITE("mmap-min", "allow mapping page zero", "/proc/sys/vm/mmap_min_addr"),
        WRITE("forward-v4", "forward IPv4", "/proc/sys/net/ipv4/ip_forward"),
        WRITE("forward-v6", "forward IPv6", "/proc/sys/net/ipv6/conf/all/forwarding"),
        WRITE("route-localnet", "route to the loopback of others",
              "/proc/sys/net/ipv4/conf/all/route_localnet"),
        WRITE("accept-ra", "take routers' word", "/proc/sys/net/ipv6/conf/all/accept_ra"),
        WRITE("low-ports", "open low ports to everybody", "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
        WRITE("ping-groups", "let everybody ping", "/proc/sys/net/ipv4/ping_group_range"),
        WRITE("user-namespaces", "allow user namespaces", "/proc/sys/user/max_user_namespaces"),
        WRITE("irq", "move interrupts", "/proc/irq/default_smp_affinity"),
        WRITE("mtrr", "change memory types", "/proc/mtrr"),
        WRITE("scsi", "command the SCSI layer", "/proc/scsi/scsi"),
        WRITE("timer-migration", "change timers", "/proc/sys/kernel/timer_migration"),
        WRITE("dirty", "let dirty pages pile up", "/proc/sys/vm/dirty_ratio"),
        WRITE("zone-reclaim", "compact the host's memory", "/proc/sys/vm/compact_memory"),
        { "proc.sys-writable", "masks", "find /proc/sys writable", run_is_writable, .path = "/proc/sys" },
        { "proc.irq-writable", "masks", "find /proc/irq writable", run_is_writable, .path = "/proc/irq" },
        { "proc.bus-writable", "masks", "find /proc/bus writable", run_is_writable, .path = "/proc/bus" },
        { "proc.fs-writable", "masks", "find /proc/fs writable", run_is_writable, .path = "/proc/fs" },
        { "proc.sysrq-writable", "masks", "find /proc/sysrq-trigger writable", run_is_writable,
          .path = "/proc/sysrq-trigger" },
        { "proc.setgroups", "ids", "change the rule for groups", run_own_map,
          .path = "/proc/self/setgroups" },
        { "sys.writable", "masks", "find /sys writable", run_is_writable, .path = "/sys" },
        SYS("uevent-helper", "run a program on the host for a device", "/sys/kernel/uevent_helper"),
        SYS("power", "suspend the host", "/sys/power/state"),
        SYS("huge-pages", "change huge pages", "/sys/kernel/mm/transparent_hugepage/enabled"),
        SYS("ksm", "merge pages of others", "/sys/kernel/mm/ksm/run"),
        SYS("kexec-crash", "change the crash kernel's memory", "/sys/kernel/kexec_crash_size"),
        SYS("governor", "change the processor's speed",
            "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"),
        SYS("cpu-online", "switch a processor off", "/sys/devices/system/cpu/cpu1/online"),
        SYS("uevent", "send an event of a device", "/sys/devices/virtual/mem/null/uevent"),
        SYS("block-uevent", "send an event of a disk", "/sys/class/block/loop0/uevent"),
        SYS("pci-rescan", "look for devices on the bus", "/sys/bus/pci/rescan"),
        SYS("drivers-probe", "bind a driver", "/sys/bus/pci/drivers_probe"),
        SYS("module", "change a module's parameter", "/sys/module/kernel/parameters/panic"),
        SYS("sysrq", "reset by key", "/sys/module/sysrq/parameters/reset_seq"),
        SYS("profiling", "profile the kernel", "/sys/kernel/profiling"),
        SYS("wake-lock", "keep the host awake", "/sys/power/wake_lock"),
        SYS("printk", "change what the kernel prints", "/sys/module/printk/parameters/time"),
        READ("kcore", "the kernel's memory", "/proc/kcore"),
        READ("kmsg", "the kernel's log", "/proc/kmsg"),
        READ("keys", "the keys of others", "/proc/keys"),
        READ("timer-list", "the host's timers", "/proc/timer_list"),
        READ("sched-debug", "the host's run queues", "/proc/sched_debug"),
        READ("latency", "the host's latencies", "/proc/latency_stats"),
        READ("kpagecount", "how pages are shared", "/proc/kpagecount"),
        READ("kpageflags", "the flags of all pages", "/proc/kpageflags"),
        READ("kpagecgroup", "whose pages are whose", "/proc/kpagecgroup"),
        READ("vmallocinfo", "the kernel's mappings", "/proc/vmallocinfo"),
        READ("slabinfo", "the kernel's heap", "/proc/slabinfo"),
        READ("pagetypeinfo", "the host's free pages", "/proc/pagetypeinfo"),
        READ("interrupts", "when keys are pressed, by interrupts,", "/proc/interrupts"),
        LIST("acpi", "ACPI", "/proc/acpi"),
        LIST("asound", "sound devices", "/proc/asound"),
        LIST("scsi", "disks", "/proc/scsi"),
        LIST("firmware", "the firmware's tables", "/sys/firmware"),
        LIST("powercap", "what the processor draws", "/sys/devices/virtual/powercap"),
        LIST("debugfs", "debugfs", "/sys/kernel/debug"),
        LIST("tracefs", "tracefs", "/sys/kernel/tracing"),
        LIST("security", "the security file system", "/sys/kernel/security"),
        LIST("bpffs", "pinned BPF objects", "/sys/fs/bpf"),
        LIST("pstore", "records of crashes", "/sys/fs/pstore"),
        LIST("efi", "firmware variables", "/sys/firmware/efi/efivars"),
        { "read.kallsyms", "masks", "read the kernel's addresses", run_addresses, .path = "/proc/kallsyms" },
        { "read.iomem", "masks", "read the map of physical memory", run_addresses, .path = "/proc/iomem" },
        { "cgroup.files", "cgroup", "write to a control group, as CVE-2022-0492 did", run_cgroup_files,
          .path = "/sys/fs/cgroup" },
};

const AttackList proc_attacks = ATTACK_LIST(attacks);
