//! The modules of a crate, read from its files.

use std::collections::BTreeMap;
use std::path::Path;

use syn::{Attribute, Item};

/// A module: its items, and the modules in it.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) items: Vec<Item>,
    pub(crate) modules: BTreeMap<String, Module>,
}

impl Module {
    /// Reads a crate from its root file.
    pub(crate) fn from_file(file: &Path) -> Module {
        let text = std::fs::read_to_string(file).unwrap();
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let folder = match file.file_name().and_then(|name| name.to_str()) {
            Some("lib.rs" | "mod.rs") => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        Module::new(syntax.items, &folder)
    }

    /// Items whose modules are in `folder`, unless they are written in place.
    pub(crate) fn new(items: Vec<Item>, folder: &Path) -> Module {
        let mut module = Module::default();
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            if let Item::Mod(inner) = &item {
                let name = inner.ident.to_string();
                let child = match &inner.content {
                    Some((_, items)) => Module::new(items.clone(), &folder.join(&name)),
                    None => {
                        let file = folder.join(format!("{name}.rs"));
                        Module::from_file(&if file.exists() {
                            file
                        } else {
                            folder.join(&name).join("mod.rs")
                        })
                    }
                };
                module.modules.insert(name, child);
            }
            module.items.push(item);
        }
        module
    }

    /// The module at a path from this one.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Module> {
        path.iter().try_fold(self, |module, name| module.modules.get(name))
    }

    /// This module and all below it.
    pub(crate) fn all(&self) -> Vec<&Module> {
        let mut all = vec![self];
        all.extend(self.modules.values().flat_map(Module::all));
        all
    }
}

/// The attributes of an item; none of what has no attributes.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn tokens(attribute: &Attribute) -> String {
    attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg
            && ["test", "loom", "doctest"].iter().any(|word| {
                tokens(attribute).split(|c: char| !c.is_alphanumeric()).any(|token| token == *word)
            })
    })
}

pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("doc") && tokens(attribute) == "hidden")
}
