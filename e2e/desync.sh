#!/usr/bin/env bash
# Prints the folder with the classified cases of the crate `http_desync_guardian` (Apache-2.0), and has cargo fetch its
# source first where it is not there yet. Nothing of it is compiled, and nothing of it is copied into this project.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
folder=$target/desync
version=0.1.3

mkdir -p "$folder/src"
cat >"$folder/Cargo.toml" <<MANIFEST
[workspace]
[package]
name = "desync"
version = "0.0.0"
edition = "2021"
[dependencies]
http_desync_guardian = "=$version"
MANIFEST
touch "$folder/src/lib.rs"
cargo metadata --quiet --format-version 1 --manifest-path "$folder/Cargo.toml" |
  python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
[manifest] = [one["manifest_path"] for one in packages if one["name"] == "http_desync_guardian"]
print(os.path.join(os.path.dirname(manifest), "tests"))'
