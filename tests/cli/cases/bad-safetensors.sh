# SPDX-License-Identifier: Apache-2.0
# Every rule of the safetensors format, broken once: one line that names the file and what is
# wrong, from each command that opens it, and no output left behind.
. "$CLI/expect.sh"

broken() {
    kind=$1 glob=$2
    checkpoints "$kind"
    for command in inspect "inspect --json" plan "convert -o out" verify \
        "generate --prompt hello"; do
        # shellcheck disable=SC2086
        refuses 1 "*$kind/model.safetensors*$glob" int8tool $command "$kind"
    done
    refuses 1 "*$kind/model.safetensors*$glob" int8tool inspect "$kind/model.safetensors"
    nothing_final out
    rm -rf "$kind" out
}

broken header-longer-than-file "*4096*"
broken header-over-100MB "*100000001*100000000*"
broken header-length-overflows "*18446744073709551615*"
broken header-empty "*"
broken file-empty "*"
broken file-of-five-bytes "*5*"
broken header-not-json "*JSON*"
broken header-not-utf8 "*UTF-8*"
broken header-is-a-list "*object*"
broken header-with-text-behind "*"
broken header-nested-deeply "*"
broken offsets-overlap "*k_proj*overlap*"
broken offsets-leave-a-hole "*hole*"
broken bytes-behind-the-data "*8*"
broken data-too-short "*"
broken offsets-reversed "*embed_tokens*"
broken offset-negative "*embed_tokens*data_offsets*"
broken offset-fraction "*embed_tokens*data_offsets*"
broken shape-disagrees "*q_proj*2112*2048*"
broken shape-overflows "*q_proj*"
broken shape-is-text "*q_proj*shape*"
broken dtype-unknown "*q_proj*F12*"
broken dtype-missing "*q_proj*dtype*"
broken tensor-twice "*q_proj*"
broken tensor-twice-escaped "*q_proj*"
broken metadata-is-a-number "*__metadata__*"
