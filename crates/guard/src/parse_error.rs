//! What can be wrong with the bytes of a request: the closed list, with the condition and the words for
//! operators in one table. No fault carries bytes of the request, so none can carry a secret.

use std::fmt;

use demur_contract::Condition;

macro_rules! faults {
    ($( $(#[$doc:meta])* $variant:ident => $condition:ident, $cause:literal; )*) => {
        /// One thing that is wrong with a head or with the framing of content.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ParseError {
            $( #[doc = concat!("`", stringify!($condition), "`: ", $cause, ".")] $(#[$doc])* $variant, )*
        }

        impl ParseError {
            /// Every fault.
            pub const ALL: &'static [ParseError] = &[$( ParseError::$variant, )*];

            /// The condition under which it is answered.
            pub fn condition(self) -> Condition {
                match self { $( ParseError::$variant => Condition::$condition, )* }
            }

            /// What is wrong, for operators.
            pub fn cause(self) -> &'static str {
                match self { $( ParseError::$variant => $cause, )* }
            }
        }
    };
}

faults! {
    // Before there is a request line.
    Tls => RequestMalformed, "a TLS handshake on a port that speaks plain HTTP";
    NotHttp => RequestMalformed, "the first line is not an HTTP/1 request line";
    LeadingEmptyLines => RequestMalformed, "too many empty lines before the request line";

    // Line ends, anywhere in a head (RFC 9112, 2.2).
    BareLineFeed => RequestMalformed, "a line that ends in LF without CR";
    BareCarriageReturn => RequestMalformed, "a CR that is not followed by LF";

    // The request line (RFC 9112, 3).
    RequestLine => RequestMalformed, "the request line is not method, space, target, space, version";
    Method => RequestMalformed, "the method is not a token";
    MethodTooLong => RequestNotImplemented, "the method is longer than any known one";
    Connect => RequestNotImplemented, "CONNECT: this is no proxy";
    Version => RequestMalformed, "the version is not of the form HTTP/1.1";
    VersionUnsupported => RequestVersionNotSupported, "a version other than HTTP/1.1 and HTTP/1.0";
    TargetTooLong => RequestUriTooLong, "the request target is over its bound";
    TargetForm => RequestMalformed, "the target has neither origin form nor absolute form";
    TargetAsterisk => RequestMalformed, "the target * with a method other than OPTIONS";
    TargetFragment => RequestMalformed, "the target has a fragment";
    TargetCharacter => RequestMalformed, "the target has a character that must be percent-encoded";
    TargetPercent => RequestMalformed, "the target has a % that is not followed by two hexadecimal digits";
    TargetAuthority => RequestMalformed, "the authority in the target is invalid";
    TargetScheme => RequestMisdirected, "the scheme in the target is neither http nor https";

    // Fields (RFC 9112, 5; RFC 9110, 5).
    HeadTooLarge => RequestHeadTooLarge, "the head is over its bound in bytes";
    TooManyFields => RequestHeadTooLarge, "the head has more fields than the bound";
    FieldLine => RequestMalformed, "a field line without a colon";
    FieldName => RequestMalformed, "a field name that is empty or not a token";
    SpaceBeforeColon => RequestMalformed, "whitespace between a field name and its colon";
    Folded => RequestMalformed, "a line that starts with whitespace (obsolete line folding)";
    FieldValue => RequestMalformed, "a control character in a field value";

    // Host (RFC 9112, 3.2).
    HostMissing => RequestMalformed, "HTTP/1.1 without Host";
    HostRepeated => RequestMalformed, "more than one Host";
    HostInvalid => RequestMalformed, "Host is empty or not a host and port";
    HostDisagrees => RequestMalformed, "Host is not the authority in the target";

    // Framing (RFC 9112, 6).
    LengthAndEncoding => RequestMalformed, "Content-Length together with Transfer-Encoding";
    LengthRepeated => RequestMalformed, "more than one Content-Length";
    LengthInvalid => RequestMalformed, "Content-Length is not one number within bounds";
    EncodingInvalid => RequestMalformed, "Transfer-Encoding is not a list of codings";
    EncodingRepeated => RequestMalformed, "chunked is applied more than once";
    EncodingNotLast => RequestMalformed, "chunked is not the last transfer coding";
    EncodingUnknown => RequestNotImplemented, "a transfer coding other than chunked";
    EncodingInOldVersion => RequestMalformed, "Transfer-Encoding in HTTP/1.0";
    Expectation => RequestExpectationFailed, "an expectation other than 100-continue";

    // A head that never came whole.
    HeadTruncated => RequestMalformed, "the connection ended in the middle of the head";
    HeadSlow => RequestTimeout, "the head was not complete in time";

    // Content (RFC 9112, 7.1). Found after the head was accepted: the content then ends in an error.
    ChunkSize => RequestMalformed, "a chunk size that is not a hexadecimal number within bounds";
    ChunkExtension => RequestMalformed, "a chunk extension that is malformed";
    ChunkExtensionTooLong => RequestMalformed, "chunk extensions over their bound";
    ChunkLineEnd => RequestMalformed, "a chunk line that does not end in CR LF";
    ChunkEnd => RequestMalformed, "chunk data that is not followed by CR LF";
    Trailer => RequestMalformed, "a trailer line that is not a field";
    TrailerForbidden => RequestMalformed, "a trailer field that would change framing or routing";
    TrailersTooLarge => RequestHeadTooLarge, "the trailers are over their bound";
    ContentTruncated => RequestMalformed, "the connection ended in the middle of the content";
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause())
    }
}

impl std::error::Error for ParseError {}
