use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::algorithm::Algorithm;
use crate::signing::SigningKey;

const NOW: i64 = 1_800_000_000;

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            SigningKey::generate(algorithm, algorithm.as_str())
                .unwrap()
                .0
        })
        .collect()
});

/// One key for all tests: its id is its algorithm.
fn key(algorithm: Algorithm) -> &'static SigningKey {
    KEYS.iter()
        .find(|key| key.algorithm() == algorithm)
        .unwrap()
}

fn expected() -> Expectation<'static> {
    Expectation {
        issuer: "https://issuer.example",
        audience: Audience::Includes("https://api.example"),
        now: NOW,
        leeway: 0,
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "https://api.example", "sub": "client_a",
        "exp": NOW + 60, "nbf": NOW, "iat": NOW,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn signed(claims: &Value) -> String {
    key(Algorithm::EdDsa)
        .sign_jwt(claims.to_string().as_bytes())
        .unwrap()
}

fn verified(token: &str) -> Result<Value, TokenError> {
    verify_jwt(token, &expected(), published)
}

fn published(kid: &str) -> Option<&'static PublicJwk> {
    KEYS.iter()
        .map(SigningKey::public_jwk)
        .find(|jwk| jwk.kid() == kid)
}

fn refused(token: &str) -> TokenError {
    verified(token).unwrap_err()
}

/// A token with any header, signed by the Ed25519 key.
fn forged(header: &Value, claims: &Value) -> String {
    key(Algorithm::EdDsa).forge(&header.to_string(), &claims.to_string())
}

/// Another Ed25519 key that claims the id of ours.
fn impostor() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa, "EdDSA").unwrap().0
}

#[test]
fn takes_its_own_tokens() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Claims {
        sub: String,
    }
    for key in KEYS.iter() {
        let token = key.sign_jwt(claims().to_string().as_bytes()).unwrap();
        let answer: Claims = verify_jwt(&token, &expected(), published).unwrap();
        assert_eq!(
            answer,
            Claims {
                sub: "client_a".to_owned()
            }
        );
    }
}

#[test]
fn takes_keys_by_value_and_shared() {
    let (token, jwk) = (signed(&claims()), key(Algorithm::EdDsa).public_jwk());
    assert!(verify_jwt::<Value, _>(&token, &expected(), |_| Some(jwk.clone())).is_ok());
    assert!(verify_jwt::<Value, _>(&token, &expected(), |_| Some(Arc::new(jwk.clone()))).is_ok());
}

#[test]
fn refuses_what_is_not_a_jwt() {
    let token = signed(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    for text in [
        "",
        ".",
        "..",
        "...",
        "chs_secret",
        parts[0],
        &parts[..2].join("."),
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}.{}", parts[2]),
        &format!("{token}="),
        &format!(" {token}"),
        &format!("e30.{}.{}", parts[1], parts[2]),
        &format!("W10.{}.{}", parts[1], parts[2]),
    ] {
        assert_eq!(refused(text), TokenError::Malformed, "{text}");
    }
}

#[test]
fn refuses_alg_none_and_unknown_algorithms() {
    for alg in ["none", "None", "", "ES256K"] {
        let header = json!({"alg": alg, "kid": "EdDSA", "typ": "at+jwt"});
        assert_eq!(
            refused(&forged(&header, &claims())),
            TokenError::Malformed,
            "{alg}"
        );
    }
}

#[test]
fn refuses_an_algorithm_that_is_not_the_keys() {
    for (alg, kid) in [
        ("HS256", "EdDSA"),
        ("ES256", "EdDSA"),
        ("EdDSA", "ES256"),
        ("PS256", "RS256"),
        ("RS512", "RS256"),
        ("ES384", "ES256"),
    ] {
        let header = json!({"alg": alg, "kid": kid, "typ": "at+jwt"});
        assert_eq!(
            refused(&forged(&header, &claims())),
            TokenError::WrongAlgorithm,
            "{alg}"
        );
    }
}

