//! Generates the table of built-in contracts from the folder `contracts/`, so that no Rust code names one of them.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&root).join("contracts");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut rows = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let is_contract = path.extension().is_some_and(|extension| extension == "yaml");
        if let (true, Some(name)) = (is_contract, path.file_stem().and_then(|stem| stem.to_str())) {
            let path = path.canonicalize()?;
            println!("cargo::rerun-if-changed={}", path.display());
            rows.push(format!("({name:?}, include_str!({:?})),", path.display().to_string()));
        }
    }
    rows.sort();
    let table = format!("&[\n{}\n]\n", rows.join("\n"));
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("builtin.rs"), table)
}
