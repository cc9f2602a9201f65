//! A table of tokens, each with the condition that it gets over HTTP.
//! Long because each attack is a row.

use demur_e2e::{Authority, MockResponse, TestDir, Upstream};
use serde_json::{Value as Json, json};

use crate::issuer::{Issuer, claims, encoded, now, sign_with_secret};
use crate::shop::{self, Shop};

/// What becomes of a token.
enum Expected {
    Accepted,
    /// The last part of the condition.
    Rejected(&'static str),
}

use Expected::{Accepted, Rejected};

const ALGORITHMS: &str = "keys: { file: keys.json }
algorithms: [RS256, PS256, ES256, EdDSA]";

fn serve(issuer: &Issuer, tokens: &str) -> Shop {
    let folder = TestDir::empty();
    folder.write("keys.json", &issuer.key_set("").to_string());
    shop::serve(folder, tokens)
}

fn check(shop: &Shop, rows: Vec<(&str, String, Expected)>) {
    for (what, token, expected) in rows {
        let forwarded = shop.upstream.count();
        let response = shop.list(&token);
        match expected {
            Accepted => assert_eq!((response.status, response.text()), (200, "acme".to_owned()), "{what}"),
            Rejected(condition) => {
                let logged = shop.logged(&response);
                let condition = format!("credential.token.{condition}");
                assert_eq!(logged["condition"], condition, "{what}: {logged}");
                assert_eq!(response.status, 401, "{what}");
                let challenge = "Bearer realm=\"shop\", error=\"invalid_token\"";
                assert_eq!(response.header("www-authenticate"), challenge, "{what}");
                let cause = logged["cause"].as_str().unwrap_or_default();
                assert!(!cause.is_empty() && !response.text().contains(cause), "{what}: {logged}");
                assert!(!logged.to_string().contains(&token), "{what}: the token is in the log");
                assert_eq!(shop.upstream.count(), forwarded, "{what}");
            }
        }
    }
}

fn rs256() -> Json {
    json!({ "alg": "RS256", "kid": "rsa", "typ": "JWT" })
}

/// The header with changes.
fn header(changes: Json) -> Json {
    let mut header = rs256();
    header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    header
}

#[test]
fn accepts_valid_tokens() {
    let issuer = Issuer::new();
    let shop = serve(&issuer, ALGORITHMS);
    let sign = |header: &Json, changes: Json| issuer.sign(header, &claims(changes));
    let of = |changes: Json| sign(&rs256(), changes);
    check(
        &shop,
        vec![
            ("RS256", of(json!({})), Accepted),
            ("PS256", sign(&json!({ "alg": "PS256", "kid": "rsa" }), json!({})), Accepted),
            ("ES256", sign(&json!({ "alg": "ES256", "kid": "ec" }), json!({})), Accepted),
            ("EdDSA", sign(&json!({ "alg": "EdDSA", "kid": "ed" }), json!({})), Accepted),
            (
                "Ed25519, its name of RFC 9864",
                sign(&json!({ "alg": "Ed25519", "kid": "ed" }), json!({})),
                Accepted,
            ),
            ("no kid, and one key for the algorithm", sign(&json!({ "alg": "ES256" }), json!({})), Accepted),
            (
                "several audiences",
                of(json!({ "aud": ["https://x.example", "https://other.example"] })),
                Accepted,
            ),
            ("a date with a fraction", of(json!({ "exp": now() as f64 + 600.5 })), Accepted),
            ("expired within the leeway", of(json!({ "exp": now() - 30 })), Accepted),
            ("not yet valid within the leeway", of(json!({ "nbf": now() + 30 })), Accepted),
            ("no nbf and no iat", of(json!({ "nbf": null, "iat": null })), Accepted),
            ("a list of tenants", of(json!({ "tenant": ["west", "south"] })), Accepted),
            (
                "the type of RFC 9068",
                sign(&header(json!({ "typ": "application/AT+jwt" })), json!({})),
                Accepted,
            ),
            ("no type", sign(&json!({ "alg": "RS256", "kid": "rsa" }), json!({})), Accepted),
            (
                "thumbprints, which are ignored",
                sign(&header(json!({ "x5t": "AAAA", "x5c": ["AAAA"] })), json!({})),
                Accepted,
            ),
        ],
    );
}

#[test]
fn rejects_the_attacks_of_rfc_8725() {
    let (issuer, attacker) = (Issuer::new(), Issuer::new());
    let shop = serve(&issuer, ALGORITHMS);
    // Nobody may ask it.
    let authority = Authority::new();
    let tls = authority.server(&authority.issue(&["127.0.0.1"]), false);
    let theirs = attacker.key_set("").to_string();
    let server = Upstream::start_tls(tls, move |_| MockResponse::response(200, &[], &theirs));
    let url = format!("https://{}/jwks.json", server.address());
    let unsigned =
        |header: Json| format!("{}.{}.", encoded(header.to_string()), encoded(claims(json!({})).to_string()));
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        encoded(issuer.rsa_public_der())
    );
    let modulus = issuer.rsa_jwk()["n"].as_str().unwrap().to_owned();
    let confused = |secret: &[u8]| {
        sign_with_secret(&json!({ "alg": "HS256", "kid": "rsa", "typ": "JWT" }), &claims(json!({})), secret)
    };
    let of = |header: Json| issuer.sign(&header, &claims(json!({})));
    // The attacker has another P-256 key; its signature is valid for that.
    let forged = |extra: Json| {
        let mut header = json!({ "alg": "ES256", "kid": "ec" });
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        attacker.sign(&header, &claims(json!({})))
    };
    let jwk = attacker.key_set("")["keys"][1].clone();
    let (message, _) = of(json!({ "alg": "ES256", "kid": "ec" }))
        .rsplit_once('.')
        .map(|(m, s)| (m.to_owned(), s.to_owned()))
        .unwrap();
    let valid = of(rs256());
    let other = issuer.sign(&rs256(), &claims(json!({ "sub": "victim" })));
    let parts: Vec<&str> = valid.split('.').collect();
    let swapped = [parts[0], other.split('.').nth(1).unwrap(), parts[2]].join(".");
    check(
        &shop,
        vec![
            // 2.1, 3.1, 3.2: algorithms.
            ("none", unsigned(json!({ "alg": "none" })), Rejected("algorithm")),
            ("None", unsigned(json!({ "alg": "None", "kid": "rsa" })), Rejected("algorithm")),
            ("nOnE", unsigned(json!({ "alg": "nOnE", "kid": "rsa" })), Rejected("algorithm")),
            ("none with a signature", of(json!({ "alg": "none", "kid": "rsa" })), Rejected("algorithm")),
            ("an empty algorithm", unsigned(json!({ "alg": "" })), Rejected("algorithm")),
            ("HS256 with the public key in PEM", confused(pem.as_bytes()), Rejected("algorithm")),
            ("HS256 with the public key in DER", confused(issuer.rsa_public_der()), Rejected("algorithm")),
            ("HS256 with the modulus", confused(modulus.as_bytes()), Rejected("algorithm")),
            ("HS256 with an empty secret", confused(b""), Rejected("algorithm")),
            (
                "an algorithm that is not listed",
                of(json!({ "alg": "RS384", "kid": "rsa" })),
                Rejected("algorithm"),
            ),
            (
                "an algorithm in lower case",
                of(json!({ "alg": "rs256", "kid": "rsa" })),
                Rejected("algorithm"),
            ),
            (
                "an encryption algorithm",
                of(json!({ "alg": "RSA-OAEP", "kid": "rsa" })),
                Rejected("algorithm"),
            ),
            ("ES256 with an RSA key", of(json!({ "alg": "ES256", "kid": "rsa" })), Rejected("algorithm")),
            ("RS256 with an EC key", of(json!({ "alg": "RS256", "kid": "ec" })), Rejected("algorithm")),
            ("EdDSA with an EC key", of(json!({ "alg": "EdDSA", "kid": "ec" })), Rejected("algorithm")),
            ("no algorithm", of(json!({ "kid": "rsa" })), Rejected("malformed")),
            ("a number as the algorithm", of(json!({ "alg": 256, "kid": "rsa" })), Rejected("malformed")),
            // 2.2, 3.3: signatures.
            ("no signature", unsigned(rs256()), Rejected("signature")),
            ("a signature of zeros", format!("{message}.{}", encoded([0; 64])), Rejected("signature")),
            ("a signature in DER", issuer.sign_in_der(&claims(json!({}))), Rejected("signature")),
            ("a short signature", format!("{message}.{}", encoded([1; 63])), Rejected("signature")),
            ("a signature with more bytes", format!("{message}.{}", encoded([1; 65])), Rejected("signature")),
            ("the claims of another token", swapped, Rejected("signature")),
            ("another key of the same kind", forged(json!({})), Rejected("signature")),
            // 3.10: keys that the token names or contains.
            ("an embedded key", forged(json!({ "jwk": jwk })), Rejected("signature")),
            (
                "an embedded key without kid",
                attacker.sign(&json!({ "alg": "ES256", "jwk": jwk }), &claims(json!({}))),
                Rejected("signature"),
            ),
            (
                "an embedded key with its own kid",
                forged(json!({ "jwk": jwk, "kid": "mine" })),
                Rejected("unknown_key"),
            ),
            ("jku", forged(json!({ "jku": url })), Rejected("signature")),
            ("jku with its own kid", forged(json!({ "jku": url, "kid": "mine" })), Rejected("unknown_key")),
            ("x5u", forged(json!({ "x5u": url, "kid": "mine" })), Rejected("unknown_key")),
            ("a path as kid", of(header(json!({ "kid": "../../dev/null" }))), Rejected("unknown_key")),
            ("SQL as kid", of(header(json!({ "kid": "rsa' OR '1'='1" }))), Rejected("unknown_key")),
            ("a command as kid", of(header(json!({ "kid": "rsa|id" }))), Rejected("unknown_key")),
            ("a line break in kid", of(header(json!({ "kid": "rsa\n\u{0}" }))), Rejected("unknown_key")),
            ("a URL as kid", of(header(json!({ "kid": url }))), Rejected("unknown_key")),
            ("an empty kid", of(header(json!({ "kid": "" }))), Rejected("unknown_key")),
            ("a number as kid", of(header(json!({ "kid": 1 }))), Rejected("malformed")),
            ("a list as kid", of(header(json!({ "kid": ["rsa"] }))), Rejected("malformed")),
            ("an extension", of(header(json!({ "crit": ["exp"], "exp": 1 }))), Rejected("malformed")),
            ("an empty list of extensions", of(header(json!({ "crit": [] }))), Rejected("malformed")),
            ("an unencoded payload", of(header(json!({ "b64": false }))), Rejected("malformed")),
            // 2.8, 3.11, 3.12: tokens for another purpose.
            ("a logout token", of(header(json!({ "typ": "logout+jwt" }))), Rejected("claim")),
            ("a DPoP proof", of(header(json!({ "typ": "dpop+jwt" }))), Rejected("claim")),
            (
                "a nested token",
                issuer.sign_raw(&header(json!({ "cty": "JWT" })).to_string(), valid.as_bytes()),
                Rejected("malformed"),
            ),
            (
                "an encrypted token",
                format!("{}.e30.AAAA.AAAA.AAAA", encoded("{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}")),
                Rejected("malformed"),
            ),
        ],
    );
    assert_eq!(server.count(), 0, "the attacker's server was asked");
}

