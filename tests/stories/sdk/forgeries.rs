//! Tokens that the server did not sign, or not for this: made from what everybody can have of it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_sdk::{InvalidToken, Rejection, TokenRequest};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

use super::support::{Gate, client, issuer, verifying};
use crate::support::{Signer, World, claims, story};

/// Header and claims of a token.
fn read(token: &str) -> (Value, Value) {
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    (serde_json::from_slice(&header).unwrap(), claims(token))
}

/// The same with another value.
fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    object[name] = value.into();
    object
}

/// A token with this header and these claims, and the signature of another.
fn patched(token: &str, header: &Value, claims: &Value) -> String {
    let signature = token.rsplit('.').next().unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

story! {
    /// Whoever has a good token, the published keys and a key of his own has nothing else.
    async fn what_the_server_did_not_sign_is_refused(world: World) {
        let acme = world.acme().await;
        let globex = world.tenant_like_acme("globex").await;
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let good = tokens.get_token().await.unwrap().reveal().to_owned();
        let verifier = verifying(&world).issuer(issuer(&world, "acme")).build().unwrap();
        verifier.verify(&good).await.unwrap();
        let (header, claims) = read(&good);
        let jwks: Value = world.http.get(format!("{}/oauth2/jwks", issuer(&world, "acme")))
            .send().await.unwrap().json().await.unwrap();
        let published = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
        let own = Signer::new(Algorithm::ES256, "mine");

        // Signatures by something public, or by nothing.
        let none = with(&header, "alg", "none");
        let hmac = with(&header, "alg", "HS256");
        let mut forged = vec![
            (patched(&good, &none, &claims), InvalidToken::WrongAlgorithm),
            (patched(&good, &with(&none, "alg", "nOnE"), &claims), InvalidToken::WrongAlgorithm),
            (format!("{}.", good.rsplit_once('.').unwrap().0), InvalidToken::WrongSignature),
        ];
        for secret in [published.to_string(), published["x"].as_str().unwrap().to_owned(), jwks.to_string()] {
            forged.push((Signer::of_secret(&secret).sign(&hmac, &claims), InvalidToken::WrongAlgorithm));
        }
        // A key of his own, under the server's name or with a way to it in the header.
        forged.push((own.sign(&header, &claims), InvalidToken::WrongSignature));
        for (name, value) in [
            ("jwk", own.jwk.clone()),
            ("jku", json!("https://attacker.example/jwks")),
            ("x5u", json!("https://attacker.example/chain.pem")),
            ("x5c", json!(["MIIB"])),
        ] {
            let pointing = with(&with(&header, "kid", "mine"), name, value);
            forged.push((own.sign(&pointing, &claims), InvalidToken::UnknownKey));
        }
        forged.push((own.sign(&with(&header, "crit", json!(["exp"])), &claims), InvalidToken::Critical));
        // Another type; a signature of the server's under other words.
        for typ in ["JWT", "id_token", "application/jwt", "token-introspection+jwt", "at+jwt;x"] {
            forged.push((patched(&good, &with(&header, "typ", typ), &claims), InvalidToken::WrongType));
        }
        for (name, value) in [
            ("scope", json!("orders:read orders:write admin")),
            ("client_id", json!(globex.client)),
            ("exp", json!(claims["exp"].as_i64().unwrap() + 1)),
        ] {
            forged.push((patched(&good, &header, &with(&claims, name, value)), InvalidToken::WrongSignature));
        }
        // Another algorithm than the key's; a token without end; one that is too long to be looked at.
        forged.push((patched(&good, &with(&header, "alg", "RS256"), &claims), InvalidToken::UnknownKey));
        let mut endless = claims.clone();
        endless.as_object_mut().unwrap().remove("exp");
        forged.push((own.sign(&header, &endless), InvalidToken::NoClaim("exp")));
        forged.push((own.sign(&header, &with(&claims, "note", "x".repeat(9_000))), InvalidToken::TooLong));

        // What another tenant's key signed, under acme's name.
        let theirs = client(&world, "globex", &globex.client).secret(globex.secret.as_str()).build().unwrap();
        let theirs = theirs.get_token().await.unwrap().reveal().to_owned();
        let (their_header, their_claims) = read(&theirs);
        forged.push((theirs.clone(), InvalidToken::UnknownIssuer));
        let renamed = with(&their_claims, "iss", issuer(&world, "acme"));
        forged.push((patched(&theirs, &their_header, &renamed), InvalidToken::UnknownKey));

        // Good ones for something else: another API of the same tenant.
        let operator = world.operator().await;
        let api = json!({"tenant": "acme", "identifier": "https://stock.example", "name": "Stock", "scopes": [{"name": "stock:read"}]});
        operator.mutation("createApi", "api { id }", api).await.data();
        let grants = json!([{"api": "https://stock.example", "scopes": ["stock:read"]}]);
        let update = json!({"client": acme.client, "grants": grants});
        operator.mutation("updateClient", "client { id }", update).await.data();
        let stock = TokenRequest::new().audience("https://stock.example");
        let stock = tokens.get_token_for(&stock).await.unwrap();
        forged.push((stock.reveal().to_owned(), InvalidToken::WrongAudience));

        for (token, fault) in forged {
            // A new one each time, which has not asked for keys a moment ago.
            let verifier = verifying(&world).issuer(issuer(&world, "acme")).build().unwrap();
            assert_eq!(verifier.verify(&token).await.unwrap_err(), fault.into(), "{:?}", read(&token).0);
        }
        verifier.verify(&good).await.unwrap();
    }
}

story! {
    /// Five hundred tokens that name keys which nobody has make one request to the server, and good tokens
    /// go on being good meanwhile.
    async fn a_flood_of_made_up_keys_is_one_request_to_the_server(world: World) {
        let acme = world.acme().await;
        let tokens = client(&world, "acme", &acme.client).secret(acme.secret.as_str()).build().unwrap();
        let good = tokens.get_token().await.unwrap().reveal().to_owned();
        let gate = Gate::new();
        let verifier = verifying(&world)
            .issuer(issuer(&world, "acme"))
            .transport(Arc::new(gate.clone()))
            .min_refresh_interval(Duration::from_hours(1))
            .build()
            .unwrap();
        let own = Signer::new(Algorithm::ES256, "mine");
        let (header, claims) = read(&good);
        let flood: Vec<_> = (0..500).map(|number| {
            let token = own.sign(&with(&header, "kid", format!("made-up-{number}")), &claims);
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&token).await.unwrap_err() })
        }).collect();
        verifier.verify(&good).await.unwrap();
        for refused in flood {
            assert!(matches!(refused.await.unwrap(), Rejection::Invalid(InvalidToken::UnknownKey)));
        }
        verifier.verify(&good).await.unwrap();
        assert_eq!(gate.requests_to("/oauth2/jwks"), 1);
    }
}
