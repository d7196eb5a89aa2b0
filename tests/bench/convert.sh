#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# How fast is convert? Memory to memory (tmpfs), against cp of the same files and against
# two threads that read all and write half of it. The contestants take turns, so that what
# else the machine does hits all of them; medians of RUNS rounds with the fastest and the
# slowest are shown, and user plus system time, which a busy machine distorts less.
#
#     make bench-convert          or:  I8_TOOL=… I8_FLOOR=… tests/bench/convert.sh
#
# Variables: BYTES of the generated BF16 model (2000000000), RUNS (5), TMP (/dev/shm).
set -eu
: "${BYTES:=2000000000}" "${RUNS:=5}" "${TMP:=/dev/shm}"
: "${I8_TOOL:?the int8tool program}" "${I8_FLOOR:?the copy_floor program}"
here=$(cd "$(dirname "$0")" && pwd)
[ -x /usr/bin/time ] || { echo "convert.sh: /usr/bin/time is needed (package time)" >&2; exit 1; }
export LC_ALL=C

work=$(mktemp -d "$TMP/int8tool-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 "$here/../tools/make_checkpoint.py" --big "$BYTES" "$work/model"
gigabytes=$(cat "$work"/model/*.safetensors | wc -c | awk '{ printf "%.3f", $1 / 1e9 }')

# measure NAME COMMAND...: appends "NAME seconds cpu-seconds KiB" to the results.
measure() {
    name=$1
    shift
    rm -rf "$work/out"
    /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@"
    awk -v n="$name" '{ print n, $1, $2 + $3, $4 }' "$work/time" >>"$work/results"
}

round=0
while [ "$round" -lt "$RUNS" ]; do
    round=$((round + 1))
    measure cp cp -r "$work/model" "$work/out"
    measure floor-2-threads "$I8_FLOOR" 2 "$work/out" "$work"/model/*.safetensors
    for jobs in 1 2; do
        measure "convert-no-hash-jobs-$jobs" \
            "$I8_TOOL" convert "$work/model" -o "$work/out" -q --no-hash --jobs $jobs
        measure "convert-sha256-jobs-$jobs" \
            "$I8_TOOL" convert "$work/model" -o "$work/out" -q --jobs $jobs
    done
done

echo "$gigabytes GB of BF16, $RUNS rounds, $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
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
        printf "%-26s %8s %15s %8s %8s %8s %9s\n", "", "median s", "min-max s", "x cp", \
            "GB/s", "cpu s", "peak MB"
        cp = median(wall, "cp")
        for (k = 1; k <= names; k++) {
            name = order[k]
            used = median(cpu, name); m = median(wall, name)
            printf "%-26s %8.2f %7.2f-%-7.2f %8.2f %8.2f %8.2f %9.1f\n", name, m, low, high, \
                m / cp, gb / m, used, rss[name] / 1024
        }
    }' "$work/results"
