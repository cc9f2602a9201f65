//! A strict reader of HTTP/1 heads and framing between a socket and hyper.
