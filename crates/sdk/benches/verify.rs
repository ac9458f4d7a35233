//! What verification costs over the bare check of the signature by the same library, and what a token
//! from the cache costs. Prints a table, or writes it with its numbers as JSON into the directory after
//! `--output`; ends with 1 where a limit is passed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that panics has failed"
)]

use std::{
    fmt::Write as _,
    hint::black_box,
    path::PathBuf,
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
/// One round of measuring, and how many there are; the best round counts, being the least disturbed. Short and
/// many, since what else runs on a machine seldom leaves it alone for long.
const ROUND: Duration = Duration::from_millis(10);
const ROUNDS: usize = 150;

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
    let table = table(&results, cached);
    let json = json!({"verification": results, "cached_token_ns": cached, "limit": LIMIT, "passed": passed});
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--output");
    match arguments.nth(1).map(PathBuf::from) {
        Some(directory) => {
            std::fs::write(directory.join("sdk.json"), format!("{json:#}\n")).unwrap();
            std::fs::write(directory.join("sdk.md"), table).unwrap();
        }
        None => println!("{table}"),
    }
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn table(results: &[Value], cached: f64) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# The SDK\n\nWhat the verification of an access token costs over the bare check of its signature by the same library.\n\
         Microseconds on one of {cores} cores, the best of {ROUNDS} rounds of {ROUND:?} each, in turn. The limit is {LIMIT}\n\
         times the bare check; `cargo xtask bench sdk` fails above it.\n\n\
         | | bare check | verification | ratio | `jsonwebtoken::decode` |\n| --- | --- | --- | --- | --- |\n"
    );
    for result in results {
        let number = |name: &str| result[name].as_f64().unwrap();
        let micros = |name: &str| format!("{:.1}", number(name) / 1_000.0);
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{:.2}** | {} |",
            result["algorithm"].as_str().unwrap(),
            micros("bare_ns"),
            micros("verify_ns"),
            number("ratio"),
            micros("jsonwebtoken_decode_ns"),
        );
    }
    let _ = writeln!(
        text,
        "\nA token from the cache of a `TokenClient`: {:.2} µs.",
        cached / 1_000.0
    );
    text
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
