/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead-shim: started by the service, one per sandbox; see shim/shim.h
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "plan/spec.h"
#include "shim/shim.h"
#include "util/log.h"

#define SERVICE_FD 3

#ifndef SHIM_WIRE_VERSION /* a test builds others */
#define SHIM_WIRE_VERSION BULKHEAD_SHIM_WIRE_VERSION
#endif

static void print_help(void) {
        puts("bulkhead-shim --cgroup NAME --runtime DIR [--instance ID] [--init PROGRAM]\n"
             "\n"
             "Owns one sandbox. Started by bulkheadd, with their common socket as descriptor 3; of no use by hand.\n"
             "\n"
             "  --instance ID    of the service; empty for the system's own\n"
             "  --cgroup NAME    cgroup of the sandbox, below the top of each hierarchy\n"
             "  --runtime DIR    folder for what it keeps while it runs\n"
             "  --ids BASE       first host id of the range that the sandbox will have, to be ready for it\n"
             "  --init PROGRAM   process 1 of the sandbox, if it is not the one installed beside us\n"
             "  --help           this\n"
             "  --version        " BULKHEAD_VERSION);
}

static int parse_arguments(int argc, char **argv, ShimOptions *ret) {
        static const struct option options[] = {
                { "instance", required_argument, NULL, 'i' }, { "cgroup", required_argument, NULL, 'c' },
                { "ids", required_argument, NULL, 'u' },
                { "runtime", required_argument, NULL, 'r' },  { "init", required_argument, NULL, 'p' },
                { "help", no_argument, NULL, 'h' },           { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        guint64 base;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'i':
                        ret->instance = optarg;
                        break;
                case 'c':
                        ret->cgroup = optarg;
                        break;
                case 'r':
                        ret->runtime_folder = optarg;
                        break;
                case 'u':
                        if (!g_ascii_string_to_unsigned(optarg, 10, SPEC_ID_BASE_MIN,
                                                        UINT32_MAX - SPEC_ID_COUNT_MIN, &base, NULL)) {
                                fprintf(stderr, "bulkhead-shim: --ids is '%s', not the first of %u host ids\n",
                                        optarg, SPEC_ID_COUNT_MIN);
                                return -EINVAL;
                        }
                        ret->id_base = (uint32_t) base;
                        break;
                case 'p':
                        ret->init_program = optarg;
                        break;
                case 'h':
                        print_help();
                        exit(0);
                case 'v':
                        puts(BULKHEAD_VERSION);
                        exit(0);
                default:
                        return -EINVAL;
                }
        if (optind < argc || !ret->cgroup || !ret->runtime_folder) {
                fprintf(stderr, "bulkhead-shim: --cgroup and --runtime are needed; see --help\n");
                return -EINVAL;
        }
        return 0;
}

static int run(const ShimOptions *options) {
        g_autoptr(Shim) shim = NULL;
        g_auto(Error) error = ERROR_NULL;
        int r;

        r = shim_new(options, &shim, &error);
        if (r >= 0)
                r = shim_serve(shim, &error);
        if (r < 0)
                log_failure(LOG_ERR, &error, "Sandbox %s", options->cgroup);
        return r;
}

int main(int argc, char **argv) {
        const char *helpers = getenv("BULKHEAD_HELPERS"), *level = getenv("BULKHEAD_LOG_LEVEL");
        const char *helper_folder = helpers ?: BULKHEAD_HELPER_DIR;
        g_autofree char *init_program = g_build_filename(helper_folder, "bulkhead-init", NULL);
        ShimOptions options = { .instance = "", .init_program = init_program, .helper_folder = helper_folder,
                                .service_fd = SERVICE_FD, .version = SHIM_WIRE_VERSION };

        if (parse_arguments(argc, argv, &options) < 0)
                return 2;
        log_open("bulkhead-shim", FALSE);
        if (level)
                log_set_level(log_level_from_string(level));
        umask(0022);
        /* liblxc's monitor may die before init: then init is ours to reap. */
        if (close_range(SERVICE_FD + 1, ~0u, 0) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
                log_error("Cannot set up: %s", g_strerror(errno));
                return 1;
        }
        return run(&options) < 0 ? 1 : 0;
}
