//! What can be wrong with the bytes of a message: one closed list with a category and a text. No error contains bytes of
//! the message, so none can contain a secret.

use std::fmt;

/// How a server answers an error in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 400 Bad Request.
    Malformed,
    /// 408 Request Timeout.
    Timeout,
    /// 414 URI Too Long.
    UriTooLong,
    /// 417 Expectation Failed.
    ExpectationFailed,
    /// 421 Misdirected Request.
    Misdirected,
    /// 431 Request Header Fields Too Large.
    HeadTooLarge,
    /// 501 Not Implemented.
    NotImplemented,
    /// 505 HTTP Version Not Supported.
    VersionNotSupported,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [ErrorKind] = &[
        ErrorKind::Malformed,
        ErrorKind::Timeout,
        ErrorKind::UriTooLong,
        ErrorKind::ExpectationFailed,
        ErrorKind::Misdirected,
        ErrorKind::HeadTooLarge,
        ErrorKind::NotImplemented,
        ErrorKind::VersionNotSupported,
    ];

    /// The status of the response (RFC 9110, section 15).
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::Malformed => 400,
            ErrorKind::Timeout => 408,
            ErrorKind::UriTooLong => 414,
            ErrorKind::ExpectationFailed => 417,
            ErrorKind::Misdirected => 421,
            ErrorKind::HeadTooLarge => 431,
            ErrorKind::NotImplemented => 501,
            ErrorKind::VersionNotSupported => 505,
        }
    }
}

macro_rules! errors {
    ($( $(#[$doc:meta])* $variant:ident => $kind:ident, $cause:literal; )*) => {
        /// One thing that is wrong with a head or with the framing of a body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ParseError {
            $( #[doc = concat!($cause, ".")] $(#[$doc])* $variant, )*
        }

        impl ParseError {
            /// Every error.
            pub const ALL: &'static [ParseError] = &[$( ParseError::$variant, )*];

            /// How a server answers this error.
            pub fn kind(self) -> ErrorKind {
                match self { $( ParseError::$variant => ErrorKind::$kind, )* }
            }

            /// What is wrong, for logs.
            pub fn cause(self) -> &'static str {
                match self { $( ParseError::$variant => $cause, )* }
            }
        }
    };
}

errors! {
    // Before the start line.
    Tls => Malformed, "TLS handshake on a plain HTTP port";
    NotHttp => Malformed, "the first line is not an HTTP/1 start line";
    LeadingEmptyLines => Malformed, "too many empty lines before the request line";

    // Line ends (RFC 9112, section 2.2).
    BareLineFeed => Malformed, "line ends in LF without CR";
    BareCarriageReturn => Malformed, "CR without LF";

    // The request line (RFC 9112, section 3).
    RequestLine => Malformed, "request line is not method, space, target, space, version";
    Method => Malformed, "method is not a token";
    MethodTooLong => NotImplemented, "method is longer than 64 bytes";
    Connect => NotImplemented, "CONNECT is not supported";
    Version => Malformed, "version is not of the form HTTP/1.1";
    VersionUnsupported => VersionNotSupported, "version is neither HTTP/1.1 nor HTTP/1.0";
    TargetTooLong => UriTooLong, "request target is too long";
    TargetForm => Malformed, "request target has neither origin form nor absolute form";
    TargetAsterisk => Malformed, "request target * with a method other than OPTIONS";
    TargetFragment => Malformed, "request target has a fragment";
    TargetCharacter => Malformed, "request target contains a character that must be percent-encoded";
    TargetPercent => Malformed, "% in the request target is not followed by two hexadecimal digits";
    TargetAuthority => Malformed, "authority in the request target is invalid";
    TargetScheme => Misdirected, "scheme in the request target is neither http nor https";

    // The status line (RFC 9112, section 4).
    StatusLine => Malformed, "status line is not version, space, three digits, reason";
    StatusCode => Malformed, "status code is below 100 or above 599";

    // Headers (RFC 9112, section 5; RFC 9110, section 5).
    HeadTooLarge => HeadTooLarge, "head is too large";
    TooManyHeaders => HeadTooLarge, "too many headers";
    HeaderLine => Malformed, "header line without a colon";
    HeaderName => Malformed, "header name is empty or not a token";
    SpaceBeforeColon => Malformed, "whitespace between header name and colon";
    Folded => Malformed, "header line starts with whitespace (obsolete line folding)";
    HeaderValue => Malformed, "control character in a header value";

    // Host (RFC 9112, section 3.2).
    HostMissing => Malformed, "HTTP/1.1 request without Host";
    HostRepeated => Malformed, "more than one Host header";
    HostInvalid => Malformed, "Host is not a host and port";
    HostDisagrees => Malformed, "Host differs from the authority in the request target";

    // Framing (RFC 9112, section 6).
    LengthAndEncoding => Malformed, "Content-Length together with Transfer-Encoding";
    LengthRepeated => Malformed, "more than one Content-Length header";
    LengthInvalid => Malformed, "Content-Length is not one number below 2^63";
    EncodingInvalid => Malformed, "Transfer-Encoding is not a list of codings";
    EncodingRepeated => Malformed, "chunked is applied more than once";
    EncodingNotLast => Malformed, "chunked is not the last transfer coding";
    EncodingUnknown => NotImplemented, "transfer coding other than chunked";
    EncodingInOldVersion => Malformed, "Transfer-Encoding in an HTTP/1.0 message";
    EncodingForbidden => Malformed, "Transfer-Encoding in a 1xx or 204 response";
    Expectation => ExpectationFailed, "expectation other than 100-continue";

    // Messages that are incomplete.
    HeadTruncated => Malformed, "connection ended within the head";
    HeadSlow => Timeout, "head was not complete in time";
    BodyTruncated => Malformed, "connection ended within the body";
    BeforeResponse => Malformed, "connection ended before the response";

    // Chunked bodies (RFC 9112, section 7.1).
    ChunkSize => Malformed, "chunk size is not a hexadecimal number below 2^63";
    ChunkExtension => Malformed, "chunk extension is malformed";
    ChunkExtensionTooLong => Malformed, "chunk extensions are too long";
    ChunkLineEnd => Malformed, "chunk line does not end in CR LF";
    ChunkEnd => Malformed, "chunk data is not followed by CR LF";
    Trailer => Malformed, "trailer line is not a header line";
    TrailerForbidden => Malformed, "trailer that would change framing or routing";
    TrailersTooLarge => HeadTooLarge, "trailers are too large";

    // Responses.
    TooManyInterim => Malformed, "too many interim responses";
    UpgradeUnexpected => Malformed, "101 response to a request without Upgrade";
    Excess => Malformed, "bytes after the end of the response";
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause())
    }
}

impl std::error::Error for ParseError {}
