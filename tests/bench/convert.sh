#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# How fast is convert? Memory to memory (tmpfs), against cp of the same files, against two
# threads that read all and write half of it, and, where PEERS names a Python environment,
# against transformers with bitsandbytes (load, quantize, save) and llm-compressor's
# model_free_ptq. The contestants take turns, so that what else the machine does hits all of
# them; medians of RUNS rounds with the fastest and the slowest are shown, and user time a
# gigabyte, which a busy machine distorts less. At the end each claim is held to its bar.
#
#     make bench-convert          or:  I8_TOOL=… I8_FLOOR=… tests/bench/convert.sh
#
# Variables: BYTES of the generated BF16 model (4000000000; as much again is written),
# RUNS (5), PEER_RUNS (2), TMP (/dev/shm), PEERS: an environment with
# requirements-convert.txt (5.8 GB), made there if it does not exist; empty (the default): no
# peers.
set -eu
: "${BYTES:=4000000000}" "${RUNS:=5}" "${PEER_RUNS:=2}" "${TMP:=/dev/shm}" "${PEERS:=}"
: "${I8_TOOL:?the int8tool program}" "${I8_FLOOR:?the copy_floor program}"
here=$(cd "$(dirname "$0")" && pwd)
[ -x /usr/bin/time ] || { echo "convert.sh: /usr/bin/time is needed (package time)" >&2; exit 1; }
export LC_ALL=C

if [ -n "$PEERS" ] && [ ! -x "$PEERS/bin/python" ]; then
    python3 -m venv "$PEERS"
    "$PEERS/bin/pip" install -q --disable-pip-version-check -r "$here/requirements-convert.txt"
fi

work=$(mktemp -d "$TMP/int8tool-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -B "$here/../tools/make_checkpoint.py" --big "$BYTES" "$work/model"
source_bytes=$(cat "$work"/model/*.safetensors | wc -c)

# measure NAME COMMAND...: appends "NAME seconds user-seconds system-seconds KiB".
measure() {
    name=$1
    shift
    rm -rf "$work/out"
    if ! /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        exit 1
    fi
    awk -v n="$name" '{ print n, $1, $2, $3, $4 }' "$work/time" >>"$work/results"
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
    output_bytes=$(cat "$work"/out/*.safetensors | wc -c)
    if [ -n "$PEERS" ] && [ "$round" -le "$PEER_RUNS" ]; then
        for peer in bitsandbytes model_free_ptq; do
            measure "$peer" "$PEERS/bin/python" -B "$here/convert_peer.py" "$peer" \
                "$work/model" "$work/out"
        done
    fi
done
rm -rf "$work/out"

# What OpenSSL does on both cores at once, and what the hashes would then cost.
openssl speed -multi 2 -seconds 2 -bytes 16384 -evp sha256 >"$work/openssl" 2>/dev/null
hash_rate=$(awk '/^(evp|sha256|SHA256)/ { sub(/k$/, "", $NF); rate = $NF * 1000 } END { print rate }' \
    "$work/openssl")

echo "$source_bytes bytes of BF16 to $output_bytes, $RUNS rounds, $(nproc) processors," \
    "load $(cut -d' ' -f1 /proc/loadavg)"
awk -v in_bytes="$source_bytes" -v out_bytes="$output_bytes" -v hash_rate="$hash_rate" '
    { n = ++count[$1]; wall[$1, n] = $2; user[$1, n] = $3; cpu[$1, n] = $3 + $4
      if ($5 > rss[$1]) rss[$1] = $5
      if (n == 1) order[++names] = $1 }
    # Leaves the fastest and the slowest in low and high.
    function median(a, name,   i, j, t, v) {
        for (i = 1; i <= count[name]; i++) v[i] = a[name, i]
        for (i = 1; i <= count[name]; i++)
            for (j = i + 1; j <= count[name]; j++)
                if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
        low = v[1]; high = v[count[name]]; i = count[name]
        return i % 2 ? v[(i + 1) / 2] : (v[i / 2] + v[i / 2 + 1]) / 2
    }
    function hold(what, value, bar, good) {
        printf "%-62s %8.2f  bar %8.2f  %s\n", what, value, bar, good ? "held" : "MISSED"
    }
    END {
        gb = in_bytes / 1e9
        printf "%-24s %8s %15s %7s %7s %7s %9s %9s\n", "", "median s", "min-max s", "x cp", \
            "GB/s", "cpu s", "user s/GB", "peak MB"
        cp = median(wall, "cp"); fastest_cp = low
        for (k = 1; k <= names; k++) {
            name = order[k]
            u = median(user, name); c = median(cpu, name); m = median(wall, name)
            med[name] = m
            printf "%-24s %8.2f %7.2f-%-7.2f %7.2f %7.2f %7.2f %9.3f %9.1f\n", name, m, low, \
                high, m / cp, gb / m, c, u / gb, rss[name] / 1024
        }
        bare = med["convert-no-hash-jobs-2"]; hashed = med["convert-sha256-jobs-2"]
        hash_s = (in_bytes + out_bytes) / hash_rate
        printf "\nSHA-256 by OpenSSL on both processors: %.2f GB/s, %.2f s for source and output\n", \
            hash_rate / 1e9, hash_s
        hold("no hashes, x median cp", bare / cp, 0.75, bare <= 0.75 * cp)
        hold("no hashes, x fastest cp", bare / fastest_cp, 0.75, bare <= 0.75 * fastest_cp)
        hold("with hashes, s, against 0.75 x median cp + OpenSSL", hashed, 0.75 * cp + hash_s, \
            hashed <= 0.75 * cp + hash_s)
        hold("with hashes, s, against ours without + OpenSSL", hashed, bare + hash_s, \
            hashed <= bare + hash_s)
        hold("peak memory, MB", rss["convert-sha256-jobs-2"] / 1024, 256, \
            rss["convert-sha256-jobs-2"] <= 256 * 1024)
        printf "%-62s %8.2f\n", "--jobs 1 to 2, times faster", \
            med["convert-no-hash-jobs-1"] / bare
        for (k = 1; k <= names; k++) {
            if (order[k] == "bitsandbytes" || order[k] == "model_free_ptq")
                hold(order[k] " / ours without hashes", med[order[k]] / bare, 8, \
                    med[order[k]] >= 8 * bare)
        }
    }' "$work/results"
