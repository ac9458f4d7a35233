//! Tests without a server: an issuer in memory, and a clock that the test moves.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chancery_sdk::testing::{TestClient, TestIssuer};
//! use chancery_sdk::{TokenClient, Verifier};
//!
//! let issuer = TestIssuer::new("https://auth.test/t/acme");
//! issuer.register(TestClient::new("billing", "s3cret").grant("https://orders.test", "orders:read"));
//!
//! // The code under test, with the issuer in the place of the network.
//! let client = TokenClient::builder()
//!     .issuer(issuer.url())
//!     .client_id("billing")
//!     .secret("s3cret")
//!     .transport(issuer.transport())
//!     .build()?;
//! let verifier = Verifier::builder()
//!     .issuer(issuer.url())
//!     .audience("https://orders.test")
//!     .transport(issuer.transport())
//!     .build()?;
//!
//! let token = client.get_token().await?;
//! let caller = verifier.verify(token.reveal()).await?;
//! assert_eq!(caller.client_id(), "billing");
//!
//! // Or a token of any shape, to see what the code does with it.
//! let expired = issuer.token("billing").audience("https://orders.test").expires_in(-60).sign();
//! assert!(verifier.verify(&expired).await.is_err());
//! # Ok(())
//! # }
//! ```

mod authentication;
mod clock;
mod endpoints;
mod issuer;
mod keys;
mod token;

pub use self::{
    clock::TestClock,
    issuer::{Outage, TestClient, TestIssuer},
    token::TestToken,
};
