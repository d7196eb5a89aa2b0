# SPDX-License-Identifier: Apache-2.0
"""Compressed shards against another implementation of zstd's seekable format, pyzstd: it reads
ours at random, and we read its files.
"""
import os
import random

from pyzstd import SeekableZstdFile

from conftest import model_folder, run, run_json


def test_pyzstd_reads_ours_and_we_read_its(tmp_path):
    source = model_folder("tiny-llama")
    for name, options in (("plain", []), ("packed", ["--compress", "zstd"])):
        run("convert", source, "-o", tmp_path / name, *options)
    plain = (tmp_path / "plain/model.safetensors").read_bytes()
    packed = str(tmp_path / "packed/model.safetensors.zst")
    assert SeekableZstdFile.is_seekable_format_file(packed)
    rng = random.Random(1)
    with SeekableZstdFile(packed, "r") as f:
        assert f.seek(0, os.SEEK_END) == len(plain)
        for _ in range(300):
            at, n = rng.randrange(len(plain)), rng.choice([1, 100, 50000, 3000000])
            f.seek(at)
            assert f.read(n) == plain[at:at + n], (at, n)

    theirs = str(tmp_path / "theirs.safetensors.zst")
    with SeekableZstdFile(theirs, "w", max_frame_content_size=100003) as f:
        f.write(plain)
    def listing(path):
        return [{k: v for k, v in t.items() if k != "file"}
                for t in run_json("inspect", path)["tensors"]]
    assert listing(theirs) == listing(tmp_path / "plain/model.safetensors")
    os.rename(theirs, packed)
    os.mkdir(tmp_path / "model")
    for name in ("config.json", "tokenizer.json"):
        os.link(tmp_path / "plain" / name, tmp_path / "model" / name)
    os.rename(packed, tmp_path / "model/model.safetensors.zst")
    report = run_json("verify", tmp_path / "plain", tmp_path / "model", "--windows", "1", "-q")
    assert report["max_kl"] == 0 and report["logits_max_abs"] == 0
