#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# make installcheck: the files are where they belong, the program runs, and another
# program can be built against the library with what pkg-config says.
# shellcheck disable=SC2154 # bindir, libdir, datadir, mandir come from make
set -eu
sources=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for file in "$bindir/int8tool" "$mandir/man1/int8tool.1" \
    "$datadir/bash-completion/completions/int8tool" \
    "$datadir/zsh/site-functions/_int8tool" \
    "$datadir/fish/vendor_completions.d/int8tool.fish"; do
    [ -s "$file" ] || { echo "not installed: $file"; exit 1; }
done

LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PKG_CONFIG_PATH=$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export LD_LIBRARY_PATH PKG_CONFIG_PATH
version=$($PKG_CONFIG --modversion int8tool)
[ "$("$bindir/int8tool" --version)" = "int8tool $version" ]
# shellcheck disable=SC2046,SC2086 # lists of options
$CC -o "$scratch/installed" "$sources/tests/installed.c" \
    $($PKG_CONFIG --cflags --libs int8tool)
model=$sources/tests/data/tiny-llama
"$scratch/installed" "$model" >"$scratch/list"
[ "$(wc -l <"$scratch/list")" -eq "$("$bindir/int8tool" inspect "$model" |
    sed -n '$s/ tensors.*//p')" ]
grep -q '^model.norm.weight BF16 384$' "$scratch/list"
