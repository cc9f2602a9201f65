// The service that the examples of the how-to pages call, on a port of its own.

mod errors {
    include!("errors.rs");
}

async fn show_tea(
    axum::extract::Path(name): axum::extract::Path<String>,
) -> Result<String, demur_tower::Raise> {
    match name.as_str() {
        "assam" => Ok("strong".to_owned()),
        "sencha" => Err(errors::OutOfStock { tea: "Sencha".into(), day: "Monday".into() })?,
        _ => Err(errors::NotFound)?,
    }
}

/// Its URL, and a key.
async fn serving() -> (String, String) {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/how-to/tea"));
    let (config, _) = demur_tower::ServiceConfig::read(&folder.join("demur.yaml")).unwrap();
    let (layer, keys) = demur_tower::DemurLayer::in_memory(config).unwrap();
    let key = keys.issue("tea", "acme", "free").unwrap().expose().to_owned();
    let app = axum::Router::new().route("/teas/{name}", axum::routing::get(show_tea)).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), key)
}
