/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe: tries the attacks of a hostile app from inside and says what came of each
 *
 *   probe [--json] [--list] [--serve] [--wait] [PATTERN]...
 *
 * Patterns are of fnmatch(3) and match ids or walls; with a '!' before it one takes away. Returns 0 if every
 * attack was refused, 1 if one was not, 2 if used wrongly. --serve is the victim instead, a neighbour that
 * others look for, and --wait one that does nothing, both until they are killed.
 */
#include "tests/attacks/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The slowest, which fill a memory limit, need two seconds on a busy machine. */
#define ATTEMPT_SEC 30

static const char *const outcome_names[_OUTCOME_MAX] = { "refused", "absent", "through", "broken" };

static const AttackList *const lists[] = {
        &call_attacks, &mount_attacks,   &namespace_attacks, &process_attacks, &privilege_attacks,
        &file_attacks, &network_attacks, &proc_attacks,      &abi_attacks,     &limit_attacks,
};

/* ---- what attacks use ---- */

void result_set(Result *result, Outcome outcome, int errnum, const char *format, ...) {
        va_list arguments;

        result->outcome = outcome;
        result->errnum = errnum;
        va_start(arguments, format);
        (void) vsnprintf(result->text, sizeof result->text, format, arguments);
        va_end(arguments);
}

void result_judge(Result *result, long returned) {
        int errnum = returned < 0 ? errno : 0;

        if (returned >= 0)
                result_set(result, OUTCOME_THROUGH, 0, "it returned %ld", returned);
        else if (errnum == EPERM || errnum == EACCES || errnum == EROFS)
                result_set(result, OUTCOME_REFUSED, errnum, "%s", strerror(errnum));
        else if (errnum == ENOSYS || errnum == EOPNOTSUPP)
                result_set(result, OUTCOME_ABSENT, errnum, "%s", strerror(errnum));
        else
                result_set(result, OUTCOME_THROUGH, errnum, "the kernel got as far as: %s", strerror(errnum));
}

void result_judge_path(Result *result, long returned) {
        static const int absent[] = { ENOENT,      ENOTDIR,      ESRCH,           ENXIO,
                                      ENODEV,      EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
                                      ENOPROTOOPT, ECONNREFUSED };

        for (size_t i = 0; returned < 0 && i < sizeof absent / sizeof *absent; i++)
                if (errno == absent[i]) {
                        result_set(result, OUTCOME_ABSENT, errno, "%s", strerror(errno));
                        return;
                }
        result_judge(result, returned);
}

void result_through_if(Result *result, bool is_through, const char *text) {
        result_set(result, is_through ? OUTCOME_THROUGH : OUTCOME_REFUSED, 0, "%s",
                   is_through ? text : "nothing");
}

const char *given(Result *result, const char *name) {
        char variable[64];
        const char *value;

        (void) snprintf(variable, sizeof variable, "PROBE_%s", name);
        value = getenv(variable);
        if (!value)
                result_set(result, OUTCOME_ABSENT, 0, "%s is not set", variable);
        return value;
}

void run_call(const Attack *attack, Result *result) {
        const unsigned long *a = attack->arguments;

        result_judge(result, syscall(attack->number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int make_file(const char *folder, char path[256]) {
        (void) snprintf(path, 256, "%s/probe-XXXXXX", folder ?: "/tmp");
        return mkstemp(path);
}

long read_text(const char *path, char *buffer, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), errnum;
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        errnum = errno;
        (void) close(fd);
        if (n < 0)
                return -errnum;
        buffer[n] = '\0';
        return n;
}

pid_t find_visible(void) {
        DIR *folder = opendir("/proc");
        pid_t found = 0;

        for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
                char path[300];
                pid_t pid = (pid_t) strtol(entry->d_name, NULL, 10);
                struct stat status;

                (void) snprintf(path, sizeof path, "/proc/%s", entry->d_name);
                if (pid > 1 && stat(path, &status) == 0 && status.st_uid != geteuid())
                        found = pid;
        }
        if (folder)
                (void) closedir(folder);
        return found;
}

pid_t find_foreign(void) {
        pid_t found = find_visible();

        /* /proc may hide it: who may not be signalled is there all the same. */
        for (pid_t pid = 2; !found && pid < PIDS_MAX; pid++)
                if (kill(pid, 0) < 0 && errno == EPERM)
                        found = pid;
        return found;
}

/* ---- the victim ---- */

__attribute__((noreturn)) static void wait_for_ever(void) {
        (void) !write(STDOUT_FILENO, "ready\n", 6);
        for (;;)
                (void) pause();
}

/* An abstract name, a port of the loopback, a file: in a sandbox of its own none of them is another's. */
static int serve(void) {
        static const char name[] = "bulkhead-neighbour";
        struct sockaddr_un abstract = { .sun_family = AF_UNIX };
        struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_port = htons(7777) };
        int unix_fd = socket(AF_UNIX, SOCK_STREAM, 0), inet_fd = socket(AF_INET, SOCK_STREAM, 0);
        int file_fd = open("/tmp/neighbour", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memcpy(abstract.sun_path + 1, name, sizeof name - 1);
        if (file_fd < 0 ||
            bind(unix_fd, (struct sockaddr *) &abstract,
                 offsetof(struct sockaddr_un, sun_path) + sizeof name) < 0 ||
            listen(unix_fd, 5) < 0 || bind(inet_fd, (struct sockaddr *) &loopback, sizeof loopback) < 0 ||
            listen(inet_fd, 5) < 0)
                return EXIT_FAILURE;
        wait_for_ever();
}

/* ---- one attempt ---- */

static void explain_death(Result *result, int status) {
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                result_set(result, OUTCOME_REFUSED, 0, "killed by the system call filter");
        else if (WIFSIGNALED(status) && result->may_die)
                result_set(result, OUTCOME_REFUSED, 0, "ended by signal %d", WTERMSIG(status));
        else if (WIFSIGNALED(status))
                result_set(result, OUTCOME_BROKEN, 0, "ended by signal %d", WTERMSIG(status));
        else if (WEXITSTATUS(status) != 0)
                result_set(result, OUTCOME_BROKEN, 0, "exit status %d", WEXITSTATUS(status));
}

/* In a process of its own, which may die of it or lose its way. */
static void attempt(const Attack *attack, Result *result) {
        int status = 0;
        pid_t pid;

        memset(result, 0, sizeof *result);
        result_set(result, OUTCOME_BROKEN, 0, "it said nothing");
        pid = fork();
        if (pid == 0) {
                (void) alarm(ATTEMPT_SEC);
                attack->run(attack, result);
                _exit(EXIT_SUCCESS);
        }
        if (pid < 0) {
                result_set(result, OUTCOME_BROKEN, errno, "cannot fork: %s", strerror(errno));
                return;
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        explain_death(result, status);
}

/* ---- output ---- */

static void print_json_string(const char *text) {
        (void) putchar('"');
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        (void) printf("\\%c", *text);
                else if ((unsigned char) *text < ' ' || (unsigned char) *text > '~')
                        (void) printf("\\u%04x", (unsigned char) *text);
                else
                        (void) putchar(*text);
        }
        (void) putchar('"');
}

static void print_json(const Attack *attack, const Result *result, bool is_first) {
        const char *const members[][2] = {
                { "id", attack->id },       { "wall", attack->wall },
                { "attack", attack->what }, { "expected", outcome_names[OUTCOME_REFUSED] },
                { "text", result->text },   { "came", outcome_names[result->outcome] },
        };

        (void) printf("%s\n  { ", is_first ? "" : ",");
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
                (void) printf("%s\"%s\": ", i > 0 ? ", " : "", members[i][0]);
                print_json_string(members[i][1]);
        }
        (void) printf(", \"errno\": %d }", result->errnum);
}

