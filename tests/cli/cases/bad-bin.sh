# SPDX-License-Identifier: Apache-2.0
# PyTorch files with a fault, by accident or on purpose: zip directories that lie, pickles that
# would fill memory or run something. Each is refused in one line, at once, in little memory,
# and nothing is written.
. "$CLI/expect.sh"
need_python
PYTHONDONTWRITEBYTECODE=1 "$python" "$tools/bad_bins.py" . >list || fail "no files"
[ "$(wc -l <list)" -ge 30 ] || fail "only $(wc -l <list) files"
tab=$(printf '\t')

while IFS=$tab read -r name words; do
    for command in convert inspect plan; do
        set -- "$command" "$name.bin"
        [ $command != convert ] || set -- "$@" -o out
        refuses 1 "*$name.bin*$words*" timeout 60 int8tool "$@"
    done
    [ ! -e out ] || fail "$name: something was written"
done <list
[ ! -e owned ] || fail "a pickle was obeyed"

accepts "*" int8tool inspect sound.bin
accepts "*" int8tool convert sound.bin -o out
accepts "*" int8tool inspect out
grep -q "a.weight  *I8" out.txt || fail "sound.bin was not converted"

# A shard of a model that is cut short, or whose zip directory is.
for cut in 100 5000; do
    rm -rf cut out
    cp -r "$DATA/tiny/bloom-bin" cut
    file=cut/pytorch_model-00002-of-00002.bin
    size=$(wc -c <$file)
    head -c $((size - cut)) $file >short
    mv short $file
    refuses 1 "*pytorch_model-00002-of-00002.bin*cut short*" int8tool convert cut -o out
    [ ! -e out ] || fail "something was written"
done
