/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bulkhead: the command line of the sandbox service
 *
 * Options, then a verb from the table below; the verb does the rest.
 */
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/output.h"
#include "util/json.h"

#define HELP_PROCESS                                                                                         \
        "  -e, --environment NAME=VALUE  a variable of the program; may be given again\n"                    \
        "  -w, --working-directory DIR   where it starts, an absolute path inside\n"                         \
        "  -u, --user USER               as whom: a name inside, or uid or uid:gid\n"                        \
        "  -i, --interactive             accepted; standard input is passed on always\n"                     \
        "  -T, --terminal                a terminal of its own, as large as ours\n"

#define HELP_SANDBOX                                                                                         \
        "  -c, --capability CAP          what it may use; may be given again\n"                              \
        "  -t, --template TEMPLATE       what the sandbox is made of (default: the service's)\n"             \
        "      --name NAME               its name (default: one is made up)\n"                               \
        "  -b, --bind SRC:DST[:rw]       show a host path inside; may be given again\n"

#define HELP_STATUS                                                                                          \
        "\nReturns the program's own exit status, 128+n if signal n ended it, 125 when\n"                    \
        "Bulkhead failed, 126 when the program cannot be executed, 127 when it is not found.\n"

static const Verb verbs[] = {
        { "run", "[OPTION]... [--] [PROGRAM [ARGUMENT]...]", "Run one program in a fresh sandbox",
          HELP_SANDBOX HELP_PROCESS
          "      --keep                    leave the sandbox there when the program has ended\n"
          "      --timings                 afterwards, say on standard error how long each step took\n"
          "\nThe program has our standard input, output and error; interrupt, quit, hangup and\n"
          "termination signals go on to it. The sandbox is gone when the program has ended.\n" HELP_STATUS
          "\nExample: bulkhead run -c com.acme.maps.data -- /bin/ls /data\n",
          verb_run },
        { "create", "[OPTION]...", "Make a sandbox that runs nothing yet, and print its name",
          HELP_SANDBOX
          "  -e, --environment NAME=VALUE  a variable of every program in it; may be given again\n",
          verb_create },
        { "exec", "NAME [OPTION]... [--] PROGRAM [ARGUMENT]...", "Run a program in a sandbox that is there",
          HELP_PROCESS HELP_STATUS "\nExample: bulkhead exec maps -- /bin/ps ax\n", verb_exec },
        { "shell", "NAME [OPTION]... [[--] PROGRAM [ARGUMENT]...]",
          "Open a terminal in a sandbox that is there",
          HELP_PROCESS
          "\nThe program is /bin/sh unless one is named. Its terminal looks like ours: window size, keys,\n"
          "job control.\n" HELP_STATUS,
          verb_shell },
        { "grant", "NAME CAPABILITY...", "Give a live sandbox capabilities: all of them or, on failure, none",
          NULL, verb_grant },
        { "revoke", "NAME CAPABILITY...", "Take capabilities away from a live sandbox",
          "What is open already stays open: new opens, connections and messages are refused.\n",
          verb_revoke },
        { "mount", "NAME SRC:DST[:rw]", "Show a host path in a live sandbox, read-only unless :rw",
          "Others than root show only what they can open themselves.\n", verb_mount },
        { "unmount", "NAME DST", "Take away what 'mount' or '-b' has shown", NULL, verb_unmount },
        { "freeze", "NAME...", "Let none of its programs run until it is thawed", NULL, verb_freeze },
        { "thaw", "NAME...", "Let them run again", NULL, verb_thaw },
        { "snapshot", "NAME FILE", "Write what was written in a sandbox as an image, a layer for others",
          "FILE is made, a squashfs image; see Layers= in bulkhead-template(5).\n", verb_snapshot },
        { "kill", "[-s SIGNAL] NAME", "Send a signal to every program in a sandbox",
          "  -s, --signal SIGNAL           its name or number (default: TERM)\n", verb_kill },
        { "stop", "NAME... | --all", "End sandboxes and everything in them",
          "      --all                     every sandbox that you may see\n"
          "\nIts programs get the template's halt signal, and SIGKILL when its time is over.\n"
          "Returns when nothing of the sandbox is left.\n",
          verb_stop },
        { "list", "", "Show the sandboxes that you may see",
          "With --json: [{\"name\", \"state\", \"path\"}].\n", verb_list },
        { "status", "NAME", "Show what a sandbox is, may do and by whose word, uses, and was refused",
          "With --json: the properties by their names on the bus, and \"plan\" (as 'explain --json') and\n"
          "\"refused\": [{\"time\" (us since 1970), \"capability\", \"gateway\", \"text\"}],\n"
          "which is taken from the journal.\n",
          verb_status },
        { "top", "[-n COUNT] [-d SECONDS]", "Show again and again what the sandboxes use",
          "  -n, --count COUNT             how many times (default: until interrupted, or q and Enter)\n"
          "  -d, --delay SECONDS           how long in between (default: 2)\n"
          "\nWith --json a line each time: {\"time\" (us since 1970), \"sandboxes\": [{\"name\", \"path\",\n"
          "\"state\", \"cpu-percent\" (of one processor; null at first), \"cpu-nsec\", \"memory\" (bytes),\n"
          "\"tasks\"}]}.\n",
          verb_top },
        { "events", "[-n COUNT]", "Follow what becomes of the sandboxes that you may see",
          "  -n, --count COUNT             end after so many events (default: never)\n"
          "\nWith --json a line each: {\"time\" (us since 1970), \"event\", \"sandbox\", \"path\"}, and\n"
          "  created, state   \"state\", \"state-reason\"\n"
          "  capabilities     \"capabilities\"\n"
          "  started          \"process\", \"pid\", \"argv\"\n"
          "  exited           \"process\", \"pid\", \"reason\", \"status\"\n"
          "  denied           \"gateway\", \"target\", \"detail\", \"count\", and where there are any\n"
          "                   \"protocol\", \"port\", \"interface\", \"member\", \"object-path\"\n"
          "  pending          \"pending\": what is granted and not in force yet\n"
          "  addresses        \"addresses\"\n"
          "  gone\n"
          "  service-lost, service-back, disconnected: without a sandbox\n",
          verb_events },
        { "doctor", "[--leaks [--fix]]", "Find out if this machine is fit for sandboxes",
          "      --leaks                   compare what is on the host with the service's records\n"
          "      --fix                     remove what nobody has a record of, and say each thing\n"
          "\nSays what is missing and how to get it; returns 1 if sandboxes cannot run, or for a leak.\n"
          "With --json: {\"fit\", \"checks\": [{\"name\", \"result\" (ok, limited, missing), \"text\",\n"
          "\"advice\"}]};\n"
          "of --leaks: {\"leaks\": [\"...\"]}, with --fix {\"leaks\", \"removed\"}.\n",
          verb_doctor },
        { "capabilities", "[CAPABILITY]", "Show what there is to ask for, or one of it closely",
          "Asks the service; reads the files where none is running, and with --root.\n", verb_capabilities },
        { "check", "[FILE|FOLDER]...", "Find what is wrong in manifests, templates and settings",
          "      --sarif                   for review tools: print SARIF 2.1.0\n"
          "\nReads files and nothing else. A folder with usr/share/bulkhead or etc/bulkhead in it is the\n"
          "root of an image; in others *.json, *.conf of templates.d and bulkhead.conf are looked for.\n"
          "Without a FILE: what is installed, below --root. Returns 1 if there is an error.\n"
          "\nExample: bulkhead check manifests/ templates.d/kiosk.conf\n",
          verb_check },
        { "explain", "CAPABILITY...", "Show what capabilities open, item by item, and where that is written",
          "      --dot                     a drawing: capability -> gateway -> resource, for dot(1)\n"
          "\nReads the files, below --root; what every sandbox has is there too. Needs no service.\n",
          verb_explain },
        { "diff", "OLD NEW", "Compare what two folders of manifests open",
          "OLD and NEW are folders of manifests, roots of images, or single manifests. Plans are compared,\n"
          "not texts. Returns 1 if anything widens: new capabilities that open something, items that open\n"
          "more. Manifests with errors cannot be compared.\n",
          verb_diff },
};

