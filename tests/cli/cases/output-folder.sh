# SPDX-License-Identifier: Apache-2.0
# Where convert will not write: a folder with other files in it, the source or a folder above
# it, a file, a place that cannot be written. What was there stays as it was.
. "$CLI/expect.sh"
checkpoints sound-llama

mkdir full
echo mine >full/notes.txt
refuses 1 "*full*" int8tool convert sound-llama -o full
[ "$(ls full)" = notes.txt ] || fail "full was touched: $(ls full)"

# An earlier conversion is replaced with --force only; a file that is not its own stops it.
accepts "*" int8tool convert sound-llama -o done --max-shard-size 5KB
refuses 1 "*done*not empty*" int8tool convert sound-llama -o done
cp -r done before
echo mine >done/notes.txt
refuses 1 "*done*notes.txt*" int8tool convert sound-llama -o done --force
rm done/notes.txt
diff -r before done || fail "the earlier conversion was touched"
accepts "*" int8tool convert sound-llama -o done --force
[ -f done/model.safetensors ] || fail "not replaced"
for stale in done/model-0* done/model.safetensors.index.json; do
    [ ! -e "$stale" ] || fail "--force left $stale of the earlier conversion"
done
rm -rf before

# The source itself, a folder above it, by whatever name, is refused with --force, too.
cp -r sound-llama before
mkdir nest && cp -r sound-llama nest/inner && ln -s sound-llama link
for out in sound-llama link sound-llama/. nest . ../"$(basename "$PWD")"; do
    model=sound-llama
    [ $out != nest ] || model=nest/inner
    refuses 1 "*" int8tool convert $model -o $out
    refuses 1 "*" int8tool convert $model -o $out --force
done
diff -r before sound-llama || fail "the source was touched"
refuses 1 "*" int8tool convert sound-llama/model.safetensors -o sound-llama --force
diff -r before sound-llama || fail "the source was touched"

: >file
refuses 1 "*file*" int8tool convert sound-llama -o file
refuses 1 "*file*" int8tool convert sound-llama -o file/below
refuses 1 "*/proc/int8tool-out*" int8tool convert sound-llama -o /proc/int8tool-out
refuses 2 "*-o*" int8tool convert sound-llama
refuses 2 "*-o*" int8tool convert sound-llama -o ""
if [ "$(id -u)" -ne 0 ]; then
    mkdir closed && chmod 555 closed
    refuses 1 "*closed*" int8tool convert sound-llama -o closed/out
fi
true
