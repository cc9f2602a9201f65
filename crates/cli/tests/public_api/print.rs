//! Declarations as text: without bodies, documentation and private parts.

use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, Field, Fields, FieldsNamed, File, Ident, ImplItem, Item, ItemImpl, ItemStruct,
    TraitItem, Type, Visibility, parse_quote,
};

/// Stands for all private fields until the text is there.
const PRIVATE: &str = "__private: __Private,";

/// A public item under its public name.
pub(crate) fn item(item: &Item, name: &str) -> String {
    let name = Ident::new(name, proc_macro2::Span::call_site());
    let mut item = item.clone();
    match &mut item {
        Item::Const(item) => {
            item.attrs = kept(&item.attrs);
            item.ident = name;
            *item.expr = Expr::Infer(parse_quote!(_));
        }
        Item::Static(item) => {
            item.attrs = kept(&item.attrs);
            item.ident = name;
            *item.expr = Expr::Infer(parse_quote!(_));
        }
        Item::Enum(item) => {
            item.attrs = kept(&item.attrs);
            item.ident = name;
            for variant in &mut item.variants {
                variant.attrs = kept(&variant.attrs);
                for field in &mut variant.fields {
                    field.attrs = kept(&field.attrs);
                }
            }
        }
        Item::Fn(item) => {
            item.attrs = kept(&item.attrs);
            item.sig.ident = name;
            item.block.stmts.clear();
        }
        Item::Struct(item) => {
            item.ident = name;
            structure(item);
        }
        Item::Trait(item) => {
            item.attrs = kept(&item.attrs);
            item.ident = name;
            for member in &mut item.items {
                if let TraitItem::Fn(function) = member {
                    function.attrs = kept(&function.attrs);
                    if let Some(block) = &mut function.default {
                        block.stmts.clear();
                    }
                }
                match member {
                    TraitItem::Type(member) => member.attrs = kept(&member.attrs),
                    TraitItem::Const(member) => member.attrs = kept(&member.attrs),
                    _ => {}
                }
            }
        }
        Item::Type(item) => {
            item.attrs = kept(&item.attrs);
            item.ident = name;
        }
        _ => {}
    }
    text(item)
}

/// The public part of an implementation for the type `defined`, which is public as `name`. `None` if there is none.
pub(crate) fn implementation(item: &ItemImpl, defined: &str, name: &str) -> Option<String> {
    let mut item = item.clone();
    item.attrs = kept(&item.attrs);
    let of_trait = item.trait_.is_some();
    item.items.retain(|member| match member {
        ImplItem::Fn(function) => {
            !of_trait && is_public(&function.vis) && !crate::modules::is_hidden(&function.attrs)
        }
        ImplItem::Const(member) => !of_trait && is_public(&member.vis),
        ImplItem::Type(_) => true,
        _ => false,
    });
    for member in &mut item.items {
        match member {
            ImplItem::Fn(function) => {
                function.attrs = kept(&function.attrs);
                function.block.stmts.clear();
            }
            ImplItem::Const(member) => {
                member.attrs = kept(&member.attrs);
                member.expr = Expr::Infer(parse_quote!(_));
            }
            _ => {}
        }
    }
    if !of_trait && item.items.is_empty() {
        return None;
    }
    if defined != name
        && let Type::Path(path) = &mut *item.self_ty
        && let Some(last) = path.path.segments.last_mut()
    {
        last.ident = Ident::new(name, last.ident.span());
    }
    Some(text(Item::Impl(item)))
}

fn structure(item: &mut ItemStruct) {
    item.attrs = kept(&item.attrs);
    match &mut item.fields {
        Fields::Named(fields) => {
            let mut public: Punctuated<Field, _> =
                fields.named.iter().filter(|field| is_public(&field.vis)).cloned().collect();
            let has_private = public.len() < fields.named.len();
            public.iter_mut().for_each(|field| field.attrs = kept(&field.attrs));
            if has_private {
                let private: FieldsNamed = parse_quote!({ __private: __Private });
                public.extend(private.named);
            }
            fields.named = public;
        }
        Fields::Unnamed(fields) => {
            for field in &mut fields.unnamed {
                field.attrs = kept(&field.attrs);
                if !is_public(&field.vis) {
                    field.vis = Visibility::Inherited;
                    field.ty = Type::Infer(parse_quote!(_));
                }
            }
        }
        Fields::Unit => {}
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The attributes that are a part of the API.
fn kept(attributes: &[Attribute]) -> Vec<Attribute> {
    const KEPT: [&str; 5] = ["cfg", "deprecated", "derive", "must_use", "non_exhaustive"];
    let is_kept = |attribute: &&Attribute| KEPT.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(is_kept).cloned().collect()
}

fn text(item: Item) -> String {
    let is_implementation = matches!(item, Item::Impl(_));
    let file = File { shebang: None, attrs: Vec::new(), items: vec![item] };
    let text = prettyplease::unparse(&file);
    let text = text.replace(PRIVATE, "// private fields").replace(" = _;", ";");
    // A function without a body, or an implementation without a public member.
    let lines = text.lines().map(|line| match line.strip_suffix(" {}") {
        Some(declaration) if is_implementation || line.contains("fn ") => format!("{declaration};\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}
