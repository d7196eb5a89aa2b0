/* SPDX-License-Identifier: Apache-2.0
 *
 * get_balanced_memory: lowers the budgets of all GPUs but the last, so that the loop
 * that fills one device after the other spreads the model.
 */
#include "config.h"

#include "planner/replay.h"

#include <math.h>
#include <string.h>

/* The mean size of the modules at the end of the tree. accelerate: those without
 * sized children; transformers: those that hold tensors of their own. */
static double mean_leaf(const struct i8i_replay *r)
{
    const struct i8i_model *m = r->model;
    double sum = 0, count = 0;

    for (int i = 1; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        bool leaf = false;
        double size = 0;
        if (r->rules == I8I_REPLAY_ACCELERATE) {
            leaf = r->bytes->module[i] > 0;
            for (int c = mod->first_child; c >= 0 && leaf; c = m->modules[c].next_sibling)
                leaf = r->bytes->module[c] == 0;
            size = (double)r->bytes->module[i];
        } else {
            for (int k = mod->first_param; k < mod->first_param + mod->n_params; k++) {
                leaf = leaf || m->params[k].tied_to < 0;
                size += (double)r->bytes->param[k];
            }
        }
        if (leaf) {
            sum += size;
            count++;
        }
    }
    return floor(sum / (count > 0 ? count : 1));
}

/* The largest of the blocks that must not be split; accelerate looks at the first
 * block of each class only. */
static double block_size(const struct i8i_replay *r)
{
    const struct i8i_model *m = r->model;
    double largest = 0;

    for (int i = 1; i < m->n_modules; i++) {
        const struct i8i_module *mod = &m->modules[i];
        bool seen = false;
        if (!mod->no_split || (double)r->bytes->module[i] <= largest)
            continue;
        for (int k = 1; k < i && r->rules == I8I_REPLAY_ACCELERATE && !seen; k++)
            seen = m->modules[k].no_split && r->bytes->module[k] > 0 &&
                   strcmp(m->modules[k].class_name, mod->class_name) == 0;
        if (!seen)
            largest = (double)r->bytes->module[i];
    }
    return largest;
}

static struct i8i_limit *limit_of(struct i8i_limit *limits, size_t n, int device)
{
    for (size_t i = 0; i < n; i++)
        if (limits[i].device == device)
            return &limits[i];
    return NULL;
}

enum i8_status i8i_replay_balance(const struct i8i_replay *r, struct i8i_limit *limits,
                                  size_t n, bool low_zero, struct i8_error *err)
{
    struct i8i_limit *zero = limit_of(limits, n, 0);
    double total = (double)r->bytes->module[0];
    int gpus = 0, last = -1;

    for (size_t i = 0; i < n; i++) {
        if (limits[i].device >= 0 && limits[i].bytes > 0) {
            gpus++;
            last = (int)i;
        }
    }
    if (gpus == 0)
        return I8_OK;
    if (gpus == 1)
        low_zero = false;
    if (low_zero && zero == NULL)
        return i8i_fail(err, I8_ERR_UNSUPPORTED,
                        "balanced_low_0 needs a budget for GPU 0: without one the Python "
                        "code fails with \"KeyError: 0\"");

    double per_gpu = floor(total / (low_zero ? gpus - 1 : gpus));
    per_gpu += floor(1.25 * fmax(block_size(r), mean_leaf(r)));
    for (int i = 0; i < last; i++) {
        struct i8i_limit *limit = &limits[i];
        if (limit->device < 0 || limit->bytes <= 0)
            continue;
        if (!low_zero || limit->device != 0)
            limit->bytes = fmin(per_gpu, limit->bytes);
    }
    if (low_zero) {
        double others = 0;
        for (int id = 1; id < gpus; id++) { /* the ids 1 … n-1, whatever the ids are */
            const struct i8i_limit *limit = limit_of(limits, n, id);
            if (limit == NULL)
                return i8i_fail(err, I8_ERR_UNSUPPORTED,
                                "balanced_low_0 takes the GPUs to be 0 … %d: without GPU "
                                "%d the Python code fails with \"KeyError: %d\"",
                                gpus - 1, id, id);
            others += limit->bytes;
        }
        zero->bytes = fmin(fmax(0, total - others), zero->bytes);
    }
    return I8_OK;
}
