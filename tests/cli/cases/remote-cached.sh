# SPDX-License-Identifier: Apache-2.0
# What the cache holds is read there: all of it offline, some of it beside the network.
. "$CLI/expect.sh"
need_python
HUB=$CLI/../hub
. "$HUB/hub.sh"

mkdir -p root/org
cp -R "$data/tiny-llama" "$data/tiny/llama" root/org/
chmod -R u+w root/org
rm -f root/org/*/expected* root/org/*/bnb-int8*
start_hub root
(cd root && int8tool plan --json org/tiny-llama --context 64) >plan.txt
(cd root && int8tool inspect --json org/llama) >inspect.txt
int8tool convert -q root/org/tiny-llama -o local

# Nothing is there, and nobody can be asked.
HF_HUB_OFFLINE=1 refuses 1 "org/tiny-llama: no such file or directory; as a Hub repository: org/tiny-llama: revision 'main' is not in the cache, *" \
    int8tool plan org/tiny-llama

# All of it: no byte of a file is asked for, and offline no request is sent.
int8tool pull -q org/tiny-llama >snapshot.txt || fail "pull"
forget_requests
accepts '' int8tool plan --json org/tiny-llama --context 64
cmp out.txt plan.txt || fail "plan of a cached model"
accepts '' int8tool convert -q org/tiny-llama -o cached
[ "$(requests 'sum(x["on"] in ("cdn", "cache", "inline", "resolve") for x in r)')" -eq 0 ] ||
    fail "a cached file was fetched"
forget_requests
HF_HUB_OFFLINE=1
export HF_HUB_OFFLINE
accepts '' int8tool plan --json org/tiny-llama --context 64
cmp out.txt plan.txt || fail "plan offline"
accepts '' int8tool convert -q org/tiny-llama@main -o offline
accepts '' int8tool generate --json org/tiny-llama --prompt 'The SELECT statement' --max-new-tokens 3
mv out.txt one.txt
int8tool generate --json root/org/tiny-llama --prompt 'The SELECT statement' --max-new-tokens 3 >two.txt
[ "$(json one.txt 'd[0]["ids"]')" = "$(json two.txt 'd[0]["ids"]')" ] || fail "generate offline"
accepts '' int8tool verify -q org/tiny-llama offline --windows 1 --window 32
commit=$(basename "$(cat snapshot.txt)")
accepts '' int8tool inspect org/tiny-llama@"$commit"
unset HF_HUB_OFFLINE
[ "$(requests 'len(r)')" -eq 0 ] || fail "a request was sent offline"
for out in cached offline; do
    diff -r --exclude=int8tool.json local $out || fail "$out"
    [ "$(json $out/int8tool.json 'd["source"]["name"], d["source"]["revision"]')" = \
        "('org/tiny-llama', '$commit')" ] || fail "the source of $out"
done

# Some of it: the rest comes from the Hub, and offline the missing file is named.
int8tool pull -q org/llama --include 'model-00001*' --include '*.json' >/dev/null || fail "pull"
forget_requests
accepts '' int8tool inspect --json org/llama
cmp out.txt inspect.txt || fail "inspect of a part"
[ "$(requests 'sorted({x["file"] for x in r if x["on"] == "cdn"})')" = \
    "['model-00002-of-00003.safetensors', 'model-00003-of-00003.safetensors']" ] ||
    fail "fetched: $(requests '[x["file"] for x in r]')"
HF_HUB_OFFLINE=1 refuses 1 'org/llama: model-00002-of-00003.safetensors is not in the cache, *' \
    int8tool inspect org/llama

# The Hub does not answer: the cache does, with a warning.
HF_ENDPOINT=http://127.0.0.1:9 accepts '*warning: *; reading org/tiny-llama from the cache' \
    int8tool plan --json org/tiny-llama --context 64
cmp out.txt plan.txt || fail "plan without the Hub"

# A damaged file in the cache is noticed by its hash.
shard=$(cat snapshot.txt)/model.safetensors
cp --remove-destination "$(readlink -f "$shard")" broken
printf 'x' | dd of=broken bs=1 seek=400000 conv=notrunc 2>/dev/null
rm "$shard"
cp broken "$shard"
refuses 1 '*model.safetensors: *its SHA-256 is *' int8tool convert -q org/tiny-llama -o out
nothing_final out
