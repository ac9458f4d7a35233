//! Immediate revocation.

use chancery_sdk::{
    ClientAuth, InvalidToken, Rejection, Verifier,
    introspection::{Introspection, OnOutage},
    testing::{Outage, TestClient},
};

use crate::support::{ISSUER, ORDERS, Stage, seconds};

fn introspection() -> Introspection {
    Introspection::new("orders", ClientAuth::basic("api-s3cret")).remember_for(seconds(10))
}

fn verifier(stage: &Stage, introspection: Introspection) -> Verifier {
    stage
        .issuer
        .register(TestClient::new("orders", "api-s3cret").grant(ORDERS, ""));
    stage
        .verifying()
        .introspection(introspection)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_client_is_refused_within_the_time_of_the_cache() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let token = stage.client().get_token().await.unwrap();
    verifier.verify(token.reveal()).await.unwrap();
    stage.issuer.remove("billing");
    stage.advance(seconds(9)).await;
    verifier.verify(token.reveal()).await.unwrap();
    assert_eq!(stage.issuer.introspection_requests(), 1);
    stage.advance(seconds(1)).await;
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert_eq!(refused, InvalidToken::Revoked.into());
    assert_eq!(stage.issuer.introspection_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_question_is_on_its_way_for_each_token() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let token = stage.client().get_token().await.unwrap();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(token.reveal()).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(stage.issuer.introspection_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bad_by_itself_is_not_asked_about() {
    let stage = Stage::new();
    let verifier = verifier(&stage, introspection());
    let expired = stage
        .issuer
        .token("billing")
        .audience(ORDERS)
        .expires_in(-60)
        .sign();
    verifier.verify(&expired).await.unwrap_err();
    assert_eq!(stage.issuer.introspection_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_answers_it_is_refused_or_accepted_as_configured() {
    let stage = Stage::new();
    let strict = verifier(&stage, introspection());
    let lenient = verifier(&stage, introspection().on_outage(OnOutage::Accept));
    let token = stage.client().get_token().await.unwrap();
    for verifier in [&strict, &lenient] {
        verifier.verify(token.reveal()).await.unwrap();
    }
    stage.issuer.set_outage(Some(Outage::Unreachable));
    stage.advance(seconds(10)).await;
    let refused = strict.verify(token.reveal()).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
    lenient.verify(token.reveal()).await.unwrap();
    // What is broken for good is not an outage.
    stage.issuer.set_outage(None);
    stage.issuer.register(TestClient::new("orders", "rotated"));
    stage.advance(seconds(10)).await;
    assert!(lenient.verify(token.reveal()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_without_a_client_to_ask_as_is_not_trusted_blindly() {
    let stage = Stage::new();
    let verifier = verifier(&stage, Introspection::by_issuer());
    let token = stage.client().get_token().await.unwrap();
    let refused = verifier.verify(token.reveal()).await.unwrap_err();
    assert!(
        matches!(refused, Rejection::Unavailable { .. }),
        "{refused}"
    );
    let own = Introspection::by_issuer().at(ISSUER, "orders", ClientAuth::basic("api-s3cret"));
    let verifier = self::verifier(&stage, own);
    verifier.verify(token.reveal()).await.unwrap();
}
