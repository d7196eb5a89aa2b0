# SPDX-License-Identifier: Apache-2.0
# convert of a repository on the Hub: the files that the same model on disk gives, whatever
# happens on the way, every byte fetched once, and none of the source's on the disk.
. "$CLI/expect.sh"
need_python
HUB=$CLI/../hub
. "$HUB/hub.sh"

mkdir -p root/org
PYTHONDONTWRITEBYTECODE=1 "$python" "$tools/make_checkpoint.py" --big 24000000 root/org/big ||
    fail "no checkpoint"
echo '{"model": 1}' >root/org/big/tokenizer.json
mkdir root/org/big/sub
echo 'notes' >root/org/big/sub/notes.txt
for model in gpt2-bin t5-bin tiny-llama; do
    from=$data/tiny/$model
    [ -d "$from" ] || from=$data/$model
    cp -R "$from" root/org/
    chmod -R u+w root/org/$model
done
start_hub root
# A window smaller than the model.
small="--ram 40MiB --jobs 2"

# like_local MODEL LOCAL REMOTE: the same files, but for the manifest's source block.
like_local() {
    "$python" - "$1" "$2" "$3" "$4" <<'EOF' || fail "$3 is not $2"
import filecmp, json, os, sys
name, local, remote, commit = sys.argv[1:]
def files(top):
    return sorted(os.path.relpath(os.path.join(d, f), top)
                  for d, _, names in os.walk(top) for f in names)
assert files(local) == files(remote), (files(local), files(remote))
for f in files(local):
    a, b = os.path.join(local, f), os.path.join(remote, f)
    if f != "int8tool.json":
        assert filecmp.cmp(a, b, shallow=False), f
        continue
    a, b = json.load(open(a)), json.load(open(b))
    source, other = a.pop("source"), b.pop("source")
    assert a == b, f
    assert source["files"] == other["files"], "digests of the source"
    assert other["name"] == name and other["revision"] == commit, other
EOF
}
commit_of() {
    requests "[x['path'] for x in r if x['on'] == 'tree' and x['repo'] == '$1'][-1]" |
        sed 's/.*\/tree\/\([0-9a-f]*\).*/\1/'
}
weights='(x["file"] or "").endswith(("safetensors", ".bin"))'

for model in big gpt2-bin t5-bin tiny-llama; do
    int8tool convert -q root/org/$model -o local-$model || fail "local $model"
    accepts '' int8tool convert -q org/$model -o remote-$model
    like_local org/$model local-$model remote-$model "$(commit_of org/$model)"
done

# Each byte of the weights once, but for what the headers' windows had already.
forget_requests
accepts '' int8tool convert -q org/big -o once $small
size=$(cat root/org/big/*.safetensors | wc -c)
sent=$(requests "sum(x['sent'] for x in r if $weights)")
[ "$sent" -ge "$size" ] && [ "$sent" -le $((size + 6 * 131072 + size / 50)) ] ||
    fail "$sent bytes were fetched of $size"
like_local org/big local-big once "$(commit_of org/big)"
[ ! -e hub-work/home/hub ] || fail "something was written to the cache"

# Faults that pass: the same bytes in the end.
survives() { # NAME RULES
    rm -rf out
    faults "$2"
    timeout 100 int8tool convert -q org/big -o out $small >out.txt 2>err.txt ||
        fail "$1: $(cat err.txt)"
    no_faults
    like_local org/big local-big out "$(commit_of org/big)"
}
survives reset '[{"fault": "reset", "file": "*safetensors", "times": 5, "skip": 2}]'
survives short '[{"fault": "short", "file": "*safetensors", "times": 5, "skip": 3}]'
survives 503 '[{"fault": "status", "code": 503, "on": ["cdn", "resolve"], "times": 3}]'
survives 429 '[{"fault": "status", "code": 429, "headers": {"Retry-After": "1"}, "on": "cdn",
    "times": 2, "skip": 4}]'
survives expired '[{"fault": "expires", "seconds": 1, "times": 3},
    {"fault": "slow", "rate": 400000, "times": 8}]'
survives refused '[{"fault": "status", "code": 403, "on": "cdn", "skip": 5, "times": 1}]'
survives wrong-range '[{"fault": "wrong-range", "file": "*safetensors", "times": 2, "skip": 3}]'
survives parallel '[{"fault": "status", "code": 403, "on": "cdn", "parallel": 1}]'

# Damage on the way is noticed and named; nothing stays.
damaged() { # GLOB RULES
    rm -rf out
    faults "$2"
    refuses 1 "$1" int8tool convert -q org/big -o out $small
    no_faults
    nothing_final out
}
damaged '*org/big/model-00001-of-*.safetensors: damaged: its SHA-256 is *' \
    '[{"fault": "flip", "file": "model-00001*", "at": 1500000}]'
damaged '*org/big/config.json: damaged: its git SHA-1 is *' \
    '[{"fault": "flip", "file": "config.json", "on": ["cdn", "cache", "inline"]}]'
# A tensor's last bytes, a file that is copied.
damaged '*tokenizer.json: damaged*' \
    '[{"fault": "flip", "file": "tokenizer.json", "on": ["cdn", "cache", "inline"]}]'

# killed: begins a conversion into out and kills it when it has something done.
killed() {
    rm -rf out
    faults '[{"fault": "slow", "rate": 500000}]'
    int8tool convert -q org/big -o out $small 2>err.txt &
    pid=$!
    n=0
    while [ $n -lt 300 ] && [ "$(cat out/*journal* 2>/dev/null | wc -l)" -lt 5 ]; do
        sleep 0.05
        n=$((n + 1))
    done
    kill -9 $pid 2>/dev/null || fail "it was done before it could be killed: $(cat err.txt)"
    wait $pid 2>/dev/null || :
    no_faults
    nothing_final out
}

# Killed and run again: goes on where it was. The clock says nothing of a repository.
killed
touch root/org/big/*
accepts '*' int8tool convert --json org/big -o out $small
like_local org/big local-big out "$(commit_of org/big)"

# main moves while it runs: the commit stays what it was at the beginning; afterwards, main
# is another source.
first=$(commit_of org/big)
killed
cp -R root/org/big root/org/big@next
echo '{"model": 2}' >root/org/big@next/tokenizer.json
cp -R out unfinished
rm -rf out
faults '[{"fault": "move", "on": "resolve", "skip": 1, "times": 1}]'
accepts '' int8tool convert -q org/big -o out $small
like_local org/big local-big out "$first"
no_faults # the move stays
refuses 1 '*belongs to an unfinished conversion of another source*' \
    int8tool convert -q org/big -o unfinished $small
no_faults

# What cannot be read is named.
rm -rf out
faults '[{"fault": "status", "code": 404, "on": "cdn", "file": "model-00002*"}]'
refuses 1 '*model-00002*' int8tool convert -q org/big@"$first" -o out $small
no_faults
nothing_final out
