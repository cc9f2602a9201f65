//! The public API of each crate, as `public-api.txt` beside its manifest records it. A change of the API is a change of that
//! file, which a reviewer sees: `UPDATE=1 cargo test -p demur-cli --test public_api` writes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what failed by failing")]

mod modules;
mod print;
mod surface;

use std::path::Path;

#[test]
fn every_public_api_is_as_recorded() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<_> = std::fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("src/lib.rs").exists());
    folders.sort();
    assert!(folders.len() >= 11, "{folders:?}");
    let mut changed = Vec::new();
    for folder in &folders {
        let api = surface::of_crate(&folder.join("src/lib.rs"));
        let golden = folder.join("public-api.txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &api).unwrap();
        }
        let recorded = std::fs::read_to_string(&golden).unwrap_or_default();
        if let Some(line) = first_difference(&recorded, &api) {
            changed.push(format!("{}: {line}", golden.display()));
        }
    }
    assert!(
        changed.is_empty(),
        "changed; run this test with UPDATE=1 and review the difference:\n{}",
        changed.join("\n")
    );
}

fn first_difference(recorded: &str, api: &str) -> Option<String> {
    let (mut recorded, mut api) = (recorded.lines(), api.lines());
    for number in 1.. {
        match (recorded.next(), api.next()) {
            (None, None) => return None,
            (old, new) if old == new => {}
            (old, new) => return Some(format!("line {number} was {old:?}, is {new:?}")),
        }
    }
    None
}

#[test]
fn the_recorded_api_leaves_out_what_is_private() {
    let source = "
        mod inner {
            /// Documentation is not recorded.
            #[derive(Debug)]
            pub struct Shown { pub a: u8, hidden: u16 }
            pub struct NotExported;
            impl Shown {
                pub fn new(a: u8) -> Self { Shown { a, hidden: 0 } }
                fn private(&self) {}
            }
            impl Clone for Shown { fn clone(&self) -> Self { Shown::new(self.a) } }
        }
        pub use inner::Shown as Renamed;
        pub use http::StatusCode;
        #[doc(hidden)]
        pub fn hidden() {}
        #[cfg(test)]
        pub fn in_tests() {}
        pub(crate) fn in_crate() {}
        pub const LIMIT: usize = 3;
    ";
    let expected = "\
pub use http::StatusCode;

pub const LIMIT: usize;

#[derive(Debug)]
pub struct Renamed {
    pub a: u8,
    // private fields
}
impl Renamed {
    pub fn new(a: u8) -> Self;
}
impl Clone for Renamed;
";
    assert_eq!(surface::of_text(source), expected);
}
