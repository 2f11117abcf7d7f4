/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bus-proxy-message.h"

#include <stdlib.h>

#include "util/limits.h"

static int broken(Error *error) {
        return error_setf(error, ERROR_SYSTEM, "Message between shim and bus proxy is broken");
}

void bus_proxy_start_put(WireWriter *writer, const BusProxyStart *start) {
        wire_put_string(writer, start->bus);
        wire_put_string(writer, start->address);
        wire_put_u32(writer, start->uid);
        wire_put_u32(writer, start->gid);
}

int bus_proxy_start_get(WireReader *reader, BusProxyStart *ret, Error *error) {
        const char *bus = wire_get_string(reader);
        const char *address = wire_get_string(reader);
        uint32_t uid = wire_get_u32(reader), gid = wire_get_u32(reader);

        if (reader->failed || !bus || !address)
                return broken(error);
        if (uid == 0 || uid == UINT32_MAX || gid == UINT32_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "User %u is nobody to speak on a bus as", uid);
        *ret = (BusProxyStart){ .bus = g_strdup(bus), .address = g_strdup(address), .uid = uid, .gid = gid };
        return 0;
}

void bus_proxy_start_done(BusProxyStart *start) {
        g_free(start->bus);
        g_free(start->address);
        *start = (BusProxyStart){ 0 };
}

static void rule_free(void *data) {
        BusProxyRule *rule = data;

        g_free(rule->name);
        g_free(rule->interface);
        g_free(rule->path);
        g_strfreev(rule->members);
        g_free(rule);
}

GPtrArray *bus_proxy_rules_new(void) {
        return g_ptr_array_new_with_free_func(rule_free);
}

void bus_proxy_rules_put(WireWriter *writer, const GPtrArray *rules) {
        wire_put_u32(writer, rules->len);
        for (guint i = 0; i < rules->len; i++) {
                const BusProxyRule *rule = rules->pdata[i];

                wire_put_u32(writer, rule->verb);
                wire_put_string(writer, rule->name);
                if (rule->verb != PLAN_BUS_TALK)
                        continue;
                wire_put_u32(writer, rule->flow);
                wire_put_string(writer, rule->interface);
                wire_put_string(writer, rule->path);
                wire_put_strings(writer, rule->members);
        }
}

static int get_talk(WireReader *reader, BusProxyRule *rule, Error *error) {
        uint32_t flow = wire_get_u32(reader);
        const char *interface = wire_get_string(reader), *path = wire_get_string(reader);
        const char **members = wire_get_strings(reader, BUS_MEMBERS_MAX);

        if (!reader->failed && flow < _PLAN_BUS_FLOW_MAX && interface && path) {
                rule->flow = (PlanBusFlow) flow;
                rule->interface = g_strdup(interface);
                rule->path = g_strdup(path);
                rule->members = g_strdupv((char **) members);
        }
        free(members);
        return rule->members ? 0 : broken(error);
}

int bus_proxy_rules_get(WireReader *reader, GPtrArray **ret, Error *error) {
        g_autoptr(GPtrArray) rules = bus_proxy_rules_new();
        uint32_t n = wire_get_u32(reader);
        int r;

        if (reader->failed || n > PLAN_ITEMS_MAX)
                return broken(error);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t verb = wire_get_u32(reader);
                const char *name = wire_get_string(reader);
                BusProxyRule *rule;

                if (reader->failed || verb >= _PLAN_BUS_VERB_MAX || !name)
                        return broken(error);
                rule = g_new0(BusProxyRule, 1);
                rule->verb = (PlanBusVerb) verb;
                rule->name = g_strdup(name);
                g_ptr_array_add(rules, rule);
                r = rule->verb == PLAN_BUS_TALK ? get_talk(reader, rule, error) : 0;
                if (r < 0)
                        return r;
        }
        *ret = g_steal_pointer(&rules);
        return 0;
}

void bus_proxy_denied_put(WireWriter *writer, const BusProxyDenied *denied) {
        wire_put_u32(writer, denied->count);
        wire_put_u32(writer, denied->pid);
        wire_put_u8(writer, denied->is_incoming);
        wire_put_string(writer, denied->name);
        wire_put_string(writer, denied->interface);
        wire_put_string(writer, denied->member);
        wire_put_string(writer, denied->path);
        wire_put_string(writer, denied->detail);
}

int bus_proxy_denied_get(WireReader *reader, BusProxyDenied *ret, Error *error) {
        uint32_t count = wire_get_u32(reader), pid = wire_get_u32(reader);
        bool is_incoming = wire_get_u8(reader) != 0;
        const char *texts[5];

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                texts[i] = wire_get_string(reader);
                if (reader->failed || !texts[i])
                        return broken(error);
        }
        *ret = (BusProxyDenied){
                .count = count,
                .pid = pid,
                .is_incoming = is_incoming,
                .name = g_strdup(texts[0]),
                .interface = g_strdup(texts[1]),
                .member = g_strdup(texts[2]),
                .path = g_strdup(texts[3]),
                .detail = g_strdup(texts[4]),
        };
        return 0;
}

void bus_proxy_denied_done(BusProxyDenied *denied) {
        g_free(denied->name);
        g_free(denied->interface);
        g_free(denied->member);
        g_free(denied->path);
        g_free(denied->detail);
        *denied = (BusProxyDenied){ 0 };
}
