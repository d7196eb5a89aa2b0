# SPDX-License-Identifier: Apache-2.0
"""The Hub part: model information, the tree in pages, and resolve."""
import json
from urllib.parse import parse_qs, unquote, urlsplit

from cdn_side import signed_url
from http_side import Answered, Handler, parse_range, url_path

API_WORDS = ("revision", "tree", "paths-info", "refs")


class HubHandler(Handler):
    def respond(self, request):
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        self.query = {k: v[0] for k, v in parse_qs(url.query).items()}
        request.range = parse_range(self.headers.get("Range"))
        try:
            if parts[:2] == ["api", "models"] and len(parts) > 2:
                self.api(request, parts[2:])
            elif parts[:3] == ["api", "resolve-cache", "models"]:
                self.resolve_cache(request, parts[3:])
            elif "resolve" in parts[1:3]:
                at = parts.index("resolve", 1)
                self.resolve(request, parts, at)
            else:
                self.spoil_as(request, "other")
                self.error(404, None, "Sorry, we can't find the page you are looking for.")
        except Answered:
            pass

    def spoil_as(self, request, on, repo=None, file=None):
        request.on, request.repo, request.file = on, repo, file
        return self.spoil(request)

    def main_of(self, request, faults):
        """The folder that a repository's main is now: a rule may move it for good."""
        if "move" in faults:
            self.state.moved[request.repo] = faults["move"].get("to", "next")
        return self.state.moved.get(request.repo, "main")

    # Headers that every answer of the Hub carries.
    def hub_headers(self, kind, more=()):
        return {"X-Request-Id": "Root=1-standin",
                "RateLimit": f'"{kind}";r=2999;t=300',
                "RateLimit-Policy": f'"fixed window";"{kind}";q=3000;w=300', **dict(more)}

    def error(self, status, code, message, more=()):
        headers = self.hub_headers("api", more)
        if code:
            headers["X-Error-Code"] = code
        headers["X-Error-Message"] = message
        body = json.dumps({"error": message}).encode()
        self.answer(status, headers, body, content_type="application/json")

    def repository(self, request, name):
        """The repository, or None after the answer was sent."""
        repo = self.state.repositories.find(name)
        token = request.token
        if repo and repo.settings.get("renamed_to"):
            to = self.path.replace(name, repo.settings["renamed_to"], 1)
            self.answer(307, self.hub_headers("api", {"Location": to}),
                        b"Temporary Redirect. Redirecting to " + to.encode())
            return None
        if token is not None and token not in self.state.tokens_of(repo):
            self.error(401, None, "Invalid credentials in Authorization header")
            return None
        if repo is None or (repo.settings.get("private") and not repo.readable(token)):
            self.error(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        if repo.settings.get("disabled"):
            self.error(403, None, "Access to this resource is disabled.")
            return None
        return repo

    def split_api(self, parts):
        """ORG/NAME or NAME, and what follows it."""
        n = 1 if len(parts) == 1 or parts[1] in API_WORDS else 2
        return "/".join(unquote(p) for p in parts[:n]), parts[n:]

    def api(self, request, parts):
        name, rest = self.split_api(parts)
        word = rest[0] if rest else "revision"
        on = {"revision": "info", "tree": "tree"}.get(word, word)
        faults = self.spoil_as(request, on, name)
        if "json" in faults:
            self.answer(200, self.hub_headers("api"), faults["json"].get("body", "").encode(
                "utf-8", "surrogateescape"), content_type="application/json")
            return
        if "huge" in faults:
            self.huge(faults["huge"].get("bytes", 1 << 30))
            return
        # Before the files are looked at, which may take long: another request may come.
        main = self.main_of(request, faults)
        repo = self.repository(request, name)
        if not repo:
            return
        rev = unquote(rest[1]) if len(rest) > 1 else "main"
        revision = repo.revision(rev, main)
        if not revision:
            self.error(404, "RevisionNotFound", f"Invalid rev id: {rev}")
        elif word == "revision":
            self.info(repo, revision)
        elif word == "tree":
            folder = "/".join(unquote(p) for p in rest[2:])
            self.tree(repo, revision, folder, faults.get("tree"))
        elif word == "paths-info":
            self.paths_info(revision)
        else:
            self.error(404, None, "Not found")

    def send_json(self, document, more=()):
        self.answer(200, self.hub_headers("api", more),
                    json.dumps(document).encode("utf-8"),
                    content_type="application/json; charset=utf-8")

    def info(self, repo, revision):
        siblings = []
        for f in revision.files.values():
            entry = {"rfilename": f.path}
            if "blobs" in self.query:
                entry.update(size=f.size, blobId=f.oid)
                if f.lfs:
                    entry["lfs"] = {"sha256": f.etag, "size": f.size,
                                    "pointerSize": f.pointer_size}
            siblings.append(entry)
        self.send_json({
            "_id": "standin", "id": repo.name, "modelId": repo.name,
            "sha": revision.commit, "private": bool(repo.settings.get("private")),
            "gated": repo.settings.get("gated", False), "disabled": False,
            "downloads": 0, "likes": 0, "tags": [], "siblings": siblings})

    def tree(self, repo, revision, folder, rule):
        """In pages, linked by an absolute URL, folders among the files."""
        entries, seen = [], set()
        recursive = self.query.get("recursive", "false").lower() in ("true", "1")
        prefix = folder + "/" if folder else ""
        for f in revision.files.values():
            if not f.path.startswith(prefix):
                continue
            parts = f.path[len(prefix):].split("/")
            for n in range(1, len(parts) if recursive else min(2, len(parts))):
                path = prefix + "/".join(parts[:n])
                if path not in seen:
                    seen.add(path)
                    entries.append({"type": "directory", "size": 0, "path": path,
                                    "oid": revision.commit})
            if recursive or len(parts) == 1:
                entries.append(f.tree_entry())
        if rule:
            # `set` changes fields of `file`'s entry (null: takes them out), `append` adds
            # entries.
            for entry in entries:
                if entry["path"] == rule.get("entry"):
                    entry.update(rule.get("set", {}))
            entries += rule.get("append", [])
            entries = [{k: v for k, v in e.items() if v is not None} for e in entries]
        page, at = repo.settings.get("page", 50), int(self.query.get("cursor", 0))
        more = {}
        if at + page < len(entries):
            query = "&".join(f"{k}={v}" for k, v in self.query.items() if k != "cursor")
            path = urlsplit(self.path).path
            scheme, _, host = self.state.hub_url.partition("://")
            host = self.headers.get("Host") or host
            more["Link"] = (f"<{scheme}://{host}{path}?{query}&cursor={at + page}>; "
                            'rel="next"')
        self.send_json(entries[at:at + page], more)

    def paths_info(self, revision):
        kind = self.headers.get("Content-Type", "")
        if "json" in kind:
            paths = json.loads(self.posted or b"{}").get("paths", [])
        else:
            paths = parse_qs(self.posted.decode()).get("paths", [])
        self.send_json([revision.files[p].tree_entry() for p in paths
                        if p in revision.files])

    def huge(self, size):
        """A JSON document that goes on and on: one string, sent while the client reads."""
        self.send_head(200, {"Content-Type": "application/json",
                             "Content-Length": str(size + 2)})
        if self.command == "HEAD":
            return
        self.send(b'"')
        block = b"x" * (1 << 20)
        while size > 0:
            self.send(block[:size])
            size -= len(block)
        self.send(b'"')

    def resolve(self, request, parts, at):
        name = "/".join(unquote(p) for p in parts[:at])
        rev = unquote(parts[at + 1]) if len(parts) > at + 1 else ""
        path = unquote("/".join(parts[at + 2:]), errors="surrogateescape")
        self.enter_as(request, name, path)
        faults = self.spoil_as(request, "resolve", name, path)
        main = self.main_of(request, faults)
        repo = self.repository(request, name)
        if not repo:
            return
        if repo.settings.get("gated") and not repo.readable(request.token):
            self.error(403 if request.token else 401, "GatedRepo",
                       f"Access to model {name} is restricted. You must have access to it "
                       "and be authenticated to access it.")
            return
        revision = repo.revision(rev, main)
        if not revision:
            self.error(404, "RevisionNotFound", f"Invalid rev id: {rev}")
            return
        commit = {"X-Repo-Commit": revision.commit}
        file = revision.files.get(path)
        if not file:
            self.error(404, "EntryNotFound", "Entry not found", commit)
        elif file.lfs:
            self.redirect_to_cdn(repo, file, commit, faults)
        elif file.size == 0 or "/" not in name or not repo.readable(None):
            self.inline(request, file, commit, faults)
        else:
            to = (f"/api/resolve-cache/models/{name}/{revision.commit}/{url_path(path)}"
                  f"?%2F{name}%2Fresolve%2F{rev}=&etag=%22{file.etag}%22")
            self.answer(307, self.hub_headers("resolvers", {
                "Location": to, "ETag": self.etag_of(file, faults), **commit}),
                b"Temporary Redirect. Redirecting to " + to.encode())

    def enter_as(self, request, repo, file):
        request.repo, request.file = repo, file
        self.enter(request)

    @staticmethod
    def etag_of(file, faults):
        return ("W/" if "weak-etag" in faults else "") + f'"{file.etag}"'

    def redirect_to_cdn(self, repo, file, commit, faults):
        seconds = faults["expires"].get("seconds", 2) if "expires" in faults else 3600
        to = signed_url(self.state.cdn_url, self.state.repositories.root, repo.name, file,
                        seconds)
        self.answer(302, self.hub_headers("resolvers", {
            "Location": to, "X-Linked-Size": str(file.size),
            "X-Linked-Etag": self.etag_of(file, faults),
            "ETag": f'"{file.oid}"', **commit}), b"Found. Redirecting to " + to.encode())

    def resolve_cache(self, request, parts):
        name, rest = "/".join(unquote(p) for p in parts[:2]), parts[2:]
        path = unquote("/".join(rest[1:]), errors="surrogateescape")
        repo = self.state.repositories.find(name)
        revision = repo and rest and repo.revision(unquote(rest[0]), "main")
        file = revision and revision.files.get(path)
        self.enter_as(request, name, path)
        if file and not file.lfs and repo.readable(None):
            self.inline(request, file, {"X-Repo-Commit": revision.commit}, on="cache")
        else:
            self.spoil_as(request, "cache", name, path)
            self.error(404, None, "Not found")

    def inline(self, request, file, commit, earlier=(), on="inline"):
        """A small file's bytes."""
        names = request.faults
        faults = {**dict(earlier), **self.spoil_as(request, on, request.repo, file.path)}
        request.faults = names + request.faults
        headers = self.hub_headers("resolvers", {"ETag": self.etag_of(file, faults),
                                                 **commit})
        if self.headers.get("If-None-Match") == headers["ETag"]:
            self.send_head(304, headers)
        else:
            self.send_file(file.disk, file.size, headers, faults)
