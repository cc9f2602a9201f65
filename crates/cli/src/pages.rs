//! Reference pages of a configuration: building them, and serving them beside its APIs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use demur_admission::Plan;
use demur_config::Inputs;
use demur_engine::{Api, PageLookup};
use demur_gateway::{Config, Pages};
use demur_matrix::Matrix;
use demur_publish::{Branding, CONTENT_SECURITY_POLICY, Found, Site};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY as POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

use crate::exit::CommandFailure;
use crate::output::Output;
use crate::progress::Progress;

/// Builds the pages of these APIs.
pub(crate) fn build(
    apis: &[Arc<Api>],
    plans: &[Plan],
    branding: &Branding,
    output: &Output,
) -> Result<Site, CommandFailure> {
    let operations = apis.iter().map(|api| api.settings().document.operations().len()).sum::<usize>();
    let progress = Progress::bar(output, "building the pages", operations * 3);
    let matrix = Matrix::build_with_progress(apis, plans, |done| progress.advance_to(done));
    Site::build(apis, plans, &matrix, branding, |files| progress.advance_to(operations + files)).map_err(
        |error| {
            let help = "see `docs/reference/reference-pages.md` for the variables of templates".to_owned();
            CommandFailure::unavailable(format!("a template cannot be rendered: {error:#}"), help)
        },
    )
}

/// Lets the gateway build the pages that a configuration serves, if it does, together with its APIs. `inputs` gets the files
/// of the branding.
pub(crate) fn attach(
    config: &mut Config,
    inputs: &mut Inputs,
    output: &Output,
) -> Result<(), CommandFailure> {
    let Some(docs) = config.docs.clone() else { return Ok(()) };
    if let Some(folder) = &docs.branding {
        record_files(folder, inputs)?;
        let templates = folder.join("templates");
        if templates.is_dir() {
            record_files(&templates, inputs)?;
        }
    }
    let branding = branding(docs.branding.as_deref(), docs.name.clone())?;
    let output = output.clone();
    config.pages = Pages(Some(Box::new(move |apis, plans| {
        let site = build(apis, plans, &branding, &output)
            .map_err(|failure| io::Error::other(failure.to_string()))?;
        Ok(lookup(site, docs.path))
    })));
    Ok(())
}

fn record_files(folder: &Path, inputs: &mut Inputs) -> Result<(), CommandFailure> {
    files(folder)?.iter().for_each(|(name, bytes)| inputs.files.read(&folder.join(name), bytes));
    Ok(())
}

/// The files in a folder, by their names.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, CommandFailure> {
    let failure = |path: &Path, error: &io::Error| {
        CommandFailure::unavailable(format!("{}: {error}", path.display()), None)
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|error| failure(folder, &error))? {
        let entry = entry.map_err(|error| failure(folder, &error))?;
        let path = entry.path();
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|error| failure(&path, &error))?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
    }
    Ok(files)
}

/// What the folder of a project's branding adds to the pages.
pub(crate) fn branding(folder: Option<&Path>, name: Option<String>) -> Result<Branding, CommandFailure> {
    let mut branding = Branding { name, ..Branding::default() };
    let Some(folder) = folder else { return Ok(branding) };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    for (name, bytes) in files(folder)? {
        match name.as_str() {
            "brand.css" => branding.style = Some(text(bytes)),
            "logo.svg" | "logo.png" => branding.logo = Some((name, bytes)),
            _ => {
                if let Some(page) = name.strip_suffix(".md") {
                    branding.pages.push((page.to_owned(), text(bytes)));
                }
            }
        }
    }
    let templates = folder.join("templates");
    if templates.is_dir() {
        branding.templates =
            files(&templates)?.into_iter().map(|(name, bytes)| (name, text(bytes))).collect();
    }
    Ok(branding)
}

/// The pages below a path, as the gateway serves them.
pub(crate) fn lookup(site: Site, mount: String) -> PageLookup {
    Arc::new(move |path, accept| {
        let within = path.strip_prefix(mount.as_str())?;
        if within.is_empty() && !mount.is_empty() {
            return moved(&format!("{mount}/"));
        }
        if !within.starts_with('/') {
            return None;
        }
        match site.find(within, accept)? {
            Found::File(file) => {
                let mut response = Response::new(file.bytes.clone().into());
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
                headers.insert(POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                headers.insert(VARY, HeaderValue::from_static("accept"));
                Some(response)
            }
            Found::Moved(target) => moved(&format!("{mount}/{target}")),
            Found::Folder => moved(&format!("{path}/")),
        }
    })
}

fn moved(target: &str) -> Option<Response<bytes::Bytes>> {
    let mut response = Response::new(bytes::Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(target).ok()?);
    Some(response)
}
