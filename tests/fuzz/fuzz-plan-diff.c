/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two plans and what lies between them
 *
 * The bytes say what is added to which of two plans. Then: an add that fails changes nothing; diff(a, a) is
 * empty; a plus diff(a, b) is b; the union of both is no narrower than either, the same in whichever order,
 * or a conflict in both orders.
 */
#include "plan/plan-diff.h"
#include "tests/fuzz/fuzz.h"

#define ADDS_MAX 32

typedef struct Input {
        const uint8_t *bytes;
        size_t size;
} Input;

static unsigned take(Input *input, unsigned n_choices) {
        unsigned value;

        if (input->size == 0)
                return 0;
        value = input->bytes[0];
        input->bytes++;
        input->size--;
        return value % n_choices;
}

/* One of the words, or one that the input has. Caller frees. */
static char *take_text(Input *input, const char *const *words) {
        unsigned n_words = g_strv_length((char **) words);
        unsigned choice = take(input, n_words + 1);
        size_t size = 0;
        char *text;

        if (choice < n_words)
                return g_strdup(words[choice]);
        while (size < input->size && size < 200 && input->bytes[size] != 0)
                size++;
        text = g_strndup((const char *) input->bytes, size);
        input->bytes += size;
        input->size -= size;
        (void) take(input, 1); /* the NUL */
        return text;
}

#define TAKE_TEXT(input, ...) take_text(input, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- one add ---- */

static int add_bind(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_autofree char *source = TAKE_TEXT(input, "/s", "/t");
        g_autofree char *target = TAKE_TEXT(input, "/a", "/a/b", "/a/b/c", "/a-b", "/dev/snd");

        return plan_add_bind(plan, origin, source, target, take(input, 9), error);
}

static int add_env(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_autofree char *name = TAKE_TEXT(input, "A", "PATH");
        g_autofree char *value = TAKE_TEXT(input, "x", "");

        return plan_add_env(plan, origin, name, value, (PlanEnvMode) take(input, 5), ":", error);
}

static int add_device(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_autofree char *name = TAKE_TEXT(input, "/dev/dri/card0", "/dev/dri/card*", "/dev/tty[0-3]");
        unsigned mode = take(input, 256) << 1 | take(input, 2);

        return plan_add_device(plan, origin, name, mode, take(input, 33), error);
}

static int add_limit(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        const char *const *names = limit_get_names();
        g_autofree char *name = take_text(input, names);
        g_autofree char *text = TAKE_TEXT(input, "512M", "max", "300", "50%", "20000 50000", "0-3,6",
                                          "8:0 1M", "8:0 rbps=1M wiops=max", "0x00010002");
        g_autofree char *key = NULL;
        g_auto(LimitValue) value = { 0 };
        int r;

        r = limit_parse(name, text, &key, &value, error);
        if (r < 0)
                return r;
        r = plan_add_limit(plan, origin, key, &value, error);
        /* what is read can be added, but for a conflict */
        FUZZ_ASSERT(r >= 0 || !error->message || error->code == ERROR_CONFLICTING_CAPABILITIES);
        for (CgroupVersion version = CGROUP_V1; version <= CGROUP_V2; version++) {
                g_auto(GStrv) files = NULL;

                FUZZ_ASSERT(limit_to_files(key, &value, version, &files, NULL) < 0 || files[0]);
        }
        return r;
}

static int add_rule(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_autofree char *peer = TAKE_TEXT(input, "*", "192.0.2.1", "192.0.2.0/24", "2001:db8::/32",
                                          "a.example");
        g_autofree char *ports = TAKE_TEXT(input, "", "443", "80,8000-8080");
        g_auto(PlanRule) rule = { 0 };
        int r;

        rule.direction = (PlanDirection) take(input, 3);
        rule.protocol = (PlanProtocol) take(input, 7);
        r = plan_peer_parse(peer, &rule.peer, error);
        if (r >= 0) {
                g_autofree char *text = plan_peer_format(&rule.peer);
                g_auto(PlanPeer) again = { 0 };

                FUZZ_ASSERT(plan_peer_parse(text, &again, NULL) == 0);
        }
        if (r >= 0 && ports[0])
                r = plan_ports_parse(ports, take(input, 2) ? &rule.peer_ports : &rule.local_ports, error);
        return r < 0 ? r : plan_add_rule(plan, origin, &rule, error);
}