#[test]
fn rejects_tokens_with_other_claims() {
    let issuer = Issuer::new();
    let shop = serve(&issuer, ALGORITHMS);
    let of = |changes: Json| issuer.sign(&rs256(), &claims(changes));
    let raw = |text: String| issuer.sign_raw(&rs256().to_string(), text.as_bytes());
    let with = |member: &str| {
        let text = claims(json!({})).to_string();
        format!("{},{member}}}", text.trim_end_matches('}'))
    };
    let without_exp = |exp: &str| {
        let text = claims(json!({ "exp": null })).to_string();
        raw(format!("{},\"exp\":{exp}}}", text.trim_end_matches('}')))
    };
    check(
        &shop,
        vec![
            ("another issuer", of(json!({ "iss": "https://evil.example" })), Rejected("issuer")),
            ("a similar issuer", of(json!({ "iss": "https://id.example/" })), Rejected("issuer")),
            ("no issuer", of(json!({ "iss": null })), Rejected("issuer")),
            ("a list of issuers", of(json!({ "iss": ["https://id.example"] })), Rejected("issuer")),
            ("another audience", of(json!({ "aud": "https://shop.example" })), Rejected("audience")),
            (
                "the beginning of the audience",
                of(json!({ "aud": "https://api.example.evil" })),
                Rejected("audience"),
            ),
            ("no audience", of(json!({ "aud": null })), Rejected("audience")),
            ("an empty list of audiences", of(json!({ "aud": [] })), Rejected("audience")),
            (
                "a number as an audience",
                of(json!({ "aud": ["https://api.example", 7] })),
                Rejected("audience"),
            ),
            (
                "an object as the audience",
                of(json!({ "aud": { "https://api.example": true } })),
                Rejected("audience"),
            ),
            ("expired", of(json!({ "exp": now() - 90 })), Rejected("expired")),
            ("expired in 1970", of(json!({ "exp": 0 })), Rejected("expired")),
            ("no expiry", of(json!({ "exp": null })), Rejected("claim")),
            ("a text as the expiry", of(json!({ "exp": (now() + 600).to_string() })), Rejected("claim")),
            ("null as the expiry", without_exp("null"), Rejected("claim")),
            ("a negative expiry", of(json!({ "exp": -1 })), Rejected("claim")),
            ("a very large expiry", without_exp("1e300"), Rejected("claim")),
            ("milliseconds", of(json!({ "exp": (now() + 600) * 1000 })), Rejected("claim")),
            ("an expiry that is no number of JSON", without_exp("1e999"), Rejected("malformed")),
            ("an infinite expiry", without_exp("Infinity"), Rejected("malformed")),
            ("not yet valid", of(json!({ "nbf": now() + 90 })), Rejected("not_yet_valid")),
            ("issued in the future", of(json!({ "iat": now() + 90 })), Rejected("not_yet_valid")),
            ("a text as nbf", of(json!({ "nbf": "now" })), Rejected("claim")),
            ("no tenant", of(json!({ "tenant": null })), Rejected("claim")),
            ("another tenant", of(json!({ "tenant": "west" })), Rejected("claim")),
            ("no subject", of(json!({ "sub": null })), Rejected("claim")),
            ("a number as the subject", of(json!({ "sub": 7 })), Rejected("claim")),
            ("an empty subject", of(json!({ "sub": "" })), Rejected("claim")),
            (
                "a subject that no account can have",
                of(json!({ "sub": "acme\r\ndemur-plan: pro" })),
                Rejected("claim"),
            ),
            ("a long subject", of(json!({ "sub": "a".repeat(129) })), Rejected("claim")),
            ("a number as scopes", of(json!({ "scope": 7 })), Rejected("claim")),
            ("a number as the plan", of(json!({ "plan": 7 })), Rejected("claim")),
            ("two subjects", raw(with("\"sub\":\"victim\"")), Rejected("malformed")),
            ("two subjects, one escaped", raw(with("\"\\u0073ub\":\"victim\"")), Rejected("malformed")),
            ("two dates of expiry", raw(with("\"exp\":9999999999")), Rejected("malformed")),
        ],
    );
}

