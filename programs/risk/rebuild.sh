#!/usr/bin/env bash
# Rebuilds risk.json from risk.cairo; with --check compares it with the committed file instead.
#
# Needs python3 and, unless CAIRO_COMPILE names a cairo-compile of this version, a network that reaches PyPI. Exit status:
# 0 done, 1 different or failed, 75 the compiler cannot be had.
set -euo pipefail
cd "$(dirname "$0")"
version=0.14.0.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile=${CAIRO_COMPILE:-}
if [ -z "$compile" ]; then
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/ashlar/cairo-lang-$version
    # What an interrupted installation left behind is no compiler.
    if [ "$("$cache/bin/cairo-compile" --version 2>/dev/null || true)" != "cairo-compile $version" ]; then
        rm -rf "$cache"
        if ! { python3 -m venv "$cache" && "$cache/bin/pip" install --quiet "cairo-lang==$version"; }; then
            echo "cairo-lang $version cannot be installed: risk.json was not compared with its source" >&2
            exit 75
        fi
    fi
    compile=$cache/bin/cairo-compile
fi
found=$("$compile" --version)
if [ "$found" != "cairo-compile $version" ]; then
    echo "expected cairo-compile $version, got $found" >&2
    exit 1
fi

"$compile" --proof_mode --no_debug_info --cairo_path . risk.cairo --output "$work/risk.json"
if [ "${1:-}" = --check ]; then
    cmp "$work/risk.json" risk.json
    echo "programs/risk: risk.json is what its source gives"
else
    cp "$work/risk.json" risk.json
fi
