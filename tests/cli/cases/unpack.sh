# SPDX-License-Identifier: Apache-2.0
# unpack gives back what convert writes without --compress, manifest and index included.
. "$CLI/expect.sh"
need_zstd
model=$data/tiny/llama
for limit in 60KB 5GB; do
    accepts "*" int8tool convert "$model" -o plain-$limit --max-shard-size $limit
    accepts "*" int8tool convert "$model" -o packed-$limit --max-shard-size $limit \
        --compress zstd:19
    for jobs in 1 5; do
        accepts "*from*GB/s*" int8tool unpack packed-$limit -o out --jobs $jobs
        diff -r plain-$limit out || fail "unpacked, it is not what it was"
        rm -rf out
    done
done
accepts "*" int8tool convert "$model" -o plain --no-hash --layout compressed-tensors
accepts "*" int8tool convert "$model" -o packed --no-hash --layout compressed-tensors --compress zstd
answers unpack 0 int8tool unpack packed -o out --json -q
diff -r plain out || fail "unpacked, it is not what it was (no digests)"
answers unpack 0 int8tool unpack packed-5GB -o bare --json -q --no-hash --ram 64MiB
[ "$(json out.json 'd["files"][0]["sha256"]')" = None ] || fail "--no-hash hashes"
cmp bare/model.safetensors plain-5GB/model.safetensors || fail "--no-hash"

# Where it may write, as convert.
mkdir full && echo mine >full/notes.txt
refuses 1 "*full*not empty*notes.txt*" int8tool unpack packed -o full
refuses 1 "*full*notes.txt*" int8tool unpack packed -o full --force
refuses 1 "*packed*is or contains*" int8tool unpack packed -o packed
refuses 1 "*packed*is or contains*" int8tool unpack packed -o packed --force
refuses 1 "*out*not empty*--force*" int8tool unpack packed -o out
accepts "*" int8tool unpack packed-60KB -o out --force
diff -r plain-60KB out || fail "--force leaves something else"
refuses 2 "*-o DIR2*" int8tool unpack packed
refuses 2 "*" int8tool unpack
refuses 2 "*--jobs*" int8tool unpack packed -o x --jobs 0

# What is no compressed conversion, or not all of it.
refuses 1 "*plain*nothing in it is compressed*" int8tool unpack plain -o x
refuses 1 "*llama*holds no int8tool.json*" int8tool unpack "$model" -o x
refuses 1 "*missing*" int8tool unpack missing -o x
refuses 1 "*model.safetensors.zst*directory*" int8tool unpack packed/model.safetensors.zst -o x
cp -r packed-60KB some
rm some/generation_config.json
refuses 1 "*generation_config.json*" int8tool unpack some -o x
cp packed-60KB/generation_config.json some
rm some/model-00002-of-00004.safetensors.zst
refuses 1 "*model-00002-of-00004.safetensors.zst*" int8tool unpack some -o x
rm -rf some && cp -r packed-60KB some
echo >>some/generation_config.json
refuses 1 "*generation_config.json*bytes*lists*" int8tool unpack some -o x
tr '{' '[' <packed-60KB/generation_config.json >some/generation_config.json
refuses 1 "*generation_config.json*SHA-256*changed*" int8tool unpack some -o x
rm -rf some && cp -r packed-60KB some
for edit in 's/model-00001-of-00004/..\/model/' 's/"files": \[/"files": 7, "x": [/' \
    's/model-00001-of-00004.safetensors.zst/model-00002-of-00004.safetensors.zst/' \
    's/"bytes": [0-9]*/"bytes": -1/'; do
    sed "$edit" packed-60KB/int8tool.json >some/int8tool.json
    refuses 1 "*" int8tool unpack some -o x
done
nothing_final x

# Interrupted: the journal is convert's.
[ -f "${I8_FAULT_LIBRARY:-}" ] || exit 0
for at in 3 7 12 16; do
    for what in SIGKILL ENOSPC; do
        rm -rf out
        LD_PRELOAD=$I8_FAULT_LIBRARY I8_FAULT_DIR=$PWD/out I8_FAULT_AT=$at I8_FAULT_WHAT=$what \
            int8tool unpack packed-60KB -o out >/dev/null 2>&1 || true
        [ -f out/int8tool.json ] && [ ! -f out/int8tool.journal ] ||
            accepts "*" int8tool unpack packed-60KB -o out
        diff -r plain-60KB out || fail "$what at call $at: other bytes"
    done
done
