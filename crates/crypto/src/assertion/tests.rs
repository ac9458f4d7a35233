use std::sync::LazyLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const SECRET: &str = "chs_a-secret-that-nobody-minted";

/// A client's own key: how it signs, and what it registers.
struct OwnKey {
    algorithm: AssertionAlgorithm,
    signing: EncodingKey,
    jwk: Map<String, Value>,
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec(
    algorithm: AssertionAlgorithm,
    curve: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm,
) -> OwnKey {
    let pair = EcdsaKeyPair::generate(curve).unwrap();
    let (x, y) =
        pair.public_key().as_ref()[1..].split_at((pair.public_key().as_ref().len() - 1) / 2);
    OwnKey {
        algorithm,
        signing: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
        jwk: object(json!({"kty": "EC", "x": encoded(x), "y": encoded(y)})),
    }
}

static OWN: LazyLock<Vec<OwnKey>> = LazyLock::new(|| {
    use AssertionAlgorithm::{EdDsa, Es256, Es384, Hs256, Ps256, Rs256};
    let ed = Ed25519KeyPair::generate().unwrap();
    let ed_jwk = object(json!({"kty": "OKP", "x": encoded(ed.public_key().as_ref())}));
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = rsa.public_key();
    let rsa_jwk = object(json!({
        "kty": "RSA",
        "n": encoded(public.modulus().big_endian_without_leading_zero()),
        "e": encoded(public.exponent().big_endian_without_leading_zero()),
    }));
    let pkcs8: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let of_rsa = |algorithm| OwnKey {
        algorithm,
        // The library wants PKCS #1, which PKCS #8 wraps in 26 bytes for a key of 2048 bits.
        signing: EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]),
        jwk: rsa_jwk.clone(),
    };
    vec![
        ec(Es256, &ECDSA_P256_SHA256_FIXED_SIGNING),
        ec(Es384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        OwnKey {
            algorithm: EdDsa,
            signing: EncodingKey::from_ed_der(ed.to_pkcs8().unwrap().as_ref()),
            jwk: ed_jwk,
        },
        of_rsa(Rs256),
        of_rsa(Ps256),
        OwnKey {
            algorithm: Hs256,
            signing: EncodingKey::from_secret(SECRET.as_bytes()),
            jwk: Map::new(),
        },
    ]
});

fn own(algorithm: AssertionAlgorithm) -> &'static OwnKey {
    OWN.iter().find(|own| own.algorithm == algorithm).unwrap()
}

impl OwnKey {
    fn verifying(&self) -> AssertionKey {
        match self.algorithm {
            AssertionAlgorithm::Hs256 => AssertionKey::from_secret(SECRET),
            algorithm => AssertionKey::from_jwk(algorithm.as_str(), &self.jwk).unwrap(),
        }
    }

    /// An assertion with any header and payload, signed whatever they say.
    fn sign(&self, header: &str, payload: &str) -> String {
        let message = format!(
            "{}.{}",
            encoded(header.as_bytes()),
            encoded(payload.as_bytes())
        );
        let signature = jsonwebtoken::crypto::sign(
            message.as_bytes(),
            &self.signing,
            self.algorithm.jsonwebtoken(),
        )
        .unwrap();
        format!("{message}.{signature}")
    }

    fn assertion(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm.as_str(), "typ": "JWT", "kid": "1"});
        self.sign(&header.to_string(), &claims.to_string())
    }
}

