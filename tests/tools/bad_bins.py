#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes PyTorch .bin files with one fault each: bad_bins.py DIR; prints "NAME<tab>WORDS", the
words that the refusal must hold. "sound.bin" is none: it must be read.
"""
import io
import os
import struct
import sys
import zipfile

PROTO, STOP = b"\x80\x02", b"."


def text(s):
    s = s.encode()
    return b"X" + struct.pack("<I", len(s)) + s


def number(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    if -2**31 <= n < 2**31:
        return b"J" + struct.pack("<i", n)
    raw = n.to_bytes((n.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def storage(key="0", count=6, kind="FloatStorage"):
    return tuple_of(text("storage"), name("torch", kind), text(key), text("cpu"),
                    number(count)) + b"Q"


def tensor(offset=0, shape=(2, 3), strides=(3, 1), store=None, function="_rebuild_tensor_v2"):
    return name("torch._utils", function) + tuple_of(
        store or storage(), number(offset), tuple_of(*map(number, shape)),
        tuple_of(*map(number, strides)), b"\x89",
        name("collections", "OrderedDict") + b")R") + b"R"


def state(*pairs):
    return PROTO + b"}(" + b"".join(text(k) + v for k, v in pairs) + b"u" + STOP


GOOD = state(("a.weight", tensor()))
DATA = struct.pack("<6f", *range(6))


def archive(pickle=GOOD, entries=(("data/0", DATA),), compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        z.writestr("archive/data.pkl", pickle)
        for entry, content in entries:
            z.writestr("archive/" + entry, content)
        z.writestr("archive/version", "3\n")
    return out.getvalue()


def patched(raw, entry, at, value):
    """The central directory's record of an entry, with `value` at byte `at` of it."""
    record = raw.rindex(b"PK\1\2", 0, raw.rindex(entry.encode()))
    return raw[:record + at] + value + raw[record + at + len(value):]


def end_patched(raw, at, value):
    end = raw.rindex(b"PK\5\6")
    return raw[:end + at] + value + raw[end + at + len(value):]


def zip64_lie(entries, size, offset):
    """A zip64 end record that says what it likes, in front of the end record."""
    raw = archive()
    end = raw.rindex(b"PK\5\6")
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    tail = raw[end:end + 8] + b"\xff\xff\xff\xff" + b"\xff" * 8 + b"\0\0"
    return raw[:end] + record + locator + tail


def laughs():
    """A list of ten times the list before it, nine times: 10^9 in 300 bytes."""
    out = PROTO + b"]q\0"
    for i in range(9):
        out += b"](" + (b"h" + bytes([i])) * 10 + b"eq" + bytes([i + 1])
    return out + STOP


BINS = {
    "cut-in-half": (archive()[:200], "cut short"),
    "nothing": (b"", "too short"),
    "overlapping-entries": (
        patched(archive(), "archive/data/0", 42, struct.pack("<I", 0)), "archive/data/0"),
    "entry-beyond-the-end": (
        patched(patched(archive(), "archive/data/0", 20, struct.pack("<I", 1 << 30)),
                "archive/data/0", 24, struct.pack("<I", 1 << 30)), "archive/data/0"),
    "sizes-differ": (
        patched(archive(), "archive/data/0", 24, struct.pack("<I", 1 << 30)), "archive/data/0"),
    "zip64-too-many-entries": (zip64_lie(2**60, 100, 0), "zip file"),
    "zip64-directory-of-2-63": (zip64_lie(3, 2**63, 0), "zip file"),
    "zip64-directory-wraps": (zip64_lie(3, 2**63, 2**63), "zip file"),
    "more-entries-than-there-are": (
        end_patched(archive(), 8, struct.pack("<HH", 60, 60)), "zip file"),
    "compressed": (archive(compression=zipfile.ZIP_DEFLATED), "compressed"),
    "same-name-twice": (archive(entries=[("data/0", DATA), ("data/1", DATA)]).replace(
        b"archive/data/1", b"archive/data/0"), "only once"),
    "torchscript": (archive(entries=[("data/0", DATA), ("constants.pkl", b"")]), "TorchScript"),
    "no-pickle": (archive().replace(b"data.pkl", b"data.xyz"), "without data.pkl"),
    "before-1.6": (b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "before version 1.6"),
    "storage-missing": (archive(state(("a", tensor(store=storage(key="7"))))), "not in the file"),
    "storage-smaller-than-said": (archive(state(("a", tensor(store=storage(count=7))))), "storage"),
    "strides-of-2-63": (
        archive(state(("a", tensor(strides=(2**63 - 1, 2**63 - 1))))), "strides"),
    "shape-of-2-63": (archive(state(("a", tensor(shape=(2**62, 2**62), strides=(0, 0))))), "'a'"),
    "negative-stride": (archive(state(("a", tensor(strides=(-3, 1))))), "bad pickle"),
    "offset-of-2-63": (archive(state(("a", tensor(offset=2**63 - 1)))), "'a'"),
    "beyond-its-storage": (archive(state(("a", tensor(offset=1)))), "inside its storage"),
    "memo-of-2-31": (archive(PROTO + b"}r" + struct.pack("<I", 2**31) + STOP), "memo"),
    "memo-never-set": (archive(PROTO + b"h\5" + STOP), "memo"),
    "laughs": (archive(laughs()), "one value"),
    "string-of-4-gib": (archive(PROTO + b"X\xff\xff\xff\xffabc" + STOP), "bad pickle"),
    "nothing-but-marks": (archive(PROTO + b"(" * 3_000_000 + STOP), "bad pickle"),
    "os-system": (
        archive(PROTO + name("os", "system") + tuple_of(text("touch owned")) + b"R" + STOP),
        "os.system"),
    "builtins-eval": (
        archive(PROTO + name("builtins", "eval") + tuple_of(text("1")) + b"R" + STOP),
        "builtins.eval"),
    "not-a-tensor": (archive(state(("a", number(3)))), "'a' is not a tensor"),
    "pickle-cut-short": (archive(GOOD[:-30]), "bad pickle"),
}


def main():
    for bin_name, (content, words) in BINS.items():
        with open(os.path.join(sys.argv[1], bin_name + ".bin"), "wb") as f:
            f.write(content)
        print(f"{bin_name}\t{words}")
    with open(os.path.join(sys.argv[1], "sound.bin"), "wb") as f:
        f.write(archive())


if __name__ == "__main__":
    main()
