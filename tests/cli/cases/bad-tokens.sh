# SPDX-License-Identifier: Apache-2.0
# Token ids outside the vocabulary, files that are no list of ids, and more positions than a
# learned table has (both numbers are named); a rotary model only warns.
. "$CLI/expect.sh"
checkpoints sound-llama sound-opt

bad_ids() {
    printf '%s' "$1" >ids.json
    refuses 1 "*$2" int8tool generate sound-llama --tokens ids.json --max-new-tokens 1
    refuses 1 "*$2" int8tool verify sound-llama --tokens ids.json
}

bad_ids '[1, 2, 64]' "*64*"
bad_ids '[1, -1]' "*ids.json*"
bad_ids '[1, 2147483648]' "*ids.json*"
bad_ids '[1, 1e300]' "*ids.json*"
bad_ids '[1, 2.5]' "*ids.json*"
bad_ids '["1"]' "*ids.json*"
bad_ids '{"ids": [1]}' "*ids.json*"
bad_ids '[]' "*ids.json*"
bad_ids '[1, 2' "*ids.json*JSON*"
bad_ids '' "*ids.json*"
refuses 1 "*absent.json*" int8tool generate sound-llama --tokens absent.json
refuses 1 "*absent.json*" int8tool verify sound-llama --tokens absent.json

# 16 positions in OPT's table.
echo '[5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]' >ids.json
refuses 1 "*17*16*" int8tool generate sound-opt --tokens ids.json --max-new-tokens 1
refuses 1 "*17*16*" int8tool verify sound-opt --tokens ids.json --window 17
echo '[5,6,7,8,9,10,11,12]' >ids.json
# The last of the new tokens is printed, not read.
accepts "" int8tool generate sound-opt --tokens ids.json --max-new-tokens 9
refuses 1 "*17*16*" int8tool generate sound-opt --tokens ids.json --max-new-tokens 10

# LLaMA was made for 32.
accepts "" int8tool generate sound-llama --tokens ids.json --max-new-tokens 25
accepts "*warning*33*32*" int8tool generate sound-llama --tokens ids.json --max-new-tokens 26
