/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bulkheadd: wiring only
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "capabilities/settings.h"
#include "config.h"
#include "dbus/bus.h"
#include "service/manager.h"
#include "service/report.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/message-id.h"
#include "util/places.h"

typedef struct Arguments {
        const char *config; /* NULL = the one of the root */
        const char *root;   /* NULL = "/" */
        const char *bus;    /* NULL = the settings' */
} Arguments;

typedef struct Service {
        sd_event *event;
        Manager *manager;
        Bus *bus;
        const char *address; /* of the bus */
        Error failure;       /* owned; why it cannot go on */
        bool stopping;
} Service;

static const char usage[] =
        "Usage: bulkheadd [--config FILE] [--root DIR] [--bus system|session|ADDRESS]\n"
        "                 [--log-level err|warning|notice|info|debug] [--version] [--help]\n"
        "\n"
        "The Bulkhead sandbox service. --root puts configuration, manifests and state below DIR\n"
        "and makes it an instance of its own.\n";

/* Returns 0 to go on, 1 when all is said, -EINVAL when it was used wrongly. */
static int arguments_parse(int argc, char **argv, Arguments *ret) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "root", required_argument, NULL, 'r' },
                { "bus", required_argument, NULL, 'b' },
                { "log-level", required_argument, NULL, 'l' },
                { "version", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (option) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'r':
                        ret->root = optarg;
                        break;
                case 'b':
                        ret->bus = optarg;
                        break;
                case 'l':
                        if (log_level_from_string(optarg) < 0) {
                                (void) fprintf(
                                        stderr,
                                        "bulkheadd: '%s' is not one of: err warning notice info debug\n",
                                        optarg);
                                return -EINVAL;
                        }
                        log_set_level(log_level_from_string(optarg));
                        /* Shims, which inherit no arguments of ours, shall be as talkative. */
                        (void) setenv("BULKHEAD_LOG_LEVEL", optarg, 1);
                        break;
                case 'v':
                        (void) printf("bulkheadd %s\n", BULKHEAD_VERSION);
                        return 1;
                case 'h':
                        (void) fputs(usage, stdout);
                        return 1;
                default:
                        (void) fputs(usage, stderr);
                        return -EINVAL;
                }
        if (optind < argc) {
                (void) fputs(usage, stderr);
                return -EINVAL;
        }
        return 0;
}

static void on_settled(void *userdata) {
        Service *service = userdata;

        (void) sd_event_exit(service->event, EXIT_SUCCESS);
}

static int on_stop_signal(sd_event_source *source G_GNUC_UNUSED, const struct signalfd_siginfo *info,
                          void *userdata) {
        Service *service = userdata;

        if (service->stopping) {
                /* Asked again: spare shims end by themselves when they see us gone. */
                log_warning("Stopping at once");
                return sd_event_exit(service->event, EXIT_FAILURE);
        }
        log_info("Stopping after %s", g_strsignal((int) info->ssi_signo));
        service->stopping = true;
        (void) sd_notify(0, "STOPPING=1");
        manager_leave(service->manager, on_settled, service);
        return 0;
}

static int on_reload_signal(sd_event_source *source G_GNUC_UNUSED,
                            const struct signalfd_siginfo *info G_GNUC_UNUSED, void *userdata) {
        Service *service = userdata;

        manager_reload(service->manager);
        return 0;
}

/* SIGCHLD is blocked too, which sd-event asks for before it watches shims. */
static int service_watch_signals(Service *service, Error *error) {
        sigset_t signals;
        int r = 0;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGHUP);
        (void) sigaddset(&signals, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return error_set_errnof(error, errno, "Cannot block signals");
        r = sd_event_add_signal(service->event, NULL, SIGTERM, on_stop_signal, service);
        if (r >= 0)
                r = sd_event_add_signal(service->event, NULL, SIGINT, on_stop_signal, service);
        if (r >= 0)
                r = sd_event_add_signal(service->event, NULL, SIGHUP, on_reload_signal, service);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot watch signals");
        return 0;
}

