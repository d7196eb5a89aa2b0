/* SPDX-License-Identifier: Apache-2.0
 *
 * A text all of whose characters are starters (combining class 0) that NFC leaves
 * alone whatever stands beside them (NFC_Quick_Check=Yes) is in NFC. The table below
 * holds runs of such characters: letters, digits, punctuation and symbols of the
 * larger scripts, CJK and emoji. It is not complete, which errs on the safe side.
 */
#include "config.h"

#include "tokenizer/normalizer.h"

#include "base/utf8.h"
#include <string.h>

static const struct {
    uint32_t first, last;
} inert[] = {
    {0x0000, 0x02ff}, {0x0388, 0x038a},   {0x038e, 0x03a1},   {0x03a3, 0x0482},
    {0x048a, 0x052f}, {0x0531, 0x0556},   {0x0561, 0x0587},   {0x05d0, 0x05ea},
    {0x0620, 0x064a}, {0x0660, 0x066f},   {0x0e01, 0x0e30},   {0x10d0, 0x10ff},
    {0x1e00, 0x1f15}, {0x2002, 0x2064},   {0x20a0, 0x20c0},   {0x2100, 0x2125},
    {0x212c, 0x218b}, {0x2190, 0x2328},   {0x232b, 0x2426},   {0x2460, 0x2adb},
    {0x2add, 0x2b73}, {0x3000, 0x3029},   {0x3041, 0x3096},   {0x309b, 0x30ff},
    {0x3131, 0x318e}, {0x3220, 0xa48c},   {0xac00, 0xd7a3},   {0xfe00, 0xfe0f},
    {0xff01, 0xffbe}, {0x1f300, 0x1f6d7}, {0x1f900, 0x1fa53}, {0x20000, 0x2a6df},
};

enum i8_status i8i_normalizer_parse(bool *nfc, const i8i_json *node, struct i8_error *err)
{
    if (node == NULL || i8i_json_is_null(node))
        return I8_OK;
    const char *type = i8i_json_string(i8i_json_get(node, "type"));
    if (type == NULL)
        return i8i_fail(err, I8_ERR_DATA, "normalizer: no \"type\"");
    if (strcmp(type, "NFC") == 0) {
        *nfc = true;
        return I8_OK;
    }
    if (strcmp(type, "Sequence") == 0) {
        const i8i_json *member = i8i_json_first(i8i_json_get(node, "normalizers"));
        for (; member != NULL; member = i8i_json_next(member)) {
            enum i8_status status = i8i_normalizer_parse(nfc, member, err);
            if (status != I8_OK)
                return status;
        }
        return I8_OK;
    }
    return i8i_fail(err, I8_ERR_UNSUPPORTED,
                    "normalizer \"%s\" is not handled (handled: NFC)", type);
}

static bool is_inert(uint32_t c)
{
    size_t low = 0, high = sizeof inert / sizeof *inert;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (inert[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof inert / sizeof *inert && inert[low].first <= c;
}

enum i8_status i8i_normalizer_check_nfc(const char *text, size_t length,
                                        struct i8_error *err)
{
    for (size_t i = 0, used; i < length; i += used) {
        uint32_t c = 0;
        used = i8i_utf8_decode(text + i, length - i, &c);
        if (!is_inert(c))
            return i8i_fail(err, I8_ERR_UNSUPPORTED,
                            "the text must be normalized (NFC) before it is cut into "
                            "tokens, which is not done here, and byte %zu (U+%04X) may "
                            "not be",
                            i, (unsigned)c);
    }
    return I8_OK;
}
