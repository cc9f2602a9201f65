//! What is asked of every front: the rows of the table, as bytes that are ready to send.

use crate::front::Kind;

/// One row: requests, and the answer that each of them must get.
#[derive(Debug, Clone)]
pub struct Row {
    /// As the table calls it.
    pub name: &'static str,
    /// Whole requests, sent in turn.
    pub requests: Vec<Vec<u8>>,
    /// The status of every response. Anything else fails the run: other responses are other work.
    pub status: u16,
    /// Connections that clients keep.
    pub clients: usize,
    /// What the ratio of Demur's time to that of another front must stay below.
    pub targets: &'static [(Kind, f64)],
}

/// Connections of most rows.
pub const CLIENTS: usize = 64;

/// The targets of rejections.
const REJECTED: &[(Kind, f64)] = &[(Kind::Nginx, 0.7), (Kind::Haproxy, 1.0)];

/// Every key, and what else the rows are made of.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The secrets of ten thousand accounts, all of them within their rates.
    pub known: Vec<String>,
    /// Secrets that look like ours and that nobody issued.
    pub unknown: Vec<String>,
    /// The secret of an account whose rate is used up.
    pub limited: String,
}

/// The rows in the table's order.
pub fn rows(keys: &Keys) -> Vec<Row> {
    let content = content(8);
    let each = |secrets: &[String], request: &dyn Fn(&str) -> Vec<u8>| -> Vec<Vec<u8>> {
        secrets.iter().map(|secret| request(secret)).collect()
    };
    let admitted = |name, clients, targets| Row {
        name,
        requests: each(&keys.known, &|key| get("/tracks?limit=10", Some(key))),
        status: 200,
        clients,
        targets,
    };
    let rejected =
        |name, requests, status| Row { name, requests, status, clients: CLIENTS, targets: REJECTED };
    vec![
        admitted("admitted", CLIENTS, &[(Kind::Nginx, 0.75), (Kind::Relay, 1.4), (Kind::Haproxy, 1.0)]),
        admitted("admitted, 4 connections", 4, &[(Kind::Nginx, 0.9), (Kind::Haproxy, 1.0)]),
        rejected(
            "rejected, unknown key",
            each(&keys.unknown, &|key| get("/tracks?limit=10", Some(key))),
            401,
        ),
        rejected("rejected, no key", vec![get("/tracks?limit=10", None)], 401),
        rejected("rate limited", vec![get("/limited", Some(&keys.limited))], 429),
        Row {
            name: "1 KB validated",
            requests: each(&keys.known, &|key| post(key, &content)),
            status: 200,
            clients: CLIENTS,
            targets: &[(Kind::Nginx, 1.0), (Kind::Haproxy, 1.0)],
        },
    ]
}

/// Content so large that checking it is the front's work and nobody else's: about ten kilobytes.
pub fn large(keys: &Keys) -> Row {
    let content = content(80);
    let requests = keys.known.iter().map(|key| post(key, &content)).collect();
    Row { name: "10 KB validated", requests, status: 200, clients: CLIENTS, targets: &[] }
}

fn get(target: &str, key: Option<&str>) -> Vec<u8> {
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!(
        "GET {target} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n{key}\r\n"
    )
    .into_bytes()
}

fn post(key: &str, content: &str) -> Vec<u8> {
    format!(
        "POST /tracks HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
    .into_bytes()
}

/// An order of so many items, which breaks no rule of the document.
fn content(items: usize) -> String {
    let items: Vec<serde_json::Value> = (0..items)
        .map(|number| {
            serde_json::json!({
                "sku": format!("SKU-{number:05}"),
                "title": "A reasonably plain description",
                "quantity": number + 1,
                "price": 12.5,
                "tags": ["new", "fragile"],
            })
        })
        .collect();
    serde_json::json!({
        "title": "An order of several things",
        "email": "someone@example.org",
        "date": "2026-11-20",
        "items": items,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_content_is_about_a_kilobyte() {
        let length = super::content(8).len();
        assert!((900..1200).contains(&length), "{length}");
    }
}
