/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan on the wire: u32 number of items, then each as a block with its length: string kind, string key,
 * u32 number of origins, the origins (string capability, string file or NULL, u32 line, u32 column), then
 * what the kind has. Words stand for kinds and modes, so that the order of an enum may change; a newer writer
 * may append fields to an item's block as to the body.
 */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "plan/plan-private.h"
#include "util/limits.h"

char **plan_strings_take(const char **strings) {
        char **copy = g_strdupv((char **) strings);

        free(strings);
        return copy;
}

int plan_item_broken(Error *error) {
        return error_set_errnof(error, EBADMSG, "Plan ends early or is not well formed");
}

void plan_put(WireWriter *writer, const Plan *plan) {
        WireWriter block = WIRE_WRITER_NULL;

        wire_put_u32(writer, plan_get_size(plan));
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                block.size = 0;
                wire_put_string(&block, plan_kind_to_string(item->kind));
                wire_put_string(&block, item->key);
                wire_put_u32(&block, item->origins->len);
                for (guint j = 0; j < item->origins->len; j++) {
                        const PlanOrigin *origin = item->origins->pdata[j];

                        wire_put_string(&block, origin->capability);
                        wire_put_string(&block, origin->file);
                        wire_put_u32(&block, origin->line);
                        wire_put_u32(&block, origin->column);
                }
                plan_item_ops(item)->put(&block, item);
                wire_put_bytes(writer, block.bytes, block.size);
        }
        if (block.error < 0 && writer->error == 0)
                writer->error = block.error;
        wire_writer_done(&block);
}

static int get_origins(WireReader *reader, GPtrArray **ret, Error *error) {
        g_autoptr(GPtrArray) origins = g_ptr_array_new_with_free_func((GDestroyNotify) plan_origin_free);
        uint32_t n = wire_get_u32(reader);

        if (reader->failed)
                return plan_item_broken(error);
        if (n == 0 || n > PLAN_ORIGINS_MAX)
                return error_setf(error, ERROR_INVALID_ARGS, "Item has %u origins, 1 to %d were expected", n,
                                  PLAN_ORIGINS_MAX);
        for (uint32_t i = 0; i < n; i++) {
                const char *capability = wire_get_string(reader);
                const char *file = wire_get_string(reader);
                uint32_t line = wire_get_u32(reader);
                uint32_t column = wire_get_u32(reader);

                if (reader->failed)
                        return plan_item_broken(error);
                g_ptr_array_add(origins, plan_origin_new(capability, file, line, column));
        }
        *ret = g_steal_pointer(&origins);
        return 0;
}

static int get_item(WireReader *reader, Plan *plan, Error *error) {
        const char *kind_name = wire_get_string(reader);
        const char *key = wire_get_string(reader);
        PlanKind kind = plan_kind_from_string(kind_name);
        g_autoptr(GPtrArray) origins = NULL;
        PlanItem *item;
        int r;

        if (reader->failed || !kind_name || !key)
                return plan_item_broken(error);
        if (kind < 0) {
                g_autofree char *text = plan_text_excerpt(kind_name);

                return error_setf(error, ERROR_UNSUPPORTED, "Kind of item '%s' is unknown", text);
        }
        if (plan_find_item(plan, kind, key)) {
                g_autofree char *text = plan_text_escape(key);

                return error_setf(error, ERROR_INVALID_ARGS, "%s '%s' is there twice", kind_name, text);
        }
        r = get_origins(reader, &origins, error);
        if (r >= 0)
                r = plan_kind_find_ops(kind)->get(reader, plan, origins->pdata[0], key, error);
        if (r < 0)
                return r;
        /* The plan is ours alone until it is returned: its items may be written to. */
        item = (PlanItem *) plan_find_item(plan, kind, key);
        if (!item) {
                g_autofree char *text = plan_text_excerpt(key);

                return error_setf(error, ERROR_INVALID_ARGS, "%s '%s' has a content of another name", kind_name,
                                  text);
        }
        for (guint i = 1; i < origins->len; i++) {
                r = plan_item_add_origin(item, origins->pdata[i], error);
                if (r < 0)
                        return r;
        }
        return 0;
}

int plan_get(WireReader *reader, Plan **ret, Error *error) {
        g_autoptr(Plan) plan = plan_new();
        uint32_t n = wire_get_u32(reader);

        if (reader->failed)
                return plan_item_broken(error);
        if (n > PLAN_ITEMS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED, "Plan of %u items, at most %d are possible", n,
                                  PLAN_ITEMS_MAX);
        for (uint32_t i = 0; i < n; i++) {
                WireReader block = { 0 };
                int r;

                block.bytes = wire_get_bytes(reader, &block.size);
                if (!block.bytes)
                        return plan_item_broken(error);
                r = get_item(&block, plan, error);
                if (r < 0)
                        return error_prefixf(error, r, "Item %u of a plan", i);
        }
        *ret = g_steal_pointer(&plan);
        return 0;
}
