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
# What configure found depends on the packages that were there: when others are, it has to
# look again. Without this, tests would be left out because a library came later.
packages=$(sh scripts/install-packages.sh --installed)
mkdir -p build
cd build
if [ ! -f config.status ] || [ "$(cat packages.txt 2>/dev/null)" != "$packages" ]; then
    echo "build: configure"
    ../configure --quiet "$@"
    echo "$packages" >packages.txt
fi
echo "build: make"
make --silent -j "$(nproc)"
echo "build: done, build/src/int8tool"
