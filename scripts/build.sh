#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds in the folder build/, beside the sources. Arguments go to configure the first
# time: scripts/build.sh --without-cuda CFLAGS=-O0
set -eu
cd "$(dirname "$0")/.."
[ -x configure ] || {
    echo "build: autoreconf"
    autoreconf --install --force >autoreconf.log 2>&1 || {
        cat autoreconf.log >&2
        exit 1
    }
}
mkdir -p build
cd build
if [ ! -f config.status ]; then
    echo "build: configure"
    ../configure --quiet "$@"
fi
echo "build: make"
make --silent -j "$(nproc)"
echo "build: done, build/src/int8tool"
