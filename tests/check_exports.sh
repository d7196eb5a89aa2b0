#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The shared library exports what the public headers declare, all of it and nothing
# else.
set -eu
srcdir=${srcdir:-.}
library=lib/.libs/libint8tool.so
[ -f "$library" ] || { echo "skipped: no $library"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck disable=SC2086 # NM may come with options
${NM:-nm} -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ { print $3 }' |
    sort -u >"$scratch/exported"
# declarations: "i8_name(" outside comments
sed -e 's|/\*.*\*/||' -e '/^ *\/\*/,/\*\//d' "$srcdir"/lib/int8tool/*.h |
    grep -oE '\bi8_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$scratch/declared"
diff -u "$scratch/declared" "$scratch/exported"
