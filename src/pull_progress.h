/* SPDX-License-Identifier: Apache-2.0
 *
 * The display of a pull: a line a running file, below them the total.
 */
#ifndef INT8TOOL_PULL_PROGRESS_H
#define INT8TOOL_PULL_PROGRESS_H

#include <int8tool/hub.h>

struct arguments;

/* Lifetime: the process. Without a terminal it draws nothing and only passes Ctrl-C on.
 */
const struct i8_hub_progress *pull_progress(const struct arguments *a);

#endif
