/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities/diff.h"

#include <string.h>

#include "plan/plan.h"

static const char *const verdict_names[_DIFF_VERDICT_MAX] = {
        [DIFF_WIDENED] = "widened", [DIFF_ADDED] = "added", [DIFF_NARROWED] = "narrowed",
        [DIFF_REMOVED] = "removed", [DIFF_MOVED] = "moved",
};

const char *diff_verdict_to_string(DiffVerdict verdict) {
        return verdict_names[verdict];
}

static void change_free(void *userdata) {
        DiffChange *change = userdata;

        g_free(change->capability);
        g_free(change->kind);
        g_free(change->key);
        g_free(change->text);
        g_free(change->file);
        g_free(change);
}

/* One capability of both sides. */
typedef struct Pair {
        GPtrArray *changes;           /* not owned */
        const Capability *capability; /* the new one; the old one if that is all there is */
        Plan *old, *new;              /* owned */
} Pair;

/* @item is where it stands; NULL = the capability as a whole. Takes @text. */
static DiffChange *pair_add(Pair *pair, DiffVerdict verdict, const PlanItem *item, char *text) {
        const PlanOrigin *origin = item ? g_ptr_array_index(item->origins, 0) : NULL;
        char *const *files = capability_get_files(pair->capability);
        DiffChange *change = g_new0(DiffChange, 1);

        *change = (DiffChange){
                .verdict = verdict,
                .widens = verdict == DIFF_WIDENED,
                .capability = g_strdup(capability_get_name(pair->capability)),
                .kind = item ? g_strdup(plan_kind_to_string(item->kind)) : NULL,
                .key = item ? g_strdup(item->key) : NULL,
                .text = text,
                .file = g_strdup((origin ? origin->file : files[0]) ?: ""),
                .line = origin ? origin->line : 0,
        };
        g_ptr_array_add(pair->changes, change);
        return change;
}

static char *item_format(const PlanItem *item) {
        g_autofree char *value = NULL, *mode = NULL;

        plan_item_format(item, &value, &mode);
        return g_strdup_printf("%s%s%s", value, *value && *mode ? " " : "", mode);
}

/* ---- rules: another rule may say more ---- */

static bool peer_covers(const PlanPeer *wide, const PlanPeer *narrow) {
        unsigned bytes = wide->prefix / 8, bits = wide->prefix % 8;

        if (wide->type == PLAN_PEER_ANY)
                return true;
        if (wide->type != narrow->type)
                return false;
        if (wide->type == PLAN_PEER_HOST)
                return strcmp(wide->host, narrow->host) == 0;
        if (wide->prefix > narrow->prefix || memcmp(wide->address, narrow->address, bytes) != 0)
                return false;
        return bits == 0 || (wide->address[bytes] ^ narrow->address[bytes]) >> (8 - bits) == 0;
}

/* Ranges are sorted and never touch: one of @narrow lies in one of @wide or not at all. */
static bool ports_cover(const GArray *wide, const GArray *narrow) {
        if (!wide)
                return true;
        if (!narrow)
                return false;
        for (guint i = 0; i < narrow->len; i++) {
                const PlanPortRange *range = &g_array_index(narrow, PlanPortRange, i);
                bool found = false;

                for (guint j = 0; j < wide->len && !found; j++) {
                        const PlanPortRange *other = &g_array_index(wide, PlanPortRange, j);

                        found = other->first <= range->first && range->last <= other->last;
                }
                if (!found)
                        return false;
        }
        return true;
}

static bool rule_covers(const PlanRule *wide, const PlanRule *narrow) {
        return wide->direction == narrow->direction &&
               (wide->protocol == PLAN_PROTOCOL_ANY || wide->protocol == narrow->protocol) &&
               /* any protocol with ports is every one that has ports */
               (wide->protocol == narrow->protocol || (!wide->peer_ports && !wide->local_ports)) &&
               peer_covers(&wide->peer, &narrow->peer) && ports_cover(wide->peer_ports, narrow->peer_ports) &&
               ports_cover(wide->local_ports, narrow->local_ports);
}

static bool word_covers(const char *wide, const char *narrow) {
        return g_strcmp0(wide, "*") == 0 || g_strcmp0(wide, narrow) == 0;
}

