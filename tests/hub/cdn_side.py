# SPDX-License-Identifier: Apache-2.0
"""The CDN part: signed URLs that expire, ranges, and no patience with an Authorization
header, which S3 and its like refuse beside a signature."""
import hashlib
import hmac
import os
import time
from urllib.parse import parse_qs, unquote, urlsplit

from http_side import Answered, Handler, parse_range, url_path

KEY = os.urandom(16)


def signature(path, expires):
    return hmac.new(KEY, f"{path} {expires}".encode("utf-8", "surrogateescape"),
                    "sha256").hexdigest()


def signed_url(base, root, repo, file, seconds):
    """The address of a file; its path is the one below the repositories' folder."""
    path = "/" + os.path.relpath(file.disk, root).replace(os.sep, "/")
    expires = int(time.time() + seconds)
    return (f"{base}{url_path(path)}?X-Repo={url_path(repo)}&Expires={expires}"
            f"&Signature={signature(path, expires)}&Key-Pair-Id=STANDIN")


class CdnHandler(Handler):
    def respond(self, request):
        url = urlsplit(self.path)
        path = unquote(url.path, errors="surrogateescape")
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        request.on, request.repo = "cdn", query.get("X-Repo")
        request.file = "/".join(path.split("/")[2 + (request.repo or "").count("/"):])
        request.range = parse_range(self.headers.get("Range"))
        self.enter(request)
        try:
            faults = self.spoil(request)
        except Answered:
            return
        if request.authorized:
            self.refuse(400, "InvalidArgument", "Only one auth mechanism allowed")
            return
        expires = query.get("Expires", "")
        if not hmac.compare_digest(query.get("Signature", ""), signature(path, expires)):
            self.refuse(403, "SignatureDoesNotMatch", "The request signature is wrong")
            return
        if int(expires) <= time.time():
            self.refuse(403, "AccessDenied", "Request has expired")
            return
        root = self.state.repositories.root
        disk = os.path.join(root, path.lstrip("/"))
        if not os.path.isfile(disk):
            self.refuse(404, "NoSuchKey", "The specified key does not exist")
            return
        # As on the real one: an ETag that looks like the file's hash and is not.
        etag = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
        self.send_file(disk, os.stat(disk).st_size, {"ETag": f'"{etag}"'}, faults)

    def refuse(self, status, code, message):
        self.answer(status, {}, f"<Error><Code>{code}</Code><Message>{message}</Message>"
                    "</Error>".encode(), content_type="application/xml")
