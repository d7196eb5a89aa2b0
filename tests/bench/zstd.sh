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
gigabytes=$(cat plain/*.safetensors | wc -c | awk '{ printf "%.3f", $1 / 1e9 }')
packed=$(cat packed/*.zst | wc -c | awk '{ printf "%.3f", $1 / 1e9 }')

measure() {
    name=$1
    shift
    rm -rf out
    /usr/bin/time -o time -f '%e %U %S %M' "$@"
    awk -v n="$name" '{ print n, $1, $2 + $3, $4 }' time >>results
}
round=0
while [ "$round" -lt "$RUNS" ]; do
    round=$((round + 1))
    measure cp cp -r plain out
    measure convert "$I8_TOOL" convert model -o out -q --no-hash
    measure convert-zstd "$I8_TOOL" convert model -o out -q --no-hash --compress zstd
    measure unpack-jobs-1 "$I8_TOOL" unpack packed -o out -q --no-hash --jobs 1
    measure unpack-jobs-2 "$I8_TOOL" unpack packed -o out -q --no-hash --jobs 2
    measure unpack-sha256-jobs-2 "$I8_TOOL" unpack packed -o out -q --jobs 2
    measure zstd-d sh -c 'mkdir out && for f in packed/*.zst; do
        zstd -dqc "$f" >"out/$(basename "$f" .zst)"; done'
done
echo
echo "$gigabytes GB of int8 model, $packed GB packed, $RUNS rounds, $(nproc) processors," \
    "load $(cut -d' ' -f1 /proc/loadavg)"
awk -v gb="$gigabytes" '
    { n = ++count[$1]; wall[$1, n] = $2; cpu[$1, n] = $3; if ($4 > rss[$1]) rss[$1] = $4
      if (n == 1) order[++names] = $1 }
    function median(a, name,   i, j, t, v) {
        for (i = 1; i <= count[name]; i++) v[i] = a[name, i]
        for (i = 1; i <= count[name]; i++)
            for (j = i + 1; j <= count[name]; j++)
                if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
        low = v[1]; high = v[count[name]]; i = count[name]
        return i % 2 ? v[(i + 1) / 2] : (v[i / 2] + v[i / 2 + 1]) / 2
    }
    END {
        printf "%-22s %8s %15s %8s %10s %8s %9s\n", "", "median s", "min-max s", "x cp", \
            "GB/s plain", "cpu s", "peak MB"
        cp = median(wall, "cp")
        for (k = 1; k <= names; k++) {
            name = order[k]
            used = median(cpu, name); m = median(wall, name)
            printf "%-22s %8.2f %7.2f-%-7.2f %8.2f %10.2f %8.2f %9.1f\n", name, m, low, high, \
                m / cp, gb / m, used, rss[name] / 1024
        }
    }' results
