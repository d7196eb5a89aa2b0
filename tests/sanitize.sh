#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The whole test suite, built with sanitizers, or run under valgrind, each in its own
# folder below build/. Without CUDA and MPI, whose insides are not ours to judge.
#
#   tests/sanitize.sh [asan|tsan|valgrind …]     default: asan tsan
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- asan tsan
suppressions=$PWD/tests/suppressions
[ -x configure ] || autoreconf --install --force

# build KIND OPTION …: configures with the options, builds the program and the tests
build() {
    folder=build/$1
    shift
    mkdir -p "$folder"
    [ -f "$folder/config.status" ] ||
        (cd "$folder" && ../../configure --quiet --without-cuda --without-mpi "$@")
    make --silent -C "$folder" -j "$(nproc)" >"$folder/make.log" 2>&1 &&
        make --silent -C "$folder" -j "$(nproc)" check TESTS= >>"$folder/make.log" 2>&1 &&
        return
    cat "$folder/make.log"
    return 1
}

check() {
    build "$@"
    make --silent -C "build/$1" -j "$(nproc)" check VERBOSE=1
}

# Runs each unit test and each command-line case under valgrind.
check_valgrind() {
    build valgrind CFLAGS='-O1 -g'
    program=$PWD/build/valgrind/src/int8tool
    tests=$PWD/build/valgrind/tests
    run="valgrind --quiet --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible \
        --suppressions=$suppressions/valgrind.txt"
    mkdir -p build/valgrind/wrapped
    I8_TOOL=$PWD/build/valgrind/wrapped/int8tool
    I8_TEST_DATA=$PWD/tests/data
    CK_FORK=no # so that a leak in a test is its program's own
    CK_DEFAULT_TIMEOUT=0 # none
    export I8_TOOL I8_TEST_DATA CK_FORK CK_DEFAULT_TIMEOUT
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$run" "$program" >"$I8_TOOL"
    chmod +x "$I8_TOOL"
    failed=0
    for test in "$tests"/test_*; do
        case $test in *.*) continue ;; esac
        status=0
        $run "$test" || status=$?
        case $status in
        0 | 77) ;;
        *)
            echo "FAIL: $test"
            failed=1
            ;;
        esac
    done
    sh tests/cli/run.sh || failed=1
    return $failed
}

for kind in "$@"; do
    echo "== $kind"
    case $kind in
    asan) # and UBSan, which goes well with it; leaks are errors
        # absurd sizes are asked for on purpose: malloc must be allowed to say no
        ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1
        ASAN_OPTIONS=$ASAN_OPTIONS:detect_stack_use_after_return=1:strict_string_checks=1
        LSAN_OPTIONS=suppressions=$suppressions/lsan.txt:print_suppressions=0
        UBSAN_OPTIONS=print_stacktrace=1
        export ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS
        check asan --enable-asan --enable-ubsan CFLAGS='-O1 -g'
        ;;
    tsan) # gcc 12's runtime does not start under the address randomization of newer kernels
        TSAN_OPTIONS=suppressions=$suppressions/tsan.txt:halt_on_error=1
        TSAN_OPTIONS=$TSAN_OPTIONS:second_deadlock_stack=1:allocator_may_return_null=1
        export TSAN_OPTIONS
        CK_DEFAULT_TIMEOUT=2400 # ten times slower, and often on a busy machine
        export CK_DEFAULT_TIMEOUT
        if [ "${I8_NO_RANDOMIZATION-}" != 1 ] && command -v setarch >/dev/null; then
            I8_NO_RANDOMIZATION=1
            export I8_NO_RANDOMIZATION
            setarch -R "$0" tsan
        else
            check tsan --enable-tsan CFLAGS='-O1 -g'
        fi
        ;;
    valgrind)
        command -v valgrind >/dev/null || {
            echo "error: valgrind is not installed" >&2
            exit 1
        }
        check_valgrind
        ;;
    *)
        echo "usage: $0 [asan|tsan|valgrind …]" >&2
        exit 2
        ;;
    esac
done