#[test]
fn refuses_hs256_keyed_with_the_public_key() {
    let jwk = serde_json::to_value(key(Algorithm::Es256).public_jwk()).unwrap();
    let secret = jsonwebtoken::EncodingKey::from_secret(jwk.to_string().as_bytes());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("ES256".to_owned());
    header.typ = Some("at+jwt".to_owned());
    let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(refused(&token), TokenError::WrongAlgorithm);
}

#[test]
fn takes_the_type_of_an_access_token_alone() {
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        let header = json!({"alg": "EdDSA", "kid": "EdDSA", "typ": typ});
        assert!(verified(&forged(&header, &claims())).is_ok(), "{typ}");
    }
    for typ in [
        "JWT",
        "jwt",
        "",
        "at+jwt ",
        "application/",
        "application/jwt",
        "application/application/at+jwt",
        "client-authentication+jwt",
        "ä+jwtttttttttttttt",
    ] {
        let header = json!({"alg": "EdDSA", "kid": "EdDSA", "typ": typ});
        assert_eq!(
            refused(&forged(&header, &claims())),
            TokenError::WrongType,
            "{typ}"
        );
    }
    let header = json!({"alg": "EdDSA", "kid": "EdDSA"});
    assert_eq!(refused(&forged(&header, &claims())), TokenError::WrongType);
}

#[test]
fn refuses_a_missing_or_unknown_key_id() {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt"});
    assert_eq!(
        refused(&forged(&header, &claims())),
        TokenError::MissingKeyId
    );
    let header = json!({"alg": "EdDSA", "kid": "other", "typ": "at+jwt"});
    assert_eq!(refused(&forged(&header, &claims())), TokenError::UnknownKey);
}

#[test]
fn refuses_a_key_that_was_found_under_another_id() {
    let token = signed(&claims());
    let other = key(Algorithm::Es256).public_jwk();
    let answer = PresentedToken::parse(&token)
        .unwrap()
        .verify::<Value>(other, &expected());
    assert_eq!(answer, Err(TokenError::UnknownKey));
}

#[test]
fn refuses_a_header_that_brings_its_own_key_or_a_critical_extension() {
    let own = impostor();
    let header = json!({"alg": "EdDSA", "kid": "EdDSA", "typ": "at+jwt", "jwk": own.public_jwk()});
    let forged_by_own = own.forge(&header.to_string(), &claims().to_string());
    assert_eq!(refused(&forged_by_own), TokenError::BadSignature);
    let header = json!({"alg": "EdDSA", "kid": "EdDSA", "typ": "at+jwt", "crit": ["exp"]});
    assert_eq!(
        refused(&forged(&header, &claims())),
        TokenError::CriticalExtension
    );
}

#[test]
fn refuses_a_token_signed_by_another_key_of_the_same_id() {
    let token = impostor()
        .sign_jwt(claims().to_string().as_bytes())
        .unwrap();
    assert_eq!(refused(&token), TokenError::BadSignature);
}

#[test]
fn refuses_other_issuers() {
    for issuer in ["https://issuer.example/", "https://ISSUER.example", ""] {
        assert_eq!(
            refused(&signed(&with("iss", json!(issuer)))),
            TokenError::WrongIssuer
        );
    }
    let array = json!(["https://issuer.example"]);
    assert_eq!(
        refused(&signed(&with("iss", array))),
        TokenError::InvalidClaim("iss")
    );
    assert_eq!(
        refused(&signed(&without("iss"))),
        TokenError::MissingClaim("iss")
    );
}

#[test]
fn takes_its_audience_among_several_and_refuses_others() {
    let several = json!(["https://other.example", "https://api.example"]);
    assert!(verified(&signed(&with("aud", several))).is_ok());
    for other in [
        json!("https://other.example"),
        json!([]),
        json!(["https://api.example/"]),
    ] {
        assert_eq!(
            refused(&signed(&with("aud", other))),
            TokenError::WrongAudience
        );
    }
    for invalid in [
        json!(1),
        json!(null),
        json!({}),
        json!(["https://api.example", 1]),
    ] {
        assert_eq!(
            refused(&signed(&with("aud", invalid))),
            TokenError::InvalidClaim("aud")
        );
    }
    assert_eq!(
        refused(&signed(&without("aud"))),
        TokenError::MissingClaim("aud")
    );
}

