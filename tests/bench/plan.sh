#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times plan: a LLaMA-3.1-405B of 191 shards (sparse, local), beside accelerate's
# infer_auto_device_map when I8_VENV names an environment that has it; then how the cost
# grows, over checkpoints of 1,000 to 1,000,000 tensors, each with an index and four files.
# Then the table of smallest equal budgets.
#   I8_TOOL      the program (default: src/int8tool)
#   I8_BUDGETS   the smallest_budgets program (default: tests/bench/smallest_budgets)
#   RUNS         rounds over the sizes (default: 7)
#   I8_VENV      a Python environment with accelerate and transformers; optional
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tool=${I8_TOOL:-src/int8tool}
budgets=${I8_BUDGETS:-tests/bench/smallest_budgets}
python=${PYTHON:-python3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$python" - "$here/../interop" "$here/../data/placement" "$dir" <<'EOF'
import gzip, json, os, sys
sys.path.insert(0, sys.argv[1])
from sparse import write_checkpoint
models = json.load(gzip.open(os.path.join(sys.argv[2], "models.json.gz")))
write_checkpoint(models["llama-3.1-405b"], os.path.join(sys.argv[3], "405b"),
                 max_shard_size=4_900_000_000)
for name in ("bloom-560m", "bloom-3b", "bloom", "opt-6.7b", "llama-2-7b", "llama-2-70b",
             "mistral-7b", "qwen3-8b", "gpt-neox-20b", "t5-11b"):
    write_checkpoint(models[name], os.path.join(sys.argv[3], "models", name))
EOF
echo "405B: $(ls "$dir/405b" | grep -c safetensors$) shards"
plan="$tool plan $dir/405b --gpus 8xH100-80GB"
if [ -n "${I8_VENV:-}" ]; then
    cat >"$dir/auto.py" <<'EOF'
import sys
import accelerate, transformers
with accelerate.init_empty_weights():
    m = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.from_pretrained(sys.argv[1]))
mm = {i: 80 * 2**30 for i in range(8)}
mm = accelerate.utils.get_balanced_memory(m, mm, m._no_split_modules, "int8")
accelerate.infer_auto_device_map(m, mm, m._no_split_modules, "int8")
EOF
    hyperfine -w 1 -r 5 "$plan" "$I8_VENV/bin/python $dir/auto.py $dir/405b"
else
    hyperfine -N -w 3 "$plan"
fi
/usr/bin/time -f "405B: peak memory %M KiB" $plan >/dev/null
for n in 1000 10000 100000 1000000; do
    "$python" "$here/many_tensors.py" $n "$dir/$n" >/dev/null
done
# 100,000 first: the others are then told as so many times as long.
"$python" "$here/time_runs.py" --runs "${RUNS:-7}" \
    "100,000 tensors=$tool plan $dir/100000" "1,000 tensors=$tool plan $dir/1000" \
    "10,000 tensors=$tool plan $dir/10000" "1,000,000 tensors=$tool plan $dir/1000000"
if [ -x "$budgets" ]; then
    "$budgets" "$dir"/models/*
fi
