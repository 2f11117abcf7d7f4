/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Apply: makes what holds in the sandbox what the plan says
 *
 * The applier knows the plan in force. apply_plan() takes the wanted one, works out the steps, prepares all of
 * them from outside (sources are opened, maps made: what fails here has changed nothing), carries them out in
 * order, and on the first failure undoes what it did in reverse. An undo needs nothing that could be missing
 * by then: it works on descriptors that were opened before.
 */
#include "plan/lease.h"
#include "plan/net-message.h"
#include "plan/plan.h"
#include "plan/spec.h"
#include "shim/container.h"
#include "shim/report.h"
#include "util/cgroup.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Applier Applier;

/* Of a sandbox that runs. None of it is owned; all must live as long as the applier. */
typedef struct ApplierSetup {
        const Spec *spec;
        Container *container;
        CgroupBox *box;
        Loop *loop;
        ShimReport *report;
        const char *helper_folder;  /* of our own programs */
        const char *runtime_folder; /* of the shim */
        const char *instance_id;    /* of the sandbox, unique on the host */
} ApplierSetup;

Applier *applier_new(const ApplierSetup *setup);
void applier_free(Applier *applier); /* closes descriptors; what is mounted ends with the container */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Applier, applier_free)

/* Takes @fd: a source "fd:@number" of the next plan. It is kept as long as the plan in force names it. */
void applier_add_source(Applier *applier, uint32_t number, int fd);

/* Takes @wanted, also on failure. After a failure the plan before is in force, and @error names the item's
 * manifest place. */
int apply_plan(Applier *applier, Plan *wanted, Error *error);

/* What a link of a plan is made of; ERROR_BAD_STATE if there is another one already. */
int applier_set_lease(Applier *applier, const Lease *lease, Error *error);
/* Takes what is in @hosts, an array of HostAddresses: the rules in force lead there from now on. After a failure
 * they lead where they did. */
int applier_set_hosts(Applier *applier, GArray *hosts, Error *error);
/* The sandbox has ended: lets go of what would keep its namespaces. Nothing but freeing may follow. */
void applier_set_ended(Applier *applier);

const Plan *applier_get_plan(const Applier *applier);
