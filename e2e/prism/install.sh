#!/usr/bin/env bash
# Prints the folder of a pinned Prism, another mock server, and installs it first where it is missing.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
install_packages e2e-prism
