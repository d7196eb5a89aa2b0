#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the environments with the Hub's clients that pull is checked against, beside the
# main one: VENV-hub/NAME. The main environment is one of them (huggingface_hub 1.33 with
# hf-xet and transformers 5.17).
#
#   hub_clients.sh VENV
set -eu
venv=$1
python=${PYTHON:-/usr/bin/python3}

# client NAME alone|over PACKAGE...: "over" sees the main environment's packages (torch)
# behind its own. hf-xet comes with huggingface_hub, so it is taken out where it is not named.
client() {
    at=$venv-hub/$1 kind=$2
    shift 2
    if [ "$(cat "$at/int8tool-packages.txt" 2>/dev/null)" = "$kind $*" ]; then
        return
    fi
    echo "interop: preparing $at" >&2
    rm -rf "$at"
    "$python" -m venv "$at"
    site=$("$at/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    if [ "$kind" = over ]; then
        "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
            >"$site/main-environment.pth"
    fi
    "$at/bin/pip" install --quiet --disable-pip-version-check "$@"
    case "$*" in
    *hf-xet*) ;;
    *) "$at/bin/pip" uninstall --quiet --disable-pip-version-check --yes hf-xet ;;
    esac
    echo "$kind $*" >"$at/int8tool-packages.txt"
}

client 1.33 alone huggingface_hub==1.33.0
client 2.4 alone huggingface_hub==2.4.0
client 2.4-xet over huggingface_hub==2.4.0 hf-xet==1.8.0 transformers==5.23.0
