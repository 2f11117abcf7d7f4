/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For firewall.c and its kinds; nobody else */
#include "shim/firewall.h"

typedef struct FirewallOps {
        FirewallChoice choice;
        /* 0 if the kernel has it here, and the library too; sets @error like all. */
        int (*probe)(Error *error);
        /* All or nothing over both families; @before is what holds until then, or NULL. */
        int (*commit)(const Ruleset *ruleset, const Ruleset *before, Error *error);
        /* Something that is another after any change of the rules; caller frees. */
        int (*mark)(char **ret, Error *error);
} FirewallOps;

extern const FirewallOps firewall_iptables_ops; /* firewall-iptables.c */
extern const FirewallOps firewall_nft_ops;      /* firewall-nft.c */
