/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target without a fuzzer, for `make check`: each file named on the command
 * line as it is, cut short everywhere, and with bytes changed by a fixed sequence.
 */
#include "config.h"

#include "base/file.h"
#include "fuzz.h"

#include <stdio.h>

#define MUTATIONS 3000
#define CUTS      600
#define REACH     4096 /* changes and cuts lie in so many bytes at both ends: headers */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A copy of exactly n bytes, so that a sanitizer sees a read past the end. */
static void run_copy(const char *bytes, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    MUST(copy != NULL);
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_seed(char *bytes, size_t n)
{
    static const char interesting[] = "\0\1\x7f\x80\xff{}[]\",:\\0e-.";
    uint64_t state = 88172645463325252u;
    const size_t reach = n < REACH ? n : REACH;
    run_copy(bytes, n);
    for (size_t i = 0; i < CUTS && i < reach; i++)
        run_copy(bytes, reach * i / (reach < CUTS ? reach : CUTS));
    for (int i = 0; i < MUTATIONS && reach > 0; i++) {
        size_t at[3];
        char old[3];
        const size_t changes = 1 + next_random(&state) % 3;
        for (size_t k = 0; k < changes; k++) {
            const uint64_t r = next_random(&state);
            at[k] = (r >> 16) % reach;
            if (r >> 63)
                at[k] = n - 1 - at[k];
            old[k] = bytes[at[k]];
            bytes[at[k]] =
                r & 1 ? interesting[(r >> 1) % (sizeof interesting - 1)] : (char)(r >> 8);
        }
        run_copy(bytes, n);
        for (size_t k = changes; k-- > 0;)
            bytes[at[k]] = old[k];
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *bytes;
        size_t n;
        struct i8_error err;
        if (i8i_read_file(&bytes, &n, argv[i], (size_t)64 << 20, &err) != I8_OK) {
            fprintf(stderr, "%s\n", err.message);
            return EXIT_FAILURE;
        }
        run_seed(bytes, n);
        free(bytes);
    }
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
