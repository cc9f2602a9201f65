//! One API on two addresses: the gateway in front of the service, and the service with the layer.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use demur_admission::{
    Admission, CacheConfig, Candidates, Clock, Credential, InvalidationListener, KeyDirectory, MaybeFuture,
    Plans, StoreError,
};
use demur_config::load_gateway;
use demur_e2e::{Client, Request, Response, TestDir, contract};
use demur_examples::Example;
use demur_gateway::{Gateway, RunningGateway};
use demur_source::Source;
use demur_tower::{DemurLayer, InMemoryKeys, ServiceConfig};
use tower::{Layer, ServiceBuilder};

use crate::keys::Samples;
use crate::rows::Row;

/// The timeout for every response except for the report that takes ten seconds.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Whether keys can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    Sound,
    Failing,
}

pub(crate) struct Sides {
    gateway: Client,
    layer: Client,
    samples: Samples,
    /// Serves until dropped.
    _serving: RunningGateway,
    _folder: TestDir,
}

impl Sides {
    pub(crate) fn start(example: &Example, stores: Stores) -> Self {
        let name = example.name;
        let folder = TestDir::of_examples();
        folder.point(name, serve((example.router)()));
        folder.edit("timeout: 2s", &format!("timeout: {}ms", TIMEOUT.as_millis()));
        folder.edit("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0");
        let source = Source::read(&folder.config()).unwrap();
        let (config, _) = load_gateway(&source, folder.path()).unwrap_or_else(|found| panic!("{found}"));
        let (service, _) = ServiceConfig::read(&folder.config()).unwrap_or_else(|error| panic!("{error}"));

        let (for_gateway, for_layer) =
            (InMemoryKeys::new(&service).unwrap(), InMemoryKeys::new(&service).unwrap());
        let api = service.apis.iter().find(|api| api.name == name).unwrap();
        let samples = Samples::make(name, api.authentication.prefixes.first(), &[&for_gateway, &for_layer]);

        let plans = Arc::new(Plans::new(config.plans.clone()));
        let admission =
            Admission::new(kept(&for_gateway, stores), for_gateway.pepper(), plans, CacheConfig::default());
        let gateway = Gateway::bind(&config.listeners, None).unwrap();
        let serving = gateway.serve(config, admission, Clock::start()).unwrap();

        let layer = DemurLayer::with_stores(service, kept(&for_layer, stores), for_layer.pepper());
        let timed = ServiceBuilder::new().layer(layer).timeout(TIMEOUT).service((example.router)());
        let layered = serve_service(timed);

        let client = |address| Client::new(address, &format!("/{name}"), contract(name));
        Self {
            gateway: client(serving.listeners()[0].address),
            layer: client(layered),
            samples,
            _serving: serving,
            _folder: folder,
        }
    }

    /// The response of each side, in the same state.
    pub(crate) fn both(&self, row: &Row) -> [Response; 2] {
        let mut request = Request::new(row.method, row.target);
        if let Some(value) = self.samples.authorization(row.key) {
            request = request.header("Authorization", &value);
        }
        if !row.body.is_empty() {
            request = request.body("application/json", row.body);
        }
        [&self.gateway, &self.layer].map(|side| {
            let send = || {
                // The plans that are not there to be used up give back a request every ten milliseconds or
                // sooner, so that both report the same remainder; the others take most of a second.
                thread::sleep(Duration::from_millis(30));
                side.send(&request)
            };
            for _ in 0..row.before {
                send();
            }
            send()
        })
    }
}

fn kept(keys: &InMemoryKeys, stores: Stores) -> demur_admission::Stores {
    match stores {
        Stores::Sound => keys.stores(),
        Stores::Failing => demur_admission::Stores { keys: Arc::new(Damaged), ..keys.stores() },
    }
}

/// A directory that cannot be read.
struct Damaged;

impl KeyDirectory for Damaged {
    fn find(&self, _: &Candidates) -> MaybeFuture<Result<Option<Arc<Credential>>, StoreError>> {
        MaybeFuture::Ready(Err(StoreError::Damaged("the file is damaged".into())))
    }

    fn watch(&self, _: Arc<dyn InvalidationListener>) {}
}

/// Serves a router on a free port until the process exits.
fn serve(router: axum::Router) -> SocketAddr {
    serve_service(tower::layer::util::Identity::new().layer(router))
}

fn serve_service<S, B>(service: S) -> SocketAddr
where
    S: tower::Service<
            axum::extract::Request,
            Response = axum::http::Response<B>,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = axum::Router::new().fallback_service(service);
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}
