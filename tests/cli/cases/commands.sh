# SPDX-License-Identifier: Apache-2.0
# Every command on the bundled model: what --json promises is there, and without it there is
# text for people.
. "$CLI/expect.sh"
need_python
model=$data/tiny-llama

accepts "" int8tool --version
[ "$(wc -l <out.txt)" -eq 1 ] || fail "--version prints one line"
answers devices 0 int8tool devices --json

answers inspect 0 int8tool inspect "$model" --json
[ "$(json out.json 'sum(t["bytes"] for t in d["tensors"])')" -eq 4722816 ] ||
    fail "inspect: not all bytes listed"
accepts "" int8tool inspect "$model"
grep -q 'model.embed_tokens.weight' out.txt || fail "inspect lists no tensors"
accepts "" int8tool inspect "$model" --tree
grep -q 'self_attn' out.txt || fail "inspect --tree shows no modules"

answers plan 0 int8tool plan "$model" --json
for dtype in int8 fp16 bf16 fp32 stored; do
    answers plan 0 int8tool plan "$model" --dtype $dtype --json
done
[ "$(json out.json 'd["weights_bytes"]')" -eq 4722816 ] || fail "plan --dtype stored"
answers plan 0 int8tool plan "$model" --max-memory 0=1GiB,1=1GiB --context 128 --batch 2 --json
[ "$(json out.json 'd["fits"] and d["context"] == 128 and d["batch"] == 2')" = True ] ||
    fail "plan: does not fit, or forgot what was asked"
answers plan 3 int8tool plan "$model" --max-memory 0=1MiB --json
[ "$(json out.json 'd["fits"]')" = False ] || fail "plan: fits in 1 MiB"
# A GPU too small for one layer cannot run what is offloaded, and that is what is said.
answers plan 3 int8tool plan "$model" --max-memory 0=2MiB --offload --json
[ "$(json out.json 'any("layer" in n for n in d["notes"])')" = True ] || fail "plan: no reason"
accepts "*" int8tool plan "$model"
accepts "*" int8tool plan "$model" --gpus 4x24GiB --device-map map.json
[ "$(json map.json 'all(isinstance(v, (int, str)) for v in d.values())')" = True ] ||
    fail "plan --device-map"

answers convert 0 int8tool convert "$model" -o foretold --dry-run --json
[ ! -e foretold ] || fail "--dry-run wrote something"
answers convert 0 int8tool convert "$model" -o out --json
accepts "*" int8tool convert "$model" -o again
diff -r out again || fail "two runs, two outputs"
answers plan 0 int8tool plan out --json
answers inspect 0 int8tool inspect out --json
[ "$(json out.json 'sum(t["dtype"] == "I8" for t in d["tensors"])')" -eq 35 ] ||
    fail "35 matrices should be int8"

answers verify 0 int8tool verify "$model" out --tokens "$model/valid.ids.json" \
    --windows 3 --json
answers verify-generate 0 int8tool verify "$model" out --tokens "$model/valid.ids.json" \
    --windows 3 --prompt "The SELECT statement" --generate 6 --json
answers verify 3 int8tool verify "$model" out --tokens "$model/valid.ids.json" \
    --windows 1 --max-kl 0 --json
[ "$(json out.json 'd["pass"]')" = False ] || fail "verify: passed a limit of 0"
answers reference 0 int8tool verify "$model" --tokens "$model/valid.ids.json" --windows 1 --json
answers golden 0 int8tool verify "$data/tiny/llama" --golden \
    "$data/tiny/llama/expected.safetensors" --json
accepts "*" int8tool verify "$model" out --tokens "$model/valid.ids.json" --windows 1

answers generate 0 int8tool generate out --prompt "The SELECT statement is used to" \
    --max-new-tokens 8 --json
[ "$(json out.json 'd[0]["text"].startswith("The SELECT statement is used to")')" = True ] ||
    fail "generate: text does not begin with the prompt"
accepts "" int8tool generate out --prompt "The SELECT statement is used to" --max-new-tokens 8
grep -q '^The SELECT statement is used to' out.txt || fail "generate prints no text"
answers generate 0 int8tool generate "$model" --prompt "In Rust" --temperature 0.8 --top-k 20 \
    --top-p 0.9 --seed 1 --max-new-tokens 8 --json
mv out.json first.json
answers generate 0 int8tool generate "$model" --prompt "In Rust" --temperature 0.8 --top-k 20 \
    --top-p 0.9 --seed 1 --max-new-tokens 8 --json
[ "$(json out.json 'd[0]["ids"]')" = "$(json first.json 'd[0]["ids"]')" ] ||
    fail "generate: one seed, two texts"
