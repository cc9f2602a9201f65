//! A real hyper server behind a guard, and a client of raw bytes.

use std::convert::Infallible;
use std::fmt::Debug;

use bytes::Bytes;
use demur_guard::{Guard, HeadLimits, RejectionQueue};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Serves one connection as the gateway does: a rejection is answered in words of the service's own.
pub(crate) async fn serve<IO>(socket: IO, bounds: HeadLimits)
where
    IO: AsyncRead + AsyncWrite + Debug + Send + Unpin + 'static,
{
    let guard = Guard::new(socket, bounds);
    let rejections = guard.rejections();
    let service = service_fn(move |request| answer(rejections.clone(), request));
    let served = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(guard, service);
    // A broken content is an error to hyper, too.
    let _ = served.await;
}

async fn answer(
    rejections: RejectionQueue,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match rejections.next() {
        Some(rejection) => (rejection.kind().status(), format!("[{:?}]", rejection.fault)),
        None if request.uri().path() == "/unread" => (200, "[unread]".to_owned()),
        None => {
            let line = format!("{} {}", request.method(), request.uri());
            match request.into_body().collect().await {
                Ok(content) if line == "POST /echo" => {
                    return Ok(Response::new(Full::new(content.to_bytes())));
                }
                Ok(content) => (200, format!("[{line} {}]", content.to_bytes().len())),
                Err(_) => (400, format!("[content {:?}]", rejections.content_fault())),
            }
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

/// What a client receives that sends these bytes and nothing more, but keeps its side open if `open`.
pub(crate) async fn exchange(sent: &[u8], open: bool) -> String {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(serve(server, HeadLimits::default()));
    let (mut reader, mut writer) = tokio::io::split(client);
    let mut received = Vec::new();
    let sending = async {
        // The server may close before it has read everything.
        let _ = writer.write_all(sent).await;
        if !open {
            let _ = writer.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = reader.read_to_end(&mut received) => drop(result.unwrap()),
        () = sending => {}
    }
    drop((reader, writer));
    serving.await.unwrap();
    String::from_utf8(received).unwrap()
}

/// The statuses and contents in what was received: `200 [GET / 0]`.
pub(crate) fn answers(received: &str) -> Vec<String> {
    received
        .split("HTTP/1.")
        .skip(1)
        .map(|answer| {
            let status = answer.get(2..5).unwrap();
            let content = answer.split_once("\r\n\r\n").unwrap().1;
            format!("{status} {content}").trim_end().to_owned()
        })
        .collect()
}
