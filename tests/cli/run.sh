#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the program as a user would and compares what it says. A case is a shell script
# cases/NAME.sh beside what is expected of it:
#   NAME.exit                 the exit status (0 without this file)
#   NAME.stdout, NAME.stderr  the exact output; a missing file leaves it unchecked
#   NAME.stdout.glob, …       one shell pattern a line; a line "..." skips any lines
# A case runs in an empty directory of its own, with int8tool in PATH and the test data
# at $DATA. In the output that folder is shown as $DATA, the own directory as $TMP.
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
export PATH DATA LC_ALL
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
for name in "$@"; do
    if run_case "$name"; then
        passed=$((passed + 1))
    else
        echo "FAIL: $name"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
