# SPDX-License-Identifier: Apache-2.0
# FP8 with block scales is read as what it stands for: inspect shows it as it is stored, plan
# and convert take it for bf16, generate runs it. What does not fit together is refused.
. "$CLI/expect.sh"

for kind in sound-fp8 sound-fp8-bf16-scales; do
    checkpoints "$kind"
    accepts "*" int8tool inspect "$kind"
    grep -q "up_proj.weight  *F8_E4M3" out.txt || fail "inspect does not show F8_E4M3"
    grep -q "up_proj.weight_scale_inv" out.txt || fail "inspect does not show the scales"
    accepts "*" int8tool inspect --tree "$kind"
    grep -q "quantized: fp8 (blocks of 48 x 40)" out.txt || fail "the tree says no fp8"
    answers plan 0 int8tool plan "$kind" --json
    weights=$(json out.json 'd["weights_bytes"]')
    answers convert 0 int8tool convert "$kind" -o foretold --dry-run --json
    foretold=$(json out.json '[(f["name"], f["bytes"]) for f in d["files"]]')
    answers convert 0 int8tool convert "$kind" -o out --json
    written=$(json out.json '[(f["name"], f["bytes"]) for f in d["files"]]')
    [ "$foretold" = "$written" ] || fail "$foretold foretold, $written written"
    answers plan 0 int8tool plan out --json
    [ "$(json out.json 'd["weights_bytes"]')" = "$weights" ] || fail "not what plan said"
    grep -q fp8 out/config.json && fail "config.json still speaks of fp8"
    accepts "*" int8tool inspect out
    grep -q "scale_inv\|F8_" out.txt && fail "FP8 is left in the output"
    accepts "*" int8tool convert "$kind" -o kept --skip-modules up_proj
    accepts "*" int8tool inspect kept
    grep -q "up_proj.weight  *BF16" out.txt || fail "a kept FP8 matrix is not bf16"
    printf '[[1, 2, 3, 4]]' >ids.json
    accepts "*" int8tool generate "$kind" --tokens ids.json --max-new-tokens 2
    accepts "*" int8tool verify "$kind" out --tokens ids.json --min-top1 0 --max-kl 1000 \
        --max-ppl-ratio 1000
    rm -rf "$kind" out kept
done

# refused KIND GLOB
refused() {
    checkpoints "$1"
    refuses 1 "$2" int8tool convert "$1" -o out
    nothing_final out
    rm -rf "$1" out
}
refused fp8-without-scales "*fp8-without-scales*_proj.weight' is F8_E4M3, but its scales \
'*_proj.weight_scale_inv' are missing"
refused fp8-scales-of-another-shape "*_proj.weight_scale_inv' is F32*blocks of 48 x 40 are*"
refused fp8-scales-in-fp16 "*_proj.weight_scale_inv' is F16*are F32 or BF16*"
refused fp8-static-activations "*already quantized (fp8 with static activation scales)*"
