//! Everything that can be wrong with the bytes of a request, with its kind and its text for logs in one table. An error
//! carries no bytes of the request, so it cannot leak a secret.

use std::fmt;

macro_rules! parse_errors {
    ($( $(#[$doc:meta])* $variant:ident => $kind:ident, $cause:literal; )*) => {
        /// An error in a head or in the framing of a body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ParseError {
            $( #[doc = concat!("`", stringify!($kind), "`: ", $cause, ".")] $(#[$doc])* $variant, )*
        }

        impl ParseError {
            /// All errors.
            pub const ALL: &'static [ParseError] = &[$( ParseError::$variant, )*];

            /// The kind of response that it calls for.
            pub fn kind(self) -> ErrorKind {
                match self { $( ParseError::$variant => ErrorKind::$kind, )* }
            }

            /// The text for logs.
            pub fn cause(self) -> &'static str {
                match self { $( ParseError::$variant => $cause, )* }
            }
        }
    };
}

parse_errors! {
    // Before there is a request line.
    Tls => Malformed, "a TLS handshake on a port that speaks plain HTTP";
    NotHttp => Malformed, "the first line is not an HTTP/1 request line";
    LeadingEmptyLines => Malformed, "too many empty lines before the request line";

    // Line ends, anywhere in a head (RFC 9112, 2.2).
    BareLineFeed => Malformed, "a line that ends in LF without CR";
    BareCarriageReturn => Malformed, "a CR that is not followed by LF";

    // The request line (RFC 9112, 3).
    RequestLine => Malformed, "the request line is not method, space, target, space, version";
    Method => Malformed, "the method is not a token";
    MethodTooLong => NotImplemented, "the method is longer than any known one";
    Connect => NotImplemented, "CONNECT: this is no proxy";
    Version => Malformed, "the version is not of the form HTTP/1.1";
    VersionUnsupported => VersionNotSupported, "a version other than HTTP/1.1 and HTTP/1.0";
    TargetTooLong => UriTooLong, "the request target is over its bound";
    TargetForm => Malformed, "the target has neither origin form nor absolute form";
    TargetAsterisk => Malformed, "the target * with a method other than OPTIONS";
    TargetFragment => Malformed, "the target has a fragment";
    TargetCharacter => Malformed, "the target has a character that must be percent-encoded";
    TargetPercent => Malformed, "the target has a % that is not followed by two hexadecimal digits";
    TargetAuthority => Malformed, "the authority in the target is invalid";
    TargetScheme => Misdirected, "the scheme in the target is neither http nor https";

    // Fields (RFC 9112, 5; RFC 9110, 5).
    HeadTooLarge => HeadTooLarge, "the head is over its bound in bytes";
    TooManyHeaders => HeadTooLarge, "the head has more fields than the bound";
    HeaderLine => Malformed, "a field line without a colon";
    HeaderName => Malformed, "a field name that is empty or not a token";
    SpaceBeforeColon => Malformed, "whitespace between a field name and its colon";
    Folded => Malformed, "a line that starts with whitespace (obsolete line folding)";
    HeaderValue => Malformed, "a control character in a field value";

    // Host (RFC 9112, 3.2).
    HostMissing => Malformed, "HTTP/1.1 without Host";
    HostRepeated => Malformed, "more than one Host";
    HostInvalid => Malformed, "Host is empty or not a host and port";
    HostDisagrees => Malformed, "Host is not the authority in the target";

    // Framing (RFC 9112, 6).
    LengthAndEncoding => Malformed, "Content-Length together with Transfer-Encoding";
    LengthRepeated => Malformed, "more than one Content-Length";
    LengthInvalid => Malformed, "Content-Length is not one number within bounds";
    EncodingInvalid => Malformed, "Transfer-Encoding is not a list of codings";
    EncodingRepeated => Malformed, "chunked is applied more than once";
    EncodingNotLast => Malformed, "chunked is not the last transfer coding";
    EncodingUnknown => NotImplemented, "a transfer coding other than chunked";
    EncodingInOldVersion => Malformed, "Transfer-Encoding in HTTP/1.0";
    Expectation => ExpectationFailed, "an expectation other than 100-continue";

    // A head that never came whole.
    HeadTruncated => Malformed, "the connection ended in the middle of the head";
    HeadSlow => Timeout, "the head was not complete in time";

    // Content (RFC 9112, 7.1). Found after the head was accepted: the content then ends in an error.
    ChunkSize => Malformed, "a chunk size that is not a hexadecimal number within bounds";
    ChunkExtension => Malformed, "a chunk extension that is malformed";
    ChunkExtensionTooLong => Malformed, "chunk extensions over their bound";
    ChunkLineEnd => Malformed, "a chunk line that does not end in CR LF";
    ChunkEnd => Malformed, "chunk data that is not followed by CR LF";
    Trailer => Malformed, "a trailer line that is not a field";
    TrailerForbidden => Malformed, "a trailer field that would change framing or routing";
    TrailersTooLarge => HeadTooLarge, "the trailers are over their bound";
    BodyTruncated => Malformed, "the connection ended in the middle of the content";
}

/// The kinds of [`ParseError`], by the response that RFC 9110 gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// All kinds.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::Malformed,
        ErrorKind::Timeout,
        ErrorKind::UriTooLong,
        ErrorKind::ExpectationFailed,
        ErrorKind::Misdirected,
        ErrorKind::HeadTooLarge,
        ErrorKind::NotImplemented,
        ErrorKind::VersionNotSupported,
    ];

    /// The status of the response.
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

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause())
    }
}

impl std::error::Error for ParseError {}