/* Descriptors 0, 1 and 2 are somebody's: nothing that we open may become one of them. */
static int open_standard_fds(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd < 0)
                return -errno;
        (void) fd_close(fd);
        return 0;
}

/* ---- start ---- */

static void service_fail(Service *service, Error *error) {
        (void) error_move(&service->failure, error);
        (void) sd_event_exit(service->event, EXIT_FAILURE);
}

static void on_owned(void *userdata, const Error *error) {
        Service *service = userdata;
        g_auto(Error) failure = ERROR_NULL;

        if (error) {
                (void) error_setf(&failure, error->code, "%s on the bus '%s'", error->message,
                                  service->address);
                service_fail(service, &failure);
                return;
        }
        manager_open(service->manager);
        if (service->stopping)
                return;
        manager_set_ready(service->manager);
        log_info("Ready on the bus '%s'", service->address);
}

static void on_adopted(void *userdata) {
        Service *service = userdata;
        g_auto(Error) error = ERROR_NULL;

        if (!service->stopping && bus_own_name(service->bus, on_owned, service, &error) < 0)
                service_fail(service, &error);
}

static int service_run(const Arguments *arguments, const Places *places, Settings *settings,
                       Error *error) {
        g_autoptr(Manager) manager = NULL;
        g_autoptr(Bus) bus = NULL;
        Service service = { .address = arguments->bus ?: settings->bus };
        int r;

        r = sd_event_default(&service.event);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot make the event loop");
        /* Feeds the unit's WatchdogSec= from the loop, sd_event_set_watchdog(3); nothing without one. */
        r = sd_event_set_watchdog(service.event, true);
        if (r < 0)
                return error_set_errnof(error, -r, "Cannot feed the watchdog");
        r = service_watch_signals(&service, error);
        if (r < 0)
                return r;
        r = manager_new(service.event, places, settings, &manager, error);
        if (r < 0)
                return r;
        service.manager = manager;
        r = bus_new(service.event, service.address, manager, &bus, error);
        if (r < 0)
                return r;
        service.bus = bus;
        manager_adopt(manager, on_adopted, &service);
        r = sd_event_loop(service.event);
        if (r < 0)
                return error_set_errnof(error, -r, "The event loop failed");
        if (service.failure.message)
                return error_move(error, &service.failure);
        bus_flush(bus);
        return r == EXIT_SUCCESS || service.stopping
                       ? r
                       : error_setf(error, ERROR_SYSTEM, "The connection to the bus was lost");
}

int main(int argc, char **argv) {
        g_auto(Error) error = ERROR_NULL;
        g_autoptr(Places) places = NULL;
        g_autoptr(Settings) settings = NULL;
        Arguments arguments = { 0 };
        int r;

        (void) open_standard_fds();
        log_open("bulkheadd", TRUE);
        r = arguments_parse(argc, argv, &arguments);
        if (r != 0)
                return r < 0 ? 2 : EXIT_SUCCESS;
        (void) umask(0022);
        r = places_new(arguments.root, &places, &error);
        if (r < 0) {
                log_failure(LOG_ERR, &error, "Cannot start");
                return EXIT_FAILURE;
        }
        /* Without being named it may be missing; a wrong name would be settings that silently do not count.
         */
        if (arguments.config && access(arguments.config, R_OK) < 0) {
                log_error("Cannot read '%s': %s", arguments.config, g_strerror(errno));
                return EXIT_FAILURE;
        }
        settings = settings_load(arguments.config ?: places->config_file, places->config_folder);
        settings_resolve(settings);
        for (guint i = 0; i < settings->findings->len; i++)
                report_finding(settings->findings->pdata[i], MESSAGE_SETTINGS_FINDING);
        r = service_run(&arguments, places, settings, &error);
        if (r < 0)
                log_failure(LOG_ERR, &error, "Cannot go on");
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
