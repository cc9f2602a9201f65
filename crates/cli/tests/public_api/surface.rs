//! What of a crate can be named from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::{Ident, Item, ItemImpl, Type, UseTree, Visibility};

use crate::modules::{Module, attributes, is_hidden};
use crate::print;

/// The public API of the crate with this root file.
pub(crate) fn of_crate(file: &Path) -> String {
    text(&Module::from_file(file))
}

/// The public API of a crate of one file.
pub(crate) fn of_text(source: &str) -> String {
    text(&Module::new(syn::parse_file(source).unwrap().items, Path::new("")))
}

/// What is public, by the path of its module.
#[derive(Default)]
struct Surface {
    /// Re-exports of other crates, and of what macros make.
    uses: BTreeSet<(String, String)>,
    /// By the module and the name.
    items: BTreeMap<(String, String), Item>,
    /// The names under which types are public, by the names of their definitions.
    types: BTreeMap<String, (String, String)>,
}

fn text(root: &Module) -> String {
    let mut surface = Surface::default();
    surface.add_module(root, root, &[], "");
    let mut impls: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let private = private_traits(root, &surface);
    for module in root.all() {
        for item in &module.items {
            let Item::Impl(item) = item else { continue };
            let Some(name) = self_type(item) else { continue };
            let Some(public) = surface.types.get(&name) else { continue };
            let of_private = item.trait_.as_ref().is_some_and(|(_, path, _)| {
                path.segments.last().is_some_and(|segment| private.contains(&segment.ident.to_string()))
            });
            if !of_private && let Some(printed) = print::implementation(item, &name, &public.1) {
                impls.entry(public.clone()).or_default().push(printed);
            }
        }
    }
    let modules: BTreeSet<&String> = surface
        .uses
        .iter()
        .map(|(module, _)| module)
        .chain(surface.items.keys().map(|(module, _)| module))
        .collect();
    let mut blocks = Vec::new();
    for module in modules {
        let heading = if module.is_empty() { String::new() } else { format!("// module {module}\n") };
        let uses: String = surface
            .uses
            .iter()
            .filter(|(of, _)| of == module)
            .map(|(_, path)| format!("pub use {path};\n"))
            .collect();
        if !(heading.is_empty() && uses.is_empty()) {
            blocks.push(heading + &uses);
        }
        for (key, item) in surface.items.iter().filter(|((of, _), _)| of == module) {
            let mut block = print::item(item, &key.1);
            let mut impls = impls.remove(key).unwrap_or_default();
            impls.sort_by_key(|text| text.contains(" for "));
            block.extend(impls);
            blocks.push(block);
        }
    }
    blocks.join("\n")
}

impl Surface {
    /// Adds what `module`, which is at `path` of the crate, makes public under the name `public`.
    fn add_module(&mut self, root: &Module, module: &Module, path: &[String], public: &str) {
        for item in &module.items {
            if is_hidden(attributes(item)) {
                continue;
            }
            match item {
                Item::Mod(inner) if is_public(&inner.vis) => {
                    let name = inner.ident.to_string();
                    let child = &module.modules[&name];
                    let below = if public.is_empty() { name.clone() } else { format!("{public}::{name}") };
                    self.add_module(root, child, &[path, &[name]].concat(), &below);
                }
                Item::Use(item) if is_public(&item.vis) => {
                    for (leaf, name) in leaves(&item.tree, &[]) {
                        self.add_use(root, path, &leaf, &name, public);
                    }
                }
                item => {
                    if let Some(name) = public_name(item) {
                        self.add_item(item, &name, public);
                    }
                }
            }
        }
    }

    fn add_item(&mut self, item: &Item, name: &str, public: &str) {
        let key = (public.to_owned(), name.to_owned());
        if let Some(defined) = public_name(item) {
            self.types.entry(defined).or_insert_with(|| key.clone());
        }
        self.items.insert(key, item.clone());
    }

    /// Adds what `pub use` at `path` of the crate re-exports as `name`; `*` for everything.
    fn add_use(&mut self, root: &Module, path: &[String], used: &[String], name: &str, public: &str) {
        let (mut base, mut rest) = (path.to_vec(), used);
        match used.first().map(String::as_str) {
            Some("crate") => (base, rest) = (Vec::new(), &used[1..]),
            Some("self") => rest = &used[1..],
            Some("super") => {
                base.pop();
                rest = &used[1..];
            }
            _ => {}
        }
        let (defined, modules) = rest.split_last().unwrap();
        let full = [base.as_slice(), modules].concat();
        let Some(module) = root.at(&full).filter(|_| full != path || used.len() > 1) else {
            self.uses.insert((public.to_owned(), renamed(used, name)));
            return;
        };
        if defined == "*" {
            self.add_module(root, module, &full, public);
            return;
        }
        if let Some(item) = module.items.iter().find(|item| public_name(item).as_ref() == Some(defined)) {
            self.add_item(item, name, public);
            return;
        }
        for item in &module.items {
            let Item::Use(item) = item else { continue };
            if let Some((leaf, _)) = leaves(&item.tree, &[]).into_iter().find(|(_, name)| name == defined) {
                self.add_use(root, &full, &leaf, name, public);
                return;
            }
        }
        // A macro makes it.
        self.uses.insert((public.to_owned(), renamed(used, name)));
    }
}

fn renamed(used: &[String], name: &str) -> String {
    let path = used.join("::");
    if used.last().is_some_and(|last| last == name) || name == "*" {
        path
    } else {
        format!("{path} as {name}")
    }
}

/// The paths of a `use`, each with the name under which it is imported.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Vec<String>, String)> {
    let with = |ident: &Ident| [before, &[ident.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        UseTree::Name(name) if name.ident == "self" => {
            vec![(before.to_vec(), before.last().cloned().unwrap_or_default())]
        }
        UseTree::Name(name) => vec![(with(&name.ident), name.ident.to_string())],
        UseTree::Rename(name) => vec![(with(&name.ident), name.rename.to_string())],
        UseTree::Glob(_) => vec![([before, &["*".to_owned()]].concat(), "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The name of an item that is `pub`, and neither a module nor a re-export.
fn public_name(item: &Item) -> Option<String> {
    let (visibility, ident) = match item {
        Item::Const(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Fn(item) => (&item.vis, &item.sig.ident),
        Item::Static(item) => (&item.vis, &item.ident),
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    is_public(visibility).then(|| ident.to_string())
}

fn self_type(item: &ItemImpl) -> Option<String> {
    match &*item.self_ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// Traits of the crate that cannot be named from outside.
fn private_traits(root: &Module, surface: &Surface) -> BTreeSet<String> {
    let traits = root.all().into_iter().flat_map(|module| &module.items).filter_map(|item| match item {
        Item::Trait(item) => Some(item.ident.to_string()),
        _ => None,
    });
    traits.filter(|name| !surface.types.contains_key(name)).collect()
}