static void print_help(void) {
        printf("Usage: bulkhead [OPTION]... VERB [ARGUMENT]...\n\n"
               "Runs programs in sandboxes, with the openings that capabilities describe.\n\nVerbs:\n");
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                printf("  %-13s %s\n", verbs[i].name, verbs[i].summary);
        printf("\nOptions:\n%s\n"
               "Exit status: 0 done, 1 refused or failed, 2 used wrongly; 'run' and 'exec' have their own.\n"
               "'bulkhead VERB --help' says more about a verb.\n",
               options_global_help);
}

static const Verb *verb_find(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

static int unknown_verb(const Cli *cli, const char *name) {
        const char *names[G_N_ELEMENTS(verbs) + 1] = { NULL };
        const char *nearest;

        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                names[i] = verbs[i].name;
        nearest = json_nearest(name, names);
        if (nearest)
                return options_usage(cli, "There is no verb '%s'; did you mean '%s'", name, nearest);
        return options_usage(cli, "There is no verb '%s'", name);
}

/* A closed standard descriptor would be taken by the connection to the bus, and handed to the program. */
static void stdio_fill(void) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void) open("/dev/null", O_RDWR);
}

int main(int argc, char **argv) {
        Cli cli = { .address = "system" };
        int c, status;

        stdio_fill();
        options_begin();
        c = options_next(&cli, argc, argv, "+", NULL);
        if (c == OPTIONS_HELP) {
                print_help();
                return EXIT_SUCCESS;
        }
        if (c != OPTIONS_END)
                return EXIT_USAGE;
        if (optind == argc)
                return options_usage(&cli, "Name a verb");
        cli.verb = verb_find(argv[optind]);
        if (!cli.verb)
                return unknown_verb(&cli, argv[optind]);

        argc -= optind;
        argv += optind;
        status = cli.verb->run(&cli, argc, argv);
        g_clear_pointer(&cli.service, bulkhead_close);

        /* A full disk must not look like success to a script. */
        if (fflush(stdout) != 0 && status == EXIT_SUCCESS) {
                output_error("Cannot write to standard output");
                return EXIT_FAILURE;
        }
        return status;
}
