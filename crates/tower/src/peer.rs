//! The address of the connection that a request came in on, as servers leave it in the request's extensions.

use std::net::SocketAddr;

use http::Extensions;

/// A plain `SocketAddr`, or with the feature `axum` the `ConnectInfo<SocketAddr>` of
/// `Router::into_make_service_with_connect_info`.
pub(crate) fn peer_address(extensions: &Extensions) -> Option<SocketAddr> {
    let plain = extensions.get::<SocketAddr>().copied();
    #[cfg(feature = "axum")]
    let plain = plain.or_else(|| {
        extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|connection| connection.0)
    });
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: ([u8; 4], u16) = ([192, 0, 2, 7], 4000);

    #[test]
    fn a_request_without_an_address_has_no_peer() {
        assert_eq!(peer_address(&Extensions::new()), None);
    }

    #[test]
    fn reads_a_plain_socket_address() {
        let mut extensions = Extensions::new();
        extensions.insert(SocketAddr::from(ADDRESS));
        assert_eq!(peer_address(&extensions), Some(ADDRESS.into()));
    }

    #[test]
    #[cfg(feature = "axum")]
    fn reads_the_connect_info_of_axum() {
        let mut extensions = Extensions::new();
        extensions.insert(axum::extract::ConnectInfo(SocketAddr::from(ADDRESS)));
        assert_eq!(peer_address(&extensions), Some(ADDRESS.into()));
    }
}
