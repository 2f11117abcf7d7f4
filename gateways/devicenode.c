/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Device gateway
 *
 * Puts a device of the host into the sandbox's /dev, under the path that it has on the host, and opens it in
 * the devices control group.
 *
 * "name": a path below /dev, without ".."; or a glob if it has one of * ? [ in it, where * and ? do not stand
 * for a slash. A glob's first part below /dev has to begin with a letter or digit: "/dev/ttyUSB*" is an
 * answer to what an app needs, a glob that fits every device is not. What the sandbox has of its own
 * (/dev/pts, /dev/shm and the like) cannot be asked for.
 *
 * "mode": who may open the node, as the digits of chmod(1): 644, "644" and "0644" are all rw-r--r--. Digits
 * are octal in a JSON integer too, so 8 and 9 are refused, and so is what is above 777, and 0. Without the
 * key it is the mode that the host's device has.
 *
 * "access": letters of the devices control group, each at most once, in any order: r read, w write, m make
 * nodes. Without the key it is all three, as it always was; an app can make no nodes anyway.
 *
 * "optional": true if a device that is not there is no error; false unless said otherwise.
 *
 * The same name again adds up: of access each letter, of the mode each digit the larger one, as it always was
 * (444 and 266 are 466); a row without a mode is at least the host's.
 */
#include <string.h>

#include "gateways/gateway.h"
#include "util/limits.h"

extern const GatewayOps gateway_devicenode_ops;

#define MODE_MAX 0777

typedef struct DeviceConfig {
        GatewayConfig config;
        char *name;    /* owned; normalized */
        unsigned mode; /* 0 = as on the host */
        PlanDeviceFlags access, flags;
} DeviceConfig;

static int read_name(const JsonCursor *at, void *userdata) {
        DeviceConfig *device = userdata;
        g_auto(Error) error = ERROR_NULL;
        const char *name, *first;
        int r;

        r = json_read_string(at, 1, PATH_SIZE_MAX - 1, &name);
        if (r < 0)
                return r;
        if (name[0] != '/' && !strchr(name, '/'))
                return json_error(at, "'%s' is not a path; did you mean '/dev/%s'", name, name);
        r = plan_path_normalize(name, &device->name, &error);
        if (r >= 0)
                r = plan_device_check(device->name, &error);
        if (r < 0)
                return json_error(at, "%s", error.message);
        first = device->name + strlen("/dev/");
        if (plan_device_is_glob(device->name) && !g_ascii_isalnum(first[0]))
                return json_error(
                        at, "Glob '%s' fits devices of every kind, expected a letter or digit behind '/dev/'",
                        name);
        return 0;
}

/* Digits of chmod(1), at most four with a leading zero. */
static int mode_parse(const JsonCursor *at, const char *text, unsigned *ret) {
        size_t size = strlen(text);
        unsigned mode;

        if (size == 0 || strspn(text, "0123456789") != size)
                return json_error(at, "'%s' is not a mode, expected three octal digits as in \"644\"", text);
        if (strspn(text, "01234567") != size)
                return json_error(at, "Mode '%s' has the digit %c, expected octal digits from 0 to 7", text,
                                  text[strspn(text, "01234567")]);
        mode = size <= 4 ? (unsigned) g_ascii_strtoull(text, NULL, 8) : MODE_MAX + 1;
        if (mode > MODE_MAX)
                return json_error(at, "Mode '%s' is out of range, expected 1 to 777 in octal digits", text);
        if (mode == 0)
                return json_error(
                        at, "Mode '%s' lets nobody open the device; leave it out for the host's mode", text);
        *ret = mode;
        return 0;
}

static int read_mode(const JsonCursor *at, void *userdata) {
        const json_t *value = json_cursor_get_value(at);
        g_autofree char *digits = NULL;
        DeviceConfig *device = userdata;
        const char *text;
        int r;

        if (json_is_integer(value)) {
                digits = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
                return mode_parse(at, digits, &device->mode);
        }
        if (!json_is_string(value))
                return json_error(at, "Expected a mode as a string or an integer, as in \"644\" or 644");
        r = json_read_string(at, 1, ENV_NAME_MAX, &text);
        return r < 0 ? r : mode_parse(at, text, &device->mode);
}

static int read_access(const JsonCursor *at, void *userdata) {
        static const char letters[] = "rwm";
        static const PlanDeviceFlags flags[] = { PLAN_DEVICE_READ, PLAN_DEVICE_WRITE, PLAN_DEVICE_MKNOD };
        DeviceConfig *device = userdata;
        PlanDeviceFlags access = 0;
        const char *text;
        int r;

        r = json_read_string(at, 1, ENV_NAME_MAX, &text);
        if (r < 0)
                return r;
        for (const char *p = text; *p; p++) {
                const char *letter = strchr(letters, *p);

                if (!letter || access & flags[letter - letters])
                        return json_error(at, "'%s' is not an access, expected letters of 'rwm', each once",
                                          text);
                access |= flags[letter - letters];
        }
        device->access = access;
        return 0;
}

static int read_optional(const JsonCursor *at, void *userdata) {
        DeviceConfig *device = userdata;
        bool is_optional;
        int r;

        r = json_read_bool(at, &is_optional);
        if (r < 0)
                return r;
        if (is_optional)
                device->flags |= PLAN_DEVICE_OPTIONAL;
        return 0;
}

static const JsonField device_fields[] = {
        { "name", read_name, JSON_FIELD_REQUIRED },
        { "mode", read_mode, 0 },
        { "access", read_access, 0 },
        { "optional", read_optional, 0 },
        {},
};

static int device_parse_row(const JsonCursor *row, GatewayConfig *config) {
        DeviceConfig *device = (DeviceConfig *) config;

        device->access = PLAN_DEVICE_ALL;
        return json_read_object(row, device_fields, JSON_UNKNOWN_ERROR, device);
}

static int device_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const DeviceConfig *device = (const DeviceConfig *) config;

        return plan_add_device(plan, config->origin, device->name, device->mode,
                               device->access | device->flags, error);
}

static void device_done(GatewayConfig *config) {
        g_free(((DeviceConfig *) config)->name);
}

const GatewayOps gateway_devicenode_ops = {
        .id = "devicenode",
        .config_size = sizeof(DeviceConfig),
        .parse_row = device_parse_row,
        .plan = device_plan,
        .done = device_done,
};
