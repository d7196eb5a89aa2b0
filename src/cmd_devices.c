/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool devices: which GPUs there are, or why none is seen.
 */
#include "config.h"

#include "base/size.h"
#include "command.h"
#include <int8tool/devices.h>
#include <stdio.h>

/* CUDA's version numbers: 13020 is 13.2. */
static const char *version_text(char buf[16], int version)
{
    (void)snprintf(buf, 16, "%d.%d", version / 1000, version % 1000 / 10);
    return buf;
}

static int print_json(const struct i8_devices *devices)
{
    char version[16];
    struct i8i_json_writer w;
    i8i_jw_init(&w, true);
    i8i_jw_begin_object(&w);
    i8i_jw_kv_string(&w, "cuda_runtime",
                     devices->runtime_version
                         ? version_text(version, devices->runtime_version)
                         : NULL);
    i8i_jw_kv_string(
        &w, "cuda_driver",
        devices->driver_version ? version_text(version, devices->driver_version) : NULL);
    i8i_jw_key(&w, "devices");
    i8i_jw_begin_array(&w);
    for (size_t i = 0; i < devices->count; i++) {
        const struct i8_device *d = &devices->list[i];
        (void)snprintf(version, sizeof version, "%d.%d", d->compute_major,
                       d->compute_minor);
        i8i_jw_begin_object(&w);
        i8i_jw_kv_u64(&w, "id", (uint64_t)d->index);
        i8i_jw_kv_string(&w, "name", d->name);
        i8i_jw_kv_u64(&w, "total_bytes", d->total_bytes);
        i8i_jw_kv_u64(&w, "free_bytes", d->free_bytes);
        i8i_jw_kv_string(&w, "compute_capability", version);
        i8i_jw_kv_u64(&w, "multiprocessors", (uint64_t)d->multiprocessors);
        i8i_jw_kv_bool(&w, "int8_tensor_cores", d->int8_tensor_cores != 0);
        i8i_jw_end_object(&w);
    }
    i8i_jw_end_array(&w);
    i8i_jw_kv_string(&w, "reason", devices->count > 0 ? NULL : devices->reason);
    i8i_jw_end_object(&w);
    int status = output_json(&w);
    i8i_jw_free(&w);
    return status;
}

static void print_table(const struct i8_devices *devices)
{
    if (devices->count == 0) {
        (void)printf("No GPU: %s.\n", devices->reason);
        return;
    }
    (void)printf("%-4s %-32s %10s %10s  %-10s %s\n", "GPU", "name", "total", "free",
                 "capability", "int8 tensor cores");
    for (size_t i = 0; i < devices->count; i++) {
        const struct i8_device *d = &devices->list[i];
        char total[I8I_SIZE_TEXT], available[I8I_SIZE_TEXT], capability[24];
        (void)snprintf(capability, sizeof capability, "%d.%d", d->compute_major,
                       d->compute_minor);
        (void)printf("%-4d %-32s %10s %10s  %-10s %s\n", d->index, d->name,
                     i8i_size_text(total, d->total_bytes),
                     i8i_size_text(available, d->free_bytes), capability,
                     d->int8_tensor_cores ? "yes" : "no");
    }
}

static int run(const struct arguments *args)
{
    struct i8_error err = {0};
    struct i8_devices devices = {0};
    int status = EXIT_DONE;
    if (i8_devices_list(&devices, &err) != I8_OK)
        return report_error(&err);
    if (arg_given(args, "check")) {
        for (size_t i = 0; i < devices.count && status == EXIT_DONE; i++) {
            if (i8_device_check(devices.list[i].index, &err) != I8_OK)
                status = report_error(&err);
        }
    }
    if (status == EXIT_DONE && arg_json(args))
        status = print_json(&devices);
    else if (status == EXIT_DONE)
        print_table(&devices);
    i8_devices_free(&devices);
    return status;
}

static const struct option_spec options[] = {
    {.name = "check", .help = "run a small kernel on each GPU and check its answer"},
    {0},
};

static const struct example examples[] = {
    {"int8tool devices", "Which GPUs can be used, and how much memory is free"},
    {"int8tool devices --json", "The same for a script, sizes in bytes"},
    {0},
};

const struct command command_devices = {
    .name = "devices",
    .summary = "list the GPUs of this machine",
    .synopsis = "",
    .description =
        "Lists the GPUs that the CUDA driver shows: free and total memory, compute "
        "capability, and whether int8 products run on tensor cores. Where there is none, "
        "it says why (no driver, a driver that is too old, a build without CUDA) and "
        "still succeeds.",
    .options = options,
    .examples = examples,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
