/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces
 */
#include "plan/lease.h"
#include "plan/plan-private.h"

static int add_link(Plan *plan, const PlanOrigin *origin, const char *name, PlanLinkFlags flags,
                    Error *error) {
        PlanItem *item;
        int r;

        r = plan_origin_check(origin, error);
        if (r >= 0)
                r = lease_link_name_check("Link", name, error);
        if (r >= 0)
                r = plan_flags_check("link", flags, PLAN_LINK_FILTER_ALL, error);
        if (r >= 0)
                r = plan_insert_or_find(plan, PLAN_LINK, name, origin, &item, error);
        if (r < 0)
                return r;
        item->link.flags = r > 0 ? flags : item->link.flags & flags;
        return 0;
}

int plan_add_link(Plan *plan, const PlanOrigin *origin, const char *name, PlanLinkFlags flags, Error *error) {
        int r = add_link(plan, origin, name, flags, error);

        return plan_origin_blame(origin, r, error);
}

static void link_copy(PlanItem *to, const PlanItem *from) {
        to->link = from->link;
}

static bool link_is_equal(const PlanItem *a, const PlanItem *b) {
        return a->link.flags == b->link.flags;
}

static bool link_covers(const PlanItem *wide, const PlanItem *narrow) {
        return (wide->link.flags & ~narrow->link.flags) == 0;
}

static int link_add(Plan *plan, const PlanOrigin *origin, const PlanItem *item, Error *error) {
        return plan_add_link(plan, origin, item->key, item->link.flags, error);
}

static void link_put(WireWriter *writer, const PlanItem *item) {
        wire_put_u32(writer, (uint32_t) item->link.flags);
}

static int link_get(WireReader *reader, Plan *plan, const PlanOrigin *origin, const char *key, Error *error) {
        uint32_t flags = wire_get_u32(reader);

        if (reader->failed)
                return plan_item_broken(error);
        return plan_add_link(plan, origin, key, (PlanLinkFlags) flags, error);
}

static void link_print_text(const PlanItem *item, PlanCells *cells) {
        static const char *const words[] = {
                [0] = "not filtered",
                [PLAN_LINK_FILTER_OUTGOING] = "only outgoing filtered",
                [PLAN_LINK_FILTER_INCOMING] = "only incoming filtered",
                [PLAN_LINK_FILTER_ALL] = "nothing but what rules allow",
        };

        cells->value = g_strdup(words[item->link.flags]);
        cells->mode = g_strdup("");
}

static void link_print_json(const PlanItem *item, json_t *object) {
        json_object_set_new(object, "outgoing-filtered",
                            json_boolean(item->link.flags & PLAN_LINK_FILTER_OUTGOING));
        json_object_set_new(object, "incoming-filtered",
                            json_boolean(item->link.flags & PLAN_LINK_FILTER_INCOMING));
}

const PlanKindOps plan_link_ops = {
        .name = "link",
        .clear = plan_item_clear_nothing,
        .copy = link_copy,
        .is_equal = link_is_equal,
        .covers = link_covers,
        .add = link_add,
        .put = link_put,
        .get = link_get,
        .print_text = link_print_text,
        .print_json = link_print_json,
};
