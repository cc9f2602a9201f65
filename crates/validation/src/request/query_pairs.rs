//! Splits `name=value&name=value`: a query, or the body of a form.

use std::borrow::Cow;
use std::collections::HashMap;

use super::aliases::Aliases;
use super::text::decode_form;

/// The maximum number of fields in a query or form. PHP, Werkzeug, Express and Tomcat drop further ones, or reject
/// the request.
pub(super) const MAX_FIELDS: usize = 1_000;

/// With more pairs, an index is built.
const FEW: usize = 16;

/// Pairs with decoded names. Values are decoded later, since the separators of lists must be recognised before.
#[derive(Default)]
pub(super) struct Pairs<'t> {
    all: Vec<(Cow<'t, str>, &'t str)>,
    /// By the part of a name before its first bracket.
    index: Option<HashMap<String, Vec<usize>>>,
    /// Names with invalid percent-encoding or UTF-8.
    undecodable: Vec<&'t str>,
    /// Names that only some servers see, such as after a semicolon.
    hidden: Vec<Cow<'t, str>>,
}

impl<'t> Pairs<'t> {
    pub(super) fn read(text: &'t str) -> Self {
        let parts = text.split('&').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        let mut undecodable = Vec::new();
        let mut name = |name: &'t str| {
            decode_form(name).unwrap_or_else(|_| {
                undecodable.push(name);
                Cow::Borrowed(name)
            })
        };
        let all = pairs.map(|(raw_name, raw)| (name(raw_name), raw)).collect();
        let mut hidden = Vec::new();
        for part in text.split('&').filter(|part| part.contains([';', ']', '%'])) {
            let after_semicolons =
                part.split(';').skip(1).map(|part| part.split_once('=').map_or(part, |(name, _)| name));
            hidden.extend(after_semicolons.map(&mut name));
            // Express ends a name at the first `]=`.
            if let Some((raw_name, value)) = part.split_once('=')
                && ["]=", "%5D=", "%5d="].iter().any(|end| value.contains(end))
            {
                hidden.push(name(raw_name));
            }
        }
        Self { undecodable, hidden, ..Self::of(all) }
    }

    pub(super) fn of(all: Vec<(Cow<'t, str>, &'t str)>) -> Self {
        let index = (all.len() > FEW).then(|| {
            let mut index: HashMap<String, Vec<usize>> = HashMap::new();
            for (position, (name, _)) in all.iter().enumerate() {
                index.entry(base(name).to_owned()).or_default().push(position);
            }
            index
        });
        Self { all, index, undecodable: Vec::new(), hidden: Vec::new() }
    }

    pub(super) fn all(&self) -> &[(Cow<'t, str>, &'t str)] {
        &self.all
    }

    /// The first name that servers could interpret differently: an undeclared name that some server reads as a
    /// declared one, or any name that cannot be decoded.
    pub(super) fn ambiguous(&self, aliases: &Aliases, is_declared: impl Fn(&str) -> bool) -> Option<&str> {
        if aliases.is_empty() {
            return None;
        }
        let is_alias = |name: &&str| !is_declared(name) && aliases.covers(name);
        let hidden = self.hidden.iter().map(AsRef::as_ref);
        let mut names = self.all.iter().map(|(name, _)| name.as_ref());
        self.undecodable
            .first()
            .copied()
            .or_else(|| names.find(is_alias))
            .or_else(|| hidden.into_iter().find(|name| is_declared(name) || aliases.covers(name)))
    }

    /// Whether a name occurs more than once.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.named(name).nth(1).is_some()
    }

    /// The values of a name, in order.
    pub(super) fn named<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'t str> + 'p {
        self.candidates(name).filter(move |(known, _)| known == name).map(|(_, raw)| *raw)
    }

    /// The brackets after a name (`[a][b]`), with the values.
    pub(super) fn below<'p>(&'p self, name: &'p str) -> impl Iterator<Item = (&'p str, &'t str)> + 'p {
        self.candidates(name).filter_map(move |(known, raw)| {
            let rest = known.strip_prefix(name)?;
            rest.starts_with('[').then_some((rest, *raw))
        })
    }

    fn candidates<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p (Cow<'t, str>, &'t str)> + 'p {
        let indexed = self.index.as_ref().map(|index| index.get(base(name)).map_or(&[][..], Vec::as_slice));
        let few = if indexed.is_some() { &[][..] } else { self.all.as_slice() };
        indexed.unwrap_or_default().iter().filter_map(|position| self.all.get(*position)).chain(few)
    }
}

/// `filter` for `filter[name]`.
pub(super) fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or_default()
}
