//! The serialization styles of parameters.

use demur_contract::Location;

/// How a value is serialized as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `a,b`
    Simple,
    /// `.a,b`
    Label,
    /// `;name=a,b`
    Matrix,
    /// `name=a,b`
    Form,
    /// `name=a%20b`
    Space,
    /// `name=a|b`
    Pipe,
    /// `name[member]=a`
    DeepObject,
    /// JSON, declared by `content`.
    Json,
    /// Plain text, declared by `content`.
    Text,
}

/// The name of each style, and the locations that allow it.
const STYLES: [(&str, Style, &[Location]); 7] = [
    ("simple", Style::Simple, &[Location::Path, Location::Header]),
    ("label", Style::Label, &[Location::Path]),
    ("matrix", Style::Matrix, &[Location::Path]),
    ("form", Style::Form, &[Location::Query, Location::Cookie]),
    ("spaceDelimited", Style::Space, &[Location::Query]),
    ("pipeDelimited", Style::Pipe, &[Location::Query]),
    ("deepObject", Style::DeepObject, &[Location::Query]),
];

impl Style {
    /// The default style of a location.
    pub(crate) fn default_for(location: Location) -> Self {
        match location {
            Location::Query | Location::Cookie => Style::Form,
            Location::Path | Location::Header | Location::Body => Style::Simple,
        }
    }

    /// The style with this name, if the location allows it.
    pub(crate) fn from_name(name: &str, location: Location) -> Option<Self> {
        let is =
            |(known, _, places): &&(&str, Style, &[Location])| *known == name && places.contains(&location);
        STYLES.iter().find(is).map(|(_, style, _)| *style)
    }

    /// The names of the styles that a location allows.
    pub(crate) fn names(location: Location) -> impl Iterator<Item = &'static str> {
        STYLES.iter().filter(move |(_, _, places)| places.contains(&location)).map(|(name, _, _)| *name)
    }
}

/// How a member of a form is serialized.
#[derive(Debug, Clone)]
pub(crate) struct PartEncoding {
    pub(crate) name: String,
    pub(crate) style: Option<Style>,
    pub(crate) explode: Option<bool>,
    pub(crate) is_json: bool,
    /// The media types that a part may have, in lower case: `image/png`, `image/*`. Empty if any.
    pub(crate) content_types: Vec<String>,
}
