/* SPDX-License-Identifier: Apache-2.0
 *
 * int8tool: the command line.
 */
#include "config.h"

#include <int8tool/status.h>
#include <stdio.h>

int main(void)
{
    printf("int8tool %s\n", i8_version());
    return 0;
}
