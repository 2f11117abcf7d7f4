/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/socket-proxy-message.h"

#include <string.h>
#include <sys/un.h>

#include "util/limits.h"

void socket_proxy_config_put(WireWriter *writer, const SocketProxyConfig *config) {
        wire_put_u32(writer, config->server);
        wire_put_u32(writer, config->flags);
        wire_put_string(writer, config->upstream);
        wire_put_u32(writer, config->uid);
        wire_put_u32(writer, config->gid);
        wire_put_string(writer, config->app_id);
        wire_put_string(writer, config->instance_id);
}

static int check_config(const SocketProxyConfig *config, Error *error) {
        PlanSocketFlags allowed = config->server == PLAN_SOCKET_PULSEAUDIO ? _PLAN_SOCKET_FLAGS_ALL : 0;

        if (!plan_socket_to_string(config->server) || config->flags & ~allowed)
                return error_setf(error, ERROR_INVALID_ARGS, "No server has the number %d and flags 0x%x",
                                  (int) config->server, (unsigned) config->flags);
        if (!config->upstream || config->upstream[0] != '/' ||
            strlen(config->upstream) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
                return error_setf(error, ERROR_INVALID_ARGS, "A server's socket needs an absolute path of at most %zu "
                                  "bytes", sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1);
        if (!config->app_id || !*config->app_id || !config->instance_id || !*config->instance_id)
                return error_setf(error, ERROR_INVALID_ARGS, "A proxy needs the sandbox's name");
        return 0;
}

int socket_proxy_config_get(WireReader *reader, SocketProxyConfig *ret, Error *error) {
        g_auto(SocketProxyConfig) config = { 0 };
        int r;

        config.server = (PlanSocket) wire_get_u32(reader);
        config.flags = (PlanSocketFlags) wire_get_u32(reader);
        config.upstream = g_strdup(wire_get_string(reader));
        config.uid = wire_get_u32(reader);
        config.gid = wire_get_u32(reader);
        config.app_id = g_strdup(wire_get_string(reader));
        config.instance_id = g_strdup(wire_get_string(reader));
        if (reader->failed)
                return error_setf(error, ERROR_INVALID_ARGS, "The proxy's configuration is not whole");
        r = check_config(&config, error);
        if (r < 0)
                return r;
        *ret = config;
        config = (SocketProxyConfig){ 0 };
        return 0;
}

void socket_proxy_config_done(SocketProxyConfig *config) {
        g_clear_pointer(&config->upstream, g_free);
        g_clear_pointer(&config->app_id, g_free);
        g_clear_pointer(&config->instance_id, g_free);
}

void socket_proxy_denied_put(WireWriter *writer, const SocketProxyDenied *denied) {
        wire_put_string(writer, denied->target);
        wire_put_string(writer, denied->detail);
        wire_put_u32(writer, denied->count);
}

static gboolean is_text(const char *text) {
        return text && strlen(text) <= SOCKET_PROXY_TEXT_MAX && g_utf8_validate(text, -1, NULL);
}

int socket_proxy_denied_get(WireReader *reader, SocketProxyDenied *ret, Error *error) {
        const char *target = wire_get_string(reader), *detail = wire_get_string(reader);
        uint32_t count = wire_get_u32(reader);

        if (reader->failed || !is_text(target) || !is_text(detail) || count == 0)
                return error_setf(error, ERROR_INVALID_ARGS, "What a proxy says it refused is not whole");
        ret->target = g_strdup(target);
        ret->detail = g_strdup(detail);
        ret->count = count;
        return 0;
}

void socket_proxy_denied_done(SocketProxyDenied *denied) {
        g_clear_pointer(&denied->target, g_free);
        g_clear_pointer(&denied->detail, g_free);
}
