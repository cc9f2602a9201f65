#!/usr/bin/env bash
# Makes a Debian package of a binary: `debian.sh BINARY FOLDER` prints the path of the package, which it writes to the folder.
# A binary that is linked statically needs no library; for another one the package depends on the C library.
set -euo pipefail

binary=$1 folder=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
version=$("$binary" --version | awk '{ print $2 }')
architecture=$(dpkg --print-architecture)
depends=", libc6"
if ! readelf --program-headers "$binary" | grep -q INTERP; then depends=; fi

install -Dm 0755 "$binary" "$root/usr/bin/demur"
install -Dm 0644 "$here/systemd/demur.service" "$root/usr/lib/systemd/system/demur.service"
install -Dm 0644 "$here/systemd/demur.socket" "$root/usr/lib/systemd/system/demur.socket"
install -Dm 0644 "$here/debian/demur.yaml" "$root/etc/demur/demur.yaml"
install -Dm 0644 "$here/prometheus/alerts.yaml" "$root/usr/share/demur/prometheus/alerts.yaml"
install -Dm 0644 "$here/grafana/demur.json" "$root/usr/share/demur/grafana/demur.json"
install -Dm 0644 "$here/../LICENSE-MIT" "$root/usr/share/doc/demur/LICENSE-MIT"
install -Dm 0644 "$here/../LICENSE-APACHE" "$root/usr/share/doc/demur/LICENSE-APACHE"
for shell in bash zsh fish; do
  # Only if this version has the command.
  "$binary" completions "$shell" >"$root/completion" 2>/dev/null || continue
  case $shell in
  bash) install -Dm 0644 "$root/completion" "$root/usr/share/bash-completion/completions/demur" ;;
  zsh) install -Dm 0644 "$root/completion" "$root/usr/share/zsh/vendor-completions/_demur" ;;
  fish) install -Dm 0644 "$root/completion" "$root/usr/share/fish/vendor_completions.d/demur.fish" ;;
  esac
done
rm -f "$root/completion"
mkdir -p "$root/DEBIAN"
sed "s/VERSION/$version/; s/ARCHITECTURE/$architecture/; s/DEPENDS/$depends/" "$here/debian/control" >"$root/DEBIAN/control"
printf '/etc/demur/demur.yaml\n' >"$root/DEBIAN/conffiles"
install -m 0755 "$here/debian/postinst" "$here/debian/prerm" "$root/DEBIAN/"
chmod -R u=rwX,go=rX "$root"

mkdir -p "$folder"
package=$folder/demur_${version}_$architecture.deb
# shellcheck disable=SC2086 # several options
dpkg-deb ${DPKG_DEB_OPTIONS:-} --root-owner-group --build "$root" "$package" >&2
printf '%s\n' "$package"
