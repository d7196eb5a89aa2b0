#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzz targets under libFuzzer with ASan and UBSan, one after the other, each with
# its share of the time. Needs clang with its runtimes (Debian: clang, libclang-rt-14-dev).
#
#   fuzz.sh [-t SECONDS] [-d FOLDER] [TARGET …]     default: 300 seconds over all targets
#
# FOLDER (default: build/fuzz) keeps the build, what the fuzzer has collected, which the
# next run begins with, and one log a target. A finding is left there as TARGET-crash-…;
# it goes to tests/fuzz/corpus/TARGET together with the repair. Ends with a line a target:
# executions, seconds, and whether something was found.
set -eu
cd "$(dirname "$0")/../.."
sources=$PWD
seconds=300
folder=build/fuzz
while getopts t:d: option; do
    case $option in
    t) seconds=$OPTARG ;;
    d) folder=$OPTARG ;;
    *)
        sed -n '4,13s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_||; s|\.c$||')
[ -x configure ] || autoreconf --install --force
mkdir -p "$folder"
cd "$folder"
folder=$PWD
clang=${CLANG:-clang}
[ -f config.status ] || "$sources/configure" --quiet --without-cuda --with-zstd --enable-asan --enable-ubsan \
    CC="$clang" CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' ||
    exit 1
make --silent -j "$(nproc)" lib/libint8core.la >make.log 2>&1 || {
    cat make.log
    exit 1
}
I8_TEST_DATA=$sources/tests/data
# Absurd sizes are asked for on purpose: malloc must be allowed to say no.
ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:detect_stack_use_after_return=1
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
LSAN_OPTIONS=suppressions=$sources/tests/suppressions/lsan.txt:print_suppressions=0
export I8_TEST_DATA ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS
rm -rf seeds
mkdir seeds
sh "$sources/tests/fuzz/seeds.sh" seeds
bad=0
share=$((seconds / $#))
summary=
for target in "$@"; do
    # shellcheck disable=SC2086 # flags
    ./libtool --quiet --tag=CC --mode=link $clang -std=gnu11 -O1 -g \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
        -I. -I"$sources/lib" -I"$sources" -I"$sources/tests/fuzz" \
        -o "fuzz_$target" "$sources/tests/fuzz/fuzz_$target.c" lib/libint8core.la
    mkdir -p "collected/$target"
    verdict="nothing found"
    "./fuzz_$target" -max_total_time="$share" -timeout=20 -rss_limit_mb=2560 \
        -print_final_stats=1 -artifact_prefix="$target-" \
        "collected/$target" "seeds/$target" >"$target.log" 2>&1 || {
        verdict="FOUND: $(grep -E 'SUMMARY|Test unit written' "$target.log" | tr '\n' ' ')"
        bad=1
    }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$target.log")
    summary="$summary
$target: ${runs:-?} executions in $share s, $verdict"
done
echo "fuzzing:$summary"
exit $bad
