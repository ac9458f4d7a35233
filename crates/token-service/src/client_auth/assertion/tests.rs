use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::{Algorithm, AssertionAlgorithm, AssertionKey, SigningKey};
use chancery_directory::SecretEntry;
use chancery_domain::{
    KeyId, SecretId,
    client::{KeyEnd, Standing},
    secret_rotation::{Revocation, Validity},
    value::ClientJwk,
};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::client_auth::tests::client;

const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_900_000);
const ISSUER: &str = "https://auth.example/t/acme";

fn client_id() -> ClientId {
    ClientId::from_bytes([9; 16])
}

fn claims() -> AssertionClaims {
    AssertionClaims {
        iss: client_id().to_string(),
        sub: client_id().to_string(),
        aud: ISSUER.to_owned(),
        exp: NOW.seconds() + 60,
        nbf: None,
        iat: None,
        jti: "once".to_owned(),
    }
}

fn changed(change: impl FnOnce(&mut AssertionClaims)) -> AssertionClaims {
    let mut claims = claims();
    change(&mut claims);
    claims
}

fn judged(claims: &AssertionClaims) -> Result<ClientId, Denial> {
    judge(claims, None, ISSUER, NOW)
}

#[test]
fn an_assertion_is_from_and_about_the_client() {
    assert_eq!(judged(&claims()), Ok(client_id()));
    let id = client_id().to_string();
    assert_eq!(judge(&claims(), Some(&id), ISSUER, NOW), Ok(client_id()));
    assert_eq!(
        judge(&claims(), Some("client_b"), ISSUER, NOW),
        Err(Fault::ClientId.into())
    );
    for other in ["", "client_b", ISSUER] {
        let (iss, sub) = (other.to_owned(), other.to_owned());
        assert_eq!(judged(&changed(|c| c.iss = iss)), Err(Fault::Issuer.into()));
        assert_eq!(
            judged(&changed(|c| c.sub = sub.clone())),
            Err(Fault::Issuer.into())
        );
        let both = changed(|c| (c.iss, c.sub) = (sub.clone(), sub));
        assert_eq!(judged(&both), Err(Unproved::NoClient.into()));
    }
}

#[test]
fn an_assertion_for_anything_but_the_issuer_is_refused() {
    for aud in [
        "https://auth.example/t/acme/oauth2/token",
        "https://auth.example/t/acme/",
        "https://auth.example/t/umbrella",
        "https://auth.example",
        "HTTPS://auth.example/t/acme",
        "https://auth.example/t/acme https://other.example",
        "",
    ] {
        let claims = changed(|claims| claims.aud = aud.to_owned());
        assert_eq!(judged(&claims), Err(Fault::Audience.into()), "{aud}");
    }
}

#[test]
fn the_times_are_those_of_an_assertion() {
    let now = NOW.seconds();
    for (claims, verdict) in [
        (changed(|c| c.exp = now - 29), Ok(())),
        (changed(|c| c.exp = now - 30), Err(Fault::Expired)),
        (changed(|c| c.exp = i64::MIN), Err(Fault::Expired)),
        (changed(|c| c.exp = now + 300), Ok(())),
        (changed(|c| c.exp = now + 330), Ok(())),
        (changed(|c| c.exp = now + 331), Err(Fault::TooLong)),
        (changed(|c| c.exp = i64::MAX), Err(Fault::TooLong)),
        (changed(|c| c.nbf = Some(now + 30)), Ok(())),
        (changed(|c| c.nbf = Some(now + 31)), Err(Fault::Ahead)),
        (changed(|c| c.iat = Some(now + 30)), Ok(())),
        (changed(|c| c.iat = Some(now + 31)), Err(Fault::Ahead)),
        (
            changed(|c| (c.nbf, c.iat) = (Some(now + 31), Some(0))),
            Err(Fault::Ahead),
        ),
        (
            changed(|c| (c.nbf, c.iat) = (Some(i64::MIN), Some(0))),
            Ok(()),
        ),
    ] {
        let verdict = verdict.map(|()| client_id()).map_err(Denial::from);
        assert_eq!(judged(&claims), verdict, "{claims:?}");
    }
}

