#!/usr/bin/env bash
# Prints the folder of the pinned public tools that read written documents, and installs them first where they are
# missing: `python/bin` has those of requirements.txt, `node_modules` those of package.json. Below cargo's target folder.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
install_packages e2e-openapi
