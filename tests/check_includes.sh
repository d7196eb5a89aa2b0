#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Who may include what, as docs/architecture.md says: each folder sees those below it in
# the table here and the public headers, nothing else.
set -eu
cd "${srcdir:-.}"

allowed() {
    case $1 in
    lib/base) echo "base" ;;
    lib/source) echo "base source" ;;
    lib/checkpoint) echo "base source checkpoint" ;;
    lib/model) echo "base source checkpoint model" ;;
    lib/quant) echo "base quant" ;;
    lib/tokenizer) echo "base tokenizer" ;;
    lib/engine | lib/engine/*) echo "base source checkpoint model quant engine" ;;
    lib/convert) echo "base source checkpoint model quant engine convert" ;;
    lib/verify) echo "base source checkpoint model quant engine tokenizer verify" ;;
    planner) echo "base source checkpoint model planner" ;;
    hub) echo "base source hub" ;;
    src) echo "base" ;;
    lib/int8tool) echo "" ;;
    *) echo "unknown folder: give it a line in $0" ;;
    esac
}

files=$(find lib planner hub src -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh')
[ -n "$files" ] || { echo "no sources found from $PWD"; exit 99; }
bad=0
for file in $files; do
    folder=$(dirname "$file")
    may=" $(allowed "$folder") "
    # the quoted includes of other folders; <int8tool/…> is open to everyone
    for include in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' "$file"); do
        case $include in
        */*) from=${include%%/*} ;;
        config.h) continue ;;
        *)
            [ "$folder" = src ] && continue # src has no folders below it
            echo "$file: \"$include\" needs its folder's name"
            bad=1
            continue
            ;;
        esac
        case $may in
        *" $from "*) ;;
        *)
            echo "$file: must not include \"$include\""
            bad=1
            ;;
        esac
    done
    case $file in
    lib/int8tool/*)
        if grep -nE '^ *# *include *(<(base|source|checkpoint|model|quant)/|")' "$file"; then
            echo "$file: a public header may include public and system headers only"
            bad=1
        fi
        ;;
    *.c)
        first=$(grep -m1 '^ *# *include' "$file" || true)
        [ "$first" = '#include "config.h"' ] || {
            echo "$file: its first include must be \"config.h\""
            bad=1
        }
        ;;
    esac
done
exit $bad
