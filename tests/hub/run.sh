#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pull against the stand-in Hub, the short form: what has not to wait, and a few kills.
# `make stress` has the whole of it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || {
    echo "needs python3 for the stand-in Hub"
    exit 77
}
if HF_ENDPOINT=http://127.0.0.1:9 "${I8_TOOL:?}" pull org/name 2>&1 | grep -q 'no network'; then
    echo "this build has no libcurl"
    exit 77
fi
status=0
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
"$python" "$here/test_pull.py" --quick || status=1
"$python" "$here/kill_pulls.py" --rounds 2 --megabytes 10 || status=1
exit $status
