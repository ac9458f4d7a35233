//! Which tokens are accepted.

use std::{sync::Arc, time::UNIX_EPOCH};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_sdk::{
    AccessToken, Algorithm, Caller, InvalidToken, Profile, Rejection, TokenClient, Verifier,
    VerifierBuildError,
    testing::{TestIssuer, TestToken},
};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::{ISSUER, ORDERS, Stage, seconds};

fn good(stage: &Stage) -> TestToken {
    stage
        .issuer
        .token("billing")
        .audience(ORDERS)
        .scopes("orders:read")
        .roles(["clerk"])
}

async fn refused(verifier: &Verifier, token: &str) -> InvalidToken {
    match verifier.verify(token).await {
        Err(Rejection::Invalid(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_token_tells_who_calls() {
    #[derive(serde::Deserialize)]
    struct Own {
        plan: String,
    }

    let stage = Stage::new();
    let token = good(&stage)
        .claim("plan", "gold")
        .claim("credential_id", "secret_1");
    let caller: Caller = stage.verifier().verify(&token.sign()).await.unwrap();
    assert_eq!(caller.issuer(), ISSUER);
    assert_eq!(caller.client_id(), "billing");
    assert_eq!(caller.subject(), "billing");
    assert_eq!(caller.tenant_id(), Some("tenant_acme"));
    assert_eq!(caller.tenant(), None);
    assert_eq!(caller.audiences(), [ORDERS]);
    assert!(caller.has_scope("orders:read") && !caller.has_scope("orders:write"));
    assert!(caller.has_role("clerk") && !caller.has_role("admin"));
    assert_eq!(caller.credential_id(), Some("secret_1"));
    assert_eq!(caller.token_id(), Some("token-1"));
    assert_eq!(caller.claim::<String>("plan").as_deref(), Some("gold"));
    assert_eq!(caller.claim::<u32>("plan"), None);
    assert_eq!(caller.claims::<Own>().unwrap().plan, "gold");
}

#[tokio::test]
async fn every_algorithm_of_the_issuer_is_verified() {
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Rs256,
    ] {
        let stage = Stage::new();
        stage.issuer.rotate_key(algorithm);
        let verifier = stage.verifying().algorithms([algorithm]).build().unwrap();
        verifier.verify(&good(&stage).sign()).await.unwrap();
        let others = Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm);
        let other = stage.verifying().algorithms(others).build().unwrap();
        assert_eq!(
            refused(&other, &good(&stage).sign()).await,
            InvalidToken::WrongAlgorithm
        );
    }
}

#[tokio::test]
async fn a_token_of_another_library_is_verified() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let jwk =
        jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256).unwrap();
    let keys = json!({"keys": [jwk]}).to_string();
    let stage = Stage::new();
    let verifier = stage
        .verifying()
        .issuer_with_keys("https://other.test", keys)
        .build()
        .unwrap();
    let now = 1_790_000_000;
    let claims = json!({"iss": "https://other.test", "sub": "a", "client_id": "a", "aud": ORDERS,
        "iat": now, "exp": now + 60, "jti": "1"});
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    let token = encode(&header, &claims, &key).unwrap();
    assert_eq!(
        verifier.verify(&token).await.unwrap().issuer(),
        "https://other.test"
    );
}

#[tokio::test]
async fn other_types_are_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!(null),
        json!(""),
        json!("application/jwt"),
        json!("id+jwt"),
        json!("at+jwt "),
        json!("logout+jwt"),
    ] {
        let token = good(&stage).header("typ", typ.clone()).sign();
        assert_eq!(
            refused(&verifier, &token).await,
            InvalidToken::WrongType,
            "{typ}"
        );
    }
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        verifier
            .verify(&good(&stage).header("typ", typ).sign())
            .await
            .unwrap();
    }
    let lenient = stage.verifying().profile(Profile::AnyJwt).build().unwrap();
    for typ in [json!("JWT"), json!(null), json!("at+jwt")] {
        lenient
            .verify(&good(&stage).header("typ", typ).sign())
            .await
            .unwrap();
    }
    assert_eq!(
        refused(&lenient, &good(&stage).header("typ", "logout+jwt").sign()).await,
        InvalidToken::WrongType
    );
}

