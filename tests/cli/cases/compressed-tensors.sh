# SPDX-License-Identifier: Apache-2.0
# The other layout is read back by what wrote it: named, planned, verified and run, with the
# int8 bytes of the first.
. "$CLI/expect.sh"

model=$DATA/tiny/llama
accepts "*" int8tool convert "$model" -o bnb
accepts "*" int8tool convert "$model" -o ct --layout compressed-tensors
accepts "*" int8tool inspect --tree ct
grep -q "quantized: int8 (compressed-tensors)" out.txt || fail "the tree does not name it"
answers plan 0 int8tool plan ct --json
answers inspect 0 int8tool inspect ct --json
[ "$(json out.json '[(t["dtype"], t["shape"][1:]) for t in d["tensors"]
                     if t["name"].endswith("weight_scale")][0]')" = "('F32', [1])" ] ||
    fail "weight_scale is not F32 [out, 1]"
refuses 1 "*already quantized (compressed-tensors int8)*" int8tool convert ct -o twice

# Its readers set no outlier columns apart: neither does auto here.
printf '[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]' >ids.json
for outliers in auto none dynamic; do
    answers verify 0 int8tool verify "$model" ct --tokens ids.json --outliers $outliers \
        --max-kl 1000 --min-top1 0 --max-ppl-ratio 1000 --json
    json out.json 'd["mean_kl"]' >$outliers
done
cmp -s auto none || fail "auto and none differ"
! cmp -s none dynamic || fail "none and dynamic are the same"
answers verify 0 int8tool verify "$model" bnb --tokens ids.json --outliers none \
    --max-kl 1000 --min-top1 0 --max-ppl-ratio 1000 --json
json out.json 'd["mean_kl"]' >bnb.kl
# absmax / 127 and times 127 again is off by a last bit here and there, no more.
"$python" -c 'import sys
a, b = (float(open(n).read()) for n in ("none", "bnb.kl"))
sys.exit(not abs(a - b) <= 1e-2 * b)' || fail "the layouts give $(cat none) and $(cat bnb.kl)"
accepts "*" int8tool generate ct --tokens ids.json --max-new-tokens 2

# Scales that are not what the format says.
"$python" - <<END
import json, os, shutil
shutil.copytree("ct", "other")
config = json.load(open("other/config.json"))
config["quantization_config"]["config_groups"]["group_0"]["weights"]["num_bits"] = 4
json.dump(config, open("other/config.json", "w"))
END
refuses 1 "*compressed-tensors*" int8tool generate other --tokens ids.json
