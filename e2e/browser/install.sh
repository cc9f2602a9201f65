#!/usr/bin/env bash
# Print the folder of the pinned packages that drive a browser, and install them first where they are missing: below
# cargo's target folder. They bring no browser of their own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
mkdir -p "$target"
folder=$(cd "$target" && pwd)/e2e-browser
mkdir -p "$folder"

exec 9>"$folder.lock"
flock 9
if ! cmp -s "$here/package.json" "$folder/installed.json"; then
  cp "$here/package.json" "$folder/package.json"
  (cd "$folder" && npm install --no-audit --no-fund --ignore-scripts --silent >&2)
  cp "$here/package.json" "$folder/installed.json"
fi
cp "$here"/*.mjs "$folder/"
printf '%s\n' "$folder"
