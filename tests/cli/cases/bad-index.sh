# SPDX-License-Identifier: Apache-2.0
# An index that lies: about files, about where a tensor is, about what there is.
. "$CLI/expect.sh"

lying() {
    kind=$1 glob=$2
    checkpoints "$kind"
    for command in inspect "inspect --tree" plan "convert -o out" verify \
        "generate --prompt hello"; do
        # shellcheck disable=SC2086
        refuses 1 "*$glob" int8tool $command "$kind"
    done
    nothing_final out
    rm -rf "$kind" out
}

index=model.safetensors.index.json
lying index-names-missing-file "*model-00009-of-00003.safetensors*"
lying index-escapes "*$index*../elsewhere.safetensors*"
lying index-absolute "*$index*/etc/passwd*"
lying index-tensor-not-in-shard "*model.layers.0.self_attn.q_proj.weight*model-0000?-of-*"
lying index-forgets-tensor "*model.layers.0.self_attn.q_proj.weight*"
lying index-without-map "*$index*weight_map*"
lying index-not-json "*$index*JSON*"
lying shard-missing "*model-00002-of-00003.safetensors*"
lying no-weights "*no-weights*model.safetensors*"
lying weights-are-a-folder "*model.safetensors*"
