# SPDX-License-Identifier: Apache-2.0
# NaN, Inf, and what becomes Inf in fp16: refused by tensor name, converted when asked for.
. "$CLI/expect.sh"

for kind in weight-nan weight-inf weight-beyond-fp16; do
    checkpoints $kind
    for jobs in 1 4; do
        refuses 1 "*model.layers.1.mlp.down_proj.weight*" \
            int8tool convert -q $kind -o out --jobs $jobs
        nothing_final out
        rm -rf out
    done
    accepts "*warning*converted*" \
        int8tool convert $kind -o out --allow-nonfinite
    [ -f out/int8tool.json ] || fail "--allow-nonfinite wrote nothing"
    rm -rf out $kind
done
