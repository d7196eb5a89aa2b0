#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How fast pull is, beside hf download, aria2c and curl, in one run on one machine: one file
# from nginx on the loopback to a tmpfs,
#   limited     40 MB/s a connection and 30 ms there and back (tests/bench/relay.c)
#   unlimited   as fast as the machine goes
# pull hashes what it gets and syncs it to the disk; the others do neither. What each left is
# compared with the source, untimed.
#   I8_TOOL, I8_RELAY, I8_BENCH_DIR   see remote_setup.sh (twice SIZE must fit)
#   I8_HF    Python's hf; without it one is installed from PyPI (huggingface_hub 1.33.0)
#   SIZE     of the file in MB (2500)      RUNS  rounds (5)     MODES (limited unlimited)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/remote_setup.sh"
need nginx aria2c curl openssl
size=$((${SIZE:-2500} * 1000000))
prepare() {
    if [ -z "${I8_HF-}" ]; then
        "$python" -m venv "$I8_WORK/venv"
        "$I8_WORK/venv/bin/pip" install -q --disable-pip-version-check \
            huggingface_hub==1.33.0
        export I8_HF="$I8_WORK/venv/bin/hf"
    fi
    mkdir -p "$root/org/big"
    head -c "$size" /dev/urandom >"$root/org/big/model.safetensors"
}
begin "$@"
file=org/big/model.safetensors
export HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_UPDATE_CHECK=1 \
    HF_HUB_DISABLE_XET=1

# ten_curls URL: the file in ten ranges at once, to nowhere: what ten connections give
cat >"$work/ten_curls" <<'END'
size=$2 part=$((($2 + 9) / 10)) at=0
while [ $at -lt "$size" ]; do
    curl -sf -o /dev/null -r "$at-$((at + part - 1))" "$1" &
    at=$((at + part))
done
wait
END

bench() {
    url=http://127.0.0.1:$1/$file
    out=$work/out
    "$python" "$here/time_runs.py" --runs "${RUNS:-5}" --bytes "$size" \
        --before "rm -rf $out; mkdir $out" \
        --check "test \"\$NAME\" = 'ten curls, to nowhere' ||
            cmp \"\$(find -L $out -size +999k ! -path '*/blobs/*')\" $root/$file" \
        "int8tool pull=exec $tool pull -q org/big --cache-dir $out" \
        "hf download=exec $I8_HF download org/big --cache-dir $out -q" \
        "aria2c -x10=exec aria2c -q -x10 -s10 --file-allocation=none -d $out -o f $url" \
        "aria2c -x10; openssl sha256=aria2c -q -x10 -s10 --file-allocation=none -d $out -o f $url &&
            openssl dgst -sha256 $out/f" \
        "curl=exec curl -sf -o $out/f $url" \
        "ten curls, to nowhere=sh $work/ten_curls $url $size"
    rm -rf "$out"
}

echo "$(about_machine); $(aria2c --version | sed -n '1s/ version//p'); $(curl --version |
    sed -n '1s/ (.*//p'); $(nginx -v 2>&1 | sed 's/.*: //')"
for mode in ${MODES:-limited unlimited}; do
    case $mode in
    limited)
        start_nginx "$root" 0
        start_relay 15 0 "$nginx_port"
        start=$(date +%s%N)
        sh "$work/ten_curls" "http://localhost:$relay_port/$file" "$size"
        end=$(date +%s%N)
        ceiling=$((size * 1000 / (end - start)))
        stop_all
        start_far_hub 40000000 40
        printf '\n%s MB, limited: 40 MB/s a connection, 30 ms; ten of them: 400 MB/s;' \
            "$((size / 1000000))"
        printf ' the relay alone, without a limit: %s MB/s\n\n' "$ceiling"
        ;;
    unlimited)
        start_near_hub
        printf '\n%s MB, unlimited\n\n' "$((size / 1000000))"
        ;;
    esac
    bench "$cdn_port"
    stop_all
done