#[tokio::test]
async fn another_audience_is_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = stage.issuer.token("billing");
    for token in [
        token.clone(),
        token.clone().audience("https://stock.test"),
        token.clone().audience("https://orders.test/"),
        token.clone().claim("aud", json!([])),
    ] {
        assert_eq!(
            refused(&verifier, &token.sign()).await,
            InvalidToken::WrongAudience
        );
    }
    let several = token.audience("https://stock.test").audience(ORDERS);
    verifier.verify(&several.sign()).await.unwrap();
    // And nobody was asked for a key for the sake of it.
    assert_eq!(stage.issuer.key_requests(), 1);
}

#[tokio::test]
async fn another_tenants_token_is_refused() {
    let stage = Stage::new();
    let other = TestIssuer::with(
        "https://auth.test/t/other",
        Algorithm::Es256,
        Arc::new(stage.clock.clone()),
    );
    let both = TestIssuer::transport_of([&stage.issuer, &other]);
    let verifier = stage.verifying().transport(both.clone()).build().unwrap();
    let theirs = other.token("billing").audience(ORDERS);
    assert_eq!(
        refused(&verifier, &theirs.sign()).await,
        InvalidToken::UnknownIssuer
    );
    // Their key under our name, with the id of our key or of theirs.
    let forged = theirs.claim("iss", ISSUER);
    assert_eq!(
        refused(&verifier, &forged.sign()).await,
        InvalidToken::WrongSignature
    );
    let forged = forged.header("kid", "key_9");
    assert_eq!(
        refused(&verifier, &forged.sign()).await,
        InvalidToken::UnknownKey
    );

    // Where both are named, each is trusted by its own keys alone.
    let named = stage.verifying().issuer("https://auth.test/t/other");
    let named = named.transport(both.clone()).build().unwrap();
    let theirs = other.token("billing").audience(ORDERS);
    for token in [good(&stage), theirs.clone()] {
        named.verify(&token.sign()).await.unwrap();
    }
    for forged in [
        good(&stage).claim("iss", "https://auth.test/t/other"),
        theirs.claim("iss", ISSUER),
    ] {
        let refused = refused(&named, &forged.sign()).await;
        assert_eq!(refused, InvalidToken::WrongSignature);
    }

    // Where every tenant of the server is served, each is known by its own keys alone.
    let every = Verifier::builder()
        .tenants_of("https://auth.test")
        .audience(ORDERS)
        .transport(both)
        .clock(Arc::new(stage.clock.clone()))
        .build()
        .unwrap();
    let caller = every.verify(&good(&stage).sign()).await.unwrap();
    assert_eq!(caller.tenant(), Some("acme"));
    let caller = every
        .verify(&other.token("billing").audience(ORDERS).sign())
        .await
        .unwrap();
    assert_eq!(
        (caller.tenant(), caller.tenant_id()),
        (Some("other"), Some("tenant_other"))
    );
    let forged = other.token("billing").audience(ORDERS).claim("iss", ISSUER);
    assert_eq!(
        refused(&every, &forged.sign()).await,
        InvalidToken::WrongSignature
    );
    for issuer in [
        "https://auth.test/t/",
        "https://auth.test/t/acme/",
        "https://auth.test/t/acme/../other",
        "https://auth.test/t/%61cme",
        "https://auth.test/t/ACME",
        "https://auth.test/t/acme?x",
        "https://auth.test.evil.test/t/acme",
        "https://auth.test/t/-a",
        "https://auth.test",
    ] {
        let token = good(&stage).claim("iss", issuer).sign();
        assert_eq!(
            refused(&every, &token).await,
            InvalidToken::UnknownIssuer,
            "{issuer}"
        );
    }
    // A tenant that does not exist is not trusted, and not a failure of ours.
    let token = good(&stage)
        .claim("iss", "https://auth.test/t/nobody")
        .sign();
    assert_eq!(refused(&every, &token).await, InvalidToken::UnknownIssuer);
}