static void print_line(const Attack *attack, const Result *result) {
        (void) printf("%-7s  %-36s  %-11s  %s: expected refused, came %s: %s\n",
                      outcome_names[result->outcome], attack->id, attack->wall, attack->what,
                      outcome_names[result->outcome], result->text);
}

static bool is_wanted(const Attack *attack, char **patterns) {
        bool is_wanted = !*patterns || **patterns == '!';

        /* As in a list of ignored files, the last pattern that matches decides. */
        for (; *patterns; patterns++) {
                bool is_without = **patterns == '!';
                const char *pattern = *patterns + is_without;

                if (fnmatch(pattern, attack->id, 0) == 0 || fnmatch(pattern, attack->wall, 0) == 0)
                        is_wanted = !is_without;
        }
        return is_wanted;
}

/* Returns how many were not refused. */
static unsigned try_all(char **patterns, bool is_json, bool is_list, unsigned *ret_tried) {
        Result *result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                              0);
        unsigned n_tried = 0, n_through = 0;

        if (result == MAP_FAILED)
                exit(3);
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
                for (size_t j = 0; j < lists[i]->n; j++) {
                        const Attack *attack = &lists[i]->attacks[j];

                        if (!is_wanted(attack, patterns))
                                continue;
                        if (is_list) {
                                (void) printf("%-36s  %-11s  %s\n", attack->id, attack->wall, attack->what);
                                n_tried++;
                                continue;
                        }
                        (void) fflush(stdout);
                        attempt(attack, result);
                        if (is_json)
                                print_json(attack, result, n_tried == 0);
                        else
                                print_line(attack, result);
                        n_tried++;
                        n_through += result->outcome == OUTCOME_THROUGH || result->outcome == OUTCOME_BROKEN;
                }
        *ret_tried = n_tried;
        return n_through;
}

static int usage(const char *text) {
        (void) fprintf(stderr, "probe: %s\nprobe [--json] [--list] [--serve] [--wait] [PATTERN]...\n", text);
        return 2;
}

static bool is_ordinary(void) {
        char text[8192];
        const char *line = read_text("/proc/self/status", text, sizeof text) > 0 ? strstr(text, "CapEff:")
                                                                                 : NULL;

        return geteuid() == getuid() && getegid() == getgid() && line && strtoull(line + 7, NULL, 16) == 0;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },  { "list", no_argument, NULL, 'l' },
                { "serve", no_argument, NULL, 's' }, { "who", no_argument, NULL, 'w' },
                { "wait", no_argument, NULL, 'p' },  {},
        };
        bool is_json = false, is_list = false;
        unsigned n_tried, n_through;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == 's')
                        return serve();
                if (c == 'p')
                        wait_for_ever();
                if (c == 'w') /* for the attacks that execute a set-id copy of this program */
                        return is_ordinary() ? EXIT_SUCCESS : EXIT_FAILURE;
                if (c == '?')
                        return usage("unknown option");
                is_json |= c == 'j';
                is_list |= c == 'l';
        }
        if (is_json && !is_list)
                (void) printf("{ \"attacks\": [");
        n_through = try_all(argv + optind, is_json && !is_list, is_list, &n_tried);
        if (n_tried == 0)
                return usage("no attack has such a name");
        if (is_json && !is_list)
                (void) printf("\n], \"tried\": %u, \"through\": %u }\n", n_tried, n_through);
        else if (!is_list)
                (void) printf("%u attacks, %u not refused\n", n_tried, n_through);
        return n_through > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
