//! Tokens that are made of a good one and must not be good themselves.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use jwt_simple::algorithms::ES256KeyPair;
use serde_json::{Value, json};

use crate::support::claims;

/// What is made of a token whose issuer publishes this key set.
pub(super) fn of(good: &str, published: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<_> = good.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("{good}")
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = serde_json::from_slice::<Value>(&bytes(head)).unwrap()["kid"].clone();
    let mut changed = bytes(signature);
    changed[20] ^= 1;
    let changed = URL_SAFE_NO_PAD.encode(changed);
    let short = &signature[..signature.len() / 2];
    let mut longer = claims(good);
    longer["exp"] = json!(longer["exp"].as_i64().unwrap() + 1);
    let longer = text(&longer);
    let none = text(&json!({"alg": "none", "typ": "at+jwt", "kid": kid}));
    let kid = kid.as_str().unwrap();
    vec![
        ("a changed signature", format!("{head}.{body}.{changed}")),
        ("no signature", format!("{head}.{body}.")),
        ("half a signature", format!("{head}.{body}.{short}")),
        ("changed claims", format!("{head}.{longer}.{signature}")),
        ("no algorithm", format!("{none}.{body}.")),
        ("signed again with another key", signed_again(good, kid)),
        ("keyed with the public key", keyed(good, kid, published)),
    ]
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    let mut header = Header::new(algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    header
}

fn signed_again(good: &str, kid: &str) -> String {
    let pem = ES256KeyPair::generate().to_pem().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_ec_der(&STANDARD.decode(der).unwrap());
    jsonwebtoken::encode(&header(Algorithm::ES256, kid), &claims(good), &key).unwrap()
}

fn keyed(good: &str, kid: &str, published: &str) -> String {
    let key = EncodingKey::from_secret(published.as_bytes());
    jsonwebtoken::encode(&header(Algorithm::HS256, kid), &claims(good), &key).unwrap()
}