#[test]
fn a_jti_has_a_length_and_no_control_character() {
    for (jti, right) in [
        ("x", true),
        (&*"x".repeat(128), true),
        (&*"ä".repeat(128), true),
        ("", false),
        (&*"x".repeat(129), false),
        ("a\0b", false),
        ("a\nb", false),
    ] {
        let verdict = judged(&changed(|claims| claims.jti = jti.to_owned()));
        let expected = if right {
            Ok(client_id())
        } else {
            Err(Fault::Jti.into())
        };
        assert_eq!(verdict, expected, "{jti}");
    }
}

#[test]
fn an_id_is_used_up_for_longer_than_it_could_be_taken() {
    let once = Once::of(&claims());
    assert_eq!(once.jti, "once");
    let last = Timestamp::from_micros((claims().exp + 29) * 1_000_000 + 999_999);
    assert!(judge(&claims(), None, ISSUER, last).is_ok() && last < once.until);
    // Claims that no judge would pass do not overflow either.
    let _ = Once::of(&changed(|claims| claims.exp = i64::MAX));
}

/// A signing key of a client's own, by number, and what is kept of it.
fn own(number: u8, ended: Option<KeyEnd>) -> (EncodingKey, KeyEntry) {
    let (signing, pkcs8) = SigningKey::generate(Algorithm::EdDsa, &number.to_string()).unwrap();
    let jwk = serde_json::to_value(signing.public_jwk()).unwrap();
    let jwk = ClientJwk::parse(jwk).unwrap();
    let verifying = AssertionKey::from_jwk("EdDSA", jwk.public().members()).unwrap();
    let key = KeyEntry {
        kid: jwk.kid().into(),
        ended,
        key: ended.is_none().then(|| Box::new(verifying)),
    };
    (EncodingKey::from_ed_der(&pkcs8), key)
}

fn key_id(number: u8) -> KeyId {
    KeyId::from_bytes([number; 16])
}

fn secret_id(number: u8) -> SecretId {
    SecretId::from_bytes([number; 16])
}

fn entry(method: AuthMethod) -> ClientEntry {
    ClientEntry {
        id: client_id(),
        newest: NOW,
        auth_method: method,
        ..client(Standing::Enabled)
    }
}

fn with_keys<const N: usize>() -> (ClientEntry, [EncodingKey; N]) {
    with_keys_of([None; N])
}

/// A client with a key for each of these ends, or that has none.
fn with_keys_of<const N: usize>(ends: [Option<KeyEnd>; N]) -> (ClientEntry, [EncodingKey; N]) {
    let mut number = 0;
    let mut keys = Vec::new();
    let signing = ends.map(|ended| {
        number += 1;
        let (signing, key) = own(number, ended);
        keys.push((key_id(number), key));
        signing
    });
    let entry = ClientEntry {
        keys: keys.into_iter().collect(),
        ..entry(AuthMethod::PrivateKeyJwt)
    };
    (entry, signing)
}

/// An assertion of any header, signed by the key.
fn signed(key: &EncodingKey, header: &Value) -> String {
    let claims = json!({
        "iss": client_id(), "sub": client_id(), "aud": ISSUER, "exp": NOW.seconds() + 60, "jti": "once",
    });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encoded(header), encoded(&claims));
    let algorithm = jsonwebtoken::Algorithm::EdDSA;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn asked(entry: &ClientEntry, assertion: &str) -> Result<CredentialId, Unproved> {
    proved(entry, &PresentedAssertion::parse(assertion).unwrap(), NOW)
}

#[test]
fn a_key_is_named_or_the_only_one() {
    let (one, [key]) = with_keys();
    assert_eq!(
        asked(&one, &signed(&key, &json!({"alg": "EdDSA"}))),
        Ok(key_id(1).into())
    );
    let named = |kid: &str| json!({"alg": "EdDSA", "kid": kid});
    assert_eq!(
        asked(&one, &signed(&key, &named("1"))),
        Ok(key_id(1).into())
    );
    assert_eq!(
        asked(&one, &signed(&key, &named("2"))),
        Err(Unproved::NoKey)
    );

    let (two, [first, second]) = with_keys();
    assert_eq!(
        asked(&two, &signed(&first, &named("1"))),
        Ok(key_id(1).into())
    );
    assert_eq!(
        asked(&two, &signed(&second, &named("2"))),
        Ok(key_id(2).into())
    );
    assert_eq!(
        asked(&two, &signed(&second, &named("1"))),
        Err(Unproved::Signature)
    );
    let unnamed = signed(&first, &json!({"alg": "EdDSA"}));
    assert_eq!(asked(&two, &unnamed), Err(Unproved::NoKid));
    // The key's id is not its `kid`.
    let by_id = signed(&first, &named(&key_id(1).to_string()));
    assert_eq!(asked(&two, &by_id), Err(Unproved::NoKey));
}

