//! The SDK against another vendor's authorization server, the npm package `oidc-provider`: every way to
//! authenticate, discovery, verification, introspection and revocation. `cargo xtask check --deep` installs
//! it and runs these.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use chancery_sdk::{
    ClientAuth, Error, ErrorCode, InvalidToken, Rejection, TokenClient, TokenRequest, Verifier,
    introspection::Introspection,
};
use serde::Deserialize;

/// Where `oidc-provider` is installed.
const DIRECTORY: &str = "CHANCERY_TEST_OIDC_PROVIDER";

/// The server, which ends with this.
struct Peer {
    process: Child,
    /// Kept open: the server says more, and would end where nobody can hear it.
    _output: BufReader<ChildStdout>,
    at: At,
}

/// What the server says of itself.
#[derive(Deserialize)]
struct At {
    issuer: String,
    audience: String,
    secret: String,
    key: String,
}

impl Peer {
    fn start() -> Self {
        let directory = std::env::var(DIRECTORY)
            .unwrap_or_else(|_| panic!("{DIRECTORY} must name where oidc-provider is installed"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/oidc-provider.mjs");
        let mut process = Command::new("node")
            .args([script.as_os_str(), directory.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let at = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said {line:?}"));
        Self {
            process,
            _output: output,
            at,
        }
    }

    fn client(&self, id: &str, auth: ClientAuth) -> TokenClient {
        TokenClient::builder()
            .issuer(&self.at.issuer)
            .client_id(id)
            .auth(auth)
            .dangerously_allow_http()
            .build()
            .unwrap()
    }

    fn basic(&self) -> TokenClient {
        self.client("basic", ClientAuth::basic(self.at.secret.clone()))
    }

    /// A token for a resource whose tokens are made as its last part says.
    fn asking_for(kind: &str) -> TokenRequest {
        TokenRequest::new()
            .resource(format!("urn:peer:orders:{kind}"))
            .scopes("orders:read")
    }

    fn verifier(&self) -> chancery_sdk::VerifierBuilder {
        Verifier::builder()
            .issuer(&self.at.issuer)
            .audience(&self.at.audience)
            .dangerously_allow_http()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[ignore = "needs another vendor's server: cargo xtask check --deep"]
async fn every_way_to_authenticate_gets_a_token_that_verifies() {
    let peer = Peer::start();
    let secret = || peer.at.secret.clone();
    let verifier = peer.verifier().build().unwrap();
    for (id, auth) in [
        ("basic", ClientAuth::basic(secret())),
        ("post", ClientAuth::post(secret())),
        ("secret_jwt", ClientAuth::secret_jwt(secret())),
        (
            "private_key_jwt",
            ClientAuth::private_key_jwt(peer.at.key.clone()),
        ),
    ] {
        let client = peer.client(id, auth);
        for kind in ["ec", "rsa", "ed"] {
            let token = client.get_token_for(&Peer::asking_for(kind)).await;
            let token = token.unwrap_or_else(|error| panic!("{id}, {kind}: {error}"));
            let caller = verifier.verify(token.reveal()).await;
            let caller = caller.unwrap_or_else(|error| panic!("{id}, {kind}: {error}"));
            assert_eq!(caller.client_id(), id);
            assert!(caller.has_scope("orders:read") && !caller.has_scope("orders:write"));
            assert_eq!(caller.tenant_id(), None);
        }
    }
}

#[tokio::test]
#[ignore = "needs another vendor's server: cargo xtask check --deep"]
async fn refusals_are_told_apart() {
    let peer = Peer::start();
    let code = |error: &Error| error.code().cloned();
    let wrong = peer.client("basic", ClientAuth::basic("not the secret"));
    let refused = wrong.get_token_for(&Peer::asking_for("ec")).await;
    let refused = refused.unwrap_err();
    assert_eq!(code(&refused), Some(ErrorCode::InvalidClient), "{refused}");
    assert!(!refused.is_retryable());
    let elsewhere = TokenRequest::new().resource("urn:peer:nowhere");
    let refused = peer.basic().get_token_for(&elsewhere).await.unwrap_err();
    assert_eq!(code(&refused), Some(ErrorCode::InvalidTarget), "{refused}");
}

#[tokio::test]
#[ignore = "needs another vendor's server: cargo xtask check --deep"]
async fn opaque_tokens_are_revoked_and_what_cannot_be_introspected_is_not_let_in() {
    let peer = Peer::start();
    let client = peer.basic();
    let token = client.get_token_for(&Peer::asking_for("opaque")).await;
    let token = token.unwrap();
    // An opaque token is nothing that can be verified by itself.
    let verifier = peer.verifier().build().unwrap();
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert_eq!(refused, InvalidToken::Unreadable.into());
    client.revoke(&token).await.unwrap();

    let asking = Introspection::new("basic", ClientAuth::basic(peer.at.secret.clone()));
    let verifier = peer.verifier().introspection(asking).build().unwrap();
    let token = client.get_token_for(&Peer::asking_for("ec")).await.unwrap();
    // It does not introspect its own JWTs, and says so by an error: that is no yes.
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
}
