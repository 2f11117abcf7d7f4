/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Terminal: ours, while a program inside has one of its own
 *
 * In raw mode every key goes inside, Ctrl-C and Ctrl-Z too. It is taken back when the program ends, and also
 * when we are ended by a signal (SIGKILL excepted).
 */
#include <stdbool.h>
#include <stdint.h>

/* Whether standard input is a terminal. */
bool terminal_is_there(void);

/* Remembers how the terminal is set, and sets it raw, cfmakeraw(3). Does nothing without one. Negative errno.
 */
int terminal_set_raw(void);
/* As it was remembered; does nothing if it is not raw. */
void terminal_restore(void);

/* False if neither output nor input is a terminal that knows its size. */
bool terminal_get_size(uint16_t *ret_rows, uint16_t *ret_columns);

/* Copies between our standard input and output and @fd, the other end of a program's terminal, which is
 * non-blocking: a program that does not read must not stop us from reading. */
typedef struct Relay {
        int fd; /* owned; -1 when its program has closed it */
        bool input_ended;
        char pending[4096]; /* read from standard input and not taken yet */
        size_t n_pending;
} Relay;

void relay_init(Relay *relay, int fd);
void relay_done(Relay *relay);

/* What to wait for, in a struct pollfd each. */
short relay_get_input_events(const Relay *relay);
short relay_get_terminal_events(const Relay *relay);
/* Copies what there is. Returns how many bytes have come from the program. */
int relay_copy(Relay *relay, short input_revents, short terminal_revents);
