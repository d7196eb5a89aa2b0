# SPDX-License-Identifier: Apache-2.0
# What pull refuses before it asks anybody: exit 2, one line.
. "$CLI/expect.sh"
HF_HOME=$PWD/home HF_ENDPOINT=http://127.0.0.1:9
export HF_HOME HF_ENDPOINT

refuses 2 "*" int8tool pull
refuses 2 "*" int8tool pull org/name org/other
for name in "" org/ /name org//name org/name/more "org/na me" ../name org/.. org/na--me \
    org/name.git -x/name "org/name@" "org/name@a..b" "org/name@a b" "org/name@../x" \
    "org/$(printf 'na\nme')" "hub:"; do
    refuses 2 "*" int8tool pull -- "$name"
done
refuses 2 "*--jobs*" int8tool pull org/name --jobs 0
refuses 2 "*--jobs*" int8tool pull org/name --jobs many
refuses 2 "*--include*" int8tool pull org/name --offline --include ""
refuses 2 "*--cache-dir*--local-dir*" int8tool pull org/name --cache-dir a --local-dir b
refuses 2 "*" int8tool pull org/name --cache-dir ""
refuses 2 "*" int8tool pull org/name --local-dir ""
# A token on the command line would show in every list of processes.
refuses 2 "*--token*" int8tool pull org/name --token=hf_x
[ ! -e home ] || fail "a refused request made the cache"
