#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What --compress costs and saves. First ratio and rate a level (zstd_levels.c) on the trained
# models, converted, and on random rows; then, memory to memory, convert with and without it,
# unpack, and beside them cp of the plain files and the zstd program. Contestants take turns;
# medians of RUNS rounds with the fastest and the slowest, and user plus system time.
#
#     make bench-zstd          or:  I8_TOOL=… I8_LEVELS=… tests/bench/zstd.sh
#
# Variables: BYTES of the generated BF16 model (1000000000), RUNS (5), TMP (/dev/shm),
# I8_FIXTURES (a folder with larger trained models).
set -eu
: "${BYTES:=1000000000}" "${RUNS:=5}" "${TMP:=/dev/shm}"
: "${I8_TOOL:?the int8tool program}" "${I8_LEVELS:?the zstd_levels program}"
here=$(cd "$(dirname "$0")" && pwd)
data=$here/../data
export LC_ALL=C
work=$(mktemp -d "$TMP/int8tool-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

for model in "$data"/tiny-llama ${I8_FIXTURES:+"$I8_FIXTURES"/trained/*/}; do
    [ -f "$model/config.json" ] || continue
    "$I8_TOOL" convert "$model" -q -o "$(basename "$model")" --no-hash
done
"$I8_LEVELS" ./*/model*.safetensors --gaussian 4096 --gaussian 14336
rm -rf ./*

python3 "$here/../tools/make_checkpoint.py" --big "$BYTES" model
"$I8_TOOL" convert model -q -o plain --no-hash
"$I8_TOOL" convert model -q -o packed --no-hash --compress zstd
rm -rf out
size=$(cat plain/*.safetensors | wc -c)
echo
echo "$size bytes of int8 model, $(cat packed/*.zst | wc -c) packed, $RUNS rounds," \
    "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
# shellcheck disable=SC2016 # for the shell that time_runs.py starts
python3 -B "$here/time_runs.py" --runs "$RUNS" --bytes "$size" --before 'rm -rf out' \
    "cp=cp -r plain out" \
    "convert=exec $I8_TOOL convert model -o out -q --no-hash" \
    "convert, zstd=exec $I8_TOOL convert model -o out -q --no-hash --compress zstd" \
    "unpack, 1 job=exec $I8_TOOL unpack packed -o out -q --no-hash --jobs 1" \
    "unpack, 2 jobs=exec $I8_TOOL unpack packed -o out -q --no-hash --jobs 2" \
    "unpack with SHA-256, 2 jobs=exec $I8_TOOL unpack packed -o out -q --jobs 2" \
    'zstd -d=mkdir out && for f in packed/*.zst; do
        zstd -dqc "$f" >"out/$(basename "$f" .zst)"; done'
