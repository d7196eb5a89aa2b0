# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/hub/fnmatch.tsv: pattern, name, and whether the first matches the
second by Python's fnmatch after huggingface_hub's two rules ('\\' is '/', a pattern that
ends in '/' gets a '*'). Half of the rows are written by hand, half drawn from a seed."""

import fnmatch
import random
import sys

NAMES = """config.json model.safetensors model-00001-of-00002.safetensors onnx/model.onnx
a/b/c.txt .hidden a.b a-b a^b a!b [x] [ ] ! ^ - b c z A Z ä é/ü.json 日本.bin data data/
data/x data/sub/x \\ a\\b a/b x[y x]y & ~ | && a&b""".split()
PATTERNS = """* ? ** *.json *.JSON model*.safetensors onnx/ onnx/* data/ data\\ data/* **/x *x
[abc] [!abc] [^abc] [a-c] [!a-c] [c-a] [!c-a] []] [!]] [] [!] [[] [a [!a []a] []-a] [a-] [-a]
[!-a] [a-c-e] [a-cx-z] [a-c-] [--a] [a--] [[:alpha:]] [&&] [~|] [a&&b] [\\] a[/]b a?b a*b
.* [.]* *[!.]* ä [ä-ü]* [à-ÿ]/* ?? 日? *本* x[y x]y {a,b} a\\b [!!] [!^] [^] [z-a]b *.* [*] [?]
**.json ?*?""".split()
ALPHABET = "ab-]![^*?/.é"


def normal(text):
    return text.replace("\\", "/")


def row(pattern, name):
    wild = normal(pattern)
    if wild.endswith("/"):
        wild += "*"
    return f"{pattern}\t{name}\t{int(fnmatch.fnmatchcase(normal(name), wild))}\n"


def main():
    out = sys.stdout
    for pattern in PATTERNS:
        for name in NAMES:
            out.write(row(pattern, name))
    draw = random.Random(7)
    seen = {0: 0, 1: 0}
    while min(seen.values()) < 2000:
        pattern = "".join(draw.choice(ALPHABET) for _ in range(draw.randint(1, 9)))
        name = "".join(draw.choice(ALPHABET[:3] + "/.é") for _ in range(draw.randint(1, 6)))
        line = row(pattern, name)
        hit = int(line[-2])
        if seen[hit] < 2000:
            seen[hit] += 1
            out.write(line)


main()
