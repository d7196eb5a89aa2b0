# SPDX-License-Identifier: Apache-2.0
# config.json absent, no JSON, or at odds with the tensors: both sides are named.
. "$CLI/expect.sh"

wrong() {
    kind=$1 glob=$2
    checkpoints "$kind"
    for command in plan "convert -o out" verify "generate --prompt hello"; do
        # shellcheck disable=SC2086
        refuses 1 "*$glob" int8tool $command "$kind"
    done
    nothing_final out
    rm -rf "$kind" out
}

wrong no-config "*no-config*config.json*"
wrong config-not-json "*config.json*JSON*"
wrong config-without-width "*config.json*hidden_size*"
wrong config-other-width "*embed_tokens*"
wrong config-more-layers "*model.layers.2.*"
wrong config-negative-layers "*num_hidden_layers*-1*"
wrong config-absurd-layers "*num_hidden_layers*"
wrong config-text-width "*hidden_size*"
