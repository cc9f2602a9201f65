#!/usr/bin/env bash
# Prints the folder with public OpenAPI documents of pinned npm packages, and downloads them first where they are missing.
# Below cargo's target folder. Further ones are those of crates/validation/tests/documents.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
folder=$(cd "$target" && pwd)/e2e-documents
wanted="@blockfrost/openapi@0.1.93 @digdir/dialogporten-schema@1.118.6 @directus/specs@15.2.0 \
@ideal-postcodes/openapi@4.21.0 @readme/oas-examples@8.2.2"

exec 9>"$folder.lock"
flock 9
if [ "$(cat "$folder/versions" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  cd "$folder"
  for package in $wanted; do
    archive=$(npm pack --silent "$package")
    name=${package%@*}
    mkdir -p "${name#@}"
    tar -xzf "$archive" -C "${name#@}" --strip-components 1
    rm "$archive"
  done
  # Last, so that a download that was cut short is made again.
  printf '%s' "$wanted" > versions
fi
printf '%s\n' "$folder"
