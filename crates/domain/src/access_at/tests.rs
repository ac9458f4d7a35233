use super::*;
use crate::{
    api::ApiEvent,
    client::ClientEvent,
    envelope::Actor,
    secret_rotation::{RotateSecret, SecretRotationEvent},
    tenant::{TenantEvent, TokenAuthMethod},
    testing::{
        ACME, BILLING, History, NOW, ORDERS, disabled, given, new_client_key, new_secret, policy,
        suspended, with_billing, with_keys,
    },
    value::{Reason, ScopeSet},
};

/// The history as a roll: each entry a second after the one before it.
fn roll(history: History) -> Vec<Recorded> {
    let entry = |(index, (stream, event)): (usize, (StreamId, Event))| {
        let tenant_seq = i64::try_from(index).unwrap() + 1;
        Recorded {
            id: EventId::new(NOW, [u8::try_from(index).unwrap(); 10]),
            tenant: ACME,
            tenant_seq,
            recorded_at: NOW.plus_seconds(tenant_seq),
            stream,
            sequence: 1,
            event,
            actor: Actor::Steward,
            command_id: None,
            trace_id: None,
        }
    };
    history.into_iter().enumerate().map(entry).collect()
}

/// What Billing could do so many seconds after the first entry.
fn told(history: &History, second: i64) -> AccessAt {
    let at = NOW.plus_seconds(second);
    let entries: Vec<_> = roll(history.clone())
        .into_iter()
        .filter(|entry| entry.recorded_at <= at)
        .collect();
    access_at(&entries, BILLING, at).unwrap()
}

fn obstacles(access: &AccessAt) -> Vec<(Obstacle, i64)> {
    access
        .obstacles
        .iter()
        .map(|held| (held.what, held.since.tenant_seq))
        .collect()
}

fn scopes(access: &AccessAt) -> Vec<(String, i64)> {
    let of = |api: &ApiAccess| {
        let each = api.scopes.iter();
        each.map(|held| (held.what.to_string(), held.since.tenant_seq))
            .collect::<Vec<_>>()
    };
    access.apis.iter().flat_map(of).collect()
}

/// The number of the entry of this type.
fn number(history: &History, kind: &str) -> i64 {
    let position = history.iter().position(|(_, event)| event.kind().0 == kind);
    i64::try_from(position.unwrap()).unwrap() + 1
}

fn with(mut history: History, events: impl IntoIterator<Item = (StreamId, Event)>) -> History {
    history.extend(events);
    history
}

const CLIENT: StreamId = StreamId::Client(BILLING);
const SECRETS: StreamId = StreamId::SecretRotation(BILLING);
const API: StreamId = StreamId::Api(ORDERS);
const TENANT: StreamId = StreamId::Tenant(ACME);

#[test]
fn a_client_in_order_could_do_what_it_was_granted_since_it_was() {
    let history = with_billing();
    let last = i64::try_from(history.len()).unwrap();
    let access = told(&history, last);
    assert_eq!(access.obstacles, []);
    assert_eq!(
        (access.tenant.what, access.tenant.since.tenant_seq),
        (TenantState::Active, 1)
    );
    assert_eq!(access.client.what, ClientState::Active);
    assert_eq!(
        access.client.since.tenant_seq,
        number(&history, "ClientCreated")
    );
    let granted = number(&history, "ClientGranted");
    assert_eq!(
        scopes(&access),
        [
            ("orders:read".to_owned(), granted),
            ("orders:write".to_owned(), granted)
        ]
    );
    let [api] = &*access.apis else {
        panic!("{access:?}")
    };
    assert_eq!((api.api, api.since.tenant_seq), (ORDERS, granted));
    assert_eq!(api.roles[0].what.as_str(), "clerk");
    let [secret] = &*access.credentials else {
        panic!("{access:?}")
    };
    assert_eq!(secret.since.tenant_seq, number(&history, "SecretIssued"));
    assert_eq!(
        (secret.retiring, secret.since.event),
        (
            false,
            roll(history)[usize::try_from(secret.since.tenant_seq).unwrap() - 1].id
        )
    );
}

