/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/terminal.h"

#define TERMINAL_END_OF_FILE 4 /* Ctrl-D: what a terminal has instead of an end */

/* One process has one terminal; a signal handler has no other way to find it. */
static struct termios saved;
static volatile sig_atomic_t is_raw;

/* tcsetattr(3) and raise(3) are safe in a handler, signal-safety(7); SA_RESETHAND has set the default action.
 */
static void on_fatal_signal(int number) {
        if (is_raw)
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        (void) raise(number);
}

/* Those that would end us without a chance to tidy up; the rest are for run.c. */
static void catch_fatal_signals(void) {
        static const int numbers[] = { SIGABRT, SIGALRM, SIGBUS,  SIGFPE,  SIGILL,  SIGPIPE, SIGSEGV,
                                       SIGSYS,  SIGTRAP, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ };
        struct sigaction action = { .sa_handler = on_fatal_signal,
                                    .sa_flags = (int) (SA_RESETHAND | SA_NODEFER) };
        struct sigaction before;

        (void) sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
                        (void) sigaction(numbers[i], &action, NULL);
}

bool terminal_is_there(void) {
        return isatty(STDIN_FILENO);
}

int terminal_set_raw(void) {
        struct termios raw;

        if (!terminal_is_there() || is_raw)
                return 0;
        if (tcgetattr(STDIN_FILENO, &saved) < 0)
                return -errno;
        catch_fatal_signals();
        raw = saved;
        cfmakeraw(&raw);
        is_raw = 1; /* before it is, so that a signal in between takes it back */
        if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0) {
                is_raw = 0;
                return -errno;
        }
        return 0;
}

void terminal_restore(void) {
        if (!is_raw)
                return;
        (void) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
        is_raw = 0;
}

bool terminal_get_size(uint16_t *ret_rows, uint16_t *ret_columns) {
        static const int fds[] = { STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO };
        struct winsize size;

        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
                if (ioctl(fds[i], TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
                        *ret_rows = size.ws_row;
                        *ret_columns = size.ws_col;
                        return true;
                }
        return false;
}

/* ---- relay ---- */

void relay_init(Relay *relay, int fd) {
        *relay = (Relay){ .fd = fd };
}

void relay_done(Relay *relay) {
        if (relay->fd >= 0)
                (void) close(relay->fd);
        relay->fd = -1;
}

short relay_get_input_events(const Relay *relay) {
        return relay->fd >= 0 && !relay->input_ended && relay->n_pending == 0 ? POLLIN : 0;
}

short relay_get_terminal_events(const Relay *relay) {
        if (relay->fd < 0)
                return 0;
        return (short) (POLLIN | (relay->n_pending > 0 ? POLLOUT : 0));
}

static void read_input(Relay *relay) {
        ssize_t n = read(STDIN_FILENO, relay->pending, sizeof(relay->pending));

        if (n > 0) {
                relay->n_pending = (size_t) n;
                return;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        relay->input_ended = true;
        relay->pending[0] = TERMINAL_END_OF_FILE;
        relay->n_pending = 1;
}

static void write_pending(Relay *relay) {
        ssize_t n = write(relay->fd, relay->pending, relay->n_pending);

        if (n <= 0)
                return;
        relay->n_pending -= (size_t) n;
        memmove(relay->pending, relay->pending + n, relay->n_pending);
}

/* All of it; ours may be a descriptor that somebody has made non-blocking. False if it takes no more. */
static bool write_output(const char *text, size_t size) {
        while (size > 0) {
                ssize_t n = write(STDOUT_FILENO, text, size);

                if (n < 0 && errno == EAGAIN)
                        (void) poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
                else if (n < 0 && errno != EINTR)
                        return false;
                if (n > 0) {
                        text += n;
                        size -= (size_t) n;
                }
        }
        return true;
}

int relay_copy(Relay *relay, short input_revents, short terminal_revents) {
        char buffer[16384];
        ssize_t n;

        if (relay->fd < 0)
                return 0;
        if (input_revents && relay->n_pending == 0 && !relay->input_ended)
                read_input(relay);
        if (relay->n_pending > 0)
                write_pending(relay);
        if (!(terminal_revents & (POLLIN | POLLHUP | POLLERR)))
                return 0;
        n = read(relay->fd, buffer, sizeof(buffer));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        /* EIO is how a terminal ends, when nobody has its other end any more. */
        if (n <= 0 || !write_output(buffer, (size_t) n)) {
                relay_done(relay);
                return 0;
        }
        return (int) n;
}
