/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a box
 *
 * cgroup v1 has a list in the kernel to which lines are added and from which they are taken
 * (Documentation/admin-guide/cgroup-v1/devices.rst). v2 asks a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE
 * at every open and mknod (cgroup-v2.rst, "Device controller"): it gets type, numbers and access and says 1 or
 * 0. Ours is a comparison per device, written here instruction by instruction: a compiler for BPF would be a
 * dependency for twelve lines.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cgroup-private.h"
#include "util/cleanup.h"
#include "util/fs.h"
#include "util/limits.h"

/* include/linux/kdev_t.h: 12 and 20 bits. */
#define MAJOR_MAX ((1U << 12) - 1)
#define MINOR_MAX ((1U << 20) - 1)

#define BPF_RULE_MAX 10/* instructions of one device */
#define BPF_FRAME    8 /* and around all of them */

struct CgroupDevices {
        unsigned n_references;
        GArray *list; /* owned; of CgroupDevice, each device once */
        int prog_fd;  /* owned; v2 only */
};

/* ---- the list ---- */

static CgroupDevice *find_device(const CgroupDevices *devices, const CgroupDevice *wanted) {
        for (guint i = 0; i < devices->list->len; i++) {
                CgroupDevice *device = &g_array_index(devices->list, CgroupDevice, i);

                if (device->type == wanted->type && device->major == wanted->major &&
                    device->minor == wanted->minor && device->is_any_minor == wanted->is_any_minor)
                        return device;
        }
        return NULL;
}

static int add_device(CgroupDevices *devices, const CgroupDevice *device, Error *error) {
        CgroupDevice *known = find_device(devices, device);

        if ((device->type != 'c' && device->type != 'b') || device->major > MAJOR_MAX || device->minor > MINOR_MAX ||
            (device->is_any_minor && device->minor != 0) || !(device->access & CGROUP_ACCESS_ALL) ||
            device->access & ~CGROUP_ACCESS_ALL)
                return error_setf(error, ERROR_INVALID_ARGS, "No device has the type '%c' and the numbers %u:%u",
                                  g_ascii_isprint(device->type) ? device->type : '?', device->major, device->minor);
        if (known) {
                known->access |= device->access;
                return 0;
        }
        if (devices->list->len >= DEVICES_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "A sandbox can have %d devices", DEVICES_MAX);
        g_array_append_val(devices->list, *device);
        return 0;
}

/* ---- the program of v2 ---- */

static struct bpf_insn instruction(unsigned code, unsigned to, unsigned from, int offset, int32_t value) {
        return (struct bpf_insn){ .code = (uint8_t) code,
                                  .dst_reg = to & 0xf,
                                  .src_reg = from & 0xf,
                                  .off = (int16_t) offset,
                                  .imm = value };
}

static void emit(GArray *program, struct bpf_insn next) {
        g_array_append_val(program, next);
}

/* r2 type, r3 access, r4 major, r5 minor of who asks, see struct bpf_cgroup_dev_ctx. */
static void emit_load(GArray *program) {
        unsigned load = BPF_LDX | BPF_MEM | BPF_W;

        emit(program, instruction(load, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0));
        emit(program, instruction(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0));
        emit(program, instruction(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16));
        emit(program, instruction(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff));
        emit(program, instruction(load, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0));
        emit(program, instruction(load, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0));
}

