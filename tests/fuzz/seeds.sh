#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   seeds.sh FOLDER     writes FOLDER/TARGET/… : small sound inputs for each fuzz target,
#                       and what tests/fuzz/corpus holds of inputs that were found
#
# I8_TEST_DATA names the test data.
set -eu
data=$I8_TEST_DATA
corpus=$(cd "$(dirname "$0")" && pwd)/corpus
cd "$1"
for target in bin index json safetensors tokenizer zip zstd; do
    mkdir -p "$target"
    if [ -d "$corpus/$target" ]; then
        cp "$corpus/$target"/* "$target"
        chmod u+w "$target"/* # a tarball's sources may be read-only
    fi
done

printf '%s' '{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",true,null],"b":{"c":{}},"d":[[]]}' >json/1
printf '%s' ' [0, -0, 1e-05, 9007199254740993, "\\\"/", {"k":"é"}] ' >json/2
cp "$data/tiny/llama/config.json" json/3

# safetensors NAME HEADER DATA_BYTES
safetensors() {
    n=$(printf '%s' "$2" | wc -c)
    # shellcheck disable=SC2059 # the format is made of octal escapes
    printf "$(printf '\\%03o\\%03o\\0\\0\\0\\0\\0\\0' $((n % 256)) $((n / 256)))" \
        >"safetensors/$1"
    printf '%s' "$2" >>"safetensors/$1"
    head -c "$3" /dev/zero >>"safetensors/$1"
}
safetensors 1 '{}' 0
safetensors 2 '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"F4","shape":[0,7],"data_offsets":[26,26]}}' 26
cp "$data/tiny/llama/model-00003-of-00003.safetensors" safetensors/3

# The files that fuzz_index's tree has are called a, b, and c.
printf '%s' '{"metadata":{"total_size":7},"weight_map":{"t0":"a","t1":"a","t2":"b"}}' >index/1
printf '%s' '{"weight_map":{"t0":"c","x":"b","\u0074\u0031":"a"}}' >index/2
printf '%s' '{"weight_map":{"t2":"c","t0":"a","t1":"b"}}' >index/4
cp "$data/tiny/llama/model.safetensors.index.json" index/3

# A pickle of one tensor, then the real thing.
{
    printf '\200\002}(X\001\000\000\000actorch._utils\n_rebuild_tensor_v2\nq\000('
    printf '(X\007\000\000\000storagectorch\nFloatStorage\nX\001\000\000\0000X\003\000\000\000cpuK\006tQ'
    printf 'K\000K\002K\003\206K\003K\001\206\211ccollections\nOrderedDict\n)RtRu.'
} >bin/1
cp "$data/tiny/bloom-bin/pytorch_model-00001-of-00002.bin" bin/2

# An empty zip file, and PyTorch's.
{
    printf 'PK\005\006'
    head -c 18 /dev/zero
} >zip/1
cp bin/2 zip/2

# A small vocabulary, once behind a split pattern, once with everything else.
vocab='"vocab":{"a":0,"e":1,"Ġ":2,"aa":3,"<s>":4,"s":5,"Ġe":6}'
cat >tokenizer/1 <<END
{"model":{"type":"BPE",$vocab,"merges":["a a",["Ġ","e"]]},"decoder":{"type":"ByteLevel"},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
"(?i:'s|[dm])|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}++|\\\\p{N}{1,3}| ?[^\\\\s(|[.,]a-z]+|\\\\s+(?!\\\\S)|(?<=a)\\\\x{61}*?"},
"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}}
END
cat >tokenizer/2 <<END
{"added_tokens":[{"id":4,"content":"<s>","special":true,"lstrip":true,"rstrip":true},
{"id":7,"content":"fox","single_word":true}],"normalizer":{"type":"NFC"},
"model":{$vocab,"merges":[],"unk_token":"<s>","fuse_unk":true,"ignore_merges":true},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
{"type":"Punctuation","behavior":"MergedWithNext"},{"type":"ByteLevel"}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[4]}}},"decoder":{"type":"ByteLevel"}}
END
