# SPDX-License-Identifier: Apache-2.0
# Malformed values are usage errors: exit 2, one line that names the option or word.
. "$CLI/expect.sh"
model=$data/tiny/llama

refuses 2 "*" int8tool
refuses 2 "*nonsense*" int8tool nonsense
refuses 2 "*--nonsense*" int8tool --nonsense
for command in plan convert verify generate inspect; do
    accepts "" int8tool $command --help
    grep -qi 'example' out.txt || fail "$command --help has no examples"
    refuses 2 "*" int8tool $command
    refuses 2 "*--nonsense*" int8tool $command "$model" --nonsense
done
refuses 2 "*" int8tool inspect "$model" "$model"
refuses 2 "*--json*" int8tool inspect "$model" --json=yes

value() {
    option=$1 word=$2
    shift 2
    refuses 2 "*$option*" int8tool "$@" "$option" "$word"
}
for size in 0=10XB 0=-1GiB 0= =1GiB 0=1GiB,0=1GiB 0=99999999999999999999 x=1GiB "" 0=nan \
    0=1GiB,,1=1GiB "0=1 GiB" 0=1e3; do
    value --max-memory "$size" plan "$model"
done
for gpus in 0x24GiB 4x -1x24GiB 4x24QiB 4 x 99999999999x24GiB 2xNOSUCHGPU ""; do
    value --gpus "$gpus" plan "$model"
done
for number in 0 -1 1.5 x "" 99999999999999999999 1k " 1" +1; do
    value --batch "$number" plan "$model"
    value --context "$number" plan "$model"
done
value --dtype int4 plan "$model"
value --strategy fastest plan "$model"
value --runtime gguf plan "$model"
value --reserve lots plan "$model" --gpus 1x24GiB
value --find happiness plan "$model"
value --layout gguf convert "$model" -o out
value --rounding up convert "$model" -o out
value --max-shard-size 0 convert "$model" -o out
value --max-shard-size 5XB convert "$model" -o out
value --jobs x convert "$model" -o out
value --ram 1 convert "$model" -o out
value --for transformers3 convert "$model" -o out
value --window 0 verify "$model" --tokens "$model/config.json"
value --min-top1 2 verify "$model" "$model" --prompt a
value --min-top1 nan verify "$model" "$model" --prompt a
value --max-new-tokens x generate "$model" --prompt a
value --temperature -1 generate "$model" --prompt a
value --top-p 2 generate "$model" --prompt a
value --device tpu generate "$model" --prompt a
refuses 2 "*" int8tool generate "$model"
[ ! -e out ] || fail "something was written"
refuses 1 "*nowhere*" int8tool inspect nowhere
refuses 1 "*nowhere*" int8tool convert ./nowhere -o out
