#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzz targets over their seeds, and over a fixed sequence of mutations of them;
# fuzz.sh lets a fuzzer at them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fuzz=$(pwd)/tests/fuzz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sh "$here/seeds.sh" "$scratch"
for folder in "$scratch"/*; do
    "$fuzz/fuzz_${folder##*/}" "$folder"/*
done
