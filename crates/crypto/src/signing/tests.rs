use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;

const CLAIMS: &[u8] =
    br#"{"iss":"https://issuer.example","aud":"https://api.example","exp":4102444800}"#;

impl SigningKey {
    /// A token with a header that this key would never write.
    pub(crate) fn forge(&self, header: &str, claims: &str) -> String {
        let mut token = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        self.pair.sign_onto(&mut token).unwrap();
        token
    }
}

fn generated(algorithm: Algorithm) -> (SigningKey, Zeroizing<Vec<u8>>) {
    SigningKey::generate(algorithm, "key_1").unwrap()
}

/// The claims, when another library accepts the token under the published JWK.
fn accepted_elsewhere(token: &str, jwk: &PublicJwk) -> Value {
    let published = serde_json::to_value(jwk).unwrap();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(published).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(
        jwk.common
            .key_algorithm
            .unwrap()
            .to_string()
            .parse()
            .unwrap(),
    );
    validation.set_audience(&["https://api.example"]);
    validation.set_issuer(&["https://issuer.example"]);
    jsonwebtoken::decode(token, &key, &validation)
        .unwrap()
        .claims
}

#[test]
fn every_algorithms_tokens_are_accepted_elsewhere() {
    for algorithm in Algorithm::ALL {
        let (key, _) = generated(algorithm);
        let token = key.sign_jwt(CLAIMS).unwrap();
        let claims: Value = serde_json::from_slice(CLAIMS).unwrap();
        assert_eq!(accepted_elsewhere(&token, key.public_jwk()), claims);
    }
}

#[test]
fn a_key_survives_storage() {
    for algorithm in Algorithm::ALL {
        let (key, pkcs8) = generated(algorithm);
        let again = SigningKey::from_pkcs8(algorithm, "key_1", &pkcs8).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
        accepted_elsewhere(&again.sign_jwt(CLAIMS).unwrap(), key.public_jwk());
    }
}

#[test]
fn the_header_names_algorithm_key_and_type() {
    for algorithm in Algorithm::ALL {
        let token = generated(algorithm).0.sign_jwt(CLAIMS).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
        assert_eq!(
            header,
            json!({"alg": algorithm.as_str(), "kid": "key_1", "typ": "at+jwt"})
        );
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[1]).unwrap(), CLAIMS);
        assert_eq!(parts.len(), 3);
    }
}

#[test]
fn the_token_fills_the_buffer_that_was_reserved_for_it() {
    for algorithm in Algorithm::ALL {
        let (key, _) = generated(algorithm);
        for length in 0..7 {
            let token = key.sign_jwt(&CLAIMS[..length]).unwrap();
            assert_eq!(token.capacity(), token.len(), "{algorithm} {length}");
        }
    }
}

#[test]
fn a_key_id_is_quoted_in_the_header() {
    let (key, _) = SigningKey::generate(Algorithm::EdDsa, "a\"b").unwrap();
    let token = key.sign_jwt(CLAIMS).unwrap();
    assert_eq!(
        jsonwebtoken::decode_header(token).unwrap().kid.as_deref(),
        Some("a\"b")
    );
}

#[test]
fn refuses_a_key_of_another_algorithm_and_damaged_ones() {
    for made_for in Algorithm::ALL {
        let (_, pkcs8) = generated(made_for);
        for read_as in Algorithm::ALL {
            let key = SigningKey::from_pkcs8(read_as, "key_1", &pkcs8);
            assert_eq!(key.is_ok(), made_for == read_as, "{made_for} as {read_as}");
        }
        let cut = SigningKey::from_pkcs8(made_for, "key_1", &pkcs8[..pkcs8.len() - 1]);
        assert_eq!(
            cut.unwrap_err(),
            SigningKeyError::Rejected {
                algorithm: made_for
            }
        );
        assert!(SigningKey::from_pkcs8(made_for, "key_1", &[]).is_err());
    }
}

#[test]
fn prints_nothing_private_and_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let (key, _) = generated(Algorithm::Es256);
    shared(&key);
    assert_eq!(format!("{key:?}"), "SigningKey(ES256 key_1)");
}