static bool bus_rule_covers(const PlanBusRule *wide, const PlanBusRule *narrow) {
        const char *const *members = (const char *const *) wide->members;

        if (wide->bus != narrow->bus || wide->verb != narrow->verb || !word_covers(wide->name, narrow->name))
                return false;
        if (wide->verb == PLAN_BUS_OWN)
                return true;
        if ((wide->flow != PLAN_BUS_BOTH && wide->flow != narrow->flow) ||
            !word_covers(wide->interface, narrow->interface) || !word_covers(wide->path, narrow->path))
                return false;
        for (char *const *member = narrow->members; member && *member; member++)
                if (!g_strv_contains(members, *member) && !g_strv_contains(members, "*"))
                        return false;
        return true;
}

/* A link that does not filter a direction lets everything through in it. */
static bool links_are_open(const Plan *plan, PlanDirection direction) {
        PlanLinkFlags flag = direction == PLAN_OUTGOING ? PLAN_LINK_FILTER_OUTGOING
                                                        : PLAN_LINK_FILTER_INCOMING;

        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *item = plan_get_item(plan, i);

                if (item->kind == PLAN_LINK && !(item->link.flags & flag))
                        return true;
        }
        return false;
}

/* Whether all that @item opens is open in @plan, though the item is not in it. */
static bool plan_covers(const Plan *plan, const PlanItem *item) {
        if (item->kind != PLAN_RULE && item->kind != PLAN_BUS_RULE)
                return false;
        if (item->kind == PLAN_RULE && links_are_open(plan, item->rule.direction))
                return true;
        for (guint i = 0; i < plan_get_size(plan); i++) {
                const PlanItem *other = plan_get_item(plan, i);

                if (other->kind != item->kind)
                        continue;
                if (item->kind == PLAN_RULE ? rule_covers(&other->rule, &item->rule)
                                            : bus_rule_covers(&other->bus_rule, &item->bus_rule))
                        return true;
        }
        return false;
}

/* ---- items ---- */

/* A bind of the same source, as open as @item, that only one side has. */
static const PlanItem *find_moved(const PlanItem *item, const Plan *here, const Plan *there) {
        if (item->kind != PLAN_BIND)
                return NULL;
        for (guint i = 0; i < plan_get_size(there); i++) {
                const PlanItem *other = plan_get_item(there, i);

                if (other->kind == PLAN_BIND && other->bind.flags == item->bind.flags &&
                    strcmp(other->bind.source, item->bind.source) == 0 &&
                    !plan_find_item(here, PLAN_BIND, other->key))
                        return other;
        }
        return NULL;
}

/* Limits that every template sets: a capability's own value stands in for the template's. */
static bool limit_is_of_templates(const PlanItem *item) {
        return strcmp(item->key, "memory.max") == 0 || strcmp(item->key, "pids.max") == 0;
}

static void compare_new(Pair *pair, const PlanItem *item) {
        const PlanItem *moved = find_moved(item, pair->new, pair->old);
        bool widens = !plan_covers(pair->old, item);

        if (item->kind == PLAN_LIMIT)
                widens = limit_is_of_templates(item);
        if (moved)
                pair_add(pair, DIFF_MOVED, item, g_strdup_printf("was at %s", moved->key));
        else if (widens)
                pair_add(pair, DIFF_WIDENED, item, item_format(item));
        else if (item->kind == PLAN_LIMIT)
                pair_add(pair, DIFF_NARROWED, item, item_format(item));
}

static void compare_old(Pair *pair, const PlanItem *item) {
        g_autofree char *before = item_format(item);

        if (find_moved(item, pair->old, pair->new) || plan_covers(pair->new, item))
                return;
        if (item->kind == PLAN_LIMIT)
                pair_add(pair, DIFF_WIDENED, item,
                         g_strdup_printf("%s is gone, the template's limit counts", before));
        else
                pair_add(pair, DIFF_NARROWED, item, g_strdup_printf("%s is gone", before));
}

