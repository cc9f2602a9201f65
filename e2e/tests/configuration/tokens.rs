//! Every mistake that `tokens` and `addresses` can have, one a row.

use super::rows::{Row, among, error, warning};

/// An Ed25519 key and a P-256 key.
pub(crate) const KEYS: &str = r#"{ "keys": [
  { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
  { "kty": "EC", "crv": "P-256", "kid": "ec", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }
] }"#;

/// A shared secret, and a private key, which is not used.
pub(crate) const SECRET: &str = r#"{ "keys": [
  { "kty": "oct", "kid": "s", "k": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w" }
] }"#;

/// The sound configuration with tokens and addresses.
pub(crate) fn sound(configuration: &str) -> String {
    configuration.replace(
        "{ scheme: bearer, prefix: shp }",
        "
      prefix: shp
      tokens:
        issuer: https://id.example
        audience: https://api.example
        algorithms: [EdDSA]
        keys: { file: keys.json }
        leeway: 60s
        require: { tenant: [a, b] }
        claims: { account: sub }
        plan: free
    addresses: { allow: [10.0.0.0/8], deny: [10.9.0.0/16] }",
    )
}

const FILE: &str = "{ file: keys.json }";
const ALGORITHMS: &str = "algorithms: [EdDSA]";

#[rustfmt::skip] // One mistake a line can be read; broken up, the table cannot.
pub(crate) const ROWS: &[Row] = &[
    error("unknown-key", &[("issuer:", "«isuer: a\n        issuer:")], "unknown key `isuer` in `tokens`", "did you mean `issuer`?"),
    error("missing-key", &[("        issuer: https://id.example\n        ", "        «")], "`tokens` needs `issuer`", "add `issuer: …`"),
    error("empty", &[("issuer: https://id.example", "issuer: «''")], "the value is empty", ""),
    error("token-audience", &[("        issuer", "        «issuer"), ("        audience: https://api.example\n", "")], "`tokens` needs `audience`", "the value of `aud`"),
    error("token-audience", &[("audience: https://api.example", "audience: «[]")], "`tokens` needs `audience`", "the value of `aud`"),
    error("missing-key", &[("        issuer", "        «issuer"), ("        algorithms: [EdDSA]\n", "")], "`tokens` needs `algorithms`", ""),
    error("missing-key", &[("        issuer", "        «issuer"), ("        keys: { file: keys.json }\n", "")], "`tokens` needs `keys`", ""),
    // Algorithms.
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «none]")], "`none` accepts tokens without a signature", "such as `RS256`"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «NONE]")], "`none` accepts tokens without a signature", ""),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «RS265]")], "unknown algorithm `RS265`", "did you mean `RS256`?"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «es256]")], "unknown algorithm `es256`", "ES256"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «RS256]")], "`RS256` does not fit the keys in `keys.json`", "it needs an RSA key, and the file has a P-256 key and an Ed25519 key"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [«HS256]")], "`HS256` does not fit the keys in `keys.json`", "it needs a shared secret"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [«EdDSA]"), (FILE, "{ file: secret.json }")], "`EdDSA` does not fit the keys", "the file has a shared secret"),
    among("token-algorithm", &[(ALGORITHMS, "algorithms: [EdDSA, «HS256]")], "`HS256` uses a shared secret, and cannot be combined with public keys", "public keys are no secrets"),
    error("token-algorithm", &[(ALGORITHMS, "algorithms: [«HS256]"), (FILE, "{ url: \"https://id.example/keys\" }")], "`HS256` uses a shared secret, which must not be fetched from a URL", "`keys: { file: … }`"),
    // Keys.
    error("token-keys", &[(FILE, "«{ file: keys.json, url: \"https://id.example/keys\" }")], "`keys` has either `url` or `file`", ""),
    error("token-keys", &[(FILE, "«{}")], "`keys` has either `url` or `file`", "jwks.json"),
    error("file", &[(FILE, "{ file: «missing.json }")], "cannot read `", "relative to this file"),
    error("token-keys", &[(FILE, "{ file: «openapi.yaml }")], "`openapi.yaml` is not a usable key set: not a JSON object", "RFC 7517"),
    error("token-keys", &[(FILE, "{ file: «public.pem }")], "PEM, not a JWK set", "convert the key"),
    error("token-keys", &[(ALGORITHMS, "algorithms: [HS256]"), (FILE, "{ file: «public.pem }")], "PEM, not a JWK set", "a public key as the secret lets anyone sign tokens"),
    error("unknown-key", &[(FILE, "{ file: keys.json, «refresh: 1m }")], "unknown key `refresh` in `keys`", ""),
    error("token-keys", &[(FILE, "{ url: «\"http://id.example/keys\" }")], "`http://id.example/keys` is not a URL with `https`", "could replace the keys"),
    error("token-keys", &[(FILE, "{ url: «id.example/keys }")], "is not a URL with `https`", "https://host/path"),
    error("token-keys", &[(FILE, "{ url: «\"https://a:b@id.example/keys\" }")], "is not a URL with `https`", ""),
    error("token-keys", &[(FILE, "{ url: «\"https://169.254.169.254/keys\" }")], "link-local", "https://host/path"),
    error("token-keys", &[(FILE, "{ url: \"https://id.example/keys\", roots: «missing.pem }")], "missing.pem", ""),
    error("duration", &[(FILE, "{ url: \"https://id.example/keys\", refresh: «1s }")], "`refresh` must be at least 10 seconds", "fetched at once"),
    error("duration", &[(FILE, "{ url: \"https://id.example/keys\", refresh: 1h, max_age: «1m }")], "`max_age` must be at least as long as `refresh`", ""),
    // The rest.
    error("duration", &[("leeway: 60s", "leeway: «1h")], "`leeway` must be at most 10 minutes", "expired tokens"),
    error("wrong-kind", &[("tenant: [a, b]", "tenant: «[]")], "`tenant` must be a value, or a list", ""),
    error("wrong-kind", &[("tenant: [a, b]", "tenant: «{ a: b }")], "`tenant` must be a value, or a list", ""),
    error("empty", &[("{ account: sub }", "{ account: «'' }")], "the value is empty", ""),
    error("unknown-key", &[("{ account: sub }", "{ «acount: sub }")], "unknown key `acount` in `claims`", "did you mean `account`?"),
    error("unknown-plan", &[("plan: free", "plan: «fre")], "unknown plan `fre`", "did you mean `free`?"),
    error("header-name", &[("issuer:", "header: «Host\n        issuer:")], "the header `host` cannot carry a token", "X-Token"),
    error("token-ambiguous", &[("prefix: shp", "prefix: shp\n      header: Authorization"), ("        issuer", "        «issuer")], "keys are the whole of `Authorization`", "`scheme: bearer`"),
    // Addresses.
    error("address", &[("allow: [10.0.0.0/8]", "allow: [«10.0.0.0/40]")], "`10.0.0.0/40` is not an address or a network", "names are not resolved"),
    error("address", &[("deny: [10.9.0.0/16]", "deny: [«shop.example]")], "`shop.example` is not an address or a network", ""),
    error("address", &[("allow: [10.0.0.0/8]", "allow: «[]")], "`allow` is empty", "or remove `allow`"),
    error("missing-key", &[("{ allow: [10.0.0.0/8], deny: [10.9.0.0/16] }", "«{}")], "`addresses` needs `allow`", ""),
    warning("address", &[("allow: [10.0.0.0/8]", "allow: [10.0.0.0/8, «10.9.1.0/24]")], "`10.9.1.0/24` is denied as a whole", "`deny` takes precedence"),
];
