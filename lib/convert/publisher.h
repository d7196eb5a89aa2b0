/* SPDX-License-Identifier: Apache-2.0
 *
 * Who publishes, when several ranks see that all is done: the one that creates
 * int8tool.publisher. The others wait for it, and take over from one that is dead.
 *
 * It only spares double work. Two publishers at once do no harm: both write the same
 * bytes under the same names (publish.c), so nothing depends on locks or clocks here.
 */
#ifndef I8I_CONVERT_PUBLISHER_H
#define I8I_CONVERT_PUBLISHER_H

#include "base/error.h"
#include <stdbool.h>

struct i8i_publisher;

/* Makes us the publisher in DIRECTORY (*out), or finds that another is (*out NULL).
 * A dead one is known at once on the machine where it died, and elsewhere by not having
 * touched the file for a minute, for which `watch` remembers what was seen: zero it. */
struct i8i_publisher_watch {
    long long mtime_ns;
    double since_s; /* on the monotonic clock */
};
enum i8_status i8i_publisher_claim(struct i8i_publisher **out, const char *directory,
                                   struct i8i_publisher_watch *watch,
                                   struct i8_error *err) I8I_MUST_CHECK;
/* Says that we are alive; to be called every few seconds at least. */
void i8i_publisher_beat(struct i8i_publisher *p);
/* Removes the file and frees. NULL is fine. */
void i8i_publisher_release(struct i8i_publisher *p);

#endif
