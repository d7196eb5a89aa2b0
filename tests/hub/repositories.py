# SPDX-License-Identifier: Apache-2.0
"""The repositories that the stand-in serves: folders of files, seen as the Hub shows them."""
import fnmatch
import hashlib
import json
import os
import threading
from urllib.parse import unquote

# What a .gitattributes of the Hub puts into LFS, and the size above which it insists.
LFS_PATTERNS = ["*.safetensors", "*.bin", "*.pt", "*.h5", "*.msgpack", "*.gguf", "*.zst"]
LFS_SIZE = 10 << 20


class File:
    """One file of a revision. `etag` is what the Hub calls it: the SHA-256 of an LFS file,
    the git SHA-1 of any other."""

    def __init__(self, path, disk, size, sha256, sha1, lfs):
        self.path, self.disk, self.size, self.lfs = path, disk, size, lfs
        if lfs:
            pointer = ("version https://git-lfs.github.com/spec/v1\n"
                       f"oid sha256:{sha256}\nsize {size}\n").encode()
            self.pointer_size = len(pointer)
            self.oid = git_sha1(pointer)
            self.etag = sha256
        else:
            self.oid = self.etag = sha1

    def tree_entry(self):
        entry = {"type": "file", "oid": self.oid, "size": self.size, "path": self.path}
        if self.lfs:
            entry["lfs"] = {"oid": self.etag, "size": self.size,
                            "pointerSize": self.pointer_size}
        return entry


class Revision:
    def __init__(self, files):
        self.files = files
        listing = "".join(f"{f.path}\0{f.size}\0{f.etag}\n" for f in files.values())
        self.commit = hashlib.sha1(listing.encode("utf-8", "surrogateescape")).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    """`org/name` with what org/name.json says of it (README.md lists the keys)."""

    def __init__(self, name, settings, revisions):
        self.name, self.settings, self.revisions = name, settings, revisions

    def revision(self, wanted, main):
        """By branch, tag, refs/… or commit; `main` names the folder that main is now."""
        if wanted == "main":
            return self.revisions.get(main)
        if wanted in self.revisions:
            return self.revisions[wanted]
        return next((r for r in self.revisions.values() if r.commit == wanted), None)

    def readable(self, token):
        """May whoever sends this token (or None) read the files?"""
        closed = self.settings.get("private") or self.settings.get("gated")
        return not closed or token in self.settings.get("tokens", [])


class Repositories:
    """All repositories below a folder, read anew at each question so that tests may change
    files while the stand-in runs (unless static); digests are kept by inode, size and time,
    so that links to one file are hashed once."""

    def __init__(self, root, static=False):
        self.root = os.path.abspath(root)
        self._known = {} if static else None
        self._digests = {}
        self._lock = threading.Lock()

    def find(self, name):
        if self._known is None:
            return self._find(name)
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name):
        folder = os.path.join(self.root, *name.split("/"))
        settings = {}
        if os.path.exists(folder + ".json"):
            with open(folder + ".json") as f:
                settings = json.load(f)
        if "renamed_to" in settings:
            return Repository(name, settings, {})
        parent, base = os.path.split(folder)
        if not os.path.isdir(parent):
            return None
        revisions = {}
        for entry in sorted(os.listdir(parent)):
            at = os.path.join(parent, entry)
            own, _, rev = entry.partition("@")
            # At the top, a folder without files of its own is an organisation.
            if own == base and os.path.isdir(at) and ("/" in name or self._has_files(at)):
                revisions[unquote(rev) or "main"] = self._revision(at, settings)
        return Repository(name, settings, revisions) if revisions else None

    def names(self):
        for top in sorted(os.scandir(self.root), key=lambda e: e.name):
            if top.is_dir() and self._has_files(top.path):
                yield top.name
            elif top.is_dir():
                yield from sorted(f"{top.name}/{e.name}" for e in os.scandir(top.path)
                                  if e.is_dir() and "@" not in e.name)

    @staticmethod
    def _has_files(folder):
        return any(e.is_file() and not e.name.endswith(".json") or e.name == "config.json"
                   for e in os.scandir(folder))

    def _revision(self, folder, settings):
        files = {}
        for at, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                disk = os.path.join(at, name)
                path = os.path.relpath(disk, folder).replace(os.sep, "/")
                size = os.stat(disk).st_size
                lfs = size > 0 and (size > settings.get("lfs_size", LFS_SIZE) or any(
                    fnmatch.fnmatchcase(name, p)
                    for p in settings.get("lfs", LFS_PATTERNS)))
                sha256, sha1 = self._hash(disk, path, settings.get("unhashed", False))
                files[path] = File(path, disk, size, sha256, sha1, lfs)
        return Revision(dict(sorted(files.items())))

    def _hash(self, disk, path, unhashed):
        st = os.stat(disk)
        key = (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, unhashed and path)
        with self._lock:
            if key not in self._digests:
                sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % st.st_size)
                if unhashed and st.st_size > LFS_SIZE:
                    # Sparse files too large to read: some hash, which nobody may check.
                    sha256.update(f"{path} {st.st_size}".encode())
                else:
                    with open(disk, "rb") as f:
                        while chunk := f.read(1 << 20):
                            sha256.update(chunk)
                            if st.st_size <= LFS_SIZE:
                                sha1.update(chunk)
                self._digests[key] = sha256.hexdigest(), sha1.hexdigest()
            return self._digests[key]
