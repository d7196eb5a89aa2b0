#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# Writes FILE in zstd's seekable format to FILE.zst, by the zstd program and by hand, in frames
# of any size: what int8tool has to read, made by somebody else.
#
#   seekable.py FILE FRAME_BYTES [checksums]
import struct
import subprocess
import sys


def frame(content, checks):
    return subprocess.run(["zstd", "-q", "-c", "--check" if checks else "--no-check"],
                          input=content, stdout=subprocess.PIPE, check=True).stdout


def main():
    path, size, checks = sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["checksums"]
    entries = b""
    count = 0
    with open(path, "rb") as plain, open(path + ".zst", "wb") as out:
        while content := plain.read(size):
            packed = frame(content, checks)
            out.write(packed)
            entries += struct.pack("<II", len(packed), len(content))
            if checks:  # a frame's own is the same: the low half of XXH64
                entries += packed[-4:]
            count += 1
        out.write(struct.pack("<II", 0x184D2A5E, len(entries) + 9) + entries)
        out.write(struct.pack("<IBI", count, 0x80 if checks else 0, 0x8F92EAB1))


main()
