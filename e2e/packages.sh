# Sourced by the scripts that install pinned packages of PyPI and npm for the tests.

# install_packages NAME: installs the packages beside the calling script into the folder NAME below cargo's target folder,
# where they are missing, and prints that folder. `python/bin` has those of requirements.txt, `node_modules` those of
# package.json, where there is such a file; scripts beside them are copied there.
install_packages() {
  local here target folder
  here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
  target=${CARGO_TARGET_DIR:-$here/../../target}
  mkdir -p "$target"
  folder=$(cd "$target" && pwd)/$1
  mkdir -p "$folder"

  # Several tests may ask at once; the others wait, and then find it made.
  exec 9>"$folder.lock"
  flock 9
  if [ -e "$here/requirements.txt" ] && ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
    rm -rf "$folder/python"
    python3 -m venv "$folder/python" >&2
    "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    # Last, so that an installation that was cut short is made again.
    cp "$here/requirements.txt" "$folder/requirements.txt"
  fi
  if ! cmp -s "$here/package.json" "$folder/installed.json"; then
    cp "$here/package.json" "$folder/package.json"
    (cd "$folder" && npm install --no-audit --no-fund --ignore-scripts --silent >&2)
    cp "$here/package.json" "$folder/installed.json"
  fi
  find "$here" -maxdepth 1 \( -name '*.py' -o -name '*.mjs' \) -exec cp {} "$folder/" \;
  printf '%s\n' "$folder"
}
