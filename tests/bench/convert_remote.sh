#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How fast convert is from a repository on the Hub, and with how much memory: a BF16 model
# behind nginx with RATE_MB MB/s a connection, 30 ms away there and back; beside the same
# conversion from disk, pull and then convert, and the link alone (curl with 16
# connections). Then what was fetched, and which files were opened for writing (with
# strace, if it is there).
#   I8_TOOL, I8_RELAY, I8_BENCH_DIR   see remote_setup.sh;   RUNS (3)
#   BYTES (2000000000), RATE_MB (40; 0: as fast as it goes, without delay)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export BYTES="${BYTES:-2000000000}" RATE_MB="${RATE_MB:-40}"
. "$here/remote_setup.sh"
need nginx curl
prepare() {
    PYTHONDONTWRITEBYTECODE=1 "$python" "$here/../tools/make_checkpoint.py" \
        --big "$BYTES" "$root/org/model"
}
begin "$@"

if [ "$RATE_MB" = 0 ]; then
    start_near_hub
else
    start_far_hub "${RATE_MB}m" 0
fi

cat >"$work/link.sh" <<END
# 16 connections, each a sixteenth of every file
for f in "$root"/org/model/*.safetensors; do
    size=\$(stat -c %s "\$f")
    part=\$(((size + 15) / 16))
    i=0
    while [ \$i -lt 16 ]; do
        curl -sf -o /dev/null -r "\$((i * part))-\$((i * part + part - 1))" \
            "http://localhost:$cdn_port/org/model/\$(basename "\$f")" &
        i=\$((i + 1))
    done
    wait
done
END
cat >"$work/pull.sh" <<END
"$tool" pull -q org/model --local-dir "$work/pulled" >/dev/null &&
    "$tool" convert -q "$work/pulled" -o "$work/out"
END
remote="$tool convert -q org/model -o $work/out"
size=$(cat "$root"/org/model/*.safetensors | wc -c)

# The same model files and index, whichever way.
"$tool" convert -q "$root/org/model" -o "$work/local"
$remote
diff -rq --exclude=int8tool.json "$work/local" "$work/out"
rm -rf "$work/out"

echo "$(about_machine); $size bytes; $RATE_MB MB/s a connection"
"$python" "$here/time_runs.py" --runs "${RUNS:-3}" --bytes "$size" \
    --before "rm -rf $work/out $work/pulled $HF_HOME" \
    "the link, curl x 16=exec sh $work/link.sh" \
    "convert from the Hub=exec $remote" \
    "convert from disk=exec $tool convert -q $root/org/model -o $work/out" \
    "pull, then convert=exec sh $work/pull.sh"

rm -rf "$work/out" "$HF_HOME"
: >"$work/nginx.log"
if command -v strace >/dev/null; then
    strace -f -qq -o "$work/opened" -e trace=openat,open,creat $remote
    echo "files opened for writing:"
    sed -n 's/.*"\(.*\)", .*O_\(WRONLY\|RDWR\).* = [0-9].*/\1/p' "$work/opened" |
        sed "s|$work/||" | sort | uniq -c
else
    $remote
fi
sleep 0.3
awk -v size="$size" '{ n++; sum += $2 } END {
    printf "%d requests to the CDN, %d bytes, %.4f of the files\n", n, sum, sum / size }' \
    "$work/nginx.log"
