# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a Hub and us, one case each: what is switched on, and how a
pull must end: ENDS_WELL: with the right bytes. FAILS: with exit 1 and one error line of
that pattern. EITHER: with one of the two; which is a matter of taste, not of safety."""
MODEL = "model.safetensors"


def data(fault, times=None, **more):
    rule = {"fault": fault, "file": MODEL, **more}
    return [rule if times is None else {**rule, "times": times}]


def status(code, on, times=None, **more):
    rule = {"fault": "status", "code": code, "on": on, **more}
    return [rule if times is None else {**rule, "times": times}]


def header(on, **values):
    return [{"fault": "header", "on": on,
             "set": {k.replace("_", "-"): v for k, v in values.items()}}]


def entry(path, **fields):
    return [{"fault": "tree", "entry": path, "set": fields}]


def extra(path, **fields):
    more = {"type": "file", "oid": "a" * 40, "size": 3, "path": path, **fields}
    return [{"fault": "tree", "append": [more]}]


ENDS_WELL = {
    "plain": [],
    "flip-once": data("flip", 1),
    "flip-small-once": [{"fault": "flip", "file": "config.json", "times": 1}],
    "short-body": data("short", 3),
    "reset-in-mid-body": data("reset", 3),
    "truncated-with-its-length": data("truncated", 2),
    "range-ignored-once": data("ignore-range", 1),
    "range-ignored": data("ignore-range"),
    "wrong-content-range-once": data("wrong-range", 1),
    "416-once": status(416, "cdn", 1),
    "gzip-once": data("gzip", 1),
    "429-retry-after": status(429, "cdn", 2, headers={"Retry-After": "1"}),
    "429-ratelimit": status(429, ["info", "tree", "resolve"], 3, headers={
        "RateLimit": '"resolvers";r=0;t=1'}),
    "429-on-first-request": status(429, "info", 1, headers={
        "RateLimit": '"api";r=0;t=1', "Retry-After": "1"}),
    "500-502-503-504": [r for n, code in enumerate((500, 502, 503, 504))
                        for r in status(code, "cdn", 1, skip=n)],
    "503-on-each-kind-of-request": [
        r for on in ("info", "tree", "resolve", "cache", "inline", "cdn")
        for r in status(503, on, 1)],
    "408-closing": status(408, ["info", "cdn"], 2, close=True),
    "reset-instead-of-an-answer": [
        {"fault": "drop", "on": on, "times": 1}
        for on in ("info", "tree", "resolve", "cache", "cdn")],
    "expired-while-running": [{"fault": "expires", "seconds": 2},
                              *data("slow", rate=1500000)],
    "expired-at-once": [{"fault": "expires", "seconds": -5, "times": 1}],
    "403-on-ranges": status(403, "cdn", ranged=True, file=MODEL),
    # Slowly, so that there are several at once on any machine.
    "403-on-all-but-one": [*status(403, "cdn", parallel=1, file=MODEL),
                           *data("slow", rate=8 << 20)],
    "403-once": status(403, "cdn", 1),
    "403-now-and-then": [*status(403, "cdn", 6, probability=0.6, seed=8, file=MODEL),
                         *data("reset", 4, after=2500000)],
    "stall-in-mid-body": data("stall", 2),
    "stall-before-the-body": data("stall", 1, after=0),
    "slow-per-connection": data("slow", rate=4 << 20),
    "late-answers": [{"fault": "delay", "seconds": 0.3, "on": ["info", "cdn", "resolve"]}],
    "branch-moves-before": [{"fault": "move", "times": 1}],
    "branch-moves": [{"fault": "move", "on": "tree"}],
    "branch-moves-at-resolve": [{"fault": "move", "on": "resolve"}],
    "weak-etags": [{"fault": "weak-etag"}],
    "xet-hash-redacted": entry(MODEL, xetHash="<REDACTED>"),
    "xet-hash": entry(MODEL, xetHash="c" * 64),
    "unknown-fields": entry(MODEL, lastCommit={"id": 1}, securityFileStatus=[[[]]]),
    "everything-at-random": [
        {"fault": f, "file": MODEL, "probability": 0.15, "seed": n, "times": 3}
        for n, f in enumerate(["short", "reset", "truncated", "wrong-range", "gzip", "stall"])
    ] + status(503, ["cdn", "resolve"], 3, probability=0.3, seed=7),
}

LINE = "*"  # one line, whatever it says

FAILS = {
    "flip-always": (data("flip"), f"*{MODEL}*"),
    "flip-small-always": ([{"fault": "flip", "file": "config.json"}], "*config.json*"),
    "short-without-progress": (data("short", after=0), f"*{MODEL}*"),
    "reset-without-progress": (data("reset", after=0), f"*{MODEL}*"),
    "stall-always": (data("stall", after=0), f"*{MODEL}*"),
    "wrong-content-range": (data("wrong-range"), f"*{MODEL}*"),
    "wrong-total": (data("wrong-total"), f"*{MODEL}*"),
    "416-always": (status(416, "cdn"), f"*{MODEL}*"),
    "gzip-always": (data("gzip"), f"*{MODEL}*"),
    "503-for-good": (status(503, "cdn"), f"*{MODEL}*503*"),
    "503-api-for-good": (status(503, "info"), "*503*"),
    "404-on-the-cdn": (status(404, "cdn"), f"*{MODEL}*404*"),
    "403-for-good": (status(403, "cdn"), f"*{MODEL}*403*"),
    "expired-always": ([{"fault": "expires", "seconds": -5}], f"*{MODEL}*"),
    "429-for-too-long": (status(429, "info", headers={"Retry-After": "86400"}), "*429*"),
    "no-answer-from-the-api": ([{"fault": "drop", "on": "info"}], LINE),
    # What a listing may not make us do.
    "name-with-dots": (extra("../evil"), "*../evil*"),
    "name-with-dots-inside": (extra("a/../../evil"), "*evil*"),
    "name-absolute": (extra("/tmp/evil"), "*/tmp/evil*"),
    "name-with-control-characters": (extra("a\x1b[31mb\n"), "*"),
    "name-with-nul": (extra("a\0b"), "*"),
    "name-with-backslash": (extra("..\\evil"), "*evil*"),
    "name-empty": (extra(""), "*"),
    "name-with-empty-part": (extra("a//b"), "*a//b*"),
    "name-too-long": (extra("x" * 5000), "*"),
    "name-twice": (extra("config.json"), "*config.json*"),
    "name-file-and-folder": (extra("config.json/x"), "*config.json*"),
    "size-negative": (entry(MODEL, size=-1, lfs=None), f"*{MODEL}*"),
    "size-too-large": (entry("config.json", size=1 << 63), "*config.json*"),
    "size-text": (entry("config.json", size="7"), "*config.json*"),
    "hash-missing": (entry("config.json", oid=None), "*config.json*"),
    "hash-not-hex": (entry("config.json", oid="../../../x"), "*config.json*"),
    "lfs-hash-not-hex": (entry(MODEL, lfs={"oid": "z" * 64, "size": 9, "pointerSize": 1}),
                         f"*{MODEL}*"),
    "size-unlike-the-list": (entry("config.json", size=8), "*config.json*"),
    "hash-unlike-the-list": (entry("config.json", oid="b" * 40), "*config.json*"),
    "linked-size-wrong": (header("resolve", X_Linked_Size="12345"), f"*{MODEL}*"),
    "linked-size-missing": (header("resolve", X_Linked_Size=None), f"*{MODEL}*"),
    "linked-etag-wrong": (header("resolve", X_Linked_Etag='"' + "d" * 64 + '"'), f"*{MODEL}*"),
    "linked-etag-nonsense": (header("resolve", X_Linked_Etag='"../../x"'), f"*{MODEL}*"),
    "json-huge": ([{"fault": "huge"}], LINE),
    "json-huge-tree": ([{"fault": "huge", "on": "tree"}], LINE),
    "json-garbage": ([{"fault": "json", "body": "<html>"}], LINE),
    "json-other-type": ([{"fault": "json", "body": "[1]"}], LINE),
    "json-deep": ([{"fault": "json", "body": "[" * 200000}], LINE),
    "json-no-sha": ([{"fault": "json", "body": '{"id":"org/x"}'}], LINE),
    "json-sha-is-a-path": ([{"fault": "json", "body": '{"id":"x","sha":"../../../../x"}'}], LINE),
    "json-tree-garbage": ([{"fault": "json", "body": "{", "on": "tree"}], LINE),
    "json-tree-of-numbers": ([{"fault": "json", "body": "[1,2]", "on": "tree"}], LINE),
    "tree-pages-go-round": (header("tree", Link='<{hub}/api/models/org/x/tree/main>; rel="next"'),
                            LINE),
    "tree-page-elsewhere": (header("tree", Link='<{cdn}/api/models>; rel="next"'), LINE),
    "redirects-go-round": (status(307, "resolve", headers={
        "Location": "/org/redirects-go-round/resolve/main/config.json"}), "*redirect*"),
    "redirect-to-nowhere": (status(302, "resolve", headers={}), LINE),
    "redirect-to-a-file": (status(302, "resolve", headers={"Location": "file:///etc/passwd"}),
                           LINE),
    "api-redirected-elsewhere": (status(307, "info", headers={
        "Location": "http://localhost:1/api/models/org/x"}), LINE),
    "disabled": (status(403, "info", headers={
        "X-Error-Message": "Access to this resource is disabled."}), "*disabled*"),
}

EITHER = {
    "gzip-small-always": [{"fault": "gzip", "file": "config.json"}],
    "no-commit-header": header(["resolve", "cache", "inline"], X_Repo_Commit=None),
    "other-commit-header": header(["resolve", "cache", "inline"], X_Repo_Commit="e" * 40),
    "size-of-lfs-wrong-in-the-list": entry(MODEL, size=12),
    "416-to-small": status(416, "cache"),
    "cdn-redirects-on": status(302, "cdn", 1, headers={"Location": "{cdn}/elsewhere"}),
    "headers-without-end": header("info", X_Long="x" * 200000),
}

# These wait for timeouts or backoff; the quick run leaves them out.
SLOW = {
    "flip-always", "short-without-progress", "reset-without-progress", "stall-always",
    "wrong-content-range", "wrong-total", "416-always", "gzip-always", "503-for-good",
    "503-api-for-good", "403-for-good", "expired-always", "no-answer-from-the-api",
    "stall-in-mid-body", "stall-before-the-body", "everything-at-random",
    "expired-while-running", "500-502-503-504", "nobody-listens", "429-ratelimit",
    "slow-per-connection", "size-unlike-the-list", "gzip-small-always", "two-at-once", "two-at-once-and-one-is-killed",
}

# Here the peak of memory is looked at.
MEASURED = {"plain", "range-ignored", "json-huge", "json-huge-tree", "headers-without-end"}
