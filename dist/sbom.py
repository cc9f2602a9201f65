#!/usr/bin/env python3
"""Print the software bill of materials of the binary `demur`, as CycloneDX 1.6.

It lists the packages that are linked into the binary, with licences, checksums and dependencies. What only the build or the
tests use is not in it. The output depends on the lock file and the platform alone.
"""

import json
import pathlib
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    dependencies = linked()
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    packages = {(it["name"], it["version"]): it for it in metadata["packages"]}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(it["name"], it["version"]): it["checksum"] for it in lock["package"] if "checksum" in it}
    components = {key: component(packages[key], sums.get(key)) for key in sorted(dependencies)}
    root = next(key for key in components if key[0] == "demur-cli")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**components[root], "type": "application"}},
        "components": [found for key, found in components.items() if key != root],
        "dependencies": [
            {"ref": purl(key), "dependsOn": sorted(purl(other) for other in dependencies[key])} for key in components
        ],
    }
    print(json.dumps(document, indent=2))


def cargo(*words):
    command = ["cargo", *words, "--locked", "--offline"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked():
    """What each package of the binary is linked with. `cargo metadata` would add the features that the tests enable."""
    edges = ["--edges", "normal,no-proc-macro", "--prefix", "depth", "--no-dedupe", "--format", " {p}"]
    found, path = {}, []
    for line in cargo("tree", "--package", "demur-cli", *edges).splitlines():
        depth, name, version = line.split(" ")[:3]
        key = (name, version.removeprefix("v"))
        path[int(depth):] = [key]
        found.setdefault(key, set())
        if len(path) > 1:
            found[path[-2]].add(key)
    return found


def purl(key):
    return f"pkg:cargo/{key[0]}@{key[1]}"


def component(package, checksum):
    key = (package["name"], package["version"])
    licence = package["license"] or "LicenseRef-unknown"
    found = {
        "type": "library",
        "bom-ref": purl(key),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(key),
        # Old packages separate alternatives with a slash.
        "licenses": [{"expression": " ".join(licence.replace("/", " OR ").split())}],
    }
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


if __name__ == "__main__":
    main()
