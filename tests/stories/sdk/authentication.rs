//! Each way to authenticate, as the SDK has it and as the server takes it.

use std::{collections::BTreeSet, time::Duration};

use chancery_sdk::{ClientAuth, Credential, ErrorCode, InvalidToken, introspection::Introspection};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::support::{Counter, client, issuer, verifying};
use crate::support::{Signer, World, claims, story};

/// A client of acme that authenticates in one way.
struct Registered {
    id: String,
    /// Its secret, or its key in PEM or as a JWK.
    credential: String,
    way: fn(Credential) -> ClientAuth,
    kid: Option<&'static str>,
}

impl Registered {
    fn auth(&self, credential: impl Into<Credential>) -> ClientAuth {
        let auth = (self.way)(credential.into());
        match self.kid {
            Some(kid) => auth.key_id(kid),
            None => auth,
        }
    }
}

/// Acme, whose clients may authenticate in every way, and whose tokens live for two minutes.
async fn acme(world: &World) {
    world.acme().await;
    let every = json!([
        "CLIENT_SECRET_BASIC",
        "CLIENT_SECRET_POST",
        "CLIENT_SECRET_JWT",
        "PRIVATE_KEY_JWT"
    ]);
    let policy = json!({"allowedAuthMethods": every, "accessTokenSeconds": 120});
    let input = json!({"tenant": "acme", "policy": policy});
    let operator = world.operator().await;
    let updated = operator.mutation("updateTenant", "tenant { id }", input);
    updated.await.data();
}

async fn create(world: &World, name: &str, method: &str, keys: &[&Signer]) -> Value {
    let mut input = json!({
        "tenant": "acme", "name": name, "authMethod": method,
        "grants": [{"api": "https://orders.example", "scopes": ["orders:read"]}],
    });
    if !keys.is_empty() {
        input["jwks"] = jwks(keys);
    }
    let operator = world.operator().await;
    let fields = "client { id } secret { plaintext }";
    operator
        .mutation("createClient", fields, input)
        .await
        .data()
}

fn jwks(keys: &[&Signer]) -> Value {
    let keys: Vec<_> = keys.iter().map(|signer| &signer.jwk).collect();
    json!({ "keys": keys })
}

fn id(created: &Value) -> String {
    created["client"]["id"].as_str().unwrap().to_owned()
}

async fn with_a_secret(
    world: &World,
    name: &str,
    method: &str,
    way: fn(Credential) -> ClientAuth,
) -> Registered {
    let created = create(world, name, method, &[]).await;
    let plaintext = created.pointer("/secret/plaintext").unwrap();
    Registered {
        id: id(&created),
        credential: plaintext.as_str().unwrap().to_owned(),
        way,
        kid: None,
    }
}

async fn with_secrets(world: &World) -> Vec<Registered> {
    vec![
        with_a_secret(world, "basic", "CLIENT_SECRET", ClientAuth::basic).await,
        with_a_secret(world, "post", "CLIENT_SECRET", ClientAuth::post).await,
        with_a_secret(world, "jwt", "CLIENT_SECRET_JWT", ClientAuth::secret_jwt).await,
    ]
}

async fn with_a_key(world: &World, algorithm: Algorithm, kid: Option<&'static str>) -> Registered {
    let signer = Signer::new(algorithm, kid.unwrap_or("only"));
    let name = format!("{algorithm:?} {kid:?}");
    let created = create(world, &name, "PRIVATE_KEY_JWT", &[&signer]).await;
    let credential = match algorithm {
        // A key in PEM does not say that it is for this.
        Algorithm::PS256 => signer.private_jwk(),
        _ => signer.pem(),
    };
    Registered {
        id: id(&created),
        credential,
        way: ClientAuth::private_key_jwt,
        kid,
    }
}

story! {
    /// It serves for tokens, to revoke them, and to ask about them; and a credential of another client is
    /// none.
    async fn every_way_to_authenticate_is_one_of_the_servers(world: World) {
        acme(&world).await;
        let mut every = with_secrets(&world).await;
        let algorithms = [
            Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS256,
        ];
        for algorithm in algorithms {
            every.push(with_a_key(&world, algorithm, Some("2026-11")).await);
        }
        // A key that is the only one need not be named.
        every.push(with_a_key(&world, Algorithm::ES256, None).await);
        for registered in &every {
            let auth = registered.auth(registered.credential.as_str());
            let shown = format!("{auth:?}");
            let counter = Counter::default();
            let tokens = client(&world, "acme", &registered.id)
                .auth(auth.clone()).hooks(counter.clone()).build().unwrap();
            let asking = Introspection::new(&registered.id, auth).remember_for(Duration::from_secs(10));
            let verifier = verifying(&world).issuer(issuer(&world, "acme")).introspection(asking).build().unwrap();

            let token = tokens.get_token().await.unwrap_or_else(|error| panic!("{shown}: {error}"));
            let caller = verifier.verify(token.reveal()).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(caller.client_id(), registered.id);
            tokens.revoke(&token).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
            world.clock.advance(10);
            assert_eq!(verifier.verify(token.reveal()).await.unwrap_err(), InvalidToken::Revoked.into(), "{shown}");
            let next = tokens.get_token().await.unwrap();
            assert_ne!(next.reveal(), token.reveal());
            verifier.verify(next.reveal()).await.unwrap();
            assert_eq!(counter.requests(), 3, "{shown}");
        }
        let alike = every.iter().zip(&every[1..]).filter(|(one, other)| one.kid == other.kid);
        for (registered, other) in alike {
            let auth = registered.auth(other.credential.as_str());
            let tokens = client(&world, "acme", &registered.id).auth(auth).build().unwrap();
            let error = tokens.get_token().await.unwrap_err();
            assert_eq!(error.code(), Some(&ErrorCode::InvalidClient), "{error}");
        }
    }
}

