/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/bus-error.h"

#include <string.h>

#include "util/limits.h"

static const char *const bus_error_names[_ERROR_CODE_MAX] = {
        [ERROR_SYSTEM] = SD_BUS_ERROR_FAILED,
        [ERROR_INVALID_ARGS] = SD_BUS_ERROR_INVALID_ARGS,
        [ERROR_ACCESS_DENIED] = SD_BUS_ERROR_ACCESS_DENIED,
        [ERROR_NO_SUCH_SANDBOX] = BUS_ERROR_PREFIX "NoSuchSandbox",
        [ERROR_SANDBOX_EXISTS] = BUS_ERROR_PREFIX "SandboxExists",
        [ERROR_INVALID_NAME] = BUS_ERROR_PREFIX "InvalidName",
        [ERROR_BAD_STATE] = BUS_ERROR_PREFIX "BadState",
        [ERROR_UNKNOWN_CAPABILITY] = BUS_ERROR_PREFIX "UnknownCapability",
        [ERROR_CAPABILITY_NOT_ALLOWED] = BUS_ERROR_PREFIX "CapabilityNotAllowed",
        [ERROR_INVALID_MANIFEST] = BUS_ERROR_PREFIX "InvalidManifest",
        [ERROR_CONFLICTING_CAPABILITIES] = BUS_ERROR_PREFIX "ConflictingCapabilities",
        [ERROR_NOT_MOUNTABLE] = BUS_ERROR_PREFIX "NotMountable",
        [ERROR_EXEC_FAILED] = BUS_ERROR_PREFIX "ExecFailed",
        [ERROR_LIMIT_REACHED] = BUS_ERROR_PREFIX "LimitReached",
        [ERROR_TIMEOUT] = BUS_ERROR_PREFIX "Timeout",
        [ERROR_UNSUPPORTED] = BUS_ERROR_PREFIX "Unsupported",
        [ERROR_GATEWAY_FAILED] = BUS_ERROR_PREFIX "GatewayFailed",
};

const char *bus_error_get_name(ErrorCode code) {
        if ((int) code < 0 || code >= _ERROR_CODE_MAX || !bus_error_names[code])
                return SD_BUS_ERROR_FAILED;
        return bus_error_names[code];
}

/* The bus takes UTF-8 only, and an error may quote a file name or a string that was cut. What is quoted may also be
 * as long as a message: its middle is left out, since the last words tell the reason. */
static char *error_text(const Error *error) {
        g_autofree char *text = error_format(error);
        size_t size = strlen(text);

        if (size > BUS_ERROR_MAX) {
                char *cut = g_strdup_printf("%.*s [...] %s", BUS_ERROR_MAX / 2, text, text + size - BUS_ERROR_MAX / 2);

                g_free(text);
                text = cut;
        }
        return g_utf8_make_valid(text, -1);
}

int bus_error_set(sd_bus_error *ret, const Error *error) {
        g_autofree char *text = error_text(error);
        int r = sd_bus_error_set(ret, bus_error_get_name(error->code), text);

        return r < 0 ? r : -EIO;
}

int bus_error_reply(sd_bus_message *call, const Error *error) {
        g_autofree char *text = error_text(error);
        sd_bus_error bus_error = SD_BUS_ERROR_MAKE_CONST(bus_error_get_name(error->code), text);

        return sd_bus_reply_method_error(call, &bus_error);
}