static int add_link(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_autofree char *name = TAKE_TEXT(input, "eth0");

        return plan_add_link(plan, origin, name, take(input, 5), error);
}

static int add_bus_rule(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        g_auto(PlanBusRule) rule = { 0 };

        rule.bus = (PlanBus) take(input, 3);
        rule.verb = (PlanBusVerb) take(input, 3);
        rule.name = TAKE_TEXT(input, "*", "com.acme.Radio", ":1.5");
        if (rule.verb == PLAN_BUS_OWN)
                return plan_add_bus_rule(plan, origin, &rule, error);
        rule.flow = (PlanBusFlow) take(input, 4);
        rule.interface = TAKE_TEXT(input, "*", "com.acme.Radio1");
        rule.path = TAKE_TEXT(input, "*", "/", "/com/acme/*");
        rule.members = g_new0(char *, 4);
        for (unsigned i = 0, n = take(input, 4); i < n; i++)
                rule.members[i] = TAKE_TEXT(input, "*", "Play", "Get?");
        return plan_add_bus_rule(plan, origin, &rule, error);
}

static int add_bus(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        return plan_add_bus(plan, origin, (PlanBus) take(input, 3), error);
}

static int add_socket(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) {
        PlanSocket server = (PlanSocket) take(input, 3);

        return plan_add_socket(plan, origin, server, take(input, 5), error);
}

static int (*const adds[_PLAN_KIND_MAX])(Input *input, Plan *plan, const PlanOrigin *origin, Error *error) = {
        [PLAN_BIND] = add_bind,         [PLAN_ENV] = add_env,   [PLAN_DEVICE] = add_device,
        [PLAN_LIMIT] = add_limit,       [PLAN_RULE] = add_rule, [PLAN_LINK] = add_link,
        [PLAN_BUS_RULE] = add_bus_rule, [PLAN_BUS] = add_bus,   [PLAN_SOCKET] = add_socket,
};

/* Looking whether a failure changed anything costs more than the add, so only some are looked at. */
static void add_one(Input *input, Plan *plan) {
        static const char *const capabilities[] = { "com.acme.a", "com.acme.b" };
        PlanOrigin origin = { .capability = (char *) capabilities[take(input, 2)],
                              .file = (char *) "a.json" };
        g_autofree char *before = take(input, 16) == 15 ? plan_print_json(plan) : NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        origin.line = take(input, 3);
        r = adds[take(input, _PLAN_KIND_MAX)](input, plan, &origin, &error);
        fuzz_assert_explained(r, &error);
        if (r < 0 && before) {
                g_autofree char *after = plan_print_json(plan);

                FUZZ_ASSERT(strcmp(before, after) == 0);
        }
}

/* ---- what must hold ---- */

static bool plans_are_equal(const Plan *a, const Plan *b) {
        if (plan_get_size(a) != plan_get_size(b))
                return false;
        for (guint i = 0; i < plan_get_size(a); i++)
                if (!plan_item_is_equal(plan_get_item(a, i), plan_get_item(b, i)))
                        return false;
        return true;
}

/* The place of the item in what is in force; its length if it is not there. */
static guint find_in_force(const GPtrArray *in_force, const PlanItem *item) {
        guint i = 0;

        while (i < in_force->len && !plan_item_is_equal(in_force->pdata[i], item))
                i++;
        return i;
}

