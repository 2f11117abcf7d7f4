/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/template-private.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "capabilities/capability.h"
#include "plan/linux-capability.h"
#include "plan/spec-mount.h"
#include "util/limits.h"

#define NOBODY_ID        65534 /* what ids that have no place in the sandbox look like (user_namespaces(7)) */
#define UPPER_SIZE_MIN   (64 * 1024ULL)
#define UPPER_SIZE_MAX   (1ULL << 50)
#define MEMORY_MIN       (1024 * 1024ULL) /* below it not even init starts */
#define MEMORY_MAX       (1ULL << 50)
#define TASKS_MAX        4194304ULL /* PID_MAX_LIMIT of the kernel */
#define TIMEOUT_MIN_USEC 100000ULL

static void read_description(TemplateRead *read, const TemplateKey *key G_GNUC_UNUSED, const char *value) {
        g_free(read->template->description);
        read->template->description = g_strdup(value);
}

static void read_layers(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = template_read_words(read, key, value);

        if (!words)
                return;
        if (!words[0])
                template_finding_add(read, "%s= is empty, expected '%s', folders or images, top first",
                                     key->name, SPEC_LAYER_HOST_USR);
        for (size_t i = 0; words[i]; i++) {
                if (strcmp(words[i], SPEC_LAYER_HOST_USR) != 0 &&
                    template_normalize_path(read, key, &words[i]) < 0)
                        return;
                if (template_check_twice(read, key, words, i) < 0)
                        return;
        }
        template_strv_take(&read->template->spec->layers, g_steal_pointer(&words));
}

static void read_paths(TemplateRead *read, const TemplateKey *key, const char *value, char ***to) {
        g_auto(GStrv) words = template_read_words(read, key, value);

        if (!words)
                return;
        for (size_t i = 0; words[i]; i++)
                if (template_normalize_path(read, key, &words[i]) < 0 ||
                    template_check_twice(read, key, words, i) < 0)
                        return;
        template_strv_take(to, g_steal_pointer(&words));
}

static void read_hide(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->hide);
}

static void read_mkdir(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->folders);
}

static void read_upper(TemplateRead *read, const TemplateKey *key, const char *value) {
        static const char *const choices[] = { "ephemeral", "none", "persistent", NULL };

        if (template_read_choice(read, key, value, choices) >= 0)
                read->template->spec->upper = spec_upper_from_string(value);
}

/* One line for each mount: the only key that may stand several times. */
static void read_mount(TemplateRead *read, const TemplateKey *key, const char *value) {
        Spec *spec = read->template->spec;
        g_auto(SpecMount) mount = SPEC_MOUNT_NULL;
        g_auto(Error) error = ERROR_NULL;
        guint n = g_strv_length(spec->mounts);

        if (!*value)
                return;
        if (n >= TEMPLATE_LIST_MAX)
                template_finding_add(read, "%s= stands more than %u times", key->name, TEMPLATE_LIST_MAX);
        else if (spec_mount_parse(value, &mount, &error) < 0)
                template_finding_add(read, "%s=: %s", key->name, error.message);
        else {
                spec->mounts = g_renew(char *, spec->mounts, n + 2);
                spec->mounts[n] = g_strdup(value);
                spec->mounts[n + 1] = NULL;
        }
}

static void read_upper_size(TemplateRead *read, const TemplateKey *key, const char *value) {
        (void) template_read_size(read, key, value, UPPER_SIZE_MIN, UPPER_SIZE_MAX,
                                  &read->template->spec->upper_size);
}

static void read_network(TemplateRead *read, const TemplateKey *key, const char *value) {
        static const char *const choices[] = { "veth", "none", "host", NULL };

        if (template_read_choice(read, key, value, choices) >= 0)
                read->template->spec->network = spec_network_from_string(value);
}

static void read_bool(TemplateRead *read, const TemplateKey *key, const char *value, bool *ret) {
        static const char *const choices[] = { "no", "yes", "false", "true", NULL };
        int choice = template_read_choice(read, key, value, choices);

        if (choice >= 0)
                *ret = choice % 2 == 1;
}

static void read_user_namespace(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_bool(read, key, value, &read->template->spec->user_namespace);
}

static void read_map_host_root(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_bool(read, key, value, &read->template->spec->map_host_root);
}

/* An id inside. init's own is out of reach for apps, and nobody's would be that of everything not mapped. */
static int parse_id(const char *text, char separator, uint32_t *ret, const char **ret_end) {
        uint64_t id;

        if (template_parse_number(text, NOBODY_ID - 1, &id, ret_end) < 0)
                return -EINVAL;
        if (**ret_end && **ret_end != separator)
                return -EINVAL;
        *ret = (uint32_t) id;
        return 0;
}