#[test]
fn a_client_that_was_not_there_could_do_nothing() {
    let history = with_billing();
    let before = number(&history, "ClientCreated") - 1;
    let entries = &roll(history)[..usize::try_from(before).unwrap()];
    assert_eq!(access_at(entries, BILLING, NOW.plus_seconds(before)), None);
    assert_eq!(access_at(&[], BILLING, NOW), None);
}

#[test]
fn each_obstacle_is_named_with_the_entry_that_put_it_there() {
    let reason = || Reason::parse("gone").unwrap();
    let closed = TenantEvent::TenantClosed { reason: reason() };
    let deleted = ClientEvent::ClientDeleted { reason: reason() };
    let no_way = TenantEvent::TenantPolicyChanged {
        policy: policy(|policy| {
            policy.allowed_auth_methods = [TokenAuthMethod::PrivateKeyJwt].into();
        }),
    };
    let revoked = SecretRotationEvent::SecretRevoked {
        secret: new_secret(1).secret,
        reason: reason(),
        compromised: true,
    };
    for (stream, event, obstacle) in [
        (TENANT, Event::from(suspended()), Obstacle::TenantSuspended),
        (TENANT, closed.into(), Obstacle::TenantClosed),
        (CLIENT, disabled().into(), Obstacle::ClientDisabled),
        (CLIENT, deleted.into(), Obstacle::ClientDeleted),
        (TENANT, no_way.into(), Obstacle::MethodNotAllowed),
        (SECRETS, revoked.into(), Obstacle::NoCredential),
        (
            API,
            ApiEvent::ApiRetired {}.into(),
            Obstacle::NothingGranted,
        ),
    ] {
        let history = with(with_billing(), [(stream, event)]);
        let last = i64::try_from(history.len()).unwrap();
        assert_eq!(obstacles(&told(&history, last)), [(obstacle, last)]);
        assert_eq!(
            obstacles(&told(&history, last - 1)),
            [],
            "{obstacle:?} before it was there"
        );
        assert_eq!(
            obstacles(&told(&history, last + 1_000)),
            [(obstacle, last)],
            "{obstacle:?} stays"
        );
    }
}

#[test]
fn what_was_taken_away_and_given_again_holds_since_it_was_given_again() {
    let history = with(
        with_billing(),
        [
            (CLIENT, disabled().into()),
            (CLIENT, ClientEvent::ClientEnabled {}.into()),
        ],
    );
    let last = i64::try_from(history.len()).unwrap();
    assert_eq!(told(&history, last).client.since.tenant_seq, last);

    let grant = |scopes: &str| ClientEvent::ClientGranted {
        api_generation: 0,
        api: ORDERS,
        identifier: "https://orders.example".parse().unwrap(),
        scopes: ScopeSet::parse(scopes).unwrap(),
        roles: [].into(),
    };
    let first = number(&history, "ClientGranted");
    let history = with(
        with_billing(),
        [
            (CLIENT, grant("orders:read").into()),
            (CLIENT, grant("orders:read orders:write").into()),
        ],
    );
    let last = i64::try_from(history.len()).unwrap();
    assert_eq!(
        scopes(&told(&history, last - 1)),
        [("orders:read".to_owned(), first)]
    );
    assert_eq!(
        scopes(&told(&history, last)),
        [
            ("orders:read".to_owned(), first),
            ("orders:write".to_owned(), last)
        ],
        "a grant that says the same again changes nothing for it"
    );
    assert_eq!(told(&history, last).apis[0].roles, []);
    assert_eq!(told(&history, last).apis[0].since.tenant_seq, first);
}

#[test]
fn time_ends_a_client_by_the_entry_that_set_its_end() {
    let end = NOW.plus_seconds(100);
    let history = with(
        with_billing(),
        [(
            CLIENT,
            ClientEvent::ClientExpiryChanged {
                expires_at: Some(end),
            }
            .into(),
        )],
    );
    let last = i64::try_from(history.len()).unwrap();
    assert_eq!(told(&history, 99).client.what, ClientState::Active);
    // Whatever else is recorded after the end is not what ended it.
    let later = with(history.clone(), [(TENANT, suspended().into())]);
    for (history, second) in [(&history, 100), (&later, 500)] {
        let access = told(history, second);
        assert_eq!(access.client.what, ClientState::Expired);
        assert_eq!(
            (access.client.since.tenant_seq, access.client.since.from),
            (last, end)
        );
        assert!(obstacles(&access).contains(&(Obstacle::ClientExpired, last)));
    }
}

