#!/usr/bin/env bash
# Print the folder with the servers of the path oracle and the clients of the client corpus, and install them first where
# they are missing: `bin/` with `php`, `php-fpm`, `java`, `nginx` and `curl`, `python/` with Flask and HTTP clients, `node/`
# with Express and HTTP clients, `classes/` and `jars/` with the Tomcat server and the Java clients.
# Debian packages are unpacked below cargo's target folder; nothing is installed into the system, and no service is started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/servers
libraries=$root/system/usr/lib/$(uname -m)-linux-gnu

# Several tests may call this at once; the others wait, and then find everything installed.
exec 9>"$root.lock"
flock 9
mkdir -p "$root/bin" "$root/packages" "$root/jars"

fail() {
  echo "servers.sh: $1" >&2
  exit 1
}

# Unpack packages and those of their dependencies that this machine lacks.
unpack() {
  local missing
  missing=$(apt-get --simulate --no-install-recommends install "$@" | awk '$1 == "Inst" { print $2 }')
  # A package that is installed already is unpacked as well, so that its files are always below one folder.
  missing=$(printf '%s\n' $missing "$@" | sort -u)
  # shellcheck disable=SC2086 # several packages
  (cd "$root/packages" && apt-get download $missing >&2 && for package in *.deb; do dpkg -x "$package" "$root/system"; done) ||
    fail "cannot download or unpack: $missing"
  rm -f "$root"/packages/*.deb
  # Absolute links point into the system; those whose destination was unpacked are made to point there.
  find "$root/system" -type l | while read -r link; do
    local destination
    destination=$(readlink "$link")
    case $destination in /*) [ -e "$root/system$destination" ] && ln -sfn "$root/system$destination" "$link" ;; esac
  done
  return 0
}

unpacked() {
  [ ! -d "$root/system/usr" ] || find "$root/system/usr" -path "$1" -type f -perm -u+x | sort | tail -n 1
}

# Offer a program: the machine's own where it has one of these names, otherwise the one in the package.
offer() {
  local name=$1 package=$2 pattern=$3 found
  [ -e "$root/bin/$name" ] && return
  if found=$(PATH="$PATH:/usr/sbin" command -v "$name"); then
    ln -sfn "$found" "$root/bin/$name"
    return
  fi
  found=$(unpacked "$pattern")
  if [ -z "$found" ]; then
    unpack "$package"
    found=$(unpacked "$pattern")
  fi
  [ -n "$found" ] || fail "package $package has no $name"
  # A script that becomes the program, so that the process is the program's own.
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$found" >"$root/bin/.$name"
  chmod +x "$root/bin/.$name"
  # Last, so that an interrupted installation is repeated.
  mv "$root/bin/.$name" "$root/bin/$name"
}

offer php php-cli '*/bin/php[0-9]*'
offer php-fpm php-fpm '*/sbin/php-fpm[0-9]*'
offer java default-jdk-headless '*/jvm/java-*/bin/java'
offer javac default-jdk-headless '*/jvm/java-*/bin/javac'
offer curl curl '*/bin/curl'
[ -e "$root/bin/nginx" ] || ln -sfn "$("$here/proxies.sh" | tail -n 1)/nginx" "$root/bin/nginx"

# Copy one library out of what was unpacked.
jar() {
  local name=$1 found
  shift
  [ -e "$root/jars/$name.jar" ] && return
  found=$(find "$root/system/usr/share/java" -name "$name.jar" 2>/dev/null) || true
  if [ -z "$found" ]; then
    unpack "$@"
    found=$(find "$root/system/usr/share/java" -name "$name.jar")
  fi
  [ -n "$found" ] || fail "no $name in $*"
  cp -L "$found" "$root/jars/.$name.jar"
  mv "$root/jars/.$name.jar" "$root/jars/$name.jar"
}

# The embedded Tomcat needs the annotations, which are in the package of the other one.
jar tomcat10-embed-core libtomcat10-embed-java
jar tomcat10-annotations-api libtomcat10-java
jar okhttp libokhttp-java
jar okio libokio-java

compile() {
  local name
  name=$(basename "$1")
  cmp -s "$1" "$root/classes/$name" && return
  mkdir -p "$root/classes"
  "$root/bin/javac" -encoding UTF-8 -cp "$(printf '%s:' "$root"/jars/*.jar)" -d "$root/classes" "$1" >&2 || fail "$name does not compile"
  cp "$1" "$root/classes/$name"
}

compile "$here/oracle/TomcatServer.java"
compile "$here/clients/JavaClients.java"

if ! cmp -s "$here/oracle/requirements.txt" "$root/python/requirements.txt"; then
  rm -rf "$root/python"
  python3 -m venv "$root/python" >&2
  "$root/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/oracle/requirements.txt" >&2
  cp "$here/oracle/requirements.txt" "$root/python/requirements.txt"
fi

if ! cmp -s "$here/oracle/package.json" "$root/node/installed.json"; then
  rm -rf "$root/node"
  mkdir -p "$root/node"
  cp "$here/oracle/package.json" "$root/node/package.json"
  (cd "$root/node" && npm install --silent --no-audit --no-fund --ignore-scripts >&2)
  cp "$here/oracle/package.json" "$root/node/installed.json"
fi
printf '%s\n' "$root"