story! {
    /// A secret is rotated with an overlap, and the new one is put into the client's file some time in it.
    async fn a_rotation_of_the_secret_fails_no_call(world: World) {
        acme(&world).await;
        let operator = world.operator().await;
        let directory = tempfile::tempdir().unwrap();
        let counter = Counter::default();
        let every = with_secrets(&world).await;
        let clients: Vec<_> = every.iter().map(|registered| {
            let file = directory.path().join(&registered.id);
            std::fs::write(&file, &registered.credential).unwrap();
            let auth = registered.auth(Credential::file(&file));
            let tokens = client(&world, "acme", &registered.id).auth(auth).hooks(counter.clone()).build().unwrap();
            (registered, file, tokens)
        }).collect();

        let mut used = BTreeSet::new();
        let mut new = Vec::new();
        for minute in 0..30 {
            match minute {
                5 => for registered in &every {
                    let input = json!({"client": registered.id, "overlapSeconds": 600});
                    let rotated = operator.mutation("rotateClientSecret", "secret { plaintext }", input).await.data();
                    new.push(rotated["secret"]["plaintext"].as_str().unwrap().to_owned());
                },
                14 => for ((_, file, _), new) in clients.iter().zip(&new) {
                    std::fs::write(file, new).unwrap();
                },
                _ => {}
            }
            for _ in 0..6 {
                world.clock.advance(10);
                for (_, _, tokens) in &clients {
                    let token = tokens.get_token().await.unwrap();
                    used.insert(claims(token.reveal())["credential_id"].as_str().unwrap().to_owned());
                }
            }
        }
        assert_eq!(used.len(), 2 * every.len());
        assert_eq!(*counter.errors.lock().unwrap(), [""; 0]);
        for registered in &every {
            let auth = registered.auth(registered.credential.as_str());
            let old = client(&world, "acme", &registered.id).auth(auth).build().unwrap();
            assert_eq!(old.get_token().await.unwrap_err().code(), Some(&ErrorCode::InvalidClient));
        }
    }
}

story! {
    /// A client's key is followed by another: both are registered, the file is replaced, the old one goes. A
    /// file that has the key's name beside the key needs no restart, although two have to be told apart.
    async fn a_rotation_of_the_clients_key_fails_no_call(world: World) {
        acme(&world).await;
        let operator = world.operator().await;
        let (old, new) = (Signer::new(Algorithm::ES256, "2026-10"), Signer::new(Algorithm::EdDSA, "2026-11"));
        let id = id(&create(&world, "signer", "PRIVATE_KEY_JWT", &[&old]).await);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.jwk");
        std::fs::write(&file, old.private_jwk()).unwrap();
        let counter = Counter::default();
        let auth = ClientAuth::private_key_jwt(Credential::file(&file));
        let tokens = client(&world, "acme", &id).auth(auth).hooks(counter.clone()).build().unwrap();

        let mut used = Vec::new();
        for minute in 0..20 {
            let registered = match minute {
                5 => Some(jwks(&[&old, &new])),
                15 => Some(jwks(&[&new])),
                _ => None,
            };
            if let Some(jwks) = registered {
                let input = json!({"client": id, "jwks": jwks});
                operator.mutation("updateClient", "client { id }", input).await.data();
            }
            if minute == 10 {
                std::fs::write(&file, new.private_jwk()).unwrap();
            }
            for _ in 0..6 {
                world.clock.advance(10);
                let token = tokens.get_token().await.unwrap();
                let credential = claims(token.reveal())["credential_id"].as_str().unwrap().to_owned();
                if used.last() != Some(&credential) {
                    used.push(credential);
                }
            }
        }
        assert_eq!(used.len(), 2, "{used:?}");
        assert_eq!(*counter.errors.lock().unwrap(), [""; 0]);
        let auth = ClientAuth::private_key_jwt(old.private_jwk());
        let late = client(&world, "acme", &id).auth(auth).build().unwrap();
        assert_eq!(late.get_token().await.unwrap_err().code(), Some(&ErrorCode::InvalidClient));
    }
}
