#!/usr/bin/env bash
# Rebuilds identity.cairo and risk.json from source; with --check compares them with the committed files instead.
#
# Needs python3 and, unless CAIRO_COMPILE names a cairo-compile of this version, a network that reaches PyPI.
set -euo pipefail
cd "$(dirname "$0")"
version=0.14.0.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile=${CAIRO_COMPILE:-}
if [ -z "$compile" ]; then
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/ashlar/cairo-lang-$version
    if [ ! -x "$cache/bin/cairo-compile" ]; then
        python3 -m venv "$cache"
        "$cache/bin/pip" install --quiet "cairo-lang==$version"
    fi
    compile=$cache/bin/cairo-compile
fi
found=$("$compile" --version)
if [ "$found" != "cairo-compile $version" ]; then
    echo "expected cairo-compile $version, got $found" >&2
    exit 1
fi

python3 identity.py "$work/identity.cairo"
cp risk.cairo "$work/risk.cairo"
(cd "$work" && "$compile" --proof_mode --no_debug_info --cairo_path . risk.cairo --output risk.json)
if [ "${1:-}" = --check ]; then
    cmp "$work/identity.cairo" identity.cairo
    cmp "$work/risk.json" risk.json
    echo "programs/risk: identity.cairo and risk.json are what their sources give"
else
    cp "$work/identity.cairo" identity.cairo
    cp "$work/risk.json" risk.json
fi
