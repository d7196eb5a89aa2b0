# SPDX-License-Identifier: Apache-2.0
# plan and inspect of a repository on the Hub say what they say of the same files on disk,
# and fetch no more than headers.
. "$CLI/expect.sh"
need_python
HUB=$CLI/../hub
. "$HUB/hub.sh"

mkdir -p root/org
for model in llama gpt2-bin t5-bin bloom mistral; do
    cp -R "$data/tiny/$model" root/org/
    chmod -R u+w root/org/$model
    rm -f root/org/$model/expected.*
done
mkdir -p "root/org/llama@v1.0" "root/org/llama@refs%2Fpr%2F1"
cp root/org/gpt2-bin/* "root/org/llama@v1.0/"
cp root/org/bloom/* "root/org/llama@refs%2Fpr%2F1/"
cp -R root/org/mistral root/canonical
mkdir -p root/org/empty
echo '# nothing' >root/org/empty/README.md
cp -R root/org/llama root/org/gated
echo '{"gated": true, "tokens": ["hf_good"]}' >root/org/gated.json
echo '{"renamed_to": "org/llama"}' >root/org/old-llama.json
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$CLI/../interop "$python" - "$data" <<'EOF' || exit 1
import gzip, json, os, sys
from sparse import write_checkpoint
models = json.load(gzip.open(os.path.join(sys.argv[1], "placement/models.json.gz")))
write_checkpoint(models["bloom-560m"], "root/org/big", max_shard_size=25_000_000)
json.dump({"unhashed": True}, open("root/org/big.json", "w"))
EOF
start_hub root

# same WORDS...: the same answer from the Hub as from the directory (below root/, where the
# string is a path).
same() {
    accepts '' int8tool "$@"
    mv out.txt remote.txt
    (cd root && int8tool "$@" >../local.txt) || fail "local $*"
    cmp remote.txt local.txt || fail "$* differs"
}
for model in llama gpt2-bin t5-bin bloom; do
    same inspect --json org/$model
    same inspect --tree org/$model
    same plan --json org/$model --context 64
done

# Revisions, names of other kinds.
like() { # MODEL TWIN
    int8tool inspect "$1" >one.txt && int8tool inspect "root/$2" >other.txt || fail "$1"
    cmp one.txt other.txt || fail "$1 is not $2"
}
like org/llama@v1.0 org/gpt2-bin
like org/llama@refs/pr/1 org/bloom
like org/llama@main org/llama
like hub:org/llama org/llama
like hub:canonical org/mistral
like canonical@main org/mistral
like org/old-llama org/llama

# A path wins, unless "hub:" says otherwise.
mkdir org
cp -R "$data/tiny/bloom" org/llama
like org/llama org/bloom
like hub:org/llama org/llama
rm -r org

# Tokens.
refuses 1 '*org/gated*' int8tool plan org/gated
HF_TOKEN=hf_good int8tool inspect org/gated >one.txt || fail "with a token"
int8tool inspect root/org/llama | cmp - one.txt || fail "org/gated is not org/llama"

# What can be wrong is said in one line.
refuses 1 "no/such: no such file or directory; as a Hub repository: *no such repository*" \
    int8tool plan no/such
refuses 1 "org/llama has no revision 'v9'" int8tool inspect org/llama@v9
refuses 1 "cannot open ./no/such: No such file or directory" int8tool plan ./no/such
refuses 1 "cannot open no/such/dir: No such file or directory" int8tool plan no/such/dir
refuses 1 "cannot open no/such.bin: No such file or directory" int8tool plan no/such.bin
refuses 2 "org/llama@: expected a revision*" int8tool plan org/llama@
refuses 2 "hub:a/b/c: expected hub:ORG/NAME*" int8tool plan hub:a/b/c
refuses 1 "org/empty: no weights: *" int8tool inspect org/empty
refuses 1 "org/empty: there is no config.json" int8tool plan org/empty
HF_ENDPOINT=http://127.0.0.1:9 HF_HUB_ETAG_TIMEOUT=1 \
    refuses 1 "no/such: no such file or directory; as a Hub repository: *" int8tool plan no/such

# Only headers are fetched: a range a shard, config.json and the index.
# Late answers, so that there are several at once on any machine.
forget_requests
faults '[{"fault": "delay", "seconds": 0.3, "on": "cdn"}]'
same plan --json org/big
no_faults
shards=$(ls root/org/big | grep -c 'safetensors$')
[ "$shards" -gt 20 ] || fail "only $shards shards"
[ "$(requests 'sum(x["on"] == "cdn" for x in r)')" -eq "$shards" ] || fail "more than a range a shard"
sent=$(requests 'sum(x["sent"] for x in r)')
[ "$sent" -le $((shards * 131072 + 300000)) ] || fail "fetched $sent bytes"
# 16 connections: the server may note an end after it has seen the next begin.
most=$(requests 'max(sum(y["start"] <= x["start"] < y["end"] for y in r) for x in r)')
[ "$most" -ge 4 ] && [ "$most" -le 32 ] || fail "$most requests at once"

# The cache is left alone.
[ ! -e hub-work/home/hub ] || fail "plan wrote to the cache"
