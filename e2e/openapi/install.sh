#!/usr/bin/env bash
# Print the folder of the pinned public tools that read written documents, and install them first where they are missing:
# `python/bin` has those of requirements.txt, `node_modules` those of package.json. Below cargo's target folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
mkdir -p "$target"
folder=$(cd "$target" && pwd)/e2e-openapi
mkdir -p "$folder"

exec 9>"$folder.lock"
flock 9
if ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
  rm -rf "$folder/python"
  python3 -m venv "$folder/python" >&2
  "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$folder/requirements.txt"
fi
if ! cmp -s "$here/package.json" "$folder/installed.json"; then
  cp "$here/package.json" "$folder/package.json"
  (cd "$folder" && npm install --no-audit --no-fund --ignore-scripts --silent >&2)
  cp "$here/package.json" "$folder/installed.json"
fi
cp "$here"/*.mjs "$folder/"
printf '%s\n' "$folder"