#[test]
fn leaves_the_audience_to_a_caller_that_asks_for_it() {
    let any = Expectation {
        audience: Audience::DecidedByCaller,
        ..expected()
    };
    let token = signed(&with("aud", json!("https://other.example")));
    assert!(verify_jwt::<Value, _>(&token, &any, published).is_ok());
    let token = signed(&without("aud"));
    assert_eq!(
        verify_jwt::<Value, _>(&token, &any, published),
        Err(TokenError::MissingClaim("aud"))
    );
}

#[test]
fn judges_times_by_the_clock_that_it_is_given() {
    let token = signed(&claims());
    let at = |now, leeway| {
        let expected = Expectation {
            now,
            leeway,
            ..expected()
        };
        verify_jwt::<Value, _>(&token, &expected, published).map(|_| ())
    };
    assert_eq!(at(NOW - 1, 0), Err(TokenError::NotYetValid));
    assert_eq!(at(NOW, 0), Ok(()));
    assert_eq!(at(NOW + 59, 0), Ok(()));
    assert_eq!(at(NOW + 60, 0), Err(TokenError::Expired));
    assert_eq!(at(NOW - 30, 30), Ok(()));
    assert_eq!(at(NOW - 31, 30), Err(TokenError::NotYetValid));
    assert_eq!(at(NOW + 89, 30), Ok(()));
    assert_eq!(at(NOW + 90, 30), Err(TokenError::Expired));
    assert_eq!(at(i64::MAX, u32::MAX), Err(TokenError::Expired));
    assert_eq!(at(i64::MIN, u32::MAX), Err(TokenError::NotYetValid));
}

#[test]
fn refuses_times_that_are_absent_or_no_integers() {
    assert_eq!(
        refused(&signed(&without("exp"))),
        TokenError::MissingClaim("exp")
    );
    assert!(verified(&signed(&without("nbf"))).is_ok());
    for name in ["exp", "nbf"] {
        for invalid in [
            json!("1800000060"),
            json!(1_800_000_060.0),
            json!(null),
            json!(u64::MAX),
            json!([]),
        ] {
            let error = refused(&signed(&with(name, invalid.clone())));
            assert_eq!(error, TokenError::InvalidClaim(name), "{name} = {invalid}");
        }
    }
}

#[test]
fn refuses_a_claim_that_occurs_twice() {
    let doubled = claims().to_string().replacen('{', r#"{"exp":1,"#, 1);
    let token = key(Algorithm::EdDsa).sign_jwt(doubled.as_bytes()).unwrap();
    assert_eq!(refused(&token), TokenError::Malformed);
}

#[test]
fn refuses_claims_that_are_no_object_or_not_the_callers() {
    let positional = json!([
        "https://issuer.example",
        "https://api.example",
        NOW + 60,
        NOW
    ])
    .to_string();
    for claims in ["[]", &positional, "null", "\"text\"", "{", ""] {
        let token = key(Algorithm::EdDsa).sign_jwt(claims.as_bytes()).unwrap();
        assert_eq!(refused(&token), TokenError::Malformed, "{claims}");
    }
    let answer = verify_jwt::<Vec<u8>, _>(&signed(&claims()), &expected(), published);
    assert_eq!(answer, Err(TokenError::UnreadableClaims));
}

#[test]
fn prints_no_token() {
    let token = signed(&claims());
    assert_eq!(
        format!("{:?}", PresentedToken::parse(&token).unwrap()),
        "PresentedToken(\"EdDSA\")"
    );
}

proptest! {
    #[test]
    fn one_character_changed_anywhere_is_refused(at: prop::sample::Index, replacement in "[A-Za-z0-9_.-]") {
        let token = signed(&claims());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &replacement);
        prop_assert_eq!(verified(&changed).is_ok(), changed == token);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", header in "[A-Za-z0-9_-]{0,80}") {
        prop_assert!(verified(&text).is_err());
        prop_assert!(verified(&[header.as_str(); 3].join(".")).is_err());
    }
}