#[tokio::test]
async fn tricks_with_the_algorithm_are_refused() {
    let stage = Stage::new();
    let verifier = stage
        .verifying()
        .algorithms(Algorithm::ALL)
        .build()
        .unwrap();
    let token = good(&stage).sign();
    verifier.verify(&token).await.unwrap();
    let [_, payload, signature] = parts(&token);
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());

    // No signature at all, however it is spelt.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", signature] {
            let none = header(json!({"alg": alg, "typ": "at+jwt", "kid": "key_1"}));
            let token = format!("{none}.{payload}.{signature}");
            assert_eq!(
                refused(&verifier, &token).await,
                InvalidToken::WrongAlgorithm
            );
        }
    }
    // The public key as a shared secret.
    for secret in [
        stage.issuer.published()[0].to_string(),
        stage.issuer.published()[0]["x"]
            .as_str()
            .unwrap()
            .to_owned(),
    ] {
        let mut hs = Header::new(jsonwebtoken::Algorithm::HS256);
        (hs.typ, hs.kid) = (Some("at+jwt".into()), Some("key_1".into()));
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let token = encode(&hs, &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(
            refused(&verifier, &token).await,
            InvalidToken::WrongAlgorithm
        );
    }
    // Another algorithm than the key's.
    for alg in ["ES384", "RS256", "PS256", "EdDSA", "ES256K", "ES512"] {
        let why = refused(&verifier, &good(&stage).header("alg", alg).sign()).await;
        let expected = [InvalidToken::WrongAlgorithm, InvalidToken::UnknownKey];
        assert!(expected.contains(&why), "{alg}: {why:?}");
    }
    // A key that the token brings along or points to.
    let evil = TestIssuer::new(ISSUER);
    let jwk = evil.published()[0].clone();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.test/jwks")),
        ("x5u", json!("https://evil.test/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let token = evil
            .token("billing")
            .audience(ORDERS)
            .header(name, value)
            .claim("iat", 1_790_000_000)
            .claim("nbf", 1_790_000_000)
            .claim("exp", 1_790_000_600);
        assert_eq!(
            refused(&verifier, &token.sign()).await,
            InvalidToken::WrongSignature,
            "{name}"
        );
    }
    for crit in [json!(["b64"]), json!([]), json!("exp")] {
        let token = good(&stage).header("crit", crit).sign();
        assert_eq!(refused(&verifier, &token).await, InvalidToken::Critical);
    }
}

#[tokio::test]
async fn a_token_that_was_touched_is_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = good(&stage).sign();
    let [header, payload, signature] = parts(&token);
    let more = good(&stage).scopes("orders:read orders:write").sign();
    let [_, other_payload, other_signature] = parts(&more);
    assert_eq!(
        refused(&verifier, &format!("{header}.{other_payload}.{signature}")).await,
        InvalidToken::WrongSignature
    );
    assert_eq!(
        refused(&verifier, &format!("{header}.{payload}.{other_signature}")).await,
        InvalidToken::WrongSignature
    );
    let cut = URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(signature).unwrap()[..60]);
    for signature in ["", "AAAA", &cut] {
        let why = refused(&verifier, &format!("{header}.{payload}.{signature}")).await;
        assert_eq!(why, InvalidToken::WrongSignature);
    }
    // A zero for both halves of an ECDSA signature.
    let zero = URL_SAFE_NO_PAD.encode([0; 64]);
    let why = refused(&verifier, &format!("{header}.{payload}.{zero}")).await;
    assert_eq!(why, InvalidToken::WrongSignature);
    for unreadable in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "opaque".to_owned(),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!(" {token}"),
        format!("{header}.{header}\n.{signature}"),
        format!("{payload}.{header}.{signature}"),
    ] {
        assert_eq!(
            refused(&verifier, &unreadable).await,
            InvalidToken::Unreadable,
            "{unreadable}"
        );
    }
}

#[tokio::test]
async fn members_that_are_there_twice_are_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = good(&stage).sign();
    let [_, _, signature] = parts(&token);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","alg":"none","typ":"at+jwt"}"#);
    let twice = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"iss":"{ISSUER}","iss":"https://evil.test","aud":"{ORDERS}"}}"#
    ));
    let plain = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"at+jwt"}"#);
    for token in [
        format!("{header}.{twice}.{signature}"),
        format!("{plain}.{twice}.{signature}"),
    ] {
        assert_eq!(refused(&verifier, &token).await, InvalidToken::Unreadable);
    }
}

