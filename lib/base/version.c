/* SPDX-License-Identifier: Apache-2.0
 *
 * The version, and the names of statuses.
 */
#include "config.h"

#include <int8tool/status.h>

const char *i8_version(void)
{
    return PACKAGE_VERSION;
}

const char *i8_status_name(enum i8_status status)
{
    switch (status) {
    case I8_OK:
        return "success";
    case I8_ERR_ARG:
        return "usage error";
    case I8_ERR_IO:
        return "I/O error";
    case I8_ERR_DATA:
        return "bad data";
    case I8_ERR_UNSUPPORTED:
        return "unsupported";
    case I8_ERR_NOMEM:
        return "out of memory";
    case I8_ERR_NOSPACE:
        return "no space left";
    case I8_ERR_REFUSED:
        return "refused";
    case I8_ERR_NETWORK:
        return "network error";
    case I8_ERR_DEVICE:
        return "device error";
    case I8_ERR_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}
