//! What verification costs over the bare check of the signature by the same library, and what a token
//! from the cache costs. Prints JSON; ends with 1 where a limit is passed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that panics has failed"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_sdk::{
    Algorithm, TokenClient, Verifier,
    testing::{TestClient, TestIssuer},
};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://orders.test";
/// Verification may cost so many times the bare check.
const LIMIT: f64 = 1.15;
/// One round of measuring, and how many there are; the best round counts, being the least disturbed.
const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 15;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut results = Vec::new();
    let mut passed = true;
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let result = runtime.block_on(verification(algorithm));
        passed &= result["ratio"].as_f64().unwrap() <= LIMIT;
        results.push(result);
    }
    let cached = runtime.block_on(cached_token());
    println!(
        "{:#}",
        json!({"verification": results, "cached_token_ns": cached, "limit": LIMIT, "passed": passed})
    );
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn verification(algorithm: Algorithm) -> Value {
    let issuer = TestIssuer::with(
        "https://auth.test/t/acme",
        algorithm,
        Arc::new(chancery_sdk::clock::SystemClock),
    );
    let verifier = Verifier::builder()
        .issuer(issuer.url())
        .audience(AUDIENCE)
        .transport(issuer.transport())
        .build()
        .unwrap();
    let token = issuer
        .token("client_01jc3w9bqvf6r8h2k5m7n9p1s3")
        .audience(AUDIENCE)
        .scopes("orders:read orders:write")
        .roles(["clerk"])
        .claim("credential_id", "secret_01jc3w9bqvf6r8h2k5m7n9p1s3")
        .sign();
    verifier.verify(&token).await.unwrap();

    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let jwk = issuer.published().remove(0);
    let key = parsed(algorithm, &jwk);
    let other = DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
    validation.set_audience(&[AUDIENCE]);

    let (mut bare, mut whole, mut jwt) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(
            round(async || {
                key.verify_sig(black_box(message.as_bytes()), &signature)
                    .unwrap();
            })
            .await,
        );
        whole.push(round(async || verifier.verify(black_box(&token)).await.unwrap()).await);
        jwt.push(
            round(async || {
                jsonwebtoken::decode::<Value>(black_box(&token), &other, &validation).unwrap()
            })
            .await,
        );
    }
    let best = |rounds: Vec<f64>| rounds.into_iter().fold(f64::INFINITY, f64::min);
    let (bare, whole, jwt) = (best(bare), best(whole), best(jwt));
    json!({
        "algorithm": algorithm.as_str(),
        "bare_ns": bare.round(),
        "verify_ns": whole.round(),
        "jsonwebtoken_decode_ns": jwt.round(),
        "ratio": (whole / bare * 1000.0).round() / 1000.0,
    })
}

fn parsed(algorithm: Algorithm, jwk: &Value) -> ParsedPublicKey {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    match algorithm {
        Algorithm::Es256 => {
            let point = [vec![4], member("x"), member("y")].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap()
        }
        Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, member("x")).unwrap(),
        _ => RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .unwrap(),
    }
}

async fn cached_token() -> f64 {
    let issuer = TestIssuer::new("https://auth.test/t/acme");
    issuer.register(TestClient::new("billing", "s3cret").grant(AUDIENCE, "orders:read"));
    let tokens = TokenClient::builder()
        .issuer(issuer.url())
        .client_id("billing")
        .secret("s3cret")
        .transport(issuer.transport())
        .build()
        .unwrap();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(round(async || tokens.get_token().await.unwrap()).await);
    }
    best.round()
}

/// Nanoseconds for one call.
async fn round<T>(mut call: impl AsyncFnMut() -> T) -> f64 {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..16 {
            black_box(call().await);
        }
        calls += 16;
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
