//! Where APIs are mounted: paths below a prefix, and hosts.

/// `/shop` and `/shop/a` are within `/shop`; `/shopping` is not.
pub(crate) fn strip_mount<'p>(mount: &str, path: &'p str) -> Option<&'p str> {
    // An empty mount is not compared: comparing zero bytes at a dangling address is slow on some processors (see
    // `demur-contract`, `parse/pattern.rs`).
    let rest = if mount.is_empty() { path } else { path.strip_prefix(mount)? };
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// `host:80` and `[::1]:80` without their ports.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_ends_at_a_segment_boundary() {
        for (mount, path, rest) in [
            ("/shop", "/shop", Some("/")),
            ("/shop", "/shop/a/b", Some("/a/b")),
            ("/shop", "/shopping", None),
            ("", "/a", Some("/a")),
            ("/shop", "/", None),
        ] {
            assert_eq!(strip_mount(mount, path), rest, "{mount} {path}");
        }
    }

    #[test]
    fn ignores_the_port() {
        for (authority, host) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(authority), host);
        }
    }
}
