//! `name=value&name=value`: a query, or content in form style.

use std::borrow::Cow;
use std::collections::HashMap;

use super::text::decode_form;

/// With more pairs than this, they are found by an index.
const FEW: usize = 16;

/// Names decoded, values not: what stands between the elements of a list is only known before that.
#[derive(Default)]
pub(super) struct Pairs<'t> {
    all: Vec<(Cow<'t, str>, &'t str)>,
    /// From the part of a name before its first bracket.
    index: Option<HashMap<String, Vec<usize>>>,
}

impl<'t> Pairs<'t> {
    pub(super) fn read(text: &'t str) -> Self {
        let parts = text.split('&').filter(|part| !part.is_empty());
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        // A name that cannot be decoded is no declared one; it stays as it is.
        Self::of(pairs.map(|(name, raw)| (decode_form(name).unwrap_or(Cow::Borrowed(name)), raw)).collect())
    }

    pub(super) fn of(all: Vec<(Cow<'t, str>, &'t str)>) -> Self {
        let index = (all.len() > FEW).then(|| {
            let mut index: HashMap<String, Vec<usize>> = HashMap::new();
            for (position, (name, _)) in all.iter().enumerate() {
                index.entry(base(name).to_owned()).or_default().push(position);
            }
            index
        });
        Self { all, index }
    }

    pub(super) fn all(&self) -> &[(Cow<'t, str>, &'t str)] {
        &self.all
    }

    /// The values of one name, in their order.
    pub(super) fn named<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'t str> + 'p {
        self.near(name).filter(move |(known, _)| known == name).map(|(_, raw)| *raw)
    }

    /// What stands behind the name (`[a][b]`), with the values.
    pub(super) fn below<'p>(&'p self, name: &'p str) -> impl Iterator<Item = (&'p str, &'t str)> + 'p {
        self.near(name).filter_map(move |(known, raw)| {
            let rest = known.strip_prefix(name)?;
            rest.starts_with('[').then_some((rest, *raw))
        })
    }

    fn near<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p (Cow<'t, str>, &'t str)> + 'p {
        let indexed = self.index.as_ref().map(|index| index.get(base(name)).map_or(&[][..], Vec::as_slice));
        let few = if indexed.is_some() { &[][..] } else { self.all.as_slice() };
        indexed.unwrap_or_default().iter().filter_map(|position| self.all.get(*position)).chain(few)
    }
}

/// `filter` of `filter[name]`.
pub(super) fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or_default()
}
