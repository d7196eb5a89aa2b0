# SPDX-License-Identifier: Apache-2.0
# Compressed shards that are cut short, damaged, or not seekable: one line from each command,
# and no output.
. "$CLI/expect.sh"
need_zstd
accepts "*" int8tool convert "$data/tiny/llama" -o good --compress zstd
accepts "*" int8tool convert "$data/tiny/llama" -o plain
file=model.safetensors.zst
size=$(wc -c <good/$file)

# everywhere GLOB: every command refuses ./bad with one line.
everywhere() {
    for command in inspect "inspect --tree" plan "convert -o out" verify \
        "generate --prompt hello" "unpack -o out"; do
        # shellcheck disable=SC2086 # a command and its options
        refuses 1 "*bad/$file*$1" int8tool $command bad
        nothing_final out
    done
}
# poke OFFSET BYTES: overwrites bytes of the file
poke() {
    # shellcheck disable=SC2059 # the bytes are octal escapes
    printf "$2" | dd of=bad/$file bs=1 seek="$1" conv=notrunc 2>dd.txt || fail "$(cat dd.txt)"
}
cp -r good bad
echo '[[1,2,3]]' >ids.json

zstd -qc plain/model.safetensors >bad/$file
everywhere "*without a seek table*'zstd -d'*"
for cut in 1 9 40 $((size / 2)) $((size - 1)); do
    head -c $((size - cut)) good/$file >bad/$file
    everywhere ""
done
: >bad/$file
everywhere "*too short*"
head -c 3 good/$file >bad/$file
everywhere "*too short*"
cp good/$file bad
poke $((size - 9)) '\377\377\377\377'
everywhere "*4294967295 frames*"
cp good/$file bad
poke $((size - 5)) '\374'
everywhere "*reserved bits*"
# The first entry of the table: header frame, sizes that add up to something else.
entries=$(od -An -tu4 -j $((size - 9)) -N 4 good/$file | tr -d ' ')
table=$((size - 9 - 12 * entries))
cp good/$file bad
poke "$table" '\001\000\000\000'
everywhere "*bytes of frames, the file has*"
cp good/$file bad
poke $((table + 4)) '\000\000\000\100'
everywhere "*holds 1073741824 bytes*'zstd -d'*"
cp good/$file bad
poke $((table + 8)) '\000\000\000\000'
everywhere "*damaged zstd frame 0*checksum*"

# Damage in the middle is told by whoever reads it.
cp good/$file bad
poke $((size / 2)) '\252\125\252\125\252\125'
accepts "*" int8tool inspect bad
refuses 1 "*bad/$file*damaged zstd frame*" int8tool unpack bad -o out
nothing_final out
refuses 1 "*bad/$file*damaged zstd frame*" int8tool generate bad --tokens ids.json

# The index may name either form; with neither there, it says so.
accepts "*" int8tool convert "$data/tiny/llama" -o shards --compress zstd --max-shard-size 60KB
zstd -dq --rm shards/model-00002-of-00004.safetensors.zst
accepts "" int8tool inspect shards
sed -i 's/\.zst"/"/' shards/model.safetensors.index.json
accepts "" int8tool inspect shards
rm shards/model-00003-of-00004.safetensors.zst
refuses 1 "*'model-00003-of-00004.safetensors' does not exist*" int8tool inspect shards
