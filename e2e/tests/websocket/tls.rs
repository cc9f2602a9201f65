//! The same with TLS on either side, and over a Unix socket.

use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use demur_e2e::{Authority, TestDir};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use tungstenite::{ClientRequestBuilder, Message};

use crate::peer::{Peer, accept, echo, head, timed};
use crate::shop::{Settings, Shop};

const MIB: usize = 1024 * 1024;

#[test]
fn connections_cross_tls_in_front_and_to_the_upstream() {
    let (authority, folder) = (Authority::new(), TestDir::empty());
    let certified = authority.issue(&["shop.example", "127.0.0.1"]);
    folder.write("shop.pem", &certified.certificate);
    folder.write_secret("shop.key", &certified.key);
    folder.write("roots.pem", authority.certificate());
    let server = authority.server(&certified, false);
    // The head is read within TLS, so this server is one of its own.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(Arc::clone(&server)).unwrap();
            let mut stream = StreamOwned::new(session, timed(stream));
            thread::spawn(move || {
                if let Ok(head) = head(&mut stream) {
                    echo(accept(stream, &head));
                }
            });
        }
    });
    let upstream = format!("{{ url: \"https://{address}\", tls: {{ roots: roots.pem }} }}");
    let top = "listen: { address: \"127.0.0.1:0\", tls: { certificates: [{ certificate: shop.pem, key: shop.key }] } }";
    let shop = Shop::of(folder, address, Settings { top, upstream: &upstream, ..Settings::default() });

    let name = ServerName::try_from("shop.example").unwrap();
    let session = ClientConnection::new(authority.client(), name).unwrap();
    let stream = StreamOwned::new(session, timed(TcpStream::connect(shop.gateway.address()).unwrap()));
    let request = ClientRequestBuilder::new("wss://shop.example/shop/feed".parse().unwrap());
    let request = request.with_header("Authorization", format!("Bearer {}", shop.key));
    let (mut socket, response) = tungstenite::client(request, stream).unwrap();
    for message in [Message::text("hello"), Message::binary(vec![9; 3 * MIB])] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    let logged = shop.gateway.logged(response.headers()["x-request-id"].to_str().unwrap());
    assert_eq!(logged["message"], "request completed", "{logged}");
}

#[test]
fn connections_cross_unix_sockets() {
    let folder = TestDir::empty();
    let path = folder.path().join("shop.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                if let Ok(head) = head(&mut stream) {
                    echo(accept(stream, &head));
                }
            });
        }
    });
    let upstream = format!("\"unix:{}\"", path.display());
    let peer = Peer::echo();
    let shop = Shop::of(folder, peer.address(), Settings { upstream: &upstream, ..Settings::default() });
    let mut socket = shop.connect();
    let message = Message::binary(vec![9; MIB]);
    socket.send(message.clone()).unwrap();
    assert!(socket.read().unwrap() == message);
    assert_eq!(peer.heads().len(), 0);
}