#[test]
fn rejects_malformed_tokens() {
    let issuer = Issuer::new();
    let shop = serve(&issuer, ALGORITHMS);
    let valid = issuer.sign(&rs256(), &claims(json!({})));
    let [header, payload, signature]: [&str; 3] = valid.split('.').collect::<Vec<_>>().try_into().unwrap();
    let raw = |payload: &[u8]| issuer.sign_raw(&rs256().to_string(), payload);
    let raw_header = |header: &str| issuer.sign_raw(header, claims(json!({})).to_string().as_bytes());
    // The last character of 256 bytes has four bits that mean nothing.
    let last = signature.chars().last().unwrap();
    let other = char::from(u8::try_from(last).unwrap() + 1);
    let same_bytes = format!("{}{other}", &signature[..signature.len() - 1]);
    let huge = issuer.sign(&rs256(), &claims(json!({ "padding": "x".repeat(13_000) })));
    assert!(huge.len() > 16 * 1024 && huge.len() < 24 * 1024);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    check(
        &shop,
        vec![
            ("one part less", format!("{header}.{payload}"), Rejected("malformed")),
            ("one part more", format!("{valid}.AAAA"), Rejected("malformed")),
            ("an empty part more", format!("{valid}."), Rejected("malformed")),
            ("two tokens", format!("{valid}.{valid}"), Rejected("malformed")),
            ("padding in the header", format!("{header}=.{payload}.{signature}"), Rejected("malformed")),
            ("padding in the payload", format!("{header}.{payload}==.{signature}"), Rejected("malformed")),
            ("padding in the signature", format!("{valid}=="), Rejected("malformed")),
            (
                "the alphabet of base64",
                format!("{header}.{payload}.{}", signature.replacen(&signature[..1], "+", 1)),
                Rejected("malformed"),
            ),
            (
                "a percent sign in the payload",
                format!("{header}.%{payload}.{signature}"),
                Rejected("malformed"),
            ),
            (
                "another encoding of the same signature",
                format!("{header}.{payload}.{same_bytes}"),
                Rejected("malformed"),
            ),
            (
                "a signature that was cut off",
                format!("{header}.{payload}.{}", encoded([1; 200])),
                Rejected("signature"),
            ),
            ("an empty payload", format!("{header}..{signature}"), Rejected("signature")),
            (
                "a header that is not JSON",
                raw_header("{\"alg\":\"RS256\",\"kid\":\"rsa\""),
                Rejected("malformed"),
            ),
            (
                "something after the header",
                raw_header("{\"alg\":\"RS256\",\"kid\":\"rsa\"}x"),
                Rejected("malformed"),
            ),
            (
                "two algorithms",
                raw_header("{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}"),
                Rejected("malformed"),
            ),
            (
                "two keys",
                raw_header("{\"alg\":\"RS256\",\"kid\":\"rsa\",\"kid\":\"ec\"}"),
                Rejected("malformed"),
            ),
            ("claims that are not JSON", raw(b"sub=acme"), Rejected("malformed")),
            ("a list of claims", raw(b"[]"), Rejected("malformed")),
            (
                "something after the claims",
                raw(format!("{}x", claims(json!({}))).as_bytes()),
                Rejected("malformed"),
            ),
            ("claims that are not UTF-8", raw(b"{\"sub\":\"\xff\"}"), Rejected("malformed")),
            (
                "a byte order mark",
                raw(format!("\u{feff}{}", claims(json!({}))).as_bytes()),
                Rejected("malformed"),
            ),
            ("deep claims", raw(deep.as_bytes()), Rejected("malformed")),
            ("no claims", raw(b""), Rejected("malformed")),
            ("a huge token", huge, Rejected("malformed")),
        ],
    );
    // Without the form of a token it is a key.
    for text in ["eyJhbGciOiJSUzI1NiJ9", "a.b.c", ".."] {
        let response = shop.list(text);
        assert_eq!(shop.condition(&response), "credential.malformed", "{text}");
        assert_eq!(response.header("www-authenticate"), "Bearer realm=\"shop\"");
    }
}

/// With a shared secret, which comes from a file.
#[test]
fn accepts_shared_secrets_of_a_file_only_with_their_algorithm() {
    let secret = [7_u8; 48];
    let folder = TestDir::empty();
    let keys = json!({ "keys": [{ "kty": "oct", "kid": "s", "alg": "HS256", "k": encoded(secret) }] });
    folder.write_secret("keys.json", &keys.to_string());
    let shop = shop::serve(folder, "keys: { file: keys.json }\nalgorithms: [HS256]");
    let sign = |alg: &str, secret: &[u8]| {
        sign_with_secret(&json!({ "alg": alg, "kid": "s" }), &claims(json!({})), secret)
    };
    let of_issuer = Issuer::new().sign(&header(json!({ "kid": "s" })), &claims(json!({})));
    check(
        &shop,
        vec![
            ("HS256", sign("HS256", &secret), Accepted),
            ("another secret", sign("HS256", &[8; 48]), Rejected("signature")),
            ("an empty secret", sign("HS256", &[]), Rejected("signature")),
            ("another hash", sign("HS512", &secret), Rejected("algorithm")),
            ("RS256", of_issuer, Rejected("algorithm")),
            ("none", sign("none", &secret), Rejected("algorithm")),
        ],
    );
}
