# SPDX-License-Identifier: Apache-2.0
# The main job: convert, then verify; exit status 3 for a limit that is missed, with the
# answer on stdout all the same.
. "$CLI/expect.sh"
model=$data/tiny-llama
accepts "*" int8tool convert "$model" -o int8

accepts "*built-in English text*" int8tool verify "$model" int8 --report report.html
grep -q '^pass$' out.txt || fail "no verdict: $(cat out.txt)"
grep -q 'model.layers.4' out.txt || fail "no layers: $(cat out.txt)"
grep -q '<svg' report.html || fail "no drawing in the report"
[ ! -e report.html.part ] || fail "a .part file stays behind"

for limit in "--min-top1 1" "--max-kl 0.0001" "--max-ppl-ratio 0.9"; do
    status=0
    # shellcheck disable=SC2086 # an option and its value
    int8tool verify "$model" int8 -q $limit >out.txt 2>err.txt || status=$?
    [ $status -eq 3 ] || fail "$limit gave $status"
    grep -q '^FAIL' out.txt || fail "$limit: $(cat out.txt)"
    [ ! -s err.txt ] || fail "$limit: $(cat err.txt)"
done

# One JSON document, with the same exit status.
ids=$data/tiny-llama/valid.ids.json
answers verify 0 int8tool verify --json "$model" int8 --tokens "$ids" --windows 2 --layers
answers verify 3 int8tool verify --json "$model" int8 --tokens "$ids" --windows 2 --max-kl 0
answers verify 0 int8tool verify --json "$model" "$model" --tokens "$ids" --windows 1
answers verify-generate 0 int8tool verify --json "$model" int8 -q --generate 4
answers reference 0 int8tool verify --json "$model" --tokens "$ids" --windows 1
golden=$data/tiny/llama/expected.safetensors
answers golden 0 int8tool verify --json "$data/tiny/llama" --golden "$golden"
answers golden 3 int8tool verify --json "$data/tiny/llama" --golden "$golden" --max-rel-l2 0
answers generate 0 int8tool generate --json int8 --prompt The --max-new-tokens 3