static void assert_diff_leads(const Plan *from, const Plan *to) {
        g_autoptr(GArray) same = plan_diff(from, from);
        g_autoptr(GArray) steps = plan_diff(from, to);
        g_autoptr(GPtrArray) in_force = g_ptr_array_new();

        FUZZ_ASSERT(same->len == 0);
        FUZZ_ASSERT((steps->len == 0) == plans_are_equal(from, to));
        for (guint i = 0; i < plan_get_size(from); i++)
                g_ptr_array_add(in_force, (void *) plan_get_item(from, i));
        for (guint i = 0; i < steps->len; i++) {
                const PlanStep *step = &g_array_index(steps, PlanStep, i);

                FUZZ_ASSERT((step->from == NULL) == (step->verb == PLAN_STEP_ADD));
                FUZZ_ASSERT((step->to == NULL) == (step->verb == PLAN_STEP_REMOVE));
                if (step->from) {
                        guint at = find_in_force(in_force, step->from);

                        FUZZ_ASSERT(at < in_force->len);
                        g_ptr_array_remove_index(in_force, at);
                }
                if (step->to)
                        g_ptr_array_add(in_force, (void *) step->to);
        }
        FUZZ_ASSERT(in_force->len == plan_get_size(to));
        for (guint i = 0; i < plan_get_size(to); i++)
                FUZZ_ASSERT(find_in_force(in_force, plan_get_item(to, i)) < in_force->len);
}

/* A default gives way to what is set: it opens nothing that could become narrower. */
static void assert_covers(const Plan *wide, const Plan *narrow) {
        for (guint i = 0; i < plan_get_size(narrow); i++) {
                const PlanItem *item = plan_get_item(narrow, i);
                const PlanItem *wider = plan_find_item(wide, item->kind, item->key);

                FUZZ_ASSERT(wider);
                FUZZ_ASSERT((item->kind == PLAN_ENV && item->env.mode == PLAN_ENV_DEFAULT) ||
                            plan_item_covers(wider, item));
        }
}

/* Two defaults are the exception that plan/plan.h lists. */
static bool has_two_defaults(const Plan *a, const Plan *b) {
        for (guint i = 0; i < plan_get_size(a); i++) {
                const PlanItem *item = plan_get_item(a, i);
                const PlanItem *other = plan_find_item(b, item->kind, item->key);

                if (item->kind == PLAN_ENV && other && item->env.mode == PLAN_ENV_DEFAULT &&
                    other->env.mode == PLAN_ENV_DEFAULT)
                        return true;
        }
        return false;
}

static void assert_union_is_one(const Plan *a, const Plan *b) {
        g_autoptr(Plan) ab = plan_copy(a);
        g_autoptr(Plan) ba = plan_copy(b);
        g_auto(Error) error = ERROR_NULL;
        int r = plan_merge(ab, b, &error);

        fuzz_assert_explained(r, &error);
        FUZZ_ASSERT((plan_merge(ba, a, NULL) < 0) == (r < 0));
        if (r < 0) {
                FUZZ_ASSERT(error.code == ERROR_CONFLICTING_CAPABILITIES);
                FUZZ_ASSERT(plans_are_equal(ab, a) && plans_are_equal(ba, b));
                return;
        }
        assert_covers(ab, a);
        assert_covers(ab, b);
        FUZZ_ASSERT(has_two_defaults(a, b) || plans_are_equal(ab, ba));
        /* what is there already is no news */
        FUZZ_ASSERT(plan_merge(ba, ab, NULL) == 0);
        FUZZ_ASSERT(has_two_defaults(a, b) || plans_are_equal(ab, ba));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        Input input = { bytes, size };
        g_autoptr(Plan) a = plan_new();
        g_autoptr(Plan) b = plan_new();

        for (int i = 0; i < ADDS_MAX && input.size > 0; i++)
                add_one(&input, take(&input, 2) ? a : b);
        assert_diff_leads(a, b);
        assert_diff_leads(b, a);
        assert_union_is_one(a, b);
        return 0;
}