#[test]
fn secrets_are_accepted_while_they_are_and_their_end_is_that_of_the_last() {
    let history = with_billing();
    let rotate = RotateSecret {
        tenant: ACME,
        client: BILLING,
        secret: new_secret(2),
        overlap_seconds: Some(60),
        label: None,
    };
    let change = given(history.clone()).when(&rotate).change();
    let history = with(history, change.events().iter().cloned());
    let rotated = number(&history, "SecretRotated");
    let first = number(&history, "SecretIssued");
    let accepted = |second| {
        let secrets = told(&history, second).credentials.into_iter();
        secrets
            .map(|secret| (secret.credential, secret.retiring, secret.since.tenant_seq))
            .collect::<Vec<_>>()
    };
    let (old, new) = (new_secret(1).secret, new_secret(2).secret);
    // The overlap is counted from the moment of the decision, which is that of every test.
    assert_eq!(
        accepted(rotated),
        [(old.into(), true, first), (new.into(), false, rotated)]
    );
    assert_eq!(accepted(59).len(), 2);
    assert_eq!(accepted(60), [(new.into(), false, rotated)]);

    let revoke = SecretRotationEvent::SecretRevoked {
        secret: new,
        reason: Reason::parse("leak").unwrap(),
        compromised: false,
    };
    let history = with(history, [(SECRETS, revoke.into())]);
    let access = told(&history, 100);
    // It was the end of the old one by time that left nothing, and the rotation set that end.
    assert_eq!(obstacles(&access), [(Obstacle::NoCredential, rotated)]);
    assert_eq!(access.obstacles[0].since.from, NOW.plus_seconds(60));
    assert_eq!(access.credentials, []);
}

#[test]
fn a_secret_for_later_is_accepted_from_its_begin_on() {
    let mut history = with_billing();
    let begin = NOW.plus_seconds(1_000);
    let issued = number(&history, "SecretIssued");
    for (_, event) in &mut history {
        if let Event::SecretRotation(SecretRotationEvent::SecretIssued { issued }) = event {
            issued.not_before = Some(begin);
        }
    }
    assert_eq!(obstacles(&told(&history, 999)).len(), 1);
    let access = told(&history, 1_000);
    assert_eq!(obstacles(&access), []);
    assert_eq!(
        (
            access.credentials[0].since.tenant_seq,
            access.credentials[0].since.from
        ),
        (issued, begin)
    );
}

#[test]
fn entries_of_others_change_nothing() {
    let history = with_billing();
    let last = i64::try_from(history.len()).unwrap();
    let expected = told(&history, last);
    let stranger = ClientId::new(NOW, [77; 10]);
    let mut entries = roll(history);
    let mut foreign = entries[usize::try_from(last).unwrap() - 1].clone();
    foreign.stream = StreamId::Client(stranger);
    foreign.event = disabled().into();
    foreign.tenant_seq += 1;
    entries.push(foreign);
    assert_eq!(access_at(&entries, BILLING, expected.at), Some(expected));
}

#[test]
fn keys_are_accepted_while_they_are_registered() {
    let history = with_keys();
    let last = i64::try_from(history.len()).unwrap();
    let registered = number(&history, "ClientKeysChanged");
    let access = told(&history, last);
    let key = CredentialId::Key(new_client_key(1).key);
    let found = access
        .credentials
        .iter()
        .find(|access| access.credential == key);
    assert_eq!(found.unwrap().since.tenant_seq, registered);
    assert!(
        access
            .credentials
            .iter()
            .all(|access| matches!(access.credential, CredentialId::Key(_)))
    );
    let revoked = access.credentials.iter().map(|access| {
        let CredentialId::Key(key) = access.credential else {
            panic!("{access:?}")
        };
        let reason = Reason::parse("left").unwrap();
        (
            CLIENT,
            ClientEvent::ClientKeyRevoked {
                key,
                reason,
                compromised: false,
            }
            .into(),
        )
    });
    let revoked: Vec<(StreamId, Event)> = revoked.collect();
    let history = with(history, revoked);
    let last = i64::try_from(history.len()).unwrap();
    let access = told(&history, last);
    assert_eq!(access.credentials, []);
    assert!(obstacles(&access).contains(&(Obstacle::NoCredential, last)));
}
