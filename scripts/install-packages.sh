#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that the build and the tests need; what is there already
# is left alone, and nothing is asked. As root, or with sudo.
#
#   install-packages.sh build         a compiler, Autotools, the libraries
#   install-packages.sh build test    and what the tests use
#   install-packages.sh --installed   only lists those of them that are there
#   install-packages.sh fuzz          clang with libFuzzer
set -eu

packages() {
    case $1 in
    build)
        echo gcc libc6-dev make autoconf automake libtool pkg-config \
            libcjson-dev libcurl4-openssl-dev libdnnl-dev libpcre2-dev libssl-dev \
            libzstd-dev
        ;;
    # g++: the public headers are C++ too; python3: makes faulty files and runs interop; MPI is
    # optional (--ranks mpi), and tested where it is
    test)
        echo check g++ libopenmpi-dev openmpi-bin python3 python3-venv xz-utils zstd
        # The kernels for ARM, compiled and emulated.
        [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] ||
            echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
        ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    *)
        echo "usage: $0 build [test] [fuzz]" >&2
        exit 2
        ;;
    esac
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if [ "${1-}" = --installed ]; then
    command -v dpkg-query >/dev/null || exit 0
    for package in $(packages build) $(packages test); do
        ! installed "$package" || echo "$package"
    done
    exit 0
fi

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: please see to it that these are installed, under whatever" \
        "name they have here:"
    for group in "$@"; do packages "$group"; done
    exit 0
fi

missing=
for group in "$@"; do
    for package in $(packages "$group"); do
        installed "$package" || missing="$missing $package"
    done
done
if [ -z "$missing" ]; then
    echo "packages: all there"
    exit 0
fi
echo "packages: installing$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null || {
        echo "error: neither root nor sudo; as root, run: apt-get install$missing" >&2
        exit 1
    }
fi
# apt's own talk is long; it is shown when something goes wrong.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 "$@" \
        </dev/null >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
}
apt update
# shellcheck disable=SC2086 # a list of names
apt install --yes --no-install-recommends $missing
echo "packages: done"
