# SPDX-License-Identifier: Apache-2.0
# Which layout vLLM answers right from differs by family: convert says so, and leaves alone
# what vLLM would turn.
. "$CLI/expect.sh"

tiny=$DATA/tiny
says() {
    accepts "*$2*" int8tool convert "$tiny/$1" --for vllm --dry-run
}
# unwarned COMMAND...
unwarned() {
    "$@" >out.txt 2>err.txt || fail "$*: $(cat err.txt)"
    ! grep -q warning err.txt || fail "$* warns: $(cat err.txt)"
}

says llama "up to version 0.27 only; --layout compressed-tensors"
says bloom "its answers will be wrong; with --layout compressed-tensors they are right"
says gpt_neox "no bitsandbytes loader for gpt_neox; --layout compressed-tensors loads"
for model in llama bloom gpt_neox; do
    unwarned int8tool convert "$tiny/$model" --for vllm --layout compressed-tensors --dry-run
done
# Falcon has one key and value for all queries here: nothing to reorder.
says falcon "up to version 0.27 only"

# GPT-2's Conv1D: nothing is int8, and the file says so in both layouts.
for layout in bnb compressed-tensors; do
    accepts "*no module is converted to int8*" \
        int8tool convert "$tiny/gpt2" --for vllm --layout "$layout" -o "gpt2-$layout"
    answers inspect 0 int8tool inspect "gpt2-$layout" --json
    [ "$(json out.json 'sum(t["dtype"] == "I8" for t in d["tensors"])')" = 0 ] ||
        fail "an int8 tensor in $layout"
    "$python" - "gpt2-$layout/config.json" <<'END' || fail "$layout: config.json leaves a Conv1D to vLLM"
import json, sys
q = json.load(open(sys.argv[1]))["quantization_config"]
kept = q.get("ignore") or q.get("llm_int8_skip_modules")
want = {f"transformer.h.{i}.{m}" for i in (0, 1)
        for m in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")}
sys.exit(not want <= set(kept))
END
done
# Other readers of bitsandbytes' layout turn it themselves, and have it in int8.
unwarned int8tool convert "$tiny/gpt2" -o gpt2-transformers
answers inspect 0 int8tool inspect gpt2-transformers --json
[ "$(json out.json 'sum(t["dtype"] == "I8" for t in d["tensors"])')" -ge 8 ] || fail "GPT-2 lost its int8"
