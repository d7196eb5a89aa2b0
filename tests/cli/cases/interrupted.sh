# SPDX-License-Identifier: Apache-2.0
# convert, with --compress and without, is stopped at each of its calls that change the output
# folder: by Ctrl-C, by
# SIGKILL, by a full disk, by an I/O error. Nothing that looks finished stays; the same command
# run again ends with the same bytes.
. "$CLI/expect.sh"
# Hundreds of conversions, each with its syncs: in memory, where that can be had.
if [ -w /dev/shm ]; then
    memory=$(mktemp -d /dev/shm/int8tool-interrupted.XXXXXX)
    trap 'rm -rf "$memory"' EXIT
    cd "$memory"
fi
checkpoints sound-shards
[ -f "${I8_FAULT_LIBRARY:-}" ] || skip "the fault library is not built"

# begin OPTION...: what convert gives with these options, and how many calls it makes.
begin() {
    options=$*
    rm -rf reference out
    # shellcheck disable=SC2086 # options are words
    accepts "*" int8tool convert sound-shards -o reference --max-shard-size 20KB $options
    # shellcheck disable=SC2086
    LD_PRELOAD=$I8_FAULT_LIBRARY I8_FAULT_DIR=$PWD/out I8_FAULT_COUNT=$PWD/count \
        int8tool convert sound-shards -o out --max-shard-size 20KB $options >/dev/null 2>&1 ||
        true
    [ -s count ] || skip "preloading does not work here (a sanitizer's runtime comes first)"
    calls=$(cat count)
    [ "$calls" -gt 10 ] || fail "only $calls calls seen: the fault library misses some"
}

# Whole or absent: a file under its final name has its final bytes, and the manifest is there
# only when all others are.
whole() {
    [ -d out ] || return 0
    (cd out && find . -type f ! -name '*.part' ! -name '.int8tool*' ! -name '*journal*') |
        while read -r file; do
            cmp "out/$file" "reference/$file" || fail "$1: out/$file is false"
        done || exit 1
    if [ -f out/int8tool.json ]; then
        for file in reference/*; do
            [ -f "out/${file##*/}" ] || fail "$1: a manifest without ${file##*/}"
        done
    fi
}

# stop_everywhere WHAT...: at every call, then the same command again.
stop_everywhere() {
    for what in "$@"; do
        at=0
        while [ "$at" -lt "$calls" ]; do
            at=$((at + 1))
            rm -rf out
            got=0
            # shellcheck disable=SC2086 # options are words
            LD_PRELOAD=$I8_FAULT_LIBRARY I8_FAULT_DIR=$PWD/out I8_FAULT_AT=$at \
                I8_FAULT_WHAT=$what \
                int8tool convert sound-shards -o out --max-shard-size 20KB $options \
                >/dev/null 2>err.txt || got=$?
            where="$what at call $at of $calls $options"
            whole "$where"
            case $what in
            E*)
                # An error that is passed over in silence must not matter: the journal may stay.
                if [ $got -eq 0 ]; then
                    diff -r -x int8tool.journal reference out || fail "$where was overlooked"
                else
                    [ $got -eq 1 ] || fail "$where: exit $got"
                    [ "$(wc -l <err.txt)" -eq 1 ] || fail "$where: $(cat err.txt)"
                    nothing_final out
                fi
                ;;
            SIGINT)
                [ $got -eq 0 ] || nothing_final out
                ;;
            esac
            # Done already, but for the last thing of all, the journal's removal.
            # shellcheck disable=SC2086
            [ -f out/int8tool.json ] && [ ! -f out/int8tool.journal ] ||
                accepts "*" int8tool convert sound-shards -o out --max-shard-size 20KB $options ||
                exit
            diff -r reference out || fail "$where: run again, other bytes"
        done
    done
}

begin
stop_everywhere SIGINT SIGKILL ENOSPC EIO
case $(int8tool convert --compress zstd sound-shards --dry-run 2>&1) in
*"lacks zstd"*) ;;
*)
    begin --compress zstd
    stop_everywhere SIGKILL ENOSPC
    ;;
esac
