#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs every test_*.py here against the program that I8_TOOL names, in a Python environment
# with pinned packages (PyPI, about two minutes and 5 GB the first time), and ends with the
# line "N passed, N failed". Arguments go to pytest ("-k golden", "test_verify.py").
#   I8_VENV      where the environment is or shall be (default: .venv in the current folder);
#                the Hub's clients have theirs beside it (hub_clients.sh)
#   I8_ONE_LINEAR  the program tests/tools/one_linear (make builds it)
#   I8_FIXTURES  a folder with the larger trained models (small-bloom, small-t5); optional
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${I8_TOOL:?must name the int8tool program}"
venv=${I8_VENV:-$PWD/.venv}
python=${PYTHON:-/usr/bin/python3}

stamp=$venv/int8tool-requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    echo "interop: preparing $venv (PyPI packages, about 5 GB)" >&2
    "$python" -m venv "$venv" || {
        echo "interop: $python -m venv failed (Debian: apt-get install python3-venv)" >&2
        exit 1
    }
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi

sh "$here/hub_clients.sh" "$venv"

# Other releases of transformers: environments beside it that see its packages, but for the few
# that they have in another version themselves (150 MB each).
releases=5.17.0=$venv/bin/python
for other in "$here"/transformers-*.txt; do
    release=$(basename "$other" .txt)
    release=${release#transformers-}
    beside=$venv/release-$release
    if ! cmp -s "$other" "$beside/requirements.txt" || [ "$stamp" -nt "$beside/requirements.txt" ]; then
        echo "interop: preparing $beside" >&2
        "$python" -m venv "$beside"
        packages=$("$beside/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
            >"$packages/shared.pth"
        "$beside/bin/pip" install --quiet --disable-pip-version-check -r "$other"
        cp "$other" "$beside/requirements.txt"
    fi
    releases="$releases $release=$beside/bin/python"
done
I8_RELEASES=$releases
export I8_RELEASES

# Nothing is to be fetched or sent: every model is a local folder.
HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
BITSANDBYTES_NOWELCOME=1 PYTHONDONTWRITEBYTECODE=1
I8_VENV=$venv
export I8_TOOL I8_VENV HF_HUB_OFFLINE TRANSFORMERS_OFFLINE HF_HUB_DISABLE_TELEMETRY \
    BITSANDBYTES_NOWELCOME PYTHONDONTWRITEBYTECODE

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cd "$here"
"$venv/bin/python" -m pytest -p no:cacheprovider -rs -q --tb=short "$@" >"$log" 2>&1 || status=$?
cat "$log"
count() { sed -n "s/.* \([0-9][0-9]*\) $1.*/\1/p" "$log" | tail -n 1; }
tail -n 1 "$log" | sed 's/^/ /' >"$log.last" && mv "$log.last" "$log"
passed=$(count passed) failed=$(count failed) errors=$(count error) skipped=$(count skipped)
failed=$((${failed:-0} + ${errors:-0}))
echo "interop: ${passed:-0} passed, $failed failed, ${skipped:-0} skipped"
[ "$status" -eq 0 ] && [ "${passed:-0}" -gt 0 ] && [ "$failed" -eq 0 ]