static void read_user(TemplateRead *read, const TemplateKey *key, const char *value) {
        Spec *spec = read->template->spec;
        uint32_t uid = TEMPLATE_APP_ID, gid = TEMPLATE_APP_ID;
        const char *end = "";
        int r = 0;

        if (strcmp(value, "root") == 0)
                uid = gid = 0;
        else if (strcmp(value, "app") != 0) {
                r = parse_id(value, ':', &uid, &end);
                gid = uid;
                if (r >= 0 && *end == ':')
                        r = parse_id(end + 1, '\0', &gid, &end);
        }
        if (r < 0) {
                template_finding_add(
                        read, "%s='%s' is not a user, expected 'app', 'root' or uid[:gid] from 0 to %u",
                        key->name, value, NOBODY_ID - 1);
                return;
        }
        spec->app_uid = uid;
        spec->app_gid = gid;
        g_free(spec->app_home);
        spec->app_home = g_strdup(uid == 0 ? "/root" : TEMPLATE_APP_HOME);
}

static void read_group(TemplateRead *read, const TemplateKey *key, const char *value) {
        uint32_t gid = TEMPLATE_APP_ID;
        const char *end;

        if (!*value)
                return;
        if (strcmp(value, "root") == 0)
                gid = 0;
        else if (strcmp(value, "app") != 0 && parse_id(value, '\0', &gid, &end) < 0) {
                template_finding_add(read,
                                     "%s='%s' is not a group, expected 'app', 'root' or a gid from 0 to %u",
                                     key->name, value, NOBODY_ID - 1);
                return;
        }
        read->group = gid;
        read->has_group = true;
}

static void read_command(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = template_read_words(read, key, value);

        if (!words)
                return;
        if (words[0] && !words[0][0])
                template_finding_add(read, "%s= begins with an empty word, expected a program", key->name);
        else
                template_strv_take(&read->template->spec->command, g_steal_pointer(&words));
}

static void read_working_directory(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_autofree char *path = g_strdup(value);

        if (!*path)
                return;
        if (strcmp(path, "/") != 0 && template_normalize_path(read, key, &path) < 0)
                return;
        g_free(read->template->spec->working_directory);
        read->template->spec->working_directory = g_steal_pointer(&path);
}

static size_t variable_name_size(const char *variable) {
        return strcspn(variable, "=");
}

static void read_environment(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = template_read_words(read, key, value);

        if (!words)
                return;
        for (size_t i = 0; words[i]; i++) {
                size_t size = variable_name_size(words[i]);

                if (size == 0 || words[i][size] != '=') {
                        template_finding_add(read, "%s= has '%s' in it, expected NAME=value", key->name,
                                             words[i]);
                        return;
                }
                if (size > ENV_NAME_MAX || strlen(words[i]) - size - 1 > ENV_VALUE_MAX) {
                        template_finding_add(read, "%s= has a name above %u or a value above %u bytes",
                                             key->name, ENV_NAME_MAX, ENV_VALUE_MAX);
                        return;
                }
                for (size_t j = 0; j < i; j++)
                        if (size == variable_name_size(words[j]) && strncmp(words[i], words[j], size) == 0) {
                                template_finding_add(read, "%s= has the variable '%.*s' twice", key->name,
                                                     (int) size, words[i]);
                                return;
                        }
        }
        read->has_environment = true;
        template_strv_take(&read->template->spec->template_environment, g_steal_pointer(&words));
}

static void read_halt_signal(TemplateRead *read, const TemplateKey *key, const char *value) {
        int halt_signal = template_parse_signal(value);

        if (halt_signal <= 0 || halt_signal == SIGSTOP || halt_signal == SIGCONT)
                template_finding_add(
                        read,
                        "%s='%s' is not a signal that ends programs, expected a name like SIGTERM or "
                        "SIGRTMIN+3, or a number",
                        key->name, value);
        else
                read->template->spec->halt_signal = halt_signal;
}

static void read_timeout(TemplateRead *read, const TemplateKey *key, const char *value, uint64_t *ret_usec) {
        uint64_t usec;

        if (template_parse_seconds(value, &usec) < 0 || usec < TIMEOUT_MIN_USEC ||
            usec > TEMPLATE_TIMEOUT_MAX_USEC)
                template_finding_add(read, "%s='%s' is not a time, expected seconds from 0.1 to 600",
                                     key->name, value);
        else
                *ret_usec = usec;
}

