//! The styles in which OpenAPI writes parameters.

use demur_contract::Location;

/// How a value is written as text.
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
    /// JSON, by `content`.
    Json,
    /// As it is, by `content`.
    Text,
}

/// Which style stands where, and by what name.
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
    /// The style of a location where the document names none.
    pub(crate) fn default_for(location: Location) -> Self {
        match location {
            Location::Query | Location::Cookie => Style::Form,
            Location::Path | Location::Header | Location::Body => Style::Simple,
        }
    }

    /// The style of that name, where the location has it.
    pub(crate) fn from_name(name: &str, location: Location) -> Option<Self> {
        let is =
            |(known, _, places): &&(&str, Style, &[Location])| *known == name && places.contains(&location);
        STYLES.iter().find(is).map(|(_, style, _)| *style)
    }

    /// The names of a location's styles.
    pub(crate) fn names(location: Location) -> impl Iterator<Item = &'static str> {
        STYLES.iter().filter(move |(_, _, places)| places.contains(&location)).map(|(name, _, _)| *name)
    }
}

/// How one member of a form is written.
#[derive(Debug, Clone)]
pub(crate) struct PartEncoding {
    pub(crate) name: String,
    pub(crate) style: Option<Style>,
    pub(crate) explode: Option<bool>,
    pub(crate) is_json: bool,
}
