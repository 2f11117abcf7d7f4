/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of the sandbox's control group
 */
#include "plan/plan-private.h"

static int limit_conflict(const PlanItem *item, const PlanOrigin *origin, const LimitValue *value,
                          Error *error) {
        const LimitSetting *setting = limit_find(item->key);
        g_autofree char *old_value = limit_format(setting, &item->limit);
        g_autofree char *new_value = limit_format(setting, value);
        g_autofree char *old = plan_item_format_origins(item);
        g_autofree char *new = plan_origin_format(origin);

        return error_setf(error, ERROR_CONFLICTING_CAPABILITIES,
                          "Limit '%s' is set to %s by %s and to %s by %s", item->key, old_value, old,
                          new_value, new);
}

static int add_limit(Plan *plan, const PlanOrigin *origin, const char *key, const LimitValue *value,
                     Error *error) {
        g_auto(LimitValue) merged = { 0 };
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = limit_check(key, value, error);
        if (r < 0)
                return r;
        item = plan_find(plan, PLAN_LIMIT, key);
        if (!item) {
                r = plan_insert(plan, PLAN_LIMIT, key, origin, &item, error);
                if (r >= 0)
                        limit_copy(&item->limit, value);
                return r;
        }
        limit_copy(&merged, &item->limit);
        if (limit_merge(limit_find(key), &merged, value, NULL) < 0)
                return limit_conflict(item, origin, value, error);
        r = plan_item_add_origin(item, origin, error);
        if (r < 0)
                return r;
        limit_clear(&item->limit);
        item->limit = merged;
        merged = (LimitValue){ 0 };
        return 0;
}

int plan_add_limit(Plan *plan, const PlanOrigin *origin, const char *key, const LimitValue *value,
                   Error *error) {
        int r = add_limit(plan, origin, key, value, error);

        return plan_origin_blame(origin, r, error);
}

static void item_clear(PlanItem *item) {
        limit_clear(&item->limit);
}

static void item_copy(PlanItem *to, const PlanItem *from) {
        limit_copy(&to->limit, &from->limit);
}

static bool item_is_equal(const PlanItem *a, const PlanItem *b) {
        return limit_is_equal(&a->limit, &b->limit);
}

static bool item_covers(const PlanItem *wide, const PlanItem *narrow) {
        return limit_covers(limit_find(wide->key), &wide->limit, &narrow->limit);
}

static int item_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_limit(plan, origin, item->key, &item->limit, error);
}

static void item_put(WireWriter *writer, const PlanItem *item) {
        wire_put_u64(writer, item->limit.number);
        wire_put_u64(writer, item->limit.period);
        for (int i = 0; i < _LIMIT_RATE_MAX; i++)
                wire_put_u64(writer, item->limit.rates[i]);
        wire_put_string(writer, item->limit.list);
}

static int item_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key, Error *error) {
        LimitValue value = { 0 };

        value.number = wire_get_u64(reader);
        value.period = wire_get_u64(reader);
        for (int i = 0; i < _LIMIT_RATE_MAX; i++)
                value.rates[i] = wire_get_u64(reader);
        /* not owned: add copies */
        value.list = (char *) wire_get_string(reader);
        if (reader->failed)
                return plan_item_broken(error);
        return plan_add_limit(plan, origin, key, &value, error);
}

static void item_print_text(const PlanItem *item, PlanCells *cells) {
        g_autofree char *value = limit_format(limit_find(item->key), &item->limit);

        cells->value = g_strdup_printf("= %s", value);
        cells->mode = g_strdup("");
}

/* A number, or "max". JSON's whole numbers end at 63 bits with jansson. */
static json_t *number_to_json(uint64_t number) {
        return number == LIMIT_UNLIMITED ? json_string("max") : json_integer((json_int_t) number);
}

static void item_print_json(const PlanItem *item, json_t *object) {
        static const char *const rates[_LIMIT_RATE_MAX] = { "rbps", "wbps", "riops", "wiops" };
        const LimitSetting *setting = limit_find(item->key);
        g_autofree char *text = limit_format(setting, &item->limit);

        if (setting->type == LIMIT_LIST)
                json_object_set_new(object, "value", json_string(item->limit.list));
        else if (setting->type != LIMIT_RATES)
                json_object_set_new(object, "value", number_to_json(item->limit.number));
        if (setting->type == LIMIT_CPU)
                json_object_set_new(object, "period", number_to_json(item->limit.period));
        for (int i = 0; i < _LIMIT_RATE_MAX; i++)
                if (item->limit.rates[i] > 0)
                        json_object_set_new(object, rates[i], number_to_json(item->limit.rates[i]));
        json_object_set_new(object, "text", json_string(text));
}

const PlanKindOps plan_limit_ops = {
        .name = "limit",
        .clear = item_clear,
        .copy = item_copy,
        .is_equal = item_is_equal,
        .covers = item_covers,
        .add = item_add,
        .put = item_put,
        .get = item_get,
        .print_text = item_print_text,
        .print_json = item_print_json,
};
