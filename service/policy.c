/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/policy.h"

#include <string.h>

#include "capabilities/capability.h"

int policy_check_caller(const Settings *settings, uid_t caller, Error *error) {
        /* A section that is there and not followed could have denied this. */
        if (caller != 0 && settings->has_policy)
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "The settings have policy sections, which this version does not follow: "
                                  "only root is served");
        return 0;
}

int policy_check_template(const Settings *settings, uid_t caller, const char *name, Error *error) {
        if (caller == 0 || strcmp(name, settings->default_template) == 0)
                return 0;
        return error_setf(error, ERROR_ACCESS_DENIED, "User %u may use the template '%s' only",
                          (unsigned) caller, settings->default_template);
}

int policy_check_run(uid_t caller, const ShimRun *run, const Spec *spec, Error *error) {
        if (caller == 0)
                return 0;
        if (run->has_user && (run->uid != spec->app_uid || run->gid != spec->app_gid))
                return error_setf(error, ERROR_ACCESS_DENIED,
                                  "User %u may run programs as the template's user only", (unsigned) caller);
        if (run->n_groups > 0)
                return error_setf(error, ERROR_ACCESS_DENIED, "User %u may not give a program more groups",
                                  (unsigned) caller);
        return 0;
}

int policy_check_capabilities(uid_t caller, const GPtrArray *capabilities, Error *error) {
        for (guint i = 0; caller != 0 && i < capabilities->len; i++) {
                const Capability *capability = capabilities->pdata[i];

                if (!capability_is_default(capability) &&
                    strcmp(capability_get_risk(capability), "high") == 0)
                        return error_setf(error, ERROR_CAPABILITY_NOT_ALLOWED,
                                          "User %u may not ask for capability '%s': its risk is high",
                                          (unsigned) caller, capability_get_name(capability));
        }
        return 0;
}
