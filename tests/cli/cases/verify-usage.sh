# SPDX-License-Identifier: Apache-2.0
# What verify refuses, each in one line.
. "$CLI/expect.sh"
model=$data/tiny-llama
echo '[1, 2, 3]' >ids.json

refuses 2 "*" int8tool verify
refuses 2 "--layers compares two models*" int8tool verify "$model" --layers
refuses 2 "--generate compares two models*" int8tool verify "$model" --generate 4
refuses 2 "--max-rel-l2 is a limit for --golden*" \
    int8tool verify "$model" "$model" --max-rel-l2 1
refuses 2 "--golden takes one model*" \
    int8tool verify "$model" "$model" --golden g.safetensors
refuses 2 "--golden brings its own input: --tokens*" \
    int8tool verify "$model" --golden g.safetensors --tokens ids.json
refuses 2 "--min-top1: *expected 0 to 1*" int8tool verify "$model" "$model" --min-top1 95
refuses 2 "--window: *" int8tool verify "$model" --window 1
refuses 2 "--device: *" int8tool verify "$model" --device cpu:0
refuses 1 "--device cuda:0,1: *" int8tool verify "$model" --device cuda:0,1
refuses 1 "*g.safetensors*" int8tool verify "$model" --golden g.safetensors
refuses 1 "*is a llama model, *a bloom model" \
    int8tool verify "$model" "$data/tiny/bloom" --tokens ids.json
refuses 1 "the models' vocabulary differs: *2048*320" \
    int8tool verify "$model" "$data/tiny/llama" --tokens ids.json
