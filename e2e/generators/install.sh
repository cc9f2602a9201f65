#!/usr/bin/env bash
# Prints the folder of pinned public generators of clients, and installs them first where they are missing.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
install_packages e2e-generators
