/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json → dimensions and the forward pass's constants.
 */
#ifndef I8I_MODEL_HPARAMS_H
#define I8I_MODEL_HPARAMS_H

#include "base/memory.h"
#include "model/family.h"

/* Fills hp from the family's keys, the keys that all families share, the family's
 * derive(), and the products of those. hp->sliding lives in the arena. */
enum i8_status i8i_hparams_read(struct i8i_hparams *hp, const struct i8i_family *family,
                                const i8i_json *config, struct i8i_arena *arena,
                                struct i8_error *err) I8I_MUST_CHECK;
/* config.json's dtype or torch_dtype; INVALID when absent or unknown. */
enum i8_dtype i8i_config_dtype(const i8i_json *config);
/* The family of a config by its architectures entry, else by its model_type; NULL. */
const struct i8i_family *i8i_family_find(const char *architecture,
                                         const char *model_type);
/* Whether `architecture` names the family's base class: the tree without its prefix. */
bool i8i_family_is_base(const struct i8i_family *family, const char *architecture);

#endif
