#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Conversions that are killed at random, in memory: convert_kill.py says how.
#
#     make stress-convert                 100 rounds with a model of 1 GB: half an hour or more
#     make stress-convert STRESS=short    a few rounds with a small one: under a minute
#
# Variables: I8_TOOL, ROUNDS, BYTES, TMP (/dev/shm), SEED, COMPRESS (none, or zstd).
set -eu
: "${I8_TOOL:?the int8tool program}" "${TMP:=/dev/shm}" "${STRESS:=long}"
case $STRESS in
short) : "${ROUNDS:=5}" "${BYTES:=40000000}" ;;
*) : "${ROUNDS:=100}" "${BYTES:=1000000000}" ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$TMP" ] && [ -w "$TMP" ] || TMP=/tmp
work=$(mktemp -d "$TMP/int8tool-stress.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
python3 -B "$here/convert_kill.py" "$I8_TOOL" "$work" --bytes "$BYTES" --rounds "$ROUNDS" \
    ${SEED:+--seed "$SEED"} ${COMPRESS:+--compress "$COMPRESS"}
