/* SPDX-License-Identifier: Apache-2.0
 *
 * GPUs by name, with the memory that nvidia-smi reports as total: what is printed on
 * the box, less what the driver and ECC keep. MiB as reported, rounded down.
 */
#include "config.h"

#include <int8tool/plan.h>

#define MIB UINT64_C(1048576)

static const struct i8_plan_card cards[] = {
    {"T4", 15360 * MIB},
    {"RTX-3060", 12288 * MIB},
    {"RTX-3070", 8192 * MIB},
    {"RTX-3080", 10240 * MIB},
    {"RTX-3090", 24576 * MIB},
    {"RTX-4060", 8188 * MIB},
    {"RTX-4060Ti-16GB", 16380 * MIB},
    {"RTX-4070", 12282 * MIB},
    {"RTX-4080", 16376 * MIB},
    {"RTX-4090", 24564 * MIB},
    {"RTX-5070", 12227 * MIB},
    {"RTX-5080", 16303 * MIB},
    {"RTX-5090", 32607 * MIB},
    {"A2", 15356 * MIB},
    {"A10", 23028 * MIB},
    {"A30", 24576 * MIB},
    {"A40", 46068 * MIB},
    {"RTX-A5000", 24564 * MIB},
    {"RTX-A6000", 49140 * MIB},
    {"RTX-6000-Ada", 49140 * MIB},
    {"L4", 23034 * MIB},
    {"L40S", 46068 * MIB},
    {"V100-16GB", 16384 * MIB},
    {"V100-32GB", 32768 * MIB},
    {"A100-40GB", 40960 * MIB},
    {"A100-80GB", 81920 * MIB},
    {"H100-80GB", 81559 * MIB},
    {"H100-NVL", 95830 * MIB},
    {"H200", 143771 * MIB},
    {"B200", 183359 * MIB},
    {NULL, 0},
};

const struct i8_plan_card *i8_plan_cards(void)
{
    return cards;
}
