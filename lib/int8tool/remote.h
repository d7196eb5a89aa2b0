/* SPDX-License-Identifier: Apache-2.0
 *
 * Models that are not on this machine: after i8_hub_enable every MODEL string may be
 * ORG/NAME[@REVISION], or hub:ORG/NAME[@REVISION] where a path of that name exists.
 * Headers and weights are then read by ranges; what the cache of Python's client
 * (huggingface_hub) holds is read there. Nothing is stored.
 */
#ifndef INT8TOOL_REMOTE_H
#define INT8TOOL_REMOTE_H

#include <int8tool/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Registers the Hub, as Python's variables (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE …)
 * describe it; they are read when the first repository is opened. Warnings go to `log`
 * (may be NULL), which is borrowed until i8_hub_disable. Call both while no model is open
 * or being opened. */
void i8_hub_enable(const struct i8_log *log);
/* Takes it back and closes the connections. Fine without enable. */
void i8_hub_disable(void);

#ifdef __cplusplus
}
#endif
#endif
