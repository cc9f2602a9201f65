//! A set of request locations, for slots that show only violations in some of them (`$violation.field|in:query`).

use crate::problem::Location;

/// A set of locations, stored as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Locations(u8);

impl Locations {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self((1 << Location::ALL.len()) - 1);

    /// Parses `path+query`. The error is the first word that is not a location.
    pub(crate) fn read(text: &str) -> Result<Self, &str> {
        text.split('+').try_fold(Self::NONE, |read, word| {
            let location = Location::from_word(word).ok_or(word)?;
            Ok(read.with(Self::of(location)))
        })
    }

    const fn of(location: Location) -> Self {
        Self(1 << location as u8)
    }

    /// The union of both sets.
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn contains(self, location: Location) -> bool {
        self.0 & Self::of(location).0 != 0
    }

    /// The location, if the set has exactly one.
    pub(crate) fn only(self) -> Option<Location> {
        let mut each = self.iter();
        each.next().filter(|_| each.next().is_none())
    }

    /// The locations in the order of [`Location`].
    pub(crate) fn iter(self) -> impl Iterator<Item = Location> {
        Location::ALL.into_iter().filter(move |location| self.contains(*location))
    }
}

impl FromIterator<Locations> for Locations {
    fn from_iter<T: IntoIterator<Item = Self>>(sets: T) -> Self {
        sets.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_locations_in_any_order() {
        use Location::{Body, Cookie, Header, Path, Query};
        for (text, locations, only) in [
            ("query", &[Query][..], Some(Query)),
            ("body+path", &[Path, Body], None),
            ("header+header", &[Header], Some(Header)),
            ("path+query+header+cookie+body", &[Path, Query, Header, Cookie, Body], None),
        ] {
            let read = Locations::read(text).unwrap();
            assert_eq!(
                (read.iter().collect::<Vec<_>>().as_slice(), read.only()),
                (locations, only),
                "{text}"
            );
            assert_eq!(read == Locations::ALL, locations.len() == 5, "{text}");
        }
        for (text, unknown) in [("", ""), ("query+", ""), ("Query", "Query"), ("path+form+x", "form")] {
            assert_eq!(Locations::read(text), Err(unknown), "{text}");
        }
    }
}
