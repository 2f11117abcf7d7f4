/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/output.h"

#define JSON_LEVELS_MAX 16

bool bus_has_service(Cli *cli) {
        int r = cli->service ? 0 : bulkhead_open(cli->address, &cli->service, NULL);

        if (r >= 0)
                r = sd_bus_call_method(bulkhead_get_bus(cli->service), "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", NULL,
                                       NULL, "s", BUS_NAME);
        return r >= 0;
}

int bus_open(Cli *cli) {
        g_auto(BulkheadError) error = { 0 };
        int r = cli->service ? 0 : bulkhead_open(cli->address, &cli->service, &error);

        return r < 0 ? bus_explain_failure(cli, &error, r) : 0;
}

int bus_error_to_exit_status(const BulkheadError *error) {
        if (!bulkhead_error_is(error, "ExecFailed"))
                return EXIT_BULKHEAD;
        /* The message ends with the words of the errno, in the C locale: neither side calls setlocale(3). */
        if (error->message && g_str_has_suffix(error->message, ": No such file or directory"))
                return EXIT_NOT_FOUND;
        return EXIT_NOT_EXECUTABLE;
}

int bus_explain_failure(const Cli *cli, const BulkheadError *error, int r) {
        const char *message = error && error->message ? error->message : g_strerror(-r);

        if (bulkhead_error_is(error, BULKHEAD_ERROR_NO_BUS))
                output_error(
                        "Cannot reach the bus '%s': %s; is a D-Bus daemon running there, or did you mean "
                        "another one (--bus system|session|ADDRESS)?",
                        cli->address, message);
        else if (bulkhead_error_is(error, BULKHEAD_ERROR_NO_SERVICE))
                output_error(
                        "The Bulkhead service is not running on the bus '%s'; start it with 'systemctl start "
                        "bulkhead', or say with --bus where it is",
                        cli->address);
        else if (bulkhead_error_is(error, BULKHEAD_ERROR_NO_ANSWER))
                output_error("The Bulkhead service did not answer in time, or left the bus");
        else if (bulkhead_error_is(error, BULKHEAD_ERROR_UNKNOWN))
                output_error("The Bulkhead service that is running cannot do this: %s", message);
        else if (bulkhead_error_is(error, "AccessDenied"))
                output_error(
                        "%s (only root and members of the group 'bulkhead' may call the service, and "
                        "only the owner of a sandbox may use it)",
                        message);
        else
                output_error("%s", message);
        return r;
}

int bus_answer_is_bad(int r) {
        output_error("The answer of the Bulkhead service cannot be read: %s", g_strerror(-r));
        return r;
}

sd_bus_message *bus_new_call(Cli *cli, const char *path, const char *interface, const char *member) {
        sd_bus_message *m = NULL;
        int r = bulkhead_new_call(cli->service, path, interface, member, &m, NULL);

        g_assert(r >= 0); /* the names are ours, the path is what the service gave */
        return m;
}

int bus_call(Cli *cli, sd_bus_message *call, json_t **ret) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(BulkheadError) error = { 0 };
        int r = bulkhead_call(cli->service, call, 0, &reply, &error);

        if (r < 0)
                return bus_explain_failure(cli, &error, r);
        r = bus_read_json(reply, ret);
        return r < 0 ? bus_answer_is_bad(r) : 0;
}

int bus_find_sandbox(Cli *cli, const char *name, char **ret_path) {
        g_auto(BulkheadError) error = { 0 };
        int r = bulkhead_find(cli->service, name, ret_path, &error);

        return r < 0 ? bus_explain_failure(cli, &error, r) : 0;
}

static int bus_read_value(sd_bus_message *m, unsigned level, json_t **ret);

