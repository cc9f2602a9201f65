#!/usr/bin/env bash
# Prints the folder of the pinned SDKs, and installs them first where they are missing: `python/bin/python` has those of
# requirements.txt, `node_modules` those of package.json. Below cargo's target folder, so that `cargo clean` removes it.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
install_packages e2e-sdks