static void emit_answer(GArray *program, int32_t answer) {
        emit(program, instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, answer));
        emit(program, instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/* "If it is this device, says whether it has all of the access that is asked for"; else goes on behind it. One
 * that stands for any minor number only says yes: a device of its own may say more. */
static void emit_device(GArray *program, const CgroupDevice *device) {
        unsigned not_equal = BPF_JMP32 | BPF_JNE | BPF_K;
        int left = device->is_any_minor ? 6 : 9; /* instructions of this device behind the one that jumps */
        int32_t others = (int32_t) (~device->access & CGROUP_ACCESS_ALL);

        emit(program, instruction(not_equal, 2, 0, left,
                                  device->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
        emit(program, instruction(not_equal, 4, 0, left - 1, (int32_t) device->major));
        if (!device->is_any_minor)
                emit(program, instruction(not_equal, 5, 0, left - 2, (int32_t) device->minor));
        emit(program, instruction(BPF_ALU | BPF_MOV | BPF_X, 0, 3, 0, 0));
        emit(program, instruction(BPF_ALU | BPF_AND | BPF_K, 0, 0, 0, others));
        emit(program, instruction(not_equal, 0, 0, 2, 0));
        emit_answer(program, 1);
        /* Going on from here the kernel would follow each minor number to the end by itself, which for hundreds of
         * devices is more than it follows. */
        if (!device->is_any_minor)
                emit_answer(program, 0);
}

static void emit_devices(GArray *program, const GArray *list, bool with_any_minor) {
        for (guint i = 0; i < list->len; i++)
                if (g_array_index(list, CgroupDevice, i).is_any_minor == with_any_minor)
                        emit_device(program, &g_array_index(list, CgroupDevice, i));
}

static int load_program(CgroupDevices *devices, Error *error) {
        g_autoptr(GArray) program = g_array_sized_new(FALSE, FALSE, sizeof(struct bpf_insn),
                                                      devices->list->len * BPF_RULE_MAX + BPF_FRAME);
        union bpf_attr attr;

        emit_load(program);
        emit_devices(program, devices->list, true);
        emit_devices(program, devices->list, false);
        emit_answer(program, 0);

        memset(&attr, 0, sizeof(attr));
        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insn_cnt = program->len;
        attr.insns = (uint64_t) (uintptr_t) program->data;
        attr.license = (uint64_t) (uintptr_t) "LGPL";
        devices->prog_fd = (int) syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
        if (devices->prog_fd >= 0)
                return 0;
        return error_set_code_errnof(error, errno == EINVAL || errno == ENOSYS ? ERROR_UNSUPPORTED : ERROR_SYSTEM,
                                     errno, "The kernel does not take a list of devices for cgroup v2");
}

/* ---- lists that are ready ---- */

int cgroup_devices_new(const CgroupBox *box, const CgroupDevice *list, size_t n, CgroupDevices **ret,
                       Error *error) {
        g_autoptr(CgroupDevices) devices = g_new0(CgroupDevices, 1);

        devices->n_references = 1;
        devices->prog_fd = -EBADF;
        devices->list = g_array_new(FALSE, FALSE, sizeof(CgroupDevice));
        for (size_t i = 0; i < n; i++) {
                int r = add_device(devices, list + i, error);

                if (r < 0)
                        return r;
        }
        if (box->host->layout == CGROUP_UNIFIED) {
                int r = load_program(devices, error);

                if (r < 0)
                        return r;
        }
        *ret = g_steal_pointer(&devices);
        return 0;
}

CgroupDevices *cgroup_devices_ref(CgroupDevices *devices) {
        devices->n_references++;
        return devices;
}

void cgroup_devices_unref(CgroupDevices *devices) {
        if (!devices || --devices->n_references > 0)
                return;
        g_array_unref(devices->list);
        devices->prog_fd = fd_close(devices->prog_fd);
        g_free(devices);
}

/* ---- putting them in force ---- */

/* BPF_F_REPLACE (Linux 5.6) swaps ours for ours; programs that systemd has on a group above run as well. */
static int attach_program(CgroupBox *box, const CgroupDevices *devices) {
        autofd int payload_fd = openat(box->fds[0], CGROUP_PAYLOAD, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        union bpf_attr attr;

        if (payload_fd < 0)
                return -errno;
        memset(&attr, 0, sizeof(attr));
        attr.target_fd = (uint32_t) payload_fd;
        attr.attach_bpf_fd = (uint32_t) devices->prog_fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        attr.attach_flags = BPF_F_ALLOW_MULTI;
        if (box->devices) {
                attr.attach_flags |= BPF_F_REPLACE;
                attr.replace_bpf_fd = (uint32_t) box->devices->prog_fd;
        }
        return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int write_line(int dir_fd, const char *file, const CgroupDevice *device, CgroupAccess access) {
        char minor[16] = "*", line[64];

        if (!device->is_any_minor)
                (void) snprintf(minor, sizeof(minor), "%u", device->minor);
        (void) snprintf(line, sizeof(line), "%c %u:%s %s%s%s", device->type, device->major, minor,
                        access & CGROUP_READ ? "r" : "", access & CGROUP_WRITE ? "w" : "",
                        access & CGROUP_MKNOD ? "m" : "");
        return fs_write_file_at(dir_fd, file, line);
}

/* Writes to @file what each of @devices has and @others does not. NULL = nothing. */
static int write_more(int dir_fd, const char *file, const CgroupDevices *devices, const CgroupDevices *others) {
        for (guint i = 0; devices && i < devices->list->len; i++) {
                const CgroupDevice *device = &g_array_index(devices->list, CgroupDevice, i);
                const CgroupDevice *known = others ? find_device(others, device) : NULL;
                CgroupAccess more = device->access & ~(known ? known->access : 0);
                int r = more ? write_line(dir_fd, file, device, more) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int change_lines(int dir_fd, const CgroupDevices *from, const CgroupDevices *to) {
        int r = 0;

        /* "a" closes everything; it is open at first */
        if (!from)
                r = fs_write_file_at(dir_fd, CGROUP_PAYLOAD "/devices.deny", "a");
        if (r >= 0)
                r = write_more(dir_fd, CGROUP_PAYLOAD "/devices.deny", from, to);
        if (r >= 0)
                r = write_more(dir_fd, CGROUP_PAYLOAD "/devices.allow", to, from);
        return r;
}

static int set_lines(CgroupBox *box, const CgroupDevices *devices, Error *error) {
        guint i;
        int r;

        if (!cgroup_host_find(box->host, "devices", &i))
                return error_setf(error, ERROR_UNSUPPORTED, "This host has no devices cgroup");
        r = change_lines(box->fds[i], box->devices, devices);
        if (r < 0 && box->devices)
                /* a line that was not added is taken away without harm, and the other way round */
                (void) change_lines(box->fds[i], devices, box->devices);
        return r < 0 ? error_set_errnof(error, -r, "Cannot change the devices of the cgroup '%s'", box->name) : 0;
}

int cgroup_box_set_devices(CgroupBox *box, CgroupDevices *devices, Error *error) {
        int r;

        if (box->host->layout == CGROUP_UNIFIED) {
                r = attach_program(box, devices);
                if (r < 0)
                        return error_set_errnof(error, -r, "Cannot change the devices of the cgroup '%s'", box->name);
        } else {
                r = set_lines(box, devices, error);
                if (r < 0)
                        return r;
        }
        (void) cgroup_devices_ref(devices);
        cgroup_devices_unref(box->devices);
        box->devices = devices;
        return 0;
}

CgroupDevices *cgroup_box_get_devices(const CgroupBox *box) {
        return box->devices;
}
