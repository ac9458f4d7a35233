//! The aggregates as `cqrs-es` sees them, in its own given, when, then.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use proptest::prelude::*;

use super::histories::Roll;
use crate::{
    aggregate::{Fold, Stream},
    api::Api,
    client::{Client, ClientEvent, ClientRefusal, DisableClient, EnableClient},
    command::{Command, Order, ReadSet},
    key_ring::KeyRing,
    secret_rotation::{RotateSecret, SecretRefusal, SecretRotation, SecretRotationEvent},
    stream::{AggregateType, StreamId},
    tenant::{ResumeTenant, SuspendTenant, Tenant, TenantEvent, TenantRefusal},
    testing::{
        self, ACME, BILLING, NOW, acme, billing, commands::history, disabled, new_secret,
        suspended, with_billing,
    },
    time::Timestamp,
    value::Reason,
};

type Given<S> = AggregateTestExecutor<Stream<S>>;

/// The events of this kind of aggregate, out of a history.
fn given<S: Fold>(history: &testing::History) -> Given<S> {
    let events = history.iter().filter_map(|(_, event)| S::event(event));
    TestFramework::with(()).given(events.cloned().collect())
}

/// An order to the client Billing, or to its secrets, beside all that there is.
fn order(command: impl Command + 'static, stream: StreamId) -> Order {
    let read = testing::given(with_billing()).read();
    Order::new(command, NOW, stream, read)
}

#[test]
fn a_tenant_takes_orders() {
    let suspend = || {
        let reason = Reason::parse("unpaid").unwrap();
        let command = SuspendTenant {
            tenant: ACME,
            reason,
        };
        Order::new(command, NOW, StreamId::Tenant(ACME), ReadSet::default())
    };
    let resume = Order::new(
        ResumeTenant { tenant: ACME },
        NOW,
        StreamId::Tenant(ACME),
        ReadSet::default(),
    );
    given::<Tenant>(&acme())
        .when(suspend())
        .then_expect_events(vec![suspended()]);
    given::<Tenant>(&acme())
        .and(vec![suspended()])
        .when(suspend())
        .then_expect_error(TenantRefusal::AlreadySuspended.into());
    given::<Tenant>(&acme())
        .and(vec![suspended()])
        .when(resume)
        .then_expect_events(vec![TenantEvent::TenantResumed {}]);
}

#[test]
fn a_client_takes_orders_by_its_own_state() {
    let (tenant, client) = (ACME, BILLING);
    let disable = || {
        let reason = Reason::parse("leak").unwrap();
        let command = DisableClient {
            tenant,
            client,
            reason,
        };
        order(command, StreamId::Client(BILLING))
    };
    let enable = order(EnableClient { tenant, client }, StreamId::Client(BILLING));
    given::<Client>(&with_billing())
        .when(disable())
        .then_expect_events(vec![disabled()]);
    given::<Client>(&with_billing())
        .and(vec![disabled()])
        .when(disable())
        .then_expect_error(ClientRefusal::AlreadyDisabled.into());
    given::<Client>(&with_billing())
        .and(vec![disabled()])
        .when(enable)
        .then_expect_events(vec![ClientEvent::ClientEnabled {}]);
}

/// A client and its first secret are two aggregates and one command.
#[test]
fn each_aggregate_takes_its_share_of_a_command() {
    let beside = testing::given(testing::acme_with_orders()).read();
    let create = |stream| Order::new(billing(), NOW, stream, beside.clone());
    let client = TestFramework::<Stream<Client>>::with(())
        .given_no_previous_events()
        .when(create(StreamId::Client(BILLING)))
        .inspect_result()
        .unwrap();
    assert!(matches!(
        client[..],
        [
            ClientEvent::ClientCreated { .. },
            ClientEvent::ClientGranted { .. }
        ]
    ));
    let secrets = TestFramework::<Stream<SecretRotation>>::with(())
        .given_no_previous_events()
        .when(create(StreamId::SecretRotation(BILLING)))
        .inspect_result()
        .unwrap();
    assert!(matches!(
        secrets[..],
        [SecretRotationEvent::SecretIssued { .. }]
    ));
}

#[test]
fn a_secret_rotation_takes_orders() {
    let rotate = |number, overlap_seconds| {
        let command = RotateSecret {
            tenant: ACME,
            client: BILLING,
            secret: new_secret(number),
            label: None,
            overlap_seconds: Some(overlap_seconds),
        };
        order(command, StreamId::SecretRotation(BILLING))
    };
    let once = given::<SecretRotation>(&with_billing())
        .when(rotate(2, 60))
        .inspect_result()
        .unwrap();
    given::<SecretRotation>(&with_billing())
        .and(once)
        .when(rotate(3, 60))
        .then_expect_error(SecretRefusal::TooManyLiveSecrets { live: 3, max: 2 }.into());
}

/// Asks the aggregate behind one stream, and compares with its share of what was decided.
fn agrees<S: Fold>(
    roll: &Roll,
    (command, moment): (&std::sync::Arc<dyn Command>, Timestamp),
    stream: StreamId,
    decision: &Result<crate::ChangeSet, crate::Refusal>,
) where
    S::Event: PartialEq,
{
    let before = roll.of_stream(stream);
    let before = before.iter().filter_map(|entry| S::event(&entry.event));
    let read = roll.read(&command.reads());
    let answer = TestFramework::<Stream<S>>::with(())
        .given(before.cloned().collect())
        .when(Order::new(command.clone(), moment, stream, read))
        .inspect_result();
    let share = decision.as_ref().map_err(Clone::clone).map(|change| {
        let events = change.events().iter().filter(|(to, _)| *to == stream);
        events
            .filter_map(|(_, event)| S::event(event).cloned())
            .collect()
    });
    assert_eq!(answer, share);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_aggregate_decides_as_the_command_does(steps in history()) {
        Roll::watched(&steps, |roll, given, decision| {
            for stream in given.0.reads() {
                match stream.aggregate_type() {
                    AggregateType::Tenant => agrees::<Tenant>(roll, given, stream, decision),
                    AggregateType::KeyRing => agrees::<KeyRing>(roll, given, stream, decision),
                    AggregateType::Api => agrees::<Api>(roll, given, stream, decision),
                    AggregateType::Client => agrees::<Client>(roll, given, stream, decision),
                    AggregateType::SecretRotation => agrees::<SecretRotation>(roll, given, stream, decision),
                }
            }
        });
    }
}
