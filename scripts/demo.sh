#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The main job on the language model that comes with the sources (2.4 million parameters,
# trained on manuals of SQLite, PostgreSQL, Python and Rust): plan, convert, verify,
# generate. What it writes lies in build/demo.
set -eu
cd "$(dirname "$0")/.."
model=tests/data/tiny-llama
work=build/demo
PATH=$PWD/build/src:$PATH

# Shows a command as one would type it, and runs it.
run() {
    printf '\n$'
    for word in "$@"; do
        case $word in
        *' '*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$@"
}

rm -rf "$work"
mkdir -p "$work"
run int8tool plan "$model" --gpus 2x8MiB --reserve 0 --batch 1 --context 512
run int8tool convert "$model" -o "$work/tiny-llama-int8"
run int8tool verify "$model" "$work/tiny-llama-int8" --tokens "$model/valid.ids.json"
run int8tool generate "$work/tiny-llama-int8" --prompt "The SELECT statement is used to"
