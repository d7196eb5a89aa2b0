# SPDX-License-Identifier: Apache-2.0
# What plan says of the bundled model: sizes, a map for two GPUs, a lack of room, a search,
# and judged maps.
top=$PWD
cd "$DATA" || exit 1
plan() {
    status=0
    int8tool plan tiny-llama "$@" || status=$?
    echo "exit $status"
}

plan --context 512
plan --context 512 --max-memory 0=6MB,2=6MB --device-map "$top/map.json"
cat "$top/map.json"
plan --context 512 --max-memory 0=2MB --device-map "$top/none.json"
test ! -e "$top/none.json" || echo "a map of what does not fit"
plan --context 512 --max-memory 0=2MB,1=2MB,cpu=9MB --strategy accelerate-auto
plan --max-memory 0=16MB --find context
plan --check "$top/map.json"
echo '{"model.layers.1": 0, "model.layer": 1, "lm_head": "gpu"}' >"$top/wrong.json"
plan --check "$top/wrong.json" | head -n 6