#[test]
fn a_key_that_ended_proves_nothing_and_need_not_be_told_apart() {
    for end in [KeyEnd::Removed, KeyEnd::Revoked, KeyEnd::Compromised] {
        let (two, [first, second]) = with_keys_of([Some(end), None]);
        let named = json!({"alg": "EdDSA", "kid": "1"});
        assert_eq!(asked(&two, &signed(&first, &named)), Err(Unproved::NoKey));
        let unnamed = json!({"alg": "EdDSA"});
        assert_eq!(
            asked(&two, &signed(&second, &unnamed)),
            Ok(key_id(2).into())
        );
    }
}

#[test]
fn an_algorithm_that_is_not_the_keys_proves_nothing() {
    let (one, [key]) = with_keys();
    for algorithm in AssertionAlgorithm::ALL {
        let text = signed(&key, &json!({"alg": algorithm.as_str()}));
        let verdict = asked(&one, &text);
        if algorithm == AssertionAlgorithm::EdDsa {
            assert!(verdict.is_ok());
        } else {
            assert_eq!(verdict, Err(Unproved::Algorithm), "{algorithm}");
        }
    }
}

#[test]
fn a_client_that_sends_its_secret_proves_nothing_by_an_assertion() {
    let (with_keys, [key]) = with_keys();
    let plain = ClientEntry {
        keys: with_keys.keys,
        ..entry(AuthMethod::ClientSecret)
    };
    let text = signed(&key, &json!({"alg": "EdDSA"}));
    assert_eq!(asked(&plain, &text), Err(Unproved::Method));
}

/// An assertion keyed with this secret.
fn keyed(secret: &str) -> String {
    let claims = json!({
        "iss": client_id(), "sub": client_id(), "aud": ISSUER, "exp": NOW.seconds() + 60, "jti": "once",
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

#[test]
fn every_secret_that_is_accepted_is_tried_and_no_other() {
    let usual = Validity::default();
    let secrets = [
        ("chs_first", usual),
        (
            "chs_second",
            Validity {
                retires_at: Some(NOW.plus_seconds(1)),
                ..usual
            },
        ),
        (
            "chs_retired",
            Validity {
                retires_at: Some(NOW),
                ..usual
            },
        ),
        (
            "chs_revoked",
            Validity {
                revoked: Some(Revocation::Withdrawn),
                ..usual
            },
        ),
        (
            "chs_pending",
            Validity {
                not_before: Some(NOW.plus_seconds(1)),
                ..usual
            },
        ),
    ];
    let secret = |(number, (text, validity))| {
        let entry = SecretEntry {
            validity,
            verifier: None,
            key: Some(Box::new(AssertionKey::from_secret(text))),
        };
        (secret_id(number), entry)
    };
    let client = ClientEntry {
        secrets: (1..).zip(secrets).map(secret).collect(),
        ..entry(AuthMethod::ClientSecretJwt)
    };
    assert_eq!(asked(&client, &keyed("chs_first")), Ok(secret_id(1).into()));
    assert_eq!(
        asked(&client, &keyed("chs_second")),
        Ok(secret_id(2).into())
    );
    for other in [
        "chs_retired",
        "chs_revoked",
        "chs_pending",
        "chs_another",
        "first",
    ] {
        assert_eq!(
            asked(&client, &keyed(other)),
            Err(Unproved::Signature),
            "{other}"
        );
    }
    assert_eq!(
        asked(&entry(AuthMethod::ClientSecretJwt), &keyed("chs_first")),
        Err(Unproved::NoKey)
    );
}
