//! The header lines of one head, as spans.

use crate::characters::trim;

/// A range of bytes within the buffer that a head was read from. Heads are limited, so 32 bits are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: bound(start), end: bound(end) }
    }

    /// Where `part` lies within `whole`; `part` is a subslice of it.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        Self::new(start, start + part.len())
    }

    /// The bytes of this span in the buffer that the head was read from.
    pub fn in_bytes(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The number of bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether there are no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// One header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderSpan {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) known: Option<KnownHeader>,
}

/// The length of the longest known name.
const LONGEST: usize = 32;

macro_rules! known {
    ($( $variant:ident = $name:literal, )*) => {
        /// Headers that proxies look at. Each is recognised once, while the head is read, and found without a search.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is named like its header")]
        pub enum KnownHeader { $( $variant, )* }

        impl KnownHeader {
            /// All of them.
            pub const ALL: &'static [KnownHeader] = &[$( KnownHeader::$variant, )*];

            /// The name in lower case.
            pub fn name(self) -> &'static str {
                match self { $( KnownHeader::$variant => $name, )* }
            }

            /// The known header with this name.
            pub fn of(name: &[u8]) -> Option<Self> {
                // No known name is longer. In lower case, a name is one of a few words to compare.
                let mut lower = [0; LONGEST];
                let lower = lower.get_mut(..name.len())?;
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                match std::str::from_utf8(lower).ok()? {
                    $( $name => Some(KnownHeader::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

known! {
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AccessControlRequestMethod = "access-control-request-method",
    Authorization = "authorization",
    Connection = "connection",
    ContentEncoding = "content-encoding",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    IdempotencyKey = "idempotency-key",
    KeepAlive = "keep-alive",
    Location = "location",
    Origin = "origin",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    RetryAfter = "retry-after",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    XApiKey = "x-api-key",
    XForwardedFor = "x-forwarded-for",
    XRequestId = "x-request-id",
}

/// How many known headers there are.
const KNOWN: usize = KnownHeader::ALL.len();

/// Storage for the header spans of one head. Reuse it: a worker needs one for all its connections.
#[derive(Debug, Clone)]
pub struct Headers {
    spans: Vec<HeaderSpan>,
    /// For each known header, one more than the index of its first line.
    first: [u16; KNOWN],
}

impl Default for Headers {
    fn default() -> Self {
        Self { spans: Vec::new(), first: [0; KNOWN] }
    }
}

impl Headers {
    /// Empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.first = [0; KNOWN];
    }

    pub(crate) fn push(&mut self, header: HeaderSpan) {
        self.spans.push(header);
        if let Some(known) = header.known {
            let place = &mut self.first[known as usize];
            if *place == 0 {
                *place = u16::try_from(self.spans.len()).unwrap_or(u16::MAX);
            }
        }
    }

    /// How many header lines there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no header lines.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The headers together with the bytes that they were read from.
    pub fn in_bytes<'h>(&'h self, bytes: &'h [u8]) -> HeadRef<'h> {
        HeadRef { bytes, headers: self }
    }
}

/// The headers of a head, readable: names in their original case, values without surrounding whitespace.
#[derive(Debug, Clone, Copy)]
pub struct HeadRef<'h> {
    bytes: &'h [u8],
    headers: &'h Headers,
}

impl<'h> HeadRef<'h> {
    /// All header lines in their order.
    pub fn iter(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        self.lines().map(|(name, value, _)| (name, value))
    }

    /// All header lines with what is known of their names.
    pub fn lines(self) -> impl Iterator<Item = (&'h [u8], &'h [u8], Option<KnownHeader>)> {
        let Self { bytes, headers } = self;
        headers
            .spans
            .iter()
            .map(move |span| (span.name.in_bytes(bytes), span.value.in_bytes(bytes), span.known))
    }

    /// The value of the first line of a known header.
    pub fn known(self, header: KnownHeader) -> Option<&'h [u8]> {
        let place = usize::from(self.headers.first[header as usize]).checked_sub(1)?;
        Some(self.headers.spans.get(place)?.value.in_bytes(self.bytes))
    }

    /// The value of the first line with this name, in any case.
    pub fn get(self, name: &str) -> Option<&'h [u8]> {
        match KnownHeader::of(name.as_bytes()) {
            Some(known) => self.known(known),
            None => self.get_all(name).next(),
        }
    }

    /// The values of all lines with this name, in any case.
    pub fn get_all(self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The elements of all lines of a comma-separated list, without surrounding whitespace and without empty ones.
    pub fn list(self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let elements = self.get_all(name).flat_map(|value| value.split(|&byte| byte == b','));
        elements.map(trim).filter(|element| !element.is_empty())
    }
}
