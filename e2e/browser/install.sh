#!/usr/bin/env bash
# Prints the folder of the pinned packages that drive a browser, and installs them first where they are missing: below
# cargo's target folder. They bring no browser of their own.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
install_packages e2e-browser
