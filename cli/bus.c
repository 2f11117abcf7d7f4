/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "cli/bus.h"
#include "cli/output.h"

#define JSON_LEVELS_MAX 16

static int bus_open_address(const char *address, sd_bus **ret) {
        g_autoptr(sd_bus) bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&bus);
        return 0;
}

static int bus_connect(Cli *cli) {
        if (cli->bus)
                return 0;
        if (strcmp(cli->address, "system") == 0)
                return sd_bus_open_system(&cli->bus);
        if (strcmp(cli->address, "session") == 0)
                return sd_bus_open_user(&cli->bus);
        return bus_open_address(cli->address, &cli->bus);
}

bool bus_has_service(Cli *cli) {
        int r = bus_connect(cli);

        if (r >= 0)
                r = sd_bus_call_method(cli->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetNameOwner", NULL, NULL, "s", BUS_NAME);
        return r >= 0;
}

int bus_open(Cli *cli) {
        int r = bus_connect(cli);

        if (r < 0)
                output_error(
                        "Cannot connect to the bus '%s': %s; is a D-Bus daemon running there, or did you "
                        "mean another one (--bus system|session|ADDRESS)?",
                        cli->address, g_strerror(-r));
        return r;
}

sd_bus_message *bus_new_call(Cli *cli, const char *path, const char *interface, const char *member) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(cli->bus, &m, BUS_NAME, path, interface, member);
        g_assert(r >= 0); /* the names are ours, the path is what the service gave */
        return m;
}

static bool error_has_name(const sd_bus_error *error, const char *const *names) {
        for (; error && error->name && *names; names++)
                if (strcmp(error->name, *names) == 0)
                        return true;
        return false;
}

bool bus_error_is_gone(const sd_bus_error *error) {
        static const char *const names[] = {
                "org.freedesktop.DBus.Error.UnknownObject",
                BUS_ERROR_PREFIX "NoSuchSandbox",
                NULL,
        };

        return error_has_name(error, names);
}

int bus_error_to_exit_status(const sd_bus_error *error) {
        static const char *const exec_failed[] = { BUS_ERROR_PREFIX "ExecFailed", NULL };

        if (!error_has_name(error, exec_failed))
                return EXIT_BULKHEAD;
        /* The message ends with the words of the errno, in the C locale: neither side calls setlocale(3). */
        if (error->message && g_str_has_suffix(error->message, ": No such file or directory"))
                return EXIT_NOT_FOUND;
        return EXIT_NOT_EXECUTABLE;
}

int bus_explain_failure(const Cli *cli, const sd_bus_error *error, int r) {
        static const char *const absent[] = {
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "org.freedesktop.DBus.Error.NameHasNoOwner",
                NULL,
        };
        static const char *const slow[] = {
                "org.freedesktop.DBus.Error.NoReply",
                "org.freedesktop.DBus.Error.Timeout",
                NULL,
        };
        static const char *const unknown_method[] = {
                "org.freedesktop.DBus.Error.UnknownMethod",
                "org.freedesktop.DBus.Error.UnknownInterface",
                NULL,
        };
        static const char *const denied[] = { SD_BUS_ERROR_ACCESS_DENIED, NULL };

        if (error_has_name(error, absent))
                output_error("The Bulkhead service is not running on the bus '%s'; start it with 'systemctl "
                             "start bulkheadd', or say with --bus where it is",
                             cli->address);
        else if (error_has_name(error, slow) || (!error->name && r == -ETIMEDOUT))
                output_error("The Bulkhead service did not answer in time, or left the bus");
        else if (error_has_name(error, unknown_method))
                output_error("The Bulkhead service that is running cannot do this: %s", error->message);
        else if (error_has_name(error, denied))
                output_error(
                        "%s (only root and members of the group 'bulkhead' may call the service, and only "
                        "the owner of a sandbox may use it)",
                        error->message);
        else if (error && error->message && error->message[0] != '\0')
                output_error("%s", error->message);
        else
                output_error("The call to the Bulkhead service failed: %s", g_strerror(-r));
        return r;
}

int bus_call(Cli *cli, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call(cli->bus, call, timeout_usec, &error, ret_reply);
        if (r < 0)
                bus_explain_failure(cli, &error, r);
        sd_bus_error_free(&error);
        return r;
}

int bus_find_sandbox(Cli *cli, const char *name, char **ret_path) {
        g_autoptr(sd_bus_message) call = bus_new_call(cli, BUS_PATH, BUS_MANAGER_INTERFACE, "GetSandbox");
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path;
        int r;

        r = sd_bus_message_append(call, "s", name);
        if (r < 0) {
                output_error("'%s' cannot be the name of a sandbox", name);
                return r;
        }
        r = bus_call(cli, call, 0, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r);
        *ret_path = g_strdup(path);
        return 0;
}

int bus_append_string(sd_bus_message *m, const char *key, const char *value) {
        return sd_bus_message_append(m, "{sv}", key, "s", value);
}

int bus_append_bool(sd_bus_message *m, const char *key, bool value) {
        return sd_bus_message_append(m, "{sv}", key, "b", (int) value);
}

int bus_append_fd(sd_bus_message *m, const char *key, int fd) {
        return sd_bus_message_append(m, "{sv}", key, "h", fd);
}

/* Opens an entry of a{sv} up to the inside of its variant. */
static int bus_open_entry(sd_bus_message *m, const char *key, const char *signature) {
        int r;

        r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", key);
        if (r < 0)
                return r;
        return sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, signature);
}

static int bus_close_entry(sd_bus_message *m) {
        int r;

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

int bus_append_strings(sd_bus_message *m, const char *key, char *const *values) {
        int r;

        r = bus_open_entry(m, key, "as");
        if (r < 0)
                return r;
        r = sd_bus_message_append_strv(m, (char **) values);
        if (r < 0)
                return r;
        return bus_close_entry(m);
}

int bus_append_pairs(sd_bus_message *m, const char *key, char *const *pairs) {
        int r;

        r = bus_open_entry(m, key, "a{ss}");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{ss}");
        if (r < 0)
                return r;
        for (; *pairs; pairs++) {
                const char *equals = strchr(*pairs, '=');
                g_autofree char *name = NULL;

                g_assert(equals);
                name = g_strndup(*pairs, (size_t) (equals - *pairs));
                r = sd_bus_message_append(m, "{ss}", name, equals + 1);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;
        return bus_close_entry(m);
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
        g_autoptr(sd_bus_message) reply = NULL;
        json_t *answer = NULL;
        int r;

        if (bus_call(cli, call, 0, &reply) < 0)
                return NULL;
        r = bus_read_json(reply, &answer);
        if (r < 0)
                bus_explain_failure(cli, &SD_BUS_ERROR_NULL, r);
        return answer;
}
