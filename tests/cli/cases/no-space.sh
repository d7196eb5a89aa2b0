# SPDX-License-Identifier: Apache-2.0
# A full disk: a tmpfs of 2 MB for an output of 2.8 MB. One line, nothing false left; with room
# the same command goes on.
. "$CLI/expect.sh"
[ "$(id -u)" -eq 0 ] || skip "mounting a tmpfs needs root"
mkdir small
mount -t tmpfs -o size=2m int8tool-test small 2>/dev/null || skip "cannot mount a tmpfs here"
trap 'umount small' EXIT

refuses 1 "*small/out*2.00 MiB are free*" int8tool convert "$data/tiny-llama" -o small/out
nothing_final small/out
mount -o remount,size=8m small
accepts "*" int8tool convert "$data/tiny-llama" -o small/out
accepts "*" int8tool convert "$data/tiny-llama" -o other
diff -r other small/out || fail "not the same bytes as a conversion at one go"
