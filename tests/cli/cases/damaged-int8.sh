# SPDX-License-Identifier: Apache-2.0
# int8 checkpoints that lack their scales, hold them in another form, or in the layout of old
# GPUs, are refused by tensor name; NaN in a scale is a miss of verify, counted.
. "$CLI/expect.sh"
echo '[5, 6, 7, 8, 9, 10, 11, 12]' >ids.json
checkpoints sound-llama int8-sound int8-unannounced int8-scb-nan

damaged() {
    checkpoints "$1"
    for command in "generate --max-new-tokens 1" "verify sound-llama"; do
        # shellcheck disable=SC2086
        refuses 1 "*$1*model.layers.1.self_attn.k_proj.$2" int8tool $command "$1" \
            --tokens ids.json
    done
}

damaged int8-without-scb "*SCB*missing*"
damaged int8-scb-too-short "SCB*15*16*"
damaged int8-scb-in-fp16 "SCB*F16*F32*"
damaged int8-tiled "weight_format*3*col_ampere*"

# config.json need not say that the tensors are int8.
accepts "" int8tool generate int8-sound --tokens ids.json --max-new-tokens 4
mv out.txt first.txt
accepts "" int8tool generate int8-unannounced --tokens ids.json --max-new-tokens 4
cmp first.txt out.txt || fail "the same tensors, another text"

answers verify 3 int8tool verify sound-llama int8-scb-nan --tokens ids.json --json
[ "$(json out.json 'd["nonfinite"] > 0 and not d["pass"]')" = True ] || fail "NaN passed"
