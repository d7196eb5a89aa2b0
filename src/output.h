/* SPDX-License-Identifier: Apache-2.0
 *
 * What main needs of output.c beside what commands may use.
 */
#ifndef INT8TOOL_OUTPUT_H
#define INT8TOOL_OUTPUT_H

/* Makes descriptors 0 to 2 exist, so that no file that is opened later becomes stdout.
 * Call it first. */
void output_init(void);

#endif