#[tokio::test]
async fn a_token_counts_between_its_times_with_the_leeway() {
    let stage = Stage::new();
    let verifier = stage.verifying().leeway(seconds(10)).build().unwrap();
    let now = 1_790_000_000;
    verifier
        .verify(&good(&stage).expires_in(-9).sign())
        .await
        .unwrap();
    let ended = good(&stage).expires_in(-10);
    assert_eq!(
        refused(&verifier, &ended.sign()).await,
        InvalidToken::Expired
    );
    for claim in ["nbf", "iat"] {
        verifier
            .verify(&good(&stage).claim(claim, now + 10).sign())
            .await
            .unwrap();
        let early = good(&stage).claim(claim, now + 11);
        assert_eq!(
            refused(&verifier, &early.sign()).await,
            InvalidToken::NotYetValid
        );
    }
    for exp in [json!(-1), json!(0), json!(i64::MIN)] {
        let token = good(&stage).claim("exp", exp);
        assert_eq!(
            refused(&verifier, &token.sign()).await,
            InvalidToken::Expired
        );
    }
    for exp in [
        json!("tomorrow"),
        json!(u64::MAX),
        json!(1e300),
        json!([now + 60]),
    ] {
        let token = good(&stage).claim("exp", exp);
        assert_eq!(
            refused(&verifier, &token.sign()).await,
            InvalidToken::Unreadable
        );
    }
    verifier
        .verify(&good(&stage).claim("exp", f64::from(now) + 60.5).sign())
        .await
        .unwrap();
    verifier
        .verify(&good(&stage).claim("exp", i64::MAX).sign())
        .await
        .unwrap();
}

#[tokio::test]
async fn claims_that_the_standard_requires_have_to_be_there() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    for name in ["iss", "sub", "client_id", "exp", "iat", "jti"] {
        let token = good(&stage).without(name).sign();
        assert_eq!(
            refused(&verifier, &token).await,
            InvalidToken::NoClaim(name)
        );
    }
    verifier
        .verify(&good(&stage).without("nbf").without("tenant_id").sign())
        .await
        .unwrap();
    // Before RFC 9068 the client was named by `azp` or by the subject.
    let lenient = stage.verifying().profile(Profile::AnyJwt).build().unwrap();
    let old = good(&stage)
        .without("client_id")
        .without("jti")
        .without("iat");
    assert_eq!(
        lenient.verify(&old.sign()).await.unwrap().client_id(),
        "billing"
    );
    for name in ["appid", "cid", "azp"] {
        let old = good(&stage).without("client_id").claim(name, "portal");
        assert_eq!(
            lenient.verify(&old.sign()).await.unwrap().client_id(),
            "portal"
        );
    }
    assert_eq!(
        refused(&lenient, &old.without("sub").sign()).await,
        InvalidToken::NoClaim("sub")
    );
}

#[tokio::test]
async fn scopes_are_read_as_servers_write_them() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    for (name, value) in [
        ("scope", json!("b a")),
        ("scope", json!(["a", "b"])),
        ("scopes", json!(["b", "a"])),
        ("scp", json!(["b", "a"])),
        ("scp", json!("a b")),
        ("scope", json!(["b", 7, {"value": "a"}, null])),
    ] {
        let token = good(&stage)
            .without("scope")
            .without("scopes")
            .claim(name, value);
        assert_eq!(
            verifier
                .verify(&token.sign())
                .await
                .unwrap()
                .scopes()
                .to_string(),
            "a b"
        );
    }
}

/// What a server of another vendor puts under a name of ours is not there, and grants nothing.
#[tokio::test]
async fn claims_of_other_types_do_not_make_a_token_bad() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    for (value, roles) in [
        (
            json!([{"value": "admin", "display": "Admin"}]),
            &["admin"][..],
        ),
        (json!(["admin", {"display": "x"}, 7, ["root"]]), &["admin"]),
        (json!("admin"), &["admin"]),
        (json!({"value": "admin"}), &[]),
        (json!(null), &[]),
        (json!(7.5), &[]),
    ] {
        let token = good(&stage).claim("roles", value).sign();
        let caller = verifier.verify(&token).await.unwrap();
        assert_eq!(caller.roles(), roles);
    }
    for value in [json!(42), json!(["a"]), json!({}), json!(true), json!(null)] {
        let mut token = good(&stage);
        for name in [
            "tenant_id",
            "credential_id",
            "azp",
            "scope",
            "scopes",
            "scp",
        ] {
            token = token.claim(name, value.clone());
        }
        let caller = verifier.verify(&token.sign()).await.unwrap();
        assert_eq!((caller.tenant_id(), caller.credential_id()), (None, None));
        assert!(!caller.has_scope("orders:read"));
    }
    // What is needed is needed.
    for name in ["client_id", "jti"] {
        let token = good(&stage).claim(name, json!(42)).sign();
        assert_eq!(
            refused(&verifier, &token).await,
            InvalidToken::NoClaim(name)
        );
    }
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let token = good(&stage).claim(name, json!({"a": 1})).sign();
        assert_eq!(refused(&verifier, &token).await, InvalidToken::Unreadable);
    }
}

