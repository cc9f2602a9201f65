//! A small API with WebSocket, with the lines that a test adds to its configuration.

use std::net::{SocketAddr, TcpStream};

use demur_e2e::{Client, Gateway, NewKey, Request, TestDir, contract};
use tungstenite::handshake::client::generate_key;
use tungstenite::http::Response as HandshakeResponse;
use tungstenite::{ClientRequestBuilder, Error, HandshakeError, WebSocket};

use crate::peer::timed;

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /feed:
    get:
      operationId: feed
      parameters: [{ name: limit, in: query, schema: { type: integer } }]
      responses: { '101': { description: A feed. }, '200': { description: All. } }
    post: { operationId: post, responses: { '200': { description: Made. } } }
  /open:
    get: { operationId: open, responses: { '101': { description: A feed. } } }
  /browser:
    get: { operationId: browser, responses: { '101': { description: A feed. } } }
  /page:
    get: { operationId: page, responses: { '200': { description: A page., content: { text/html: {} } } } }
  /events:
    get: { operationId: events, responses: { '200': { description: Events., content: { text/event-stream: {} } } } }
  /ack:
    get: { operationId: ack, responses: { '200': { description: Fine. } } }
";

/// What a test changes of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'s> {
    /// Lines of the file.
    pub(crate) top: &'s str,
    /// Of the plan.
    pub(crate) plan: &'s str,
    /// `websocket` of the operation `feed`.
    pub(crate) websocket: &'s str,
    /// More of the operation `feed`.
    pub(crate) feed: &'s str,
    /// The upstream's URL.
    pub(crate) upstream: &'s str,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { top: "", plan: "", websocket: "true", feed: "", upstream: "" }
    }
}

/// The gateway, a client for the API, and a key.
pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    pub(crate) key: String,
    pub(crate) key_id: String,
}

pub(crate) type Socket = WebSocket<TcpStream>;

/// A connection with the response to its handshake, or why there is none.
type Connected = Result<(Socket, HandshakeResponse<Option<Vec<u8>>>), Error>;

impl Shop {
    pub(crate) fn open(upstream: SocketAddr) -> Self {
        Self::with(upstream, Settings::default())
    }

    pub(crate) fn with(upstream: SocketAddr, settings: Settings<'_>) -> Self {
        Self::of(TestDir::empty(), upstream, settings)
    }

    pub(crate) fn of(folder: TestDir, upstream: SocketAddr, settings: Settings<'_>) -> Self {
        let Settings { top, plan, websocket, feed, upstream: url } = settings;
        let url = if url.is_empty() { format!("\"http://{upstream}\"") } else { url.to_owned() };
        let limits = if top.contains("limits:") { "" } else { "limits: { max_queue_delay: 1m }" };
        folder.write("openapi.yaml", DOCUMENT);
        let config = format!(
            "demur: 2
store: sqlite:demur.db
access_log: all
{limits}
{top}
plans: {{ all: {{ {plan} }} }}
apis:
  - name: shop
    contract: problem
    openapi: openapi.yaml
    mount: {{ path: /shop }}
    upstream: {url}
    authentication: {{ scheme: bearer, prefix: shp }}
    operations:
      feed: {{ websocket: {websocket}{feed} }}
      open: {{ anonymous: true, websocket: {{ origins: [\"http://app.example\"] }} }}
      browser: {{ anonymous: true, websocket: {{ origins: \"*\" }} }}
      page: {{ anonymous: true }}
      events: {{ anonymous: true }}
      ack: {{ anonymous: true }}
"
        );
        folder.write("demur.yaml", &config);
        folder.create_account("acme", "all");
        let issued = folder.create_key(&NewKey { api: "shop", account: "acme", ..NewKey::default() });
        let gateway = Gateway::serve(folder);
        let client = Client::new(gateway.address(), "/shop", contract("problem"));
        Self { gateway, client, key: issued.secret, key_id: issued.id }
    }

    /// The handshake of a client, as a request.
    pub(crate) fn handshake(&self, target: &str) -> Request {
        Request::get(target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", &generate_key())
    }

    /// Opens a connection to `feed`.
    pub(crate) fn connect(&self) -> Socket {
        let (socket, response) = self.try_connect("/feed", |request| request).unwrap();
        assert_eq!(response.status(), 101);
        assert!(response.headers().contains_key("x-request-id"), "{response:?}");
        socket
    }

    /// Opens a connection; a rejection is an `Err`.
    pub(crate) fn try_connect(
        &self,
        target: &str,
        change: impl Fn(ClientRequestBuilder) -> ClientRequestBuilder,
    ) -> Connected {
        let address = self.gateway.address();
        let request = ClientRequestBuilder::new(format!("ws://{address}/shop{target}").parse().unwrap());
        let request = change(request.with_header("Authorization", format!("Bearer {}", self.key)));
        let stream = timed(TcpStream::connect(address).unwrap());
        tungstenite::client(request, stream).map_err(|error| match error {
            HandshakeError::Failure(error) => error,
            HandshakeError::Interrupted(_) => panic!("the socket blocks"),
        })
    }
}
