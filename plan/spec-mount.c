/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/spec-mount.h"

#include <linux/mount.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

/* linux/mount.h of Debian 12 has it, that of Linux before 5.14 not. */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define WORDS_MIN 3 /* source, target, type */
#define WORDS_MAX 6 /* options, dump and pass as well */

/* Ids above are init's, nobody's and none. */
#define ID_MAX 65533

/*
 * Options that every kind takes (mount(8))
 */
typedef enum OptionEffect {
        OPTION_NOTHING,
        OPTION_SET,
        OPTION_CLEAR,
        OPTION_REFUSED,
        OPTION_BIND,
        OPTION_RBIND,
        OPTION_OPTIONAL,
} OptionEffect;

static const struct {
        const char *word;
        OptionEffect effect;
        uint64_t attribute;
        const char *why; /* it is refused */
} option_words[] = {
        { "defaults", OPTION_NOTHING },
        { "ro", OPTION_SET, MOUNT_ATTR_RDONLY },
        { "rw", OPTION_CLEAR, MOUNT_ATTR_RDONLY },
        { "exec", OPTION_CLEAR, MOUNT_ATTR_NOEXEC },
        { "noexec", OPTION_SET, MOUNT_ATTR_NOEXEC },
        { "nosuid", OPTION_NOTHING },
        { "nodev", OPTION_NOTHING },
        { "suid", OPTION_REFUSED, .why = "set-id bits have no effect in a sandbox" },
        { "dev", OPTION_REFUSED, .why = "devices are for capabilities to give" },
        { "atime", OPTION_CLEAR, MOUNT_ATTR__ATIME },
        { "noatime", OPTION_SET, MOUNT_ATTR_NOATIME },
        { "relatime", OPTION_CLEAR, MOUNT_ATTR__ATIME },
        { "norelatime", OPTION_NOTHING },
        { "strictatime", OPTION_SET, MOUNT_ATTR_STRICTATIME },
        { "nostrictatime", OPTION_CLEAR, MOUNT_ATTR__ATIME },
        { "diratime", OPTION_CLEAR, MOUNT_ATTR_NODIRATIME },
        { "nodiratime", OPTION_SET, MOUNT_ATTR_NODIRATIME },
        { "symfollow", OPTION_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
        { "nosymfollow", OPTION_SET, MOUNT_ATTR_NOSYMFOLLOW },
        { "bind", OPTION_BIND },
        { "rbind", OPTION_RBIND },
        { "nofail", OPTION_OPTIONAL },
        { "optional", OPTION_OPTIONAL },
        /* How a file system writes to its disk: there is none, or it is the host's. */
        { "sync", OPTION_NOTHING },
        { "async", OPTION_NOTHING },
        { "dirsync", OPTION_NOTHING },
        { "lazytime", OPTION_NOTHING },
        { "nolazytime", OPTION_NOTHING },
        { "iversion", OPTION_NOTHING },
        { "noiversion", OPTION_NOTHING },
        { "mand", OPTION_NOTHING },
        { "nomand", OPTION_NOTHING },
        { "silent", OPTION_NOTHING },
        { "loud", OPTION_NOTHING },
        /* Who mounts it, and when: we do, at the start. */
        { "auto", OPTION_NOTHING },
        { "nouser", OPTION_NOTHING },
        { "_netdev", OPTION_NOTHING },
        { "noauto", OPTION_REFUSED, .why = "every line is mounted at the start" },
        { "user", OPTION_REFUSED, .why = "nobody mounts in a sandbox" },
        { "users", OPTION_REFUSED, .why = "nobody mounts in a sandbox" },
        { "owner", OPTION_REFUSED, .why = "nobody mounts in a sandbox" },
        { "group", OPTION_REFUSED, .why = "nobody mounts in a sandbox" },
        { "remount", OPTION_REFUSED, .why = "every line is a new mount" },
        { "move", OPTION_REFUSED, .why = "the host's mounts stay where they are" },
        /* Targets are always made, mounts always private. */
        { "create=dir", OPTION_NOTHING },
        { "create=file", OPTION_NOTHING },
        { "X-mount.mkdir", OPTION_NOTHING },
        { "private", OPTION_NOTHING },
        { "rprivate", OPTION_NOTHING },
        { "unbindable", OPTION_NOTHING },
        { "runbindable", OPTION_NOTHING },
        { "shared", OPTION_REFUSED, .why = "mounts of a sandbox are private" },
        { "rshared", OPTION_REFUSED, .why = "mounts of a sandbox are private" },
        { "slave", OPTION_REFUSED, .why = "mounts of a sandbox are private" },
        { "rslave", OPTION_REFUSED, .why = "mounts of a sandbox are private" },
};

/* 1 if the word is one of mount(8)'s own and was taken, 0 if it is the file system's. */
static int take_common_option(SpecMount *mount, const char *word, bool *is_bind, Error *error) {
        size_t i = 0;

        while (i < G_N_ELEMENTS(option_words) && strcmp(option_words[i].word, word) != 0)
                i++;
        if (i == G_N_ELEMENTS(option_words))
                return 0;
        switch (option_words[i].effect) {
        case OPTION_SET:
                if (option_words[i].attribute & MOUNT_ATTR__ATIME)
                        mount->attributes &= ~(uint64_t) MOUNT_ATTR__ATIME;
                mount->attributes |= option_words[i].attribute;
                break;
        case OPTION_CLEAR:
                mount->attributes &= ~option_words[i].attribute;
                break;
        case OPTION_BIND:
        case OPTION_RBIND:
                *is_bind = true;
                mount->is_recursive |= option_words[i].effect == OPTION_RBIND;
                break;
        case OPTION_OPTIONAL:
                mount->is_optional = true;
                break;
        case OPTION_REFUSED:
                return error_setf(error, ERROR_INVALID_ARGS, "Option '%s' is refused: %s", word,
                                  option_words[i].why);
        case OPTION_NOTHING:
        default:
                break;
        }
        return 1;
}

/*
 * Options of a file system
 */
static int take_number(const char *word, const char *value, int base, uint64_t max, uint32_t *ret,
                       Error *error) {
        guint64 number;

        if (!g_ascii_string_to_unsigned(value, (guint) base, 0, max, &number, NULL))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Option '%s' has no number up to %" G_GUINT64_FORMAT, word, max);
        *ret = (uint32_t) number;
        return 0;
}

/* Digits with a letter behind them; the kernel reads the rest (tmpfs(5)). */
static bool is_amount(const char *value, const char *letters) {
        size_t n = strspn(value, "0123456789");

        return n > 0 && n <= 18 && (value[n] == '\0' || (strchr(letters, value[n]) && value[n + 1] == '\0'));
}

static int take_tmpfs_option(SpecMount *mount, const char *word, Error *error) {
        const char *value = strchr(word, '=');
        size_t size = value ? (size_t) (value++ - word) : 0;

        if (size == 4 && strncmp(word, "mode", size) == 0)
                return take_number(word, value, 8, 01777, &mount->mode, error);
        if (size == 3 && strncmp(word, "uid", size) == 0)
                return take_number(word, value, 10, ID_MAX, &mount->uid, error);
        if (size == 3 && strncmp(word, "gid", size) == 0)
                return take_number(word, value, 10, ID_MAX, &mount->gid, error);
        if ((size == 4 && strncmp(word, "size", size) == 0 && is_amount(value, "kKmMgGtT")) ||
            (size == 9 && strncmp(word, "nr_blocks", size) == 0 && is_amount(value, "kKmMgGtT")) ||
            (size == 9 && strncmp(word, "nr_inodes", size) == 0 && is_amount(value, "kKmMgG"))) {
                mount->has_size |= strncmp(word, "nr_inodes", size) != 0;
                g_string_append_printf(mount->data, "%s%s", mount->data->len > 0 ? "," : "", word);
                return 0;
        }
        return error_setf(
                error, ERROR_INVALID_ARGS,
                "Option '%s' is not one of mount(8), nor of tmpfs: size=, nr_blocks=, nr_inodes=, mode=, "
                "uid=, gid=",
                word);
}

static int take_host_path(const char *what, const char *path, char **to, Error *error) {
        int r;

        if (*to)
                return error_setf(error, ERROR_INVALID_ARGS, "%s stands twice", what);
        r = plan_path_normalize(path, to, error);
        if (r < 0)
                return error_prefixf(error, r, "%s", what);
        /* Their names go into an option of the kernel's, in which these separate. */
        if (strpbrk(*to, ",:\\"))
                return error_setf(error, ERROR_INVALID_ARGS, "%s has a ',', ':' or '\\' in its path", what);
        return 0;
}

static int take_lower(SpecMount *mount, const char *value, Error *error) {
        g_auto(GStrv) paths = g_strsplit(value, ":", -1);
        guint n = g_strv_length(paths);

        if (mount->lower)
                return error_setf(error, ERROR_INVALID_ARGS, "lowerdir= stands twice");
        if (n > SPEC_PATHS_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "lowerdir= has more than %d folders",
                                  SPEC_PATHS_MAX);
        mount->lower = g_new0(char *, n + 1);
        for (guint i = 0; i < n; i++) {
                int r = take_host_path("lowerdir=", paths[i], &mount->lower[i], error);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_overlay_option(SpecMount *mount, const char *word, Error *error) {
        if (g_str_has_prefix(word, "lowerdir="))
                return take_lower(mount, word + strlen("lowerdir="), error);
        if (g_str_has_prefix(word, "upperdir="))
                return take_host_path("upperdir=", word + strlen("upperdir="), &mount->upper, error);
        if (g_str_has_prefix(word, "workdir="))
                return take_host_path("workdir=", word + strlen("workdir="), &mount->work, error);
        return error_setf(
                error, ERROR_INVALID_ARGS,
                "Option '%s' is not one of mount(8), nor of overlay: lowerdir=, upperdir=, workdir=", word);
}

static int take_own_option(SpecMount *mount, const char *word, Error *error) {
        if (g_str_has_prefix(word, "x-")) /* comments for others (mount(8)) */
                return 0;
        switch (mount->kind) {
        case SPEC_MOUNT_TMPFS:
                return take_tmpfs_option(mount, word, error);
        case SPEC_MOUNT_OVERLAY:
                return take_overlay_option(mount, word, error);
        case SPEC_MOUNT_BIND:
        case SPEC_MOUNT_IMAGE:
        default:
                return error_setf(error, ERROR_INVALID_ARGS, "Option '%s' is not one of mount(8)", word);
        }
}

/*
 * Lines
 */

/* "\040" and its like in place (fstab(5)); no other backslash has a meaning. */
static void unescape(char *word) {
        char *to = word;

        for (const char *from = word; *from; to++) {
                if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
                    from[3] >= '0' && from[3] <= '7') {
                        *to = (char) ((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
                        from += 4;
                } else
                        *to = *from++;
        }
        *to = '\0';
}

static int read_kind(SpecMount *mount, const char *type, bool is_bind, Error *error) {
        if (is_bind)
                mount->kind = SPEC_MOUNT_BIND;
        else if (strcmp(type, "tmpfs") == 0)
                mount->kind = SPEC_MOUNT_TMPFS;
        else if (strcmp(type, "overlay") == 0)
                mount->kind = SPEC_MOUNT_OVERLAY;
        else if (strcmp(type, "squashfs") == 0 || strcmp(type, "erofs") == 0)
                mount->kind = SPEC_MOUNT_IMAGE;
        else
                return error_setf(
                        error, ERROR_INVALID_ARGS,
                        "File system '%s' is not one of: tmpfs, overlay, squashfs, erofs, or any word with "
                        "the option bind",
                        type);
        return 0;
}

static int check_overlay(const SpecMount *mount, Error *error) {
        g_autofree char *upper_parent = NULL, *work_parent = NULL;

        if (!mount->lower || !mount->lower[0])
                return error_setf(error, ERROR_INVALID_ARGS, "Overlay without lowerdir=");
        if (!mount->upper != !mount->work)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Overlay with only one of upperdir= and workdir=");
        if (!mount->upper)
                return 0;
        upper_parent = g_path_get_dirname(mount->upper);
        work_parent = g_path_get_dirname(mount->work);
        if (strcmp(upper_parent, work_parent) != 0 || strcmp(mount->upper, mount->work) == 0)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "upperdir= and workdir= are not two folders in the same one");
        return 0;
}

static int check_target(const char *target, Error *error) {
        if (strcmp(target, "/") == 0)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Nothing can be mounted on '/': that is for Layers=");
        if (strcmp(target, "/dev") == 0 || strcmp(target, "/dev/pts") == 0 || strcmp(target, "/proc") == 0 ||
            strcmp(target, "/sys") == 0 || g_str_has_prefix(target, "/proc/") ||
            g_str_has_prefix(target, "/sys/"))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Nothing can be mounted on '%s': it is the sandbox's own", target);
        return 0;
}

static int read_words(SpecMount *mount, char **words, Error *error) {
        g_auto(GStrv) options = g_strsplit(words[3] ?: "", ",", -1);
        g_autoptr(GPtrArray) own = g_ptr_array_new();
        bool is_bind = false;
        int r;

        for (size_t i = 0; options[i]; i++) {
                r = *options[i] ? take_common_option(mount, options[i], &is_bind, error) : 1;
                if (r < 0)
                        return r;
                if (r == 0)
                        g_ptr_array_add(own, options[i]);
        }
        r = read_kind(mount, words[2], is_bind, error);
        for (guint i = 0; r >= 0 && i < own->len; i++)
                r = take_own_option(mount, own->pdata[i], error);
        if (r >= 0 && mount->kind == SPEC_MOUNT_OVERLAY)
                r = check_overlay(mount, error);
        if (r < 0)
                return r;
        if (mount->kind == SPEC_MOUNT_BIND || mount->kind == SPEC_MOUNT_IMAGE)
                r = plan_path_normalize(words[0], &mount->source, error);
        else
                mount->source = g_strdup(words[0]);
        if (r >= 0)
                r = plan_path_normalize(words[1], &mount->target, error);
        return r < 0 ? r : check_target(mount->target, error);
}

int spec_mount_parse(const char *line, SpecMount *ret, Error *error) {
        g_auto(GStrv) parts = g_strsplit_set(line, " \t", -1);
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        g_auto(SpecMount) mount = {
                .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                .data = g_string_new(NULL),
                .mode = 01777, /* tmpfs's own */
        };
        int r;

        for (size_t i = 0; parts[i]; i++)
                if (*parts[i]) {
                        unescape(parts[i]);
                        g_ptr_array_add(words, parts[i]);
                }
        if (words->len < WORDS_MIN || words->len > WORDS_MAX)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "A mount has %u words, expected 'SOURCE TARGET TYPE OPTIONS'", words->len);
        g_ptr_array_add(words, NULL);
        r = read_words(&mount, (char **) words->pdata, error);
        if (r < 0)
                return r;
        *ret = mount;
        mount = SPEC_MOUNT_NULL;
        return 0;
}

void spec_mount_done(SpecMount *mount) {
        g_free(mount->source);
        g_free(mount->target);
        if (mount->data)
                g_string_free(mount->data, TRUE);
        g_strfreev(mount->lower);
        g_free(mount->upper);
        g_free(mount->work);
        *mount = SPEC_MOUNT_NULL;
}