#[tokio::test]
async fn an_oversized_token_is_refused_unread() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let fits = good(&stage).claim("padding", "x".repeat(5_000)).sign();
    verifier.verify(&fits).await.unwrap();
    for huge in [
        good(&stage).claim("padding", "x".repeat(8_000)).sign(),
        "a".repeat(10_000_000),
    ] {
        assert_eq!(refused(&verifier, &huge).await, InvalidToken::TooLong);
    }
}

#[test]
fn a_verifier_says_what_it_lacks() {
    let fault = |built: Result<Verifier, VerifierBuildError>| built.unwrap_err().to_string();
    assert!(fault(Verifier::builder().audience("a").build()).contains("issuer"));
    assert!(fault(Verifier::builder().issuer(ISSUER).build()).contains("audience"));
    assert!(
        fault(
            Verifier::builder()
                .issuer("http://auth.test")
                .audience("a")
                .build()
        )
        .contains("https")
    );
    let empty = Verifier::builder()
        .issuer_with_keys(ISSUER, r#"{"keys":[]}"#)
        .audience("a");
    assert!(fault(empty.build()).contains("key set"));
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// Whatever comes, it is refused and nothing panics.
    #[test]
    fn noise_is_refused(header in ".{0,40}", payload in ".{0,60}", signature in "[A-Za-z0-9_-]{0,90}") {
        let stage = Stage::new();
        let verifier = stage.verifier();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for token in [
            format!("{}.{}.{signature}", encode(&header), encode(&payload)),
            format!("{header}.{payload}.{signature}"),
        ] {
            proptest::prop_assert!(runtime.block_on(verifier.verify(&token)).is_err());
        }
    }
}

/// RFC 7515, section 4.1.11: a list that is not empty. Null is none.
#[tokio::test]
async fn whatever_is_called_critical_is_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier();
    let token = good(&stage).sign();
    let (_, rest) = token.split_once('.').unwrap();
    for crit in [
        json!(null),
        json!([]),
        json!(["b64"]),
        json!(false),
        json!(""),
    ] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "key_1", "crit": crit});
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert_eq!(
            refused(&verifier, &token).await,
            InvalidToken::Critical,
            "{crit}"
        );
    }
}

/// Claims of one's own may be about people, and what is printed ends up in logs.
#[tokio::test]
async fn what_is_printed_of_a_caller_are_no_claims_of_ones_own() {
    let stage = Stage::new();
    let token = stage.issuer.token("billing").audience(ORDERS);
    let token = token.claim("email", "person@example.com").sign();
    let caller = stage.verifier().verify(&token).await.unwrap();
    assert_eq!(
        caller.claim::<String>("email").as_deref(),
        Some("person@example.com")
    );
    let unverified = AccessToken::new(token, UNIX_EPOCH, seconds(0));
    let unverified = TokenClient::parse_token(&unverified).unwrap();
    for shown in [format!("{caller:?}"), format!("{unverified:?}")] {
        assert!(!shown.contains("person"), "{shown}");
        assert!(
            shown.contains("billing") && shown.contains(ISSUER),
            "{shown}"
        );
    }
}

/// An environment variable that is set and empty, and an issuer where a server is meant.
#[tokio::test]
async fn what_would_let_nobody_in_is_not_built() {
    let stage = Stage::new();
    let built = |verifying: chancery_sdk::VerifierBuilder| verifying.build().map(|_| ());
    for (built, why) in [
        (built(stage.verifying().audience("")), "audience"),
        (
            built(stage.verifying().tenants_of("https://auth.test/t/acme")),
            "/t/",
        ),
        (
            built(stage.verifying().issuer("https://me:s3cret@auth.test")),
            "issuer",
        ),
    ] {
        let error = built.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    for name in ["", " "] {
        let error = stage.builder().audience(name).build().unwrap_err();
        assert!(error.to_string().contains("audience"), "{error}");
    }
}
