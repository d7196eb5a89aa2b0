# SPDX-License-Identifier: Apache-2.0
# What generate refuses, each in one line.
. "$CLI/expect.sh"
echo '[1, 2, 9999]' >far.json
echo '[1, 2, 3]' >ids.json
model=$data/tiny-llama

refuses 2 "give either --prompt or --tokens*" int8tool generate "$model"
refuses 2 "give either --prompt or --tokens*" \
    int8tool generate "$model" --prompt a --tokens ids.json
refuses 2 "--top-p: *expected 0 to 1*" int8tool generate "$model" --prompt a --top-p 1.5
refuses 2 "--temperature: *" int8tool generate "$model" --prompt a --temperature -1
refuses 2 "--max-new-tokens: *" int8tool generate "$model" --prompt a --max-new-tokens 0
refuses 2 "--outliers: *" int8tool generate "$model" --prompt a --outliers some
refuses 2 "--device: expected cpu, found 'tpu'*" \
    int8tool generate "$model" --prompt a --device tpu
refuses 1 "--device cuda: *" int8tool generate "$model" --prompt a --device cuda
refuses 1 "*token id 9999 at position 2 is outside the vocabulary of 2048" \
    int8tool generate "$model" --tokens far.json
refuses 1 "*there is no tokenizer.json*--tokens takes ids*" \
    int8tool generate "$data/tiny/opt" --prompt Hello
refuses 1 "*10002 positions, but the model's table of positions holds *" \
    int8tool generate "$data/tiny/opt" --tokens ids.json --max-new-tokens 10000
refuses 1 "*missing.json*" int8tool generate "$model" --tokens missing.json
