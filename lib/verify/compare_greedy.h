/* SPDX-License-Identifier: Apache-2.0
 *
 * verify --generate: do both models say the same when they go on by themselves?
 */
#ifndef I8I_VERIFY_COMPARE_GREEDY_H
#define I8I_VERIFY_COMPARE_GREEDY_H

#include "verify/session.h"
#include "verify/windows.h"
#include <int8tool/verify.h>

/* Continues each prompt (without prompts, the beginnings of the first windows) greedily
 * with either model and fills r->continuations. One model is in memory at a time. */
enum i8_status i8i_compare_greedy(struct i8_verify_result *r,
                                  struct i8i_session *reference,
                                  struct i8i_session *converted,
                                  const struct i8i_windows *windows,
                                  const struct i8_verify_options *options,
                                  struct i8_error *err) I8I_MUST_CHECK;

#endif