static void compare_items(Pair *pair) {
        for (guint i = 0; i < plan_get_size(pair->new); i++) {
                const PlanItem *item = plan_get_item(pair->new, i);
                const PlanItem *before = plan_find_item(pair->old, item->kind, item->key);
                g_autofree char *from = NULL, *to = NULL;

                if (!before) {
                        compare_new(pair, item);
                        continue;
                }
                if (plan_item_is_equal(before, item))
                        continue;
                from = item_format(before);
                to = item_format(item);
                pair_add(pair, plan_item_covers(before, item) ? DIFF_NARROWED : DIFF_WIDENED, item,
                         g_strdup_printf("%s -> %s", from, to));
        }
        for (guint i = 0; i < plan_get_size(pair->old); i++) {
                const PlanItem *item = plan_get_item(pair->old, i);

                if (!plan_find_item(pair->new, item->kind, item->key))
                        compare_old(pair, item);
        }
}

static bool plans_are_equal(const Plan *a, const Plan *b) {
        if (plan_get_size(a) != plan_get_size(b))
                return false;
        for (guint i = 0; i < plan_get_size(a); i++)
                if (!plan_item_is_equal(plan_get_item(a, i), plan_get_item(b, i)))
                        return false;
        return true;
}

/* ---- capabilities ---- */

static Plan *plan_alone(const Capability *capability) {
        g_autoptr(GPtrArray) alone = g_ptr_array_new();
        Plan *plan = plan_new();
        int r;

        if (!capability)
                return plan;
        g_ptr_array_add(alone, (void *) capability);
        r = capabilities_plan(alone, plan, NULL);
        g_assert(r >= 0); /* the store has tried it */
        return plan;
}

/* The names of its files, without folders: the two sides lie in different ones. */
static char *format_files(const Capability *capability) {
        GString *text = g_string_new(NULL);

        for (char *const *file = capability_get_files(capability); *file; file++) {
                g_autofree char *name = g_path_get_basename(*file);

                g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", name);
        }
        return g_string_free(text, FALSE);
}

/* Callers who are not root, and whom no policy names, get all but risk "high" (contract section 2). */
static void compare_risk(Pair *pair, const Capability *old, const Capability *new) {
        const char *before = capability_get_risk(old), *after = capability_get_risk(new);

        if (strcmp(before, "high") == 0 && strcmp(after, "high") != 0)
                pair_add(pair, DIFF_WIDENED, NULL,
                         g_strdup_printf("risk high -> %s: granted without a policy",
                                         *after ? after : "none"));
        else if (strcmp(before, "high") != 0 && strcmp(after, "high") == 0)
                pair_add(pair, DIFF_NARROWED, NULL,
                         g_strdup_printf("risk %s -> high", *before ? before : "none"));
}

static void compare_both(GPtrArray *changes, const Capability *old, const Capability *new) {
        g_autoptr(Plan) old_plan = plan_alone(old), new_plan = plan_alone(new);
        g_autofree char *old_files = format_files(old), *new_files = format_files(new);
        Pair pair = { .changes = changes, .capability = new, .old = old_plan, .new = new_plan };

        if (capability_is_default(new) && !capability_is_default(old))
                pair_add(&pair, DIFF_WIDENED, NULL, g_strdup("every sandbox has it now"));
        else if (!capability_is_default(new) && capability_is_default(old))
                pair_add(&pair, DIFF_NARROWED, NULL, g_strdup("only who asks for it has it now"));
        compare_risk(&pair, old, new);
        if (!plans_are_equal(old_plan, new_plan))
                compare_items(&pair);
        else if (strcmp(old_files, new_files) != 0)
                pair_add(&pair, DIFF_MOVED, NULL, g_strdup_printf("was in %s", old_files));
}

static void compare_one(GPtrArray *changes, const Capability *capability, DiffVerdict verdict) {
        g_autoptr(Plan) plan = plan_alone(capability);
        Pair pair = { .changes = changes, .capability = capability };
        guint n = plan_get_size(plan);
        DiffChange *change;

        change = pair_add(&pair, verdict, NULL,
                          g_strdup_printf("%s%s%u item%s", capability_get_description(capability),
                                          *capability_get_description(capability) ? "; " : "", n,
                                          n == 1 ? "" : "s"));
        change->widens = verdict == DIFF_ADDED && n > 0;
        for (guint i = 0; i < n; i++)
                pair_add(&pair, verdict, plan_get_item(plan, i), item_format(plan_get_item(plan, i)));
}

