# SPDX-License-Identifier: Apache-2.0
# A source that is quantized already is refused, and how it is quantized is named; inspect
# still lists it.
. "$CLI/expect.sh"

named() {
    kind=$1 glob=$2
    checkpoints "$kind"
    refuses 1 "*$kind*$glob" int8tool convert "$kind" -o out
    refuses 1 "*$kind*$glob" int8tool generate "$kind" --prompt hello
    accepts "*" int8tool inspect "$kind"
    nothing_final out
    rm -rf "$kind" out
}

named quantized-gptq "*[gG][pP][tT][qQ]*"
named quantized-awq "*[aA][wW][qQ]*"
named quantized-fp8 "*[fF][pP]8*"
named quantized-compressed-tensors "*compressed-tensors*"
named quantized-bnb-4bit "*4[- ]bit*"
named quantized-by-tensors-only "*gptq*"
named quantized-fp8-by-dtype-only "*fp8*"

# Our own output is no source either, with or without its config.
checkpoints sound-llama
accepts "*" int8tool convert sound-llama -o once
refuses 1 "*once*int8*" int8tool convert once -o twice
refuses 1 "*once*" int8tool convert once/model.safetensors -o twice
nothing_final twice
