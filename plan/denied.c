/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/denied.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

void shim_denied_done(ShimDenied *denied) {
        g_free(denied->gateway);
        g_free(denied->target);
        g_free(denied->detail);
        g_free(denied->protocol);
        g_free(denied->interface);
        g_free(denied->member);
        g_free(denied->path);
        *denied = (ShimDenied){ 0 };
}

/* What was escaped before is clean, and stays as it is. */
static char *text_bound(const char *text) {
        g_autofree char *start = g_strndup(text, DENIED_TEXT_MAX);
        g_autofree char *clean = NULL;
        const char *end;

        /* It may have been cut within a character. */
        if (strlen(text) > DENIED_TEXT_MAX && !g_utf8_validate(start, -1, &end) &&
            (size_t) (start + DENIED_TEXT_MAX - end) < 4)
                start[end - start] = '\0';
        clean = plan_text_is_clean(start) ? g_strdup(start) : plan_text_escape(start);
        if (strlen(clean) <= DENIED_TEXT_MAX)
                return g_steal_pointer(&clean);
        end = g_utf8_find_prev_char(clean, clean + DENIED_TEXT_MAX + 1);
        return g_strndup(clean, (size_t) (end - clean));
}

static char *optional_bound(const char *text) {
        return text ? text_bound(text) : NULL;
}

ShimDenied shim_denied_copy(const ShimDenied *denied) {
        return (ShimDenied){
                .gateway = text_bound(denied->gateway ?: ""),
                .target = text_bound(denied->target ?: ""),
                .detail = text_bound(denied->detail ?: ""),
                .count = denied->count,
                .protocol = optional_bound(denied->protocol),
                .port = denied->port,
                .interface = optional_bound(denied->interface),
                .member = optional_bound(denied->member),
                .path = optional_bound(denied->path),
        };
}

/* ---- on the wire ---- */

void shim_denied_put(WireWriter *writer, const ShimDenied *denied) {
        wire_put_string(writer, denied->gateway);
        wire_put_string(writer, denied->target);
        wire_put_string(writer, denied->detail);
        wire_put_u32(writer, denied->count);
        wire_put_string(writer, denied->protocol);
        wire_put_u32(writer, denied->port);
        wire_put_string(writer, denied->interface);
        wire_put_string(writer, denied->member);
        wire_put_string(writer, denied->path);
}

int shim_denied_get(WireReader *reader, ShimDenied *ret) {
        ShimDenied got = { 0 };
        uint32_t port;

        /* Fields of the body, not owned: the copy below is. */
        got.gateway = (char *) (uintptr_t) wire_get_string(reader);
        got.target = (char *) (uintptr_t) wire_get_string(reader);
        got.detail = (char *) (uintptr_t) wire_get_string(reader);
        got.count = wire_get_u32(reader);
        got.protocol = (char *) (uintptr_t) wire_get_string(reader);
        port = wire_get_u32(reader);
        got.interface = (char *) (uintptr_t) wire_get_string(reader);
        got.member = (char *) (uintptr_t) wire_get_string(reader);
        got.path = (char *) (uintptr_t) wire_get_string(reader);
        if (reader->failed || !got.gateway || !got.gateway[0] || got.count == 0 || port > UINT16_MAX)
                return -EBADMSG;
        got.port = (uint16_t) port;
        *ret = shim_denied_copy(&got);
        return 0;
}

/* ---- lists ---- */

static bool text_is_listed(const char *text) {
        return text[0] && strlen(text) <= DENIED_TEXT_MAX && plan_text_is_clean(text);
}

static bool text_is_address(const char *text) {
        struct in6_addr address;

        return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static int list_get(WireReader *reader, size_t max, bool (*is_good)(const char *text), char ***ret) {
        g_autofree const char **texts = wire_get_strings(reader, max);

        if (!texts)
                return -EBADMSG;
        for (const char **text = texts; *text; text++)
                if (!is_good(*text))
                        return -EBADMSG;
        *ret = g_strdupv((char **) (uintptr_t) texts);
        return 0;
}

int shim_pending_get(WireReader *reader, char ***ret) {
        return list_get(reader, PENDING_MAX, text_is_listed, ret);
}

int shim_mechanisms_get(WireReader *reader, char ***ret) {
        return list_get(reader, MECHANISMS_MAX, text_is_listed, ret);
}

int shim_addresses_get(WireReader *reader, char ***ret) {
        return list_get(reader, ADDRESSES_MAX, text_is_address, ret);
}
