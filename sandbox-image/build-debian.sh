#!/bin/sh
# Builds an image for programs from Debian packages alone: no image registry is asked.
#
#   sandbox-image/build-debian.sh [--data] [--no-pyc] SUITE PYVER OUT.tar
#   sandbox-image/build-debian.sh trixie 3.13 image.tar && podman import image.tar localhost/mcp-bridge-python:3.13
#
# SUITE and PYVER go together: bullseye 3.9, bookworm 3.11, trixie 3.13, sid 3.14 (sid moves; the others do not).
#   --data     adds the wheels of requirements-data.txt (needs pip and a PyPI index; hashes are checked); PYVER as pinned there
#   --no-pyc   leaves the standard library uncompiled, as the official slim image does
# MIRROR=URL names another Debian mirror. Needs mmdebstrap; root, or user namespaces.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

finish() { # what happens inside the unpacked tree, called back by mmdebstrap (of its hooks only this one runs for `extract`)
    root=$1
    cd "$root"
    # None of this is read by Python; gconv holds the C library's charsets only, Python has its own. apt's folders stay:
    # mmdebstrap cleans them itself afterwards.
    rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bash-completion \
        usr/share/bug usr/share/pixmaps usr/share/applications usr/lib/*/gconv usr/lib/*/perl-base
    # No /workspace: the engine mounts one, with a mode that an existing folder would overrule.
    mkdir -p proc sys dev tmp run root usr/bin bin etc
    chmod 1777 tmp
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' > etc/passwd
    printf 'root:x:0:\nnogroup:x:65534:\n' > etc/group
    ln -sf "python$PYVER" usr/bin/python3
    [ -e bin/sh ] || ln -s dash bin/sh
    libraries="/usr/lib/python$PYVER"
    if [ -n "${WHEELS:-}" ]; then
        site=usr/lib/python3/dist-packages
        mkdir -p "$site"
        for wheel in "$WHEELS"/*.whl; do python3 -m zipfile -e "$wheel" "$site"; done
        rm -rf "$site"/*.data
        find "$site" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
        libraries="$libraries /$site"
    fi
    if [ -z "${NO_PYC:-}" ]; then
        # Without .pyc and with a read-only root every container compiles what it imports anew (about 180 ms for asyncio).
        # unchecked-hash: never compared with the source again, so import does not even stat it. Some files of a wheel may
        # be templates that are not Python; they fail alone, so the status is not the build's.
        # shellcheck disable=SC2086
        chroot . "python$PYVER" -W ignore -m compileall -q -j 2 --invalidation-mode unchecked-hash $libraries || true
        chroot . "python$PYVER" -c 'import asyncio, sys; sys.exit(asyncio.__cached__ is None)'
        [ -e "usr/lib/python$PYVER/asyncio/__pycache__" ] || { echo "the standard library was not compiled" >&2; exit 1; }
    fi
}

if [ "${1:-}" = --finish ]; then
    finish "$2"
    exit 0
fi

WHEELS= NO_PYC=
while :; do
    case "${1:-}" in
    --data) WHEELS=yes ;;
    --no-pyc) NO_PYC=yes ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 3 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
suite=$1 PYVER=$2 out=$3
command -v mmdebstrap > /dev/null || { echo "mmdebstrap is missing: apt-get install mmdebstrap" >&2; exit 1; }

include="base-files,python$PYVER,coreutils,dash,ca-certificates,tzdata,media-types"
if [ -n "$WHEELS" ]; then
    include="$include,libstdc++6"
    WHEELS=$(mktemp -d)
    trap 'rm -rf "$WHEELS"' EXIT
    python3 -m pip download -q -d "$WHEELS" --only-binary=:all: --no-deps --require-hashes --implementation cp \
        --python-version "$PYVER" --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" \
        --platform "manylinux_2_28_$(uname -m)" -r "$here/requirements-data.txt"
fi
export PYVER WHEELS NO_PYC

# `extract` unpacks packages without running their scripts: a quarter of the time and no Essential packages. The Release
# file's expiry is not asked of sid and retired suites (signatures are); the epoch makes two builds comparable.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000} mmdebstrap --quiet --format=tar --variant=extract --include="$include" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --extract-hook="\"$here/build-debian.sh\" --finish \"\$1\"" \
    "$suite" "$out.part" ${MIRROR:+"$MIRROR"}
mv "$out.part" "$out"