fn claims() -> Value {
    json!({
        "iss": "client_a", "sub": "client_a", "aud": "https://issuer.example", "exp": 1_800_000_060,
        "nbf": 1_800_000_000, "iat": 1_800_000_000, "jti": "once",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn every_algorithm_verifies_its_own_and_no_other() {
    for signer in &*OWN {
        let text = signer.assertion(&claims());
        let assertion = PresentedAssertion::parse(&text).unwrap();
        assert_eq!(
            (assertion.algorithm(), assertion.kid()),
            (signer.algorithm, Some("1"))
        );
        for verifier in &*OWN {
            let verdict = assertion.verify(&verifier.verifying());
            if verifier.algorithm == signer.algorithm {
                assert_eq!(verdict.unwrap(), assertion.unverified());
            } else {
                assert_eq!(verdict.unwrap_err(), AssertionError::WrongAlgorithm);
            }
        }
    }
}

#[test]
fn no_algorithm_is_confused_with_another() {
    use AssertionAlgorithm::{Es256, Hs256, Ps256, Rs256};
    // The header says one thing, the signature is another's.
    for (signer, named) in [
        (Rs256, "PS256"),
        (Ps256, "RS256"),
        (Es256, "HS256"),
        (Hs256, "ES256"),
    ] {
        let header = json!({"alg": named});
        let text = own(signer).sign(&header.to_string(), &claims().to_string());
        let assertion = PresentedAssertion::parse(&text).unwrap();
        for verifier in &*OWN {
            assert!(assertion.verify(&verifier.verifying()).is_err(), "{named}");
        }
    }
    // HS256 keyed with what everybody may know of a public key.
    let public = own(Rs256).jwk["n"].as_str().unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(public).unwrap();
    for known in [public.as_bytes(), &modulus] {
        let forger = OwnKey {
            algorithm: Hs256,
            signing: EncodingKey::from_secret(known),
            jwk: Map::new(),
        };
        let text = forger.assertion(&claims());
        let assertion = PresentedAssertion::parse(&text).unwrap();
        assert_eq!(
            assertion.verify(&own(Rs256).verifying()).unwrap_err(),
            AssertionError::WrongAlgorithm
        );
    }
    for name in [
        "none", "None", "HS384", "HS512", "RS384", "PS512", "ES512", "es256", "",
    ] {
        let header = json!({"alg": name}).to_string();
        let text = own(Hs256).sign(&header, &claims().to_string());
        assert_eq!(
            parsed(&text).unwrap_err(),
            AssertionError::UnknownAlgorithm,
            "{name}"
        );
        let unsigned = format!("{}.{}.", encoded(header.as_bytes()), encoded(b"{}"));
        assert_eq!(
            parsed(&unsigned).unwrap_err(),
            AssertionError::UnknownAlgorithm,
            "{name}"
        );
    }
}

fn parsed(text: &str) -> Result<AssertionClaims, AssertionError> {
    PresentedAssertion::parse(text).map(|assertion| assertion.unverified().clone())
}

#[test]
fn a_changed_assertion_is_not_genuine() {
    for own in &*OWN {
        let text = own.assertion(&claims());
        let key = own.verifying();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let other = encoded(with("sub", json!("client_b")).to_string().as_bytes());
        for changed in [
            format!("{header}.{other}.{signature}"),
            format!("{message}."),
            format!("{message}.AAAA"),
            format!("{message}.{}", &signature[..signature.len() - 4]),
        ] {
            let assertion = PresentedAssertion::parse(&changed).unwrap();
            assert_eq!(
                assertion.verify(&key).unwrap_err(),
                AssertionError::BadSignature
            );
        }
    }
    let other = AssertionKey::from_secret("chs_another");
    let text = own(AssertionAlgorithm::Hs256).assertion(&claims());
    let assertion = PresentedAssertion::parse(&text).unwrap();
    assert_eq!(
        assertion.verify(&other).unwrap_err(),
        AssertionError::BadSignature
    );
}

#[test]
fn other_kinds_of_jwt_and_extensions_are_refused() {
    let read = |header: Value| {
        let text = own(AssertionAlgorithm::Hs256).sign(&header.to_string(), &claims().to_string());
        parsed(&text).map(|_| ())
    };
    for typ in [
        "JWT",
        "jwt",
        "client-authentication+jwt",
        "application/client-authentication+jwt",
    ] {
        assert_eq!(read(json!({"alg": "HS256", "typ": typ})), Ok(()), "{typ}");
    }
    assert_eq!(read(json!({"alg": "HS256"})), Ok(()));
    for typ in ["at+jwt", "", "JWS", "application/", "secevent+jwt"] {
        assert_eq!(
            read(json!({"alg": "HS256", "typ": typ})),
            Err(AssertionError::WrongType),
            "{typ}"
        );
    }
    assert_eq!(
        read(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
        Err(AssertionError::CriticalExtension)
    );
    assert_eq!(
        read(json!({"alg": "HS256", "crit": null})),
        Err(AssertionError::CriticalExtension)
    );
    assert_eq!(read(json!({"typ": "JWT"})), Err(AssertionError::Malformed));
}

#[test]
fn a_claim_of_the_wrong_type_is_refused() {
    let read =
        |payload: &str| parsed(&own(AssertionAlgorithm::Hs256).sign(r#"{"alg":"HS256"}"#, payload));
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(
            read(&without.to_string()),
            Err(AssertionError::MissingClaim(name))
        );
    }
    for name in ["iss", "sub", "aud", "jti"] {
        for value in [
            json!(null),
            json!(7),
            json!(["https://issuer.example"]),
            json!([]),
            json!({}),
        ] {
            let verdict = read(&with(name, value.clone()).to_string());
            assert_eq!(verdict, Err(AssertionError::InvalidClaim(name)), "{value}");
        }
    }
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!(null),
            json!("1800000060"),
            json!(1_800_000_060.0),
            json!(1_800_000_060.5),
            json!(true),
            json!(u64::MAX),
        ] {
            let verdict = read(&with(name, value.clone()).to_string());
            assert_eq!(verdict, Err(AssertionError::InvalidClaim(name)), "{value}");
        }
    }
    let twice = claims().to_string().replacen('{', r#"{"jti":"twice","#, 1);
    for payload in [twice.as_str(), "[]", "", "null", r#"["client_a"]"#, "{}x"] {
        assert_eq!(read(payload), Err(AssertionError::Malformed), "{payload}");
    }
}

#[test]
fn a_key_that_is_none_is_refused() {
    use AssertionAlgorithm::{EdDsa, Es256, Es384, Hs256, Rs256};
    let zeros = |size: usize| encoded(&vec![0; size]);
    for (algorithm, jwk) in [
        (Es256, json!({"x": zeros(32), "y": zeros(32)})),
        (Es256, json!({"x": zeros(33), "y": zeros(31)})),
        (Es384, json!({"x": zeros(48), "y": zeros(48)})),
        (Es384, Value::Object(own(Es256).jwk.clone())),
        (EdDsa, json!({"x": zeros(31)})),
        (Rs256, json!({"n": zeros(255), "e": "AQAB"})),
        (Rs256, json!({"n": "AQAB"})),
        (Hs256, Value::Object(own(Rs256).jwk.clone())),
    ] {
        let refused = AssertionKey::from_jwk(algorithm.as_str(), &object(jwk.clone()));
        assert_eq!(refused.unwrap_err(), UnusableKey, "{algorithm}");
    }
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let key = AssertionKey::from_secret(SECRET);
    assert_eq!(format!("{key:?}"), "AssertionKey(HS256 …)");
    let text = own(AssertionAlgorithm::Hs256).assertion(&claims());
    let assertion = PresentedAssertion::parse(&text).unwrap();
    assert_eq!(
        format!("{assertion:?}"),
        "PresentedAssertion(HS256 Some(\"1\"))"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = PresentedAssertion::parse(&text);
    }

    #[test]
    fn no_header_and_payload_panic(header in ".{0,60}", payload in ".{0,60}", signature in ".{0,20}") {
        let text = format!("{}.{}.{signature}", encoded(header.as_bytes()), encoded(payload.as_bytes()));
        let _ = PresentedAssertion::parse(&text);
    }
}
