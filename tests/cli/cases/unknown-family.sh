# SPDX-License-Identifier: Apache-2.0
# A family that is not known, and a bare weights file: inspect and convert go by shapes, and
# say so; what needs the forward pass refuses, naming the family.
. "$CLI/expect.sh"
checkpoints unknown-family bare-file

accepts "*Quagga*" int8tool inspect --tree unknown-family
accepts "*Quagga*" int8tool convert unknown-family -o a
[ -f a/int8tool.json ] || fail "a was not written"
refuses 1 "*Quagga*" int8tool generate unknown-family --prompt hello
refuses 1 "*Quagga*" int8tool verify unknown-family a --prompt hello

# Embeddings look like any matrix here: they are converted, and warned of.
accepts "*" int8tool inspect bare-file/weights.safetensors
accepts "*warning*embed_tokens*" int8tool convert bare-file/weights.safetensors -o b
[ -f b/int8tool.json ] || fail "b was not written"
[ ! -f b/config.json ] || fail "a config.json came from nowhere"
