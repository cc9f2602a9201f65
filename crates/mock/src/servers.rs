//! The upstream that makes up successes, and the control endpoint for tests.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use demur_source::{Diagnostics, Source};
use demur_validation::Find;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::mock::Mock;
use crate::preferences::preference;
use crate::script::Script;
use crate::success::{Preferred, success};

/// The largest script.
const MAX_SCRIPT_BYTES: usize = 1 << 20;

/// The servers of a mock, bound and not serving yet.
pub struct Servers {
    upstream: std::net::TcpListener,
    control: std::net::TcpListener,
}

/// What the control endpoint serves.
#[derive(Clone)]
pub struct Control {
    /// The mock.
    pub mock: Arc<Mock>,
    /// What it says of the mock: its address, APIs and keys.
    pub about: Value,
}

impl Servers {
    /// Binds the upstream to a free port of this machine, and the control endpoint to an address.
    pub fn bind(control: SocketAddr) -> io::Result<Self> {
        let listener = |address: SocketAddr| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok::<_, io::Error>(listener)
        };
        let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Ok(Self { control: listener(control)?, upstream: listener(free)? })
    }

    /// The address of the upstream.
    pub fn upstream(&self) -> io::Result<SocketAddr> {
        self.upstream.local_addr()
    }

    /// The address of the control endpoint.
    pub fn control(&self) -> io::Result<SocketAddr> {
        self.control.local_addr()
    }

    /// Serves both on a thread, until the process ends.
    pub fn serve(self, control: Control) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mock = Arc::clone(&control.mock);
        thread::Builder::new().name("demur-mock".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let upstream = Router::new().fallback(answer).with_state(mock);
                tokio::spawn(served(self.upstream, upstream));
                served(self.control, control_router(control)).await;
            });
        })?;
        Ok(())
    }
}

async fn served(listener: std::net::TcpListener, router: Router) {
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "mock server failed");
            }
        }
        Err(error) => tracing::error!(%error, "mock server failed"),
    }
}

/// The response of the API that the first segment of the path numbers.
async fn answer(State(mock): State<Arc<Mock>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let (number, rest) = path.split_once('/').unwrap_or((path, ""));
    let apis = mock.apis();
    let Some(api) = number.parse().ok().and_then(|number: usize| apis.get(number)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let document = &api.settings().document;
    let path = format!("/{rest}");
    let Find::Found(found) = document.find(request.method(), &path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = request.headers();
    let named = |name: &str| preference(headers, name);
    let status = named("code").or_else(|| named("status")).and_then(|status| status.parse().ok());
    let example = named("example");
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let preferred =
        Preferred { status: status.or_else(|| own_status(headers)), example: example.as_deref(), accept };
    let made = success(document.as_json(), found.operation.pointer(), &preferred);
    let mut response = Response::new(Body::from(made.body));
    *response.status_mut() = StatusCode::from_u16(made.status).unwrap_or(StatusCode::OK);
    for (name, value) in made.headers {
        response.headers_mut().append(name, value);
    }
    response
}

/// The status that our own header asks for.
fn own_status(headers: &HeaderMap) -> Option<u16> {
    match crate::preferences::requested(headers).0?.wanted? {
        crate::effect::Wanted::Status(status) => Some(status),
        crate::effect::Wanted::Error(_) => None,
    }
}

fn control_router(control: Control) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/script", axum::routing::put(put_script).delete(delete_script))
        .route("/next", post(post_next))
        .route("/calls", get(calls).delete(delete_calls))
        .layer(DefaultBodyLimit::max(MAX_SCRIPT_BYTES))
        .layer(middleware::from_fn(local))
        .with_state(control)
}

/// Rejects what a page in a browser could send: a host that is a name, which may be rebound, and a media type that needs no
/// preflight.
async fn local(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_local = host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || host.split(':').next() == Some("localhost");
    if !is_local {
        return problem(StatusCode::FORBIDDEN, "the host must be an address or `localhost`");
    }
    let is_write =
        !matches!(*request.method(), http::Method::GET | http::Method::HEAD | http::Method::DELETE);
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    if is_write && !["application/json", "application/yaml"].contains(&essence.as_str()) {
        let message = "`Content-Type` must be `application/json` or `application/yaml`";
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    }
    next.run(request).await
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "status": status.as_u16(), "detail": detail }).to_string();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

fn data(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn about(State(control): State<Control>) -> Response {
    data(&control.about)
}

async fn put_script(State(control): State<Control>, text: String) -> Response {
    changed(&control.mock, "script", text, Script::read, |mock, script| {
        mock.set_script(script);
        true
    })
}

async fn post_next(State(control): State<Control>, text: String) -> Response {
    changed(&control.mock, "rule", text, Script::read_rule, Mock::add_script)
}

async fn delete_script(State(control): State<Control>) -> Response {
    control.mock.set_script(Script::default());
    StatusCode::NO_CONTENT.into_response()
}

async fn calls(State(control): State<Control>) -> Response {
    let calls = control.mock.calls().into_iter().map(|call| {
        json!({
            "api": call.api, "operation": call.operation, "method": call.method, "path": call.path, "error": call.error,
        })
    });
    data(&json!({ "calls": calls.collect::<Vec<_>>() }))
}

async fn delete_calls(State(control): State<Control>) -> Response {
    control.mock.clear_calls();
    StatusCode::NO_CONTENT.into_response()
}

fn changed(
    mock: &Mock,
    name: &str,
    text: String,
    read: impl Fn(&Arc<Source>) -> Result<Script, Diagnostics>,
    change: impl Fn(&Mock, Script) -> bool,
) -> Response {
    let script = match read(&Source::new(name, text)) {
        Ok(script) => script,
        Err(found) => return problem(StatusCode::BAD_REQUEST, &found.to_string()),
    };
    let apis = mock.apis();
    let unknown: Vec<String> = mock
        .unknown_names(apis, &script)
        .into_iter()
        .map(|(message, similar)| match similar {
            Some(similar) => format!("{message}: did you mean `{similar}`?"),
            None => message,
        })
        .collect();
    if !unknown.is_empty() {
        return problem(StatusCode::BAD_REQUEST, &unknown.join("\n"));
    }
    match change(mock, script) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => problem(StatusCode::CONFLICT, "the script has too many rules"),
    }
}