static void read_stop_timeout(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_timeout(read, key, value, &read->template->spec->stop_timeout_usec);
}

static void read_start_timeout(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_timeout(read, key, value, &read->template->spec->start_timeout_usec);
}

static void read_memory(TemplateRead *read, const TemplateKey *key, const char *value) {
        if (strcmp(value, "infinity") == 0)
                read->template->spec->memory_max = 0;
        else
                (void) template_read_size(read, key, value, MEMORY_MIN, MEMORY_MAX,
                                          &read->template->spec->memory_max);
}

static void read_tasks(TemplateRead *read, const TemplateKey *key, const char *value) {
        const char *end = "";
        uint64_t tasks;

        if (strcmp(value, "infinity") == 0)
                read->template->spec->tasks_max = 0;
        else if (template_parse_number(value, TASKS_MAX, &tasks, &end) < 0 || *end || tasks == 0)
                template_finding_add(
                        read, "%s='%s' is not a number of tasks, expected 1 to %" PRIu64 " or 'infinity'",
                        key->name, value, (uint64_t) TASKS_MAX);
        else
                read->template->spec->tasks_max = tasks;
}

static void read_seccomp(TemplateRead *read, const TemplateKey *key, const char *value) {
        if (!capability_name_is_valid(value) || strlen(value) > SECCOMP_NAME_MAX) {
                template_finding_add(read, "%s='%s' is no name of a filter, expected default, none or the name of a "
                                           "file of templates.d without its .seccomp",
                                     key->name, value);
                return;
        }
        read->template->filter_line = read->line;
        read->template->filter_column = read->column;
        g_free(read->template->spec->seccomp);
        read->template->spec->seccomp = g_strdup(value);
}

static void read_linux_capabilities(TemplateRead *read, const TemplateKey *key, const char *value) {
        g_auto(GStrv) words = template_read_words(read, key, value);
        uint64_t capabilities = 0;

        if (!words)
                return;
        for (size_t i = 0; words[i]; i++) {
                int number = linux_capability_from_string(words[i]);

                if (number < 0) {
                        template_finding_add(read, "%s= has '%s' in it, expected names like CAP_NET_RAW",
                                             key->name, words[i]);
                        return;
                }
                capabilities |= UINT64_C(1) << number;
        }
        read->template->spec->linux_capabilities = capabilities;
}

static void read_masked(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->masked);
}

static void read_read_only(TemplateRead *read, const TemplateKey *key, const char *value) {
        read_paths(read, key, value, &read->template->spec->read_only);
}

static void read_ready(TemplateRead *read, const TemplateKey *key, const char *value) {
        const char *end = "";
        uint64_t ready;

        if (template_parse_number(value, READY_SANDBOXES_MAX, &ready, &end) < 0 || *end)
                template_finding_add(read, "%s='%s' is not a number of sandboxes, expected 0 to %d",
                                     key->name, value, READY_SANDBOXES_MAX);
        else
                read->template->ready = (unsigned) ready;
}

const TemplateKey template_keys[] = {
        { "Template", "Description", read_description, false },
        { "Rootfs", "Layers", read_layers, false },
        { "Rootfs", "Hide", read_hide, false },
        { "Rootfs", "Upper", read_upper, false },
        { "Rootfs", "UpperSize", read_upper_size, false },
        { "Rootfs", "Mount", read_mount, true },
        { "Rootfs", "Mkdir", read_mkdir, false },
        { "Namespaces", "User", read_user_namespace, false },
        { "Namespaces", "Network", read_network, false },
        { "Namespaces", "MapHostRoot", read_map_host_root, false },
        { "Process", "User", read_user, false },
        { "Process", "Group", read_group, false },
        { "Process", "Environment", read_environment, false },
        { "Process", "Command", read_command, false },
        { "Process", "WorkingDirectory", read_working_directory, false },
        { "Process", "HaltSignal", read_halt_signal, false },
        { "Process", "StopTimeoutSec", read_stop_timeout, false },
        { "Process", "StartTimeoutSec", read_start_timeout, false },
        { "Limits", "Memory", read_memory, false },
        { "Limits", "Tasks", read_tasks, false },
        { "Security", "Seccomp", read_seccomp, false },
        { "Security", "LinuxCapabilities", read_linux_capabilities, false },
        { "Security", "Masked", read_masked, false },
        { "Security", "ReadOnly", read_read_only, false },
        { "Pool", "Ready", read_ready, false },
};

const size_t template_n_keys = G_N_ELEMENTS(template_keys);
