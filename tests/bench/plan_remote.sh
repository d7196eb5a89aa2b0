#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How long plan takes for a repository of 71 shards (BLOOM's 352 GB; sparse files behind
# nginx), 30 ms away there and back, and how much it fetches; beside hf-mem, which lists
# sizes the same way, in one run. hf-mem's address of the Hub is a constant: its copy here
# is patched.
#   I8_TOOL, I8_RELAY, I8_BENCH_DIR   see remote_setup.sh;   RUNS (5)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/remote_setup.sh"
need nginx
prepare() {
    "$python" -m venv "$I8_WORK/venv"
    # Not compiled: the patched address may have the length of the real one, and the same
    # second, by which Python would take the old code.
    "$I8_WORK/venv/bin/pip" install -q --no-compile --disable-pip-version-check hf-mem==0.5.6
    "$python" - "$here/../interop" "$here/../data/placement" "$root/big/bloom" <<'END'
import gzip, json, os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from sparse import write_checkpoint
models = json.load(gzip.open(os.path.join(sys.argv[2], "models.json.gz")))
write_checkpoint(models["bloom"], sys.argv[3], strip_prefix=True)
END
    echo '{"unhashed": true, "page": 1000}' >"$root/big/bloom.json"
}
begin "$@"
start_far_hub 0 0
find "$work/venv" -path '*/hf_mem/*' -name '*.py' -exec \
    sed -i "s|https://huggingface\.co|$HF_ENDPOINT|g" {} +

# fetched: requests and bytes of bodies since the logs were emptied
fetched() {
    "$python" - "$work/hub.log" "$work/nginx.log" <<'END'
import json, sys
hub = [json.loads(line) for line in open(sys.argv[1])]
cdn = [line.split() for line in open(sys.argv[2])]
size = sum(r["sent"] for r in hub) + sum(int(c[1]) for c in cdn)
print(f"{len(hub)} requests to the Hub, {len(cdn)} to the CDN, {size / 1e6:.2f} MB")
END
}

count() {
    : >"$work/hub.log"
    : >"$work/nginx.log"
    name=$1
    shift
    "$@" >"$work/out"
    sleep 0.3
    echo "$name: $(fetched)"
}

# Nothing is kept from one run to the next: the cache is removed before each.
plan="$tool plan big/bloom --gpus 8xA100-80GB"
mem="$work/venv/bin/hf-mem --model-id big/bloom"
echo "$(about_machine); $(find "$root/big/bloom" -name '*.safetensors' | wc -l) shards"
count "int8tool plan" $plan
rm -rf "$HF_HOME"
count "hf-mem 0.5.6" $mem
echo
"$python" "$here/time_runs.py" --runs "${RUNS:-5}" --before "rm -rf $HF_HOME" \
    "int8tool plan=exec $plan" "hf-mem 0.5.6=exec $mem"
