#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Each public header compiles alone, as C11 and as C++11, without a warning.
set -eu
srcdir=${srcdir:-.}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for header in "$srcdir"/lib/int8tool/*.h; do
    name=${header##*/}
    for language in c c++; do
        case $language in
        c) compiler="${CC:-cc} -std=c11 -Wstrict-prototypes" ;;
        c++)
            [ -n "${CXX-}" ] || continue
            compiler="$CXX -std=c++11"
            ;;
        esac
        printf '#include <int8tool/%s>\n#include <int8tool/%s>\n' "$name" "$name" \
            >"$scratch/alone.${language}"
        # shellcheck disable=SC2086 # a compiler may come with options
        $compiler -x $language -Wall -Wextra -pedantic -Wshadow -Werror -fsyntax-only \
            -I "$srcdir/lib" "$scratch/alone.${language}"
    done
done
