/* SPDX-License-Identifier: Apache-2.0
 *
 * --device and --outliers, the same for verify and generate.
 */
#include "config.h"

#include "run_options.h"
#include <string.h>

static enum i8_outliers parse_outliers(const char *word)
{
    static const struct {
        const char *word;
        enum i8_outliers outliers;
    } words[] = {
        {"dynamic", I8_OUTLIERS_DYNAMIC},
        {"stored", I8_OUTLIERS_STORED},
        {"none", I8_OUTLIERS_NONE},
    };
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++) {
        if (!strcmp(word, words[i].word))
            return words[i].outliers;
    }
    return I8_OUTLIERS_AUTO;
}

bool run_options(struct i8_runtime *runtime, const struct arguments *args, int *status)
{
    const char *device = arg_value(args, "device");
    if (device && (!strcmp(device, "cuda") || !strncmp(device, "cuda:", 5))) {
        struct i8_error err = {.status = I8_ERR_DEVICE};
        (void)i8i_fail(&err, I8_ERR_DEVICE,
                       "--device %s: running on a GPU is not there yet, only cpu is",
                       device);
        *status = report_error(&err);
        return false;
    }
    if (device && strcmp(device, "cpu") != 0) {
        *status = usage_error(args, "--device: expected cpu, found '%s'", device);
        return false;
    }
    runtime->device = device;
    runtime->outliers = parse_outliers(arg_value(args, "outliers"));
    runtime->log = output_log(args);
    return true;
}
