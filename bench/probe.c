/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The app of the benchmark: its first instructions read the clock and write it, as 8 bytes, to standard
 * output
 *
 * Static, so that no dynamic linker is measured. Sandboxes have no time namespace of their own: the clock is
 * the caller's.
 */
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(void) {
        struct timespec now;
        uint64_t nsec;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        nsec = (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
        return write(STDOUT_FILENO, &nsec, sizeof nsec) == sizeof nsec ? 0 : 1;
}
