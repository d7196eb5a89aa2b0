#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the program as a user would and compares what it says. A case is a shell script
# cases/NAME.sh beside what is expected of it:
#   NAME.exit                 the exit status (0 without this file)
#   NAME.stdout, NAME.stderr  the exact output; a missing file leaves it unchecked
#   NAME.stdout.glob, …       one shell pattern a line; a line "..." skips any lines
# A case runs in an empty directory of its own, with int8tool in PATH, the test data at
# $DATA and this folder at $CLI (expect.sh has functions for cases that look at more than
# one run). In the output these show as $DATA and the own directory as $TMP. A case that
# exits 77 is skipped; its output says why.
#
#   run.sh [--update] [NAME …]   --update writes the exact files anew
set -u
update=no
if [ "${1-}" = --update ]; then
    update=yes
    shift
fi
here=$(cd "$(dirname "$0")" && pwd)
tool=${I8_TOOL:?I8_TOOL must name the program}
DATA=${I8_TEST_DATA:-$here/../data}
DATA=$(cd "$DATA" && pwd)
scratch=$(mktemp -d) || exit 99
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
PATH=$(cd "$(dirname "$tool")" && pwd):$PATH
LC_ALL=C.UTF-8
CLI=$here
export PATH DATA CLI LC_ALL
unset NO_COLOR

# matches FILE PATTERNS: does every line match its pattern?
matches() {
    skipping=no
    exec 3<"$2"
    read_pattern() { IFS= read -r pattern <&3; }
    more=yes
    read_pattern || more=no
    while IFS= read -r line; do
        while [ $more = yes ] && [ "$pattern" = ... ]; do
            skipping=yes
            read_pattern || more=no
        done
        # shellcheck disable=SC2254 # a pattern is what it is
        case $more:$line in
        yes:$pattern)
            skipping=no
            read_pattern || more=no
            ;;
        *) [ $skipping = yes ] || return 1 ;;
        esac
    done <"$1"
    while [ $more = yes ] && [ "$pattern" = ... ]; do
        read_pattern || more=no
    done
    [ $more = no ]
}

# compare NAME STREAM: is what came what was expected?
compare() {
    wanted=$here/cases/$1.$2
    found=$scratch/$1.$2
    if [ -f "$wanted.glob" ]; then
        matches "$found" "$wanted.glob" && return 0
        echo "--- $2 does not match $wanted.glob; it was:"
        cat "$found"
        return 1
    fi
    if [ $update = yes ] && [ -f "$wanted" ]; then
        cp "$found" "$wanted"
    fi
    [ ! -f "$wanted" ] || diff -u "$wanted" "$found"
}

run_case() {
    name=$1
    mkdir "$scratch/$name" || exit 99
    (cd "$scratch/$name" && sh -eu "$here/cases/$name.sh" </dev/null \
        >"$scratch/$name.raw.stdout" 2>"$scratch/$name.raw.stderr")
    status=$?
    [ $status -ne 77 ] || return 77
    for stream in stdout stderr; do
        sed -e "s|$scratch/$name|\$TMP|g" -e "s|$DATA|\$DATA|g" \
            "$scratch/$name.raw.$stream" >"$scratch/$name.$stream"
    done
    wanted_status=0
    [ ! -f "$here/cases/$name.exit" ] || wanted_status=$(cat "$here/cases/$name.exit")
    verdict=0
    if [ "$status" != "$wanted_status" ]; then
        echo "--- exit status $status, expected $wanted_status; stderr:"
        cat "$scratch/$name.stderr"
        verdict=1
    fi
    compare "$name" stdout || verdict=1
    compare "$name" stderr || verdict=1
    return $verdict
}

[ $# -gt 0 ] || set -- $(cd "$here/cases" && ls ./*.sh | sed 's|^\./||; s|\.sh$||')
passed=0
failed=0
skipped=0
for name in "$@"; do
    run_case "$name"
    case $? in
    0) passed=$((passed + 1)) ;;
    77)
        echo "SKIP: $name: $(cat "$scratch/$name.raw.stdout")"
        skipped=$((skipped + 1))
        ;;
    *)
        echo "FAIL: $name"
        failed=$((failed + 1))
        ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
