/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/bus-address.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"

#define CONNECT_TIMEOUT_SEC 5

typedef struct Place {
        struct sockaddr_un address;
        socklen_t size;
} Place;

struct BusAddress {
        GArray *places; /* owned Place */
        char *text;     /* owned; for messages */
};

static int hex_value(const char *digits) {
        int high = g_ascii_xdigit_value(digits[0]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(digits[1]);

        return low < 0 ? -EINVAL : high * 16 + low;
}

/* Writes the value, in which a byte may be %XX, to @path; returns its length or -EINVAL. */
static ssize_t unescape(const char *value, char *path, size_t size) {
        size_t n = 0;

        for (const char *p = value; *p; p++) {
                int byte = (unsigned char) *p;

                if (*p == '%') {
                        byte = hex_value(p + 1);
                        p += 2;
                }
                if (byte <= 0 || n + 1 >= size)
                        return -EINVAL;
                path[n++] = (char) byte;
        }
        return (ssize_t) n;
}

/* "path=/run/bus" or "abstract=/tmp/bus" of "unix:...". */
static void add_place(BusAddress *address, const char *pairs) {
        g_auto(GStrv) list = g_strsplit(pairs, ",", -1);

        for (char **pair = list; *pair; pair++) {
                bool is_path = g_str_has_prefix(*pair, "path="),
                     is_abstract = g_str_has_prefix(*pair, "abstract=");
                Place place = { .address.sun_family = AF_UNIX };
                char *to = place.address.sun_path + (is_abstract ? 1 : 0);
                ssize_t n;

                if (!is_path && !is_abstract)
                        continue;
                n = unescape(strchr(*pair, '=') + 1, to,
                             sizeof(place.address.sun_path) - (is_abstract ? 1 : 0));
                if (n <= 0)
                        continue;
                place.size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) n + 1);
                g_array_append_val(address->places, place);
        }
}

int bus_address_new(const char *text, BusAddress **ret, Error *error) {
        g_autoptr(BusAddress) address = g_new0(BusAddress, 1);
        g_auto(GStrv) list = g_strsplit(text, ";", -1);

        address->places = g_array_new(FALSE, TRUE, sizeof(Place));
        address->text = g_strdup(text);
        for (char **entry = list; *entry; entry++)
                if (g_str_has_prefix(*entry, "unix:"))
                        add_place(address, *entry + strlen("unix:"));
        if (address->places->len == 0)
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "Bus address '%s' has no socket, expected one like unix:path=/run/dbus/bus",
                                  text);
        *ret = g_steal_pointer(&address);
        return 0;
}

void bus_address_free(BusAddress *address) {
        if (!address)
                return;
        g_array_unref(address->places);
        g_free(address->text);
        g_free(address);
}

static int place_connect(const Place *place, int *ret_fd) {
        struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_SEC };
        autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        /* unix(7) waits in connect(2) for room in the backlog, and so long */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
            connect(fd, (const struct sockaddr *) &place->address, place->size) < 0 ||
            fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return -errno;
        *ret_fd = fd_steal(&fd);
        return 0;
}

int bus_address_connect(const BusAddress *address, int *ret_fd, Error *error) {
        int r = -ENOENT;

        for (guint i = 0; i < address->places->len; i++) {
                r = place_connect(&g_array_index(address->places, Place, i), ret_fd);
                if (r >= 0)
                        return 0;
        }
        return error_set_errnof(error, -r, "Cannot connect to the bus at '%s'", address->text);
}
