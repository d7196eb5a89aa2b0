# SPDX-License-Identifier: Apache-2.0
# convert --compress: 'zstd -d' gives what convert writes without it; the bytes depend on
# nothing but the model and the level; every command reads them in place.
. "$CLI/expect.sh"
need_zstd
model=$data/tiny/llama
limit="--max-shard-size 60KB"

# convert's options are words
# shellcheck disable=SC2086
to() {
    out=$1
    shift
    accepts "*" int8tool convert "$model" -o "$out" $limit "$@"
}
to plain
to packed --compress zstd
[ "$(ls packed/*.zst | wc -l)" -eq 4 ] || fail "shards: $(ls packed)"
for file in plain/*; do
    name=${file##*/}
    case $name in
    *.safetensors)
        zstd -dqc "packed/$name.zst" | cmp - "$file" || fail "$name.zst holds something else"
        [ ! -e "packed/$name" ] || fail "packed/$name is there, too"
        ;;
    model.safetensors.index.json)
        sed 's/\.safetensors"/.safetensors.zst"/' "$file" | cmp - "packed/$name" ||
            fail "the index must name the .zst files"
        ;;
    int8tool.json) ;;
    *) cmp "$file" "packed/$name" || fail "$name is another" ;;
    esac
done
need_python
json packed/int8tool.json 'd["compression"]' | grep -qx zstd:1 || fail "level in the manifest"
json packed/int8tool.json '"\n".join(f["sha256"] + "  " + f["name"] for f in d["files"])' |
    (cd packed && sha256sum -c --quiet -) || fail "digests in the manifest"

# Threads, memory, ranks and what was there before leave no trace.
for options in "--jobs 1" "--jobs 2" "--jobs 7" "--jobs 3 --ram 48MiB" "--no-hash"; do
    # shellcheck disable=SC2086
    to again --compress zstd $options
    case $options in
    --no-hash) rm -f again/int8tool.json && cp packed/int8tool.json again ;;
    esac
    diff -r packed again || fail "other bytes with $options"
    rm -rf again
done
for rank in 2 0 1; do
    to ranks --compress zstd --ranks $rank/3
    # What is complete is packed at once, not by the last rank.
    last=ranks/model-00004-of-00004.safetensors
    [ $rank -eq 1 ] || { [ -e $last.zst.part ] && [ ! -e $last.part ]; } ||
        fail "rank $rank leaves $last.part: $(ls ranks)"
done
diff -r packed ranks || fail "other bytes with ranks"
to third --compress zstd:3
! cmp -s packed/model-00001-of-00004.safetensors.zst \
    third/model-00001-of-00004.safetensors.zst || fail "the level makes no difference"
to none --compress none
diff -r plain none || fail "--compress none compresses"
refuses 2 "*--ram*compressing needs*" int8tool convert "$model" -o small --compress zstd --ram 27MB
[ ! -e small ] || fail "small was made"

# Sizes beforehand are bounds, and said to be.
accepts "*" int8tool convert "$model" --dry-run $limit --compress zstd
grep -q 'at most' out.txt || fail "the dry run does not say that sizes are bounds"
answers convert 0 int8tool convert "$model" -o answer --dry-run --json $limit --compress zstd -q
cp out.json most.json
[ "$(json most.json 'd["at_most"]')" = True ] || fail "at_most"
answers convert 0 int8tool convert "$model" -o answer --json $limit --compress zstd -q
"$python" - most.json out.json <<'END' || fail "bounds"
import json, os, sys
most, real = (json.load(open(p)) for p in sys.argv[1:])
assert [f["name"] for f in most["files"]] == [f["name"] for f in real["files"]]
for m, r in zip(most["files"], real["files"]):
    assert r["bytes"] <= m["bytes"], (m, r)
    assert r["bytes"] == os.path.getsize("answer/" + r["name"])
assert real["output_bytes"] == sum(f["bytes"] for f in real["files"]) < most["output_bytes"]
assert "at_most" not in real
END

# Every command reads them as it reads plain ones.
accepts "" int8tool inspect plain
sed 's/\.safetensors$//' out.txt >tensors.txt
accepts "" int8tool inspect packed
sed 's/\.safetensors\.zst$//; s/ *$//' out.txt >packed.txt
sed 's/ *$//' tensors.txt >plain.txt
cut -c1-60 plain.txt >a && cut -c1-60 packed.txt >b && cmp a b || fail "inspect differs"
accepts "*" int8tool plan packed --dtype stored
cp out.txt packed.txt
accepts "*" int8tool plan plain --dtype stored
sed 's/plain/packed/g' out.txt | cmp - packed.txt || fail "plan differs"
echo '[[1,2,3,4,5,6,7,8,9,10,11,12]]' >ids.json
answers verify 0 int8tool verify --json plain packed --tokens ids.json -q --max-kl 1
[ "$(json out.json 'd["max_kl"]')" = 0 ] || [ "$(json out.json 'd["max_kl"]')" = 0.0 ] ||
    fail "packed weights are not plain's: $(cat out.json)"
answers generate 0 int8tool generate --json plain --tokens ids.json --max-new-tokens 5 -q
json out.json 'd[0]["ids"]' >plain.ids
answers generate 0 int8tool generate --json packed --tokens ids.json --max-new-tokens 5 -q
json out.json 'd[0]["ids"]' | cmp - plain.ids || fail "generate differs"

# A checkpoint that somebody else has compressed is a source like any other.
mkdir foreign
cp "$model"/config.json "$model"/generation_config.json "$model"/model.safetensors.index.json foreign
for k in 1 2 3; do
    name=model-0000$k-of-00003.safetensors
    cp "$model/$name" foreign
    checks=
    [ $k -eq 2 ] || checks=checksums
    # shellcheck disable=SC2086
    "$python" "$tools/seekable.py" "foreign/$name" $((k * 1000 + 7)) $checks
    rm "foreign/$name"
done
accepts "*" int8tool convert foreign -o of-foreign $limit
rm plain/expected.* plain/*ids* 2>/dev/null || true
for file in of-foreign/*; do
    case $file in
    */int8tool.json) ;;
    *) cmp "$file" "plain/${file##*/}" || fail "$file differs" ;;
    esac
done
json of-foreign/int8tool.json '[f for f in d["source"]["files"] if "safetensors" in f["name"]]' >a
json plain/int8tool.json '[f for f in d["source"]["files"] if "safetensors" in f["name"]]' >b
cmp a b || fail "the manifest must tell the content of the source"

for value in gzip zstd: zstd:0 zstd:23 zstd:-1 zstd:3x zstd3 ""; do
    refuses 2 "*--compress*" int8tool convert "$model" -o usage "--compress=$value"
done
[ ! -e usage ] || fail "usage was made"