/* One of @gone that opens what @added does, under another name; taken off @gone. */
static bool compare_renamed(GPtrArray *changes, GPtrArray *gone, const Capability *added) {
        g_autoptr(Plan) plan = plan_alone(added);

        for (guint i = 0; plan_get_size(plan) > 0 && i < gone->len; i++) {
                const Capability *old = gone->pdata[i];
                g_autoptr(Plan) old_plan = plan_alone(old);
                Pair pair = { .changes = changes, .capability = added };

                if (capability_is_default(old) != capability_is_default(added) ||
                    !plans_are_equal(old_plan, plan))
                        continue;
                pair_add(&pair, DIFF_MOVED, NULL, g_strdup_printf("was %s", capability_get_name(old)));
                compare_risk(&pair, old, added);
                g_ptr_array_remove_index(gone, i);
                return true;
        }
        return false;
}

/* ---- stores ---- */

/* A name can have a capability that is a default and one that is not. */
typedef struct Index {
        GHashTable *by_name[2]; /* owned; name -> Capability, neither owned; [1] = defaults */
} Index;

static void index_done(Index *index) {
        g_hash_table_unref(index->by_name[0]);
        g_hash_table_unref(index->by_name[1]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Index, index_done)

static Index index_new(const Store *store) {
        Index index = { { g_hash_table_new(g_str_hash, g_str_equal),
                          g_hash_table_new(g_str_hash, g_str_equal) } };
        const GPtrArray *capabilities = store_get_capabilities(store);

        for (guint i = 0; i < capabilities->len; i++) {
                Capability *capability = capabilities->pdata[i];

                g_hash_table_insert(index.by_name[capability_is_default(capability)],
                                    (char *) capability_get_name(capability), capability);
        }
        return index;
}

/* The capabilities of @here that have no partner in @there. What was a default and is not one any more, or
 * the other way round, is a partner if it has none of its own. */
static GPtrArray *list_unpaired(const Store *here, const Store *there, GPtrArray *changes) {
        g_auto(Index) own = index_new(here), other = index_new(there);
        const GPtrArray *capabilities = store_get_capabilities(here);
        GPtrArray *unpaired = g_ptr_array_new();

        for (guint i = 0; i < capabilities->len; i++) {
                Capability *capability = capabilities->pdata[i];
                const char *name = capability_get_name(capability);
                bool is_default = capability_is_default(capability);
                Capability *partner = g_hash_table_lookup(other.by_name[is_default], name);

                if (!partner && !g_hash_table_contains(own.by_name[!is_default], name))
                        partner = g_hash_table_lookup(other.by_name[!is_default], name);
                if (!partner)
                        g_ptr_array_add(unpaired, capability);
                else if (changes)
                        compare_both(changes, capability, partner);
        }
        return unpaired;
}

static int compare_changes(const void *a, const void *b) {
        const DiffChange *x = *(const DiffChange *const *) a, *y = *(const DiffChange *const *) b;
        int r;

        if (x->verdict != y->verdict)
                return x->verdict < y->verdict ? -1 : 1;
        r = strcmp(x->capability, y->capability);
        if (r == 0)
                r = g_strcmp0(x->kind, y->kind);
        if (r == 0)
                r = g_strcmp0(x->key, y->key);
        return r != 0 ? r : strcmp(x->text, y->text);
}

GPtrArray *diff_stores(const Store *old, const Store *new) {
        GPtrArray *changes = g_ptr_array_new_with_free_func(change_free);
        g_autoptr(GPtrArray) gone = list_unpaired(old, new, changes);
        g_autoptr(GPtrArray) added = list_unpaired(new, old, NULL);

        for (guint i = 0; i < added->len; i++)
                if (!compare_renamed(changes, gone, added->pdata[i]))
                        compare_one(changes, added->pdata[i], DIFF_ADDED);
        for (guint i = 0; i < gone->len; i++)
                compare_one(changes, gone->pdata[i], DIFF_REMOVED);
        g_ptr_array_sort(changes, compare_changes);
        return changes;
}

bool diff_widens(const GPtrArray *changes) {
        for (guint i = 0; i < changes->len; i++) {
                const DiffChange *change = changes->pdata[i];

                if (change->widens)
                        return true;
        }
        return false;
}
