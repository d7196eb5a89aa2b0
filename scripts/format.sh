#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# scripts/format.sh           formats every C file by .clang-format (clang-format 14)
# scripts/format.sh --check   only says which are not formatted; exit 1 if any
set -eu
cd "$(dirname "$0")/.."
files=$(git ls-files '*.c' '*.h')
case ${1-} in
--check) # shellcheck disable=SC2086 # names without spaces
    clang-format --dry-run -Werror $files ;;
'') # shellcheck disable=SC2086
    clang-format -i $files ;;
*)
    echo "usage: $0 [--check]" >&2
    exit 2
    ;;
esac
