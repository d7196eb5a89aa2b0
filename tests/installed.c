/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of somebody else: built against the installed headers and library alone, as
 * pkg-config names them (make installcheck). Lists a checkpoint's tensors.
 */
#include <int8tool/checkpoint.h>
#include <int8tool/status.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct i8_checkpoint *checkpoint = NULL;
    struct i8_error err = {0};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    if (i8_checkpoint_open(&checkpoint, argv[1], &err) != I8_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < i8_checkpoint_count(checkpoint); i++) {
        struct i8_tensor_info t = i8_checkpoint_get(checkpoint, i);
        (void)printf("%s %s %llu\n", t.name, i8_dtype_name(t.dtype),
                     (unsigned long long)t.bytes);
    }
    i8_checkpoint_free(checkpoint);
    return 0;
}
