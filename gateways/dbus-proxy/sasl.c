/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/dbus-proxy/sasl.h"

#include <errno.h>
#include <string.h>

#include "util/limits.h"

/* Takes the line that begins at @bytes: 1 with *ret_length bytes before CR LF, 0 if its end is not there yet.
 */
static int find_line(const uint8_t *bytes, size_t size, size_t *ret_length) {
        const uint8_t *cr = memmem(bytes, MIN(size, BUS_PROXY_AUTH_LINE_MAX), "\r\n", 2);

        if (cr) {
                *ret_length = (size_t) (cr - bytes);
                return 1;
        }
        return size >= BUS_PROXY_AUTH_LINE_MAX ? -EMSGSIZE : 0;
}

/* ---- the client's side ---- */

static bool is_hex(const char *text) {
        size_t n = strspn(text, "0123456789abcdefABCDEF");

        return text[n] == '\0' && n % 2 == 0;
}

static void reject(SaslServer *server, GString *answer) {
        server->state = SASL_SERVER_AUTH;
        g_string_append(answer, "REJECTED EXTERNAL\r\n");
}

static void accept_client(SaslServer *server, const char *guid, GString *answer) {
        server->state = SASL_SERVER_BEGIN;
        g_string_append_printf(answer, "OK %s\r\n", guid);
}

static void answer_auth(SaslServer *server, const char *guid, const char *line, GString *answer) {
        if (strcmp(line, "AUTH EXTERNAL") == 0) {
                server->state = SASL_SERVER_DATA;
                g_string_append(answer, "DATA\r\n");
        } else if (g_str_has_prefix(line, "AUTH EXTERNAL ") && is_hex(line + strlen("AUTH EXTERNAL ")))
                accept_client(server, guid, answer);
        else
                reject(server, answer);
}

/* 1 after BEGIN, 0 to go on. */
static int answer_line(SaslServer *server, const char *guid, bool can_pass_fds, const char *line,
                       GString *answer) {
        bool is_data = strcmp(line, "DATA") == 0 || (g_str_has_prefix(line, "DATA ") && is_hex(line + 5));

        if (strcmp(line, "BEGIN") == 0)
                return server->state == SASL_SERVER_BEGIN ? 1 : -EPROTO;
        if (strcmp(line, "CANCEL") == 0 || strcmp(line, "ERROR") == 0 || g_str_has_prefix(line, "ERROR "))
                reject(server, answer);
        else if (server->state == SASL_SERVER_AUTH &&
                 (strcmp(line, "AUTH") == 0 || g_str_has_prefix(line, "AUTH ")))
                answer_auth(server, guid, line, answer);
        else if (server->state == SASL_SERVER_DATA && is_data)
                accept_client(server, guid, answer);
        else if (server->state == SASL_SERVER_BEGIN && strcmp(line, "NEGOTIATE_UNIX_FD") == 0 &&
                 can_pass_fds) {
                server->passes_fds = true;
                g_string_append(answer, "AGREE_UNIX_FD\r\n");
        } else
                g_string_append(answer, "ERROR\r\n");
        return 0;
}

int sasl_server_feed(SaslServer *server, const char *guid, bool can_pass_fds, const uint8_t *bytes,
                     size_t size, size_t *ret_used, GString *answer) {
        size_t at = 0, n;
        int r;

        *ret_used = 0;
        if (server->state == SASL_SERVER_NUL && size > 0) {
                if (bytes[at++] != '\0')
                        return -EPROTO;
                server->state = SASL_SERVER_AUTH;
                *ret_used = at;
        }
        while ((r = find_line(bytes + at, size - at, &n)) > 0) {
                g_autofree char *line = g_strndup((const char *) bytes + at, n);

                if (strlen(line) != n)
                        return -EPROTO;
                if (++server->n_lines > BUS_PROXY_AUTH_LINES_MAX)
                        return -EMSGSIZE;
                at += n + 2;
                *ret_used = at;
                r = answer_line(server, guid, can_pass_fds, line, answer);
                if (r != 0)
                        return r;
        }
        return r;
}

/* ---- the bus's side ---- */

void sasl_client_begin(uid_t uid, GString *to) {
        char digits[16];
        int n = g_snprintf(digits, sizeof(digits), "%u", (unsigned) uid);

        g_string_append_c(to, '\0');
        g_string_append(to, "AUTH EXTERNAL ");
        for (int i = 0; i < n; i++)
                g_string_append_printf(to, "%02x", (unsigned) digits[i]);
        g_string_append(to, "\r\n");
}

int sasl_client_feed(SaslClient *client, const uint8_t *bytes, size_t size, size_t *ret_used, GString *to) {
        size_t at = 0, n;
        int r;

        *ret_used = 0;
        while ((r = find_line(bytes + at, size - at, &n)) > 0) {
                g_autofree char *line = g_strndup((const char *) bytes + at, n);

                at += n + 2;
                *ret_used = at;
                if (client->is_accepted) {
                        /* AGREE_UNIX_FD, or the ERROR of a bus that cannot */
                        client->passes_fds = strcmp(line, "AGREE_UNIX_FD") == 0;
                        g_string_append(to, "BEGIN\r\n");
                        return 1;
                }
                if (g_str_has_prefix(line, "REJECTED"))
                        return -EACCES;
                if (!g_str_has_prefix(line, "OK ") || strlen(line) != strlen("OK ") + SASL_GUID_SIZE - 1 ||
                    !is_hex(line + strlen("OK ")))
                        return -EPROTO;
                client->is_accepted = true;
                g_strlcpy(client->guid, line + strlen("OK "), sizeof(client->guid));
                g_string_append(to, "NEGOTIATE_UNIX_FD\r\n");
        }
        return r;
}
