#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The kernels on 64-bit ARM make the bytes that they make here: tests/tools/kernel_digest
# is cross-compiled and run under qemu, and each kernel must have one digest over both
# processors and all their instruction sets.
set -eu
srcdir=${srcdir:-.}
compiler=${AARCH64_CC:-aarch64-linux-gnu-gcc}
native=tests/tools/kernel_digest
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) ||
    { echo "skipped: no qemu-aarch64"; exit 77; }
command -v "${compiler%% *}" >/dev/null || { echo "skipped: no $compiler"; exit 77; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
set -- "$srcdir"/lib/quant/*.c "$srcdir/lib/checkpoint/fp8_decode.c" \
    "$srcdir/lib/engine/cpu/cpu_int8_kernels.c" "$srcdir/tests/tools/kernel_digest.c"
# Static, so that qemu needs no libraries of that machine; otherwise as configure has it.
# shellcheck disable=SC2086 # a compiler may come with options
$compiler -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -ffp-contract=off -static \
    -I . -I "$srcdir/lib" "$@" -lm -o "$scratch/kernel_digest"
"$native" >"$scratch/native"
"$qemu" "$scratch/kernel_digest" >"$scratch/aarch64"

grep -q ' neon ' "$scratch/aarch64" || { echo "NEON was not run"; exit 1; }
awk '!($1 in digest) { digest[$1] = $3 }
    $3 != digest[$1] { print FILENAME ": " $0 ", not " digest[$1]; bad = 1 }
    END { exit bad }' "$scratch/native" "$scratch/aarch64"