static int bus_read_basic(sd_bus_message *m, char type, json_t **ret) {
        union {
                uint8_t u8;
                int b;
                int16_t i16;
                uint16_t u16;
                int32_t i32;
                uint32_t u32;
                int64_t i64;
                uint64_t u64;
                double d;
                const char *s;
        } value;
        int r;

        r = sd_bus_message_read_basic(m, type, &value);
        if (r < 0)
                return r;
        switch (type) {
        case SD_BUS_TYPE_BYTE:
                *ret = json_integer(value.u8);
                return 0;
        case SD_BUS_TYPE_BOOLEAN:
                *ret = json_boolean(value.b);
                return 0;
        case SD_BUS_TYPE_INT16:
                *ret = json_integer(value.i16);
                return 0;
        case SD_BUS_TYPE_UINT16:
                *ret = json_integer(value.u16);
                return 0;
        case SD_BUS_TYPE_INT32:
                *ret = json_integer(value.i32);
                return 0;
        case SD_BUS_TYPE_UINT32:
                *ret = json_integer(value.u32);
                return 0;
        case SD_BUS_TYPE_INT64:
                *ret = json_integer(value.i64);
                return 0;
        case SD_BUS_TYPE_UINT64:
                /* jansson has no unsigned numbers; what does not fit means "no limit" wherever it occurs. */
                *ret = value.u64 > INT64_MAX ? json_null() : json_integer((json_int_t) value.u64);
                return 0;
        case SD_BUS_TYPE_DOUBLE:
                *ret = json_real(value.d);
                return 0;
        case SD_BUS_TYPE_STRING:
        case SD_BUS_TYPE_OBJECT_PATH:
        case SD_BUS_TYPE_SIGNATURE:
                *ret = json_string(value.s);
                return 0;
        default: /* a descriptor */
                *ret = json_null();
                return 0;
        }
}

/* Members of an array, a struct or a variant until its end; dictionary entries become an object. */
static int bus_read_members(sd_bus_message *m, bool dictionary, unsigned level, json_t *into) {
        int r;

        while (sd_bus_message_at_end(m, 0) == 0) {
                json_t *member = NULL;
                json_t *key = NULL;

                if (dictionary) {
                        r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, NULL);
                        if (r < 0)
                                return r;
                        r = bus_read_value(m, level, &key);
                        if (r < 0)
                                return r;
                }
                r = bus_read_value(m, level, &member);
                if (r >= 0 && dictionary)
                        r = sd_bus_message_exit_container(m);
                if (r < 0) {
                        json_decref(key);
                        return r;
                }
                if (dictionary)
                        json_object_set_new(into, json_string_value(key), member);
                else
                        json_array_append_new(into, member);
                json_decref(key);
        }
        return 0;
}

static int bus_read_container(sd_bus_message *m, char type, const char *contents, unsigned level,
                              json_t **ret) {
        /* All dictionaries of the interface have strings as keys. */
        bool dictionary = type == SD_BUS_TYPE_ARRAY && g_str_has_prefix(contents, "{s");
        json_t *value;
        int r;

        if (level >= JSON_LEVELS_MAX)
                return -E2BIG;
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        value = dictionary ? json_object() : json_array();
        r = bus_read_members(m, dictionary, level + 1, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                json_decref(value);
                return r;
        }
        if (type == SD_BUS_TYPE_VARIANT) {
                *ret = json_incref(json_array_get(value, 0));
                json_decref(value);
                return 0;
        }
        *ret = value;
        return 0;
}

static int bus_read_value(sd_bus_message *m, unsigned level, json_t **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENXIO;
        if (strchr("ybnqiuxtdsogh", type))
                return bus_read_basic(m, type, ret);
        return bus_read_container(m, type, contents, level, ret);
}

int bus_read_json(sd_bus_message *m, json_t **ret) {
        return bus_read_value(m, 0, ret);
}

json_t *bus_ask_manager(Cli *cli, const char *member) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, member);
        json_t *answer = NULL;

        return bus_call(cli, call, &answer) < 0 ? NULL : answer;
}

json_t *bus_get_properties(Cli *cli, const char *path, bool may_be_gone) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, path, "org.freedesktop.DBus.Properties", "GetAll");
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(BulkheadError) error = { 0 };
        json_t *properties = NULL;
        int r = sd_bus_message_append(call, "s", BUS_SANDBOX_INTERFACE);

        if (r >= 0)
                r = bulkhead_call(cli->service, call, 0, &reply, &error);
        if (r < 0 && may_be_gone && bulkhead_error_is(&error, BULKHEAD_ERROR_GONE))
                return NULL;
        if (r < 0)
                bus_explain_failure(cli, &error, r);
        else {
                r = bus_read_json(reply, &properties);
                if (r < 0)
                        bus_answer_is_bad(r);
        }
        return properties;
}
