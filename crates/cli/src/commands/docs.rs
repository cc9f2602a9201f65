//! `demur docs`: reference pages as files, or from a server on this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_engine::Api;
use demur_publish::Site;
use serde_json::json;

use super::matrix;
use crate::args::{DocsArgs, DocsCommand};
use crate::exit::{CommandFailure, Exit};
use crate::output::{Output, counted};
use crate::pages;
use crate::progress::Progress;
use crate::serving::load;

pub(crate) fn run(command: &DocsCommand, output: &Output) -> Result<Exit, CommandFailure> {
    match command {
        DocsCommand::Build { args, folder } => {
            let site = site(args, output)?;
            write(&site, folder, output)?;
            let (count, shown) = (site.files().count(), folder.display().to_string());
            let human = format!(
                "wrote {} to {shown}\n\nOpen {shown}/index.html in a browser.",
                counted(count, "file")
            );
            output.result(&human, &json!({ "folder": shown, "files": count }));
            Ok(Exit::Ok)
        }
        DocsCommand::Serve { args, listen } => serve(site(args, output)?, *listen, output),
    }
}

fn site(args: &DocsArgs, output: &Output) -> Result<Site, CommandFailure> {
    let config = load(&args.config, output)?;
    let docs = config.docs.clone();
    let folder = args.branding.clone().or(docs.as_ref().and_then(|docs| docs.branding.clone()));
    let branding = pages::branding(folder.as_deref(), docs.and_then(|docs| docs.name))?;
    let (apis, plans): (Vec<Arc<Api>>, Vec<Plan>) = matrix::apis(config);
    pages::build(&apis, &plans, &branding, output)
}

/// Writes all files. Files of an earlier run that do not exist any more stay.
fn write(site: &Site, folder: &Path, output: &Output) -> Result<(), CommandFailure> {
    let progress = Progress::bar(output, "writing the pages", site.files().count());
    for (done, (path, file)) in site.files().enumerate() {
        let path = folder.join(path);
        let written = match path.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, &file.bytes)),
            None => fs::write(&path, &file.bytes),
        };
        written.map_err(|error| CommandFailure::unavailable(format!("{}: {error}", path.display()), None))?;
        progress.advance_to(done);
    }
    Ok(())
}

/// Serves the pages until the program is interrupted.
fn serve(site: Site, listen: SocketAddr, output: &Output) -> Result<Exit, CommandFailure> {
    use axum::http::{Method, StatusCode, header};
    let unavailable = |error: std::io::Error| CommandFailure::unavailable(format!("{listen}: {error}"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
    let lookup = pages::lookup(site, String::new());
    let answer = move |request: axum::extract::Request| {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let page = if is_read { lookup(request.uri().path(), accept) } else { None };
        let status = if is_read { StatusCode::NOT_FOUND } else { StatusCode::METHOD_NOT_ALLOWED };
        let response = page.map(|page| page.map(axum::body::Body::from));
        let response = response.unwrap_or_else(|| axum::response::IntoResponse::into_response(status));
        std::future::ready(response)
    };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let url = format!("http://{address}");
        output.result(&format!("serving the reference pages on {url}"), &json!({ "docs": url }));
        let stopped = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        let router = axum::Router::new().fallback(answer);
        axum::serve(listener, router).with_graceful_shutdown(stopped).await.map_err(unavailable)
    })?;
    Ok(Exit::Ok)
}
