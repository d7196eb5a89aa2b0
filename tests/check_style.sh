#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# House rules that a compiler does not see: functions that are not used here, what a
# library must not do, names, first lines, file names that are unique in the tree.
set -eu
cd "${srcdir:-.}"

bad=0
report() {
    if [ -n "$2" ]; then
        printf '%s:\n%s\n' "$1" "$2"
        bad=1
    fi
}
sources=$(find lib planner hub src tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh')
library=$(find lib planner hub -name '*.c' -o -name '*.cu')
[ -n "$library" ] || { echo "no sources found from $PWD"; exit 99; }

# used FILES PATTERN: calls of the functions in PATTERN, outside comments and strings
used() {
    # shellcheck disable=SC2086 # a list of names without spaces
    sed_strip='s|"([^"\\]\|\\.)*"|""|g; s|//.*||; s|/\*.*\*/||; s|^ \*.*||; s|/\*.*||'
    for f in $1; do
        sed -E "$sed_strip" "$f" | grep -nE "(^|[^A-Za-z0-9_.>])($2)[[:space:]]*\(" |
            sed "s|^|$f:|" || true
    done
}

report "not used here (unbounded, locale-dependent or unable to report an error)" \
    "$(used "$sources" 'system|popen|gets|sprintf|vsprintf|strcpy|strcat|strncpy|strncat|atoi|atol|atoll|atof|strtok|alloca|tmpnam|mktemp|rand|srand|gmtime|localtime|asctime|ctime')"
report "a library does not print, exit, or change its process" \
    "$(used "$library" 'printf|puts|putchar|perror|exit|_exit|abort|setlocale|signal|sigaction|chdir|umask')"
# The environment is read where the Hub's client must (tokens, endpoint) and where a
# launcher hands out ranks; each in one file.
report "a library does not read the environment" \
    "$(used "$(printf '%s\n' $library | grep -vE '^(hub/hub_env|lib/convert/ranks)\.c$')" \
        'getenv|secure_getenv')"
report "fast-math would break NaN checks and exact bytes" \
    "$(grep -nE 'ffast-math|Ofast|use_fast_math|funsafe-math' Makefile.am ./*/local.mk \
        lib/*/local.mk 2>/dev/null || true)"

for f in $sources; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
        report "the first line must be the SPDX line" "$f"
done
# A public header may be called as the internal one behind it: <int8tool/…> tells them apart.
report "file names must be unique in the tree" \
    "$(printf '%s\n' $sources | grep -v '^lib/int8tool/' | sed 's|.*/||' | sort | uniq -d)"
exit $bad
