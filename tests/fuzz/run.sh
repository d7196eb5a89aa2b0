#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzz targets over seeds that are written here, and over mutations of them.
# With a fuzzer:  clang -fsanitize=fuzzer,address,undefined … fuzz_json.c (no driver.c)
set -eu
fuzz=$(pwd)/tests/fuzz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

printf '%s' '{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",true,null],"b":{"c":{}},"d":[[]]}' >1.json
printf '%s' ' [0, -0, 1e-05, 9007199254740993, "\\\"/", {"k":"é"}] ' >2.json
"$fuzz/fuzz_json" 1.json 2.json "$I8_TEST_DATA/tiny/llama/config.json"

# seed NAME HEADER DATA_BYTES: a safetensors file
seed() {
    n=$(printf '%s' "$2" | wc -c)
    # shellcheck disable=SC2059 # the format is made of octal escapes
    printf "$(printf '\\%03o\\%03o\\0\\0\\0\\0\\0\\0' $((n % 256)) $((n / 256)))" >"$1"
    printf '%s' "$2" >>"$1"
    head -c "$3" /dev/zero >>"$1"
}
seed 1.safetensors '{}' 0
seed 2.safetensors '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"F4","shape":[0,7],"data_offsets":[26,26]}}' 26
"$fuzz/fuzz_safetensors" 1.safetensors 2.safetensors \
    "$I8_TEST_DATA/tiny/llama/model-00003-of-00003.safetensors"

# A pickle of one tensor, then the real thing.
{
    printf '\200\002}(X\001\000\000\000actorch._utils\n_rebuild_tensor_v2\nq\000('
    printf '(X\007\000\000\000storagectorch\nFloatStorage\nX\001\000\000\0000X\003\000\000\000cpuK\006tQ'
    printf 'K\000K\002K\003\206K\003K\001\206\211ccollections\nOrderedDict\n)RtRu.'
} >1.pkl
"$fuzz/fuzz_bin" 1.pkl "$I8_TEST_DATA/tiny/bloom-bin/pytorch_model-00001-of-00002.bin"

# A small vocabulary, once behind a split pattern, once with everything else.
vocab='"vocab":{"a":0,"e":1,"Ġ":2,"aa":3,"<s>":4,"s":5,"Ġe":6}'
cat >1.tokenizer.json <<END
{"model":{"type":"BPE",$vocab,"merges":["a a",["Ġ","e"]]},"decoder":{"type":"ByteLevel"},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
"(?i:'s|[dm])|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}++|\\\\p{N}{1,3}| ?[^\\\\s(|[.,]a-z]+|\\\\s+(?!\\\\S)|(?<=a)\\\\x{61}*?"},
"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}}
END
cat >2.tokenizer.json <<END
{"added_tokens":[{"id":4,"content":"<s>","special":true,"lstrip":true,"rstrip":true},
{"id":7,"content":"fox","single_word":true}],"normalizer":{"type":"NFC"},
"model":{$vocab,"merges":[],"unk_token":"<s>","fuse_unk":true,"ignore_merges":true},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
{"type":"Punctuation","behavior":"MergedWithNext"},{"type":"ByteLevel"}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[4]}}},"decoder":{"type":"ByteLevel"}}
END
"$fuzz/fuzz_tokenizer" 1.tokenizer.json 2.tokenizer.json
