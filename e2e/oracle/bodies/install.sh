#!/usr/bin/env bash
# Prints the folder of the parsers that the body oracle compares Demur with, and installs them there first where they
# are not yet: `python/bin/python` with Werkzeug, `bin/node` and `node_modules` with busboy and qs, `bin/php`, `bin/java`,
# and the classpath of `Read` and Tomcat's parsers in `classpath`. It lies below cargo's target folder; nothing is
# installed into the system.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/e2e-body-oracle
mkdir -p "$root/bin"

# Several tests may ask at once; the others wait, and then find it made.
exec 9>"$root.lock"
flock 9

# Unpacks Debian packages below the folder.
unpack() {
  (cd "$root" && apt-get download "$@" >&2 && for package in ./*.deb; do dpkg -x "$package" system; done)
  rm -f "$root"/*.deb
  # A Java links to its configuration by the place where the package would be installed.
  local link
  while read -r link; do
    ln -sfn "$root/system$(readlink "$link")" "$link"
  done < <(find "$root/system" -lname '/etc/*')
}

# The packages of a program that are missing here, without what its package recommends.
missing() {
  apt-get --simulate --no-install-recommends install "$1" | awk '$1 == "Inst" { print $2 }'
}

# A program that the machine has is used as it is; another is unpacked and started with the libraries that came with it.
# More packages may be named that must come together with it, whether the machine has them or not.
offer() {
  local name=$1 package=$2 found
  shift 2
  [ -e "$root/bin/$name" ] && return
  if found=$(command -v "$name"); then
    ln -s "$found" "$root/bin/$name"
    return
  fi
  # shellcheck disable=SC2046 # names of packages
  unpack $({ missing "$package"; printf '%s\n' "$@"; } | sort -u)
  found=$(find "$root/system" \( -name "$name" -o -name "$name[0-9]*" \) -type f -perm -u+x | head -n 1)
  [ -n "$found" ] || { echo "the packages hold no $name" >&2; exit 1; }
  local libraries=$root/system/usr/lib/$(uname -m)-linux-gnu
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$found" >"$root/bin/.$name"
  chmod +x "$root/bin/.$name"
  # Last, so that an installation that was cut short is made again.
  mv "$root/bin/.$name" "$root/bin/$name"
}

if ! cmp -s "$here/requirements.txt" "$root/requirements.txt"; then
  rm -rf "$root/python"
  python3 -m venv "$root/python" >&2
  "$root/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$root/requirements.txt"
fi
if ! cmp -s "$here/package.json" "$root/installed.json"; then
  cp "$here/package.json" "$root/package.json"
  (cd "$root" && npm install --no-audit --no-fund --ignore-scripts --silent >&2)
  cp "$here/package.json" "$root/installed.json"
fi
offer node nodejs
offer php php-cli
if [ ! -e "$root/bin/java" ] || [ ! -e "$root/bin/javac" ]; then
  # A compiler runs in the Java beside it.
  # shellcheck disable=SC2046 # names of packages
  for name in javac java; do
    offer "$name" default-jdk-headless $(apt-cache depends default-jdk-headless default-jre-headless |
      awk '$1 == "Depends:" && $2 ~ /^openjdk/ { print $2 }')
  done
fi
if ! cmp -s "$here/Read.java" "$root/Read.java"; then
  mkdir -p "$root/classes"
  [ -n "$(find "$root/system" -name 'tomcat-coyote-*.jar' 2>/dev/null)" ] || unpack libtomcat10-java
  jars=$(find "$root/system" -name 'tomcat-*-10.1.*.jar' -path '*/tomcat/*' | tr '\n' ':')
  [ -n "$jars" ] || { echo "the packages hold no Tomcat" >&2; exit 1; }
  "$root/bin/javac" -cp "$jars" -d "$root/classes" "$here/Read.java" >&2
  printf '%s' "$jars$root/classes" >"$root/classpath"
  cp "$here/Read.java" "$root/Read.java"
fi
mkdir -p "$root/www"
cp "$here/index.php" "$root/www/index.php"
cp "$here/read.py" "$here/read.mjs" "$root/"
printf '%s\n' "$root"
