# SPDX-License-Identifier: Apache-2.0
"""What a Hub client says, as JSON on stdout: run by test_hub_clients.py in the environment
of each client.

    hub_client.py snapshot REPO REVISION|- [local]
    hub_client.py metadata REPO
    hub_client.py scan
    hub_client.py models REPO|FOLDER...
"""
import hashlib
import json
import sys
import warnings

import huggingface_hub


def snapshot(repo, revision="-", local=""):
    return huggingface_hub.snapshot_download(
        repo, revision=None if revision == "-" else revision, local_files_only=bool(local))


def metadata(repo):
    m = huggingface_hub.get_safetensors_metadata(repo)
    return {"sharded": m.sharded, "weight_map": m.weight_map,
            "parameters": m.parameter_count}


def scan():
    info = huggingface_hub.scan_cache_dir()
    return {"warnings": [str(w) for w in info.warnings], "size": info.size_on_disk,
            "repos": {r.repo_id: {
                "size": r.size_on_disk,
                "revisions": {v.commit_hash: {"refs": sorted(v.refs),
                                              "files": sorted(f.file_name for f in v.files)}
                              for v in r.revisions}} for r in info.repos}}


def models(*names):
    """The weights of each, as a digest."""
    import transformers
    states = []
    for name in names:
        m = transformers.AutoModelForCausalLM.from_pretrained(name)
        digest = hashlib.sha256()
        for key, tensor in sorted(m.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.float().contiguous().numpy().tobytes())
        states.append(digest.hexdigest())
    return {"versions": [transformers.__version__, huggingface_hub.__version__],
            "states": states}


warnings.simplefilter("ignore")
functions = {f.__name__: f for f in (snapshot, metadata, scan, models)}
print(json.dumps(functions[sys.argv[1]](*sys.argv[2:])))
