//! What holds after any sequence of commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    aggregate::{Fold, Row},
    api::{Api, ApiEvent, ApiState},
    change::ChangeSet,
    client::{Client, ClientEvent, ExpireClient, Standing},
    command::{Command, Loaded, ReadSet, State},
    envelope::{Actor, Recorded},
    event::Event,
    id::{EventId, KeyId},
    key_ring::{KeyRing, KeyState, LEAD_SECONDS, NewKey, RecordDueKeys},
    refusal::Refusal,
    secret_rotation::{RecordDueSecrets, SecretRotation, SecretRotationEvent},
    stream::{AggregateType, StreamId},
    tenant::{SigningAlgorithm, Tenant, TenantEvent, TenantState},
    testing::{
        ACME, NOW,
        commands::{self, history},
        new_key,
        step::Step,
    },
    time::Timestamp,
    value::{MAX_CLIENT_KEYS, ScopeSet},
};

/// A tenant's roll, and what it has come to.
pub(super) struct Roll {
    entries: Vec<Recorded>,
    now: ReadSet,
}

impl Roll {
    /// Carries the steps out one after another and records what is not refused.
    fn of(steps: &[Step]) -> Self {
        Self::watched(steps, |_, _, _| ())
    }

    /// The same, and shows each command with the roll before it, its moment and what was decided.
    pub(super) fn watched(
        steps: &[Step],
        mut watch: impl FnMut(&Self, (&Arc<dyn Command>, Timestamp), &Result<ChangeSet, Refusal>),
    ) -> Self {
        let mut roll = Self {
            entries: Vec::new(),
            now: ReadSet::default(),
        };
        let mut moment = NOW;
        for (number, step) in steps.iter().enumerate() {
            moment = moment.plus_seconds(step.later);
            let command = step.command(number.try_into().unwrap());
            let decision = command.decide(&roll.read(&command.reads()), moment);
            watch(&roll, (&command, moment), &decision);
            let Ok(change) = decision else {
                continue;
            };
            for (stream, event) in change.events() {
                let number = roll.entries.len() + 1;
                let earlier = roll.entries.iter().filter(|entry| entry.stream == *stream);
                let sequence = earlier.count() + 1;
                roll.entries.push(Recorded {
                    id: EventId::new(moment, [0; 10]),
                    tenant: ACME,
                    tenant_seq: number.try_into().unwrap(),
                    recorded_at: moment,
                    stream: *stream,
                    sequence: sequence.try_into().unwrap(),
                    event: event.clone(),
                    actor: Actor::Steward,
                    command_id: None,
                    trace_id: None,
                });
            }
            roll.now = roll.now.after(&change);
        }
        roll
    }

    pub(super) fn read(&self, streams: &[StreamId]) -> ReadSet {
        let all = self.now.streams();
        let find = |stream| all.iter().find(|loaded| loaded.stream == stream).cloned();
        let loaded = |stream: &StreamId| find(*stream).unwrap_or_else(|| Loaded::absent(*stream));
        ReadSet::new(streams.iter().map(loaded).collect())
    }

    pub(super) fn of_stream(&self, stream: StreamId) -> Vec<&Recorded> {
        let entries = self.entries.iter();
        entries.filter(|entry| entry.stream == stream).collect()
    }
}

fn folded<'a, S: Fold>(
    before: Option<S>,
    entries: impl IntoIterator<Item = &'a Recorded>,
) -> Option<S> {
    let events = entries
        .into_iter()
        .filter_map(|entry| S::event(&entry.event));
    events.fold(before, S::fold)
}

/// The state as it stands in a read model between two events.
fn stored<S: Fold>(state: Option<S>) -> Option<S> {
    state.map(|state| serde_json::from_value(serde_json::to_value(state).unwrap()).unwrap())
}

fn check_stream<S: Fold>(roll: &Roll, loaded: &Loaded, cut: usize) {
    let entries = roll.of_stream(loaded.stream);
    let all: Option<S> = folded(None, entries.iter().copied());
    assert_eq!(S::into_state(all.clone()), loaded.state);

    let (first, rest) = entries.split_at(cut.min(entries.len()));
    let halfway = stored(folded::<S>(None, first.iter().copied()));
    assert_eq!(folded(halfway, rest.iter().copied()), all);

    let row = entries
        .iter()
        .fold(None, |row, entry| Row::<S>::project(row, entry));
    let expected = all.map(|state| Row {
        tenant: ACME,
        version: loaded.version,
        created_at: entries[0].recorded_at,
        changed_at: entries[entries.len() - 1].recorded_at,
        state,
    });
    assert_eq!(row, expected);

    // Another stream's entries leave it alone.
    for entry in &roll.entries {
        if S::event(&entry.event).is_none() {
            assert_eq!(Row::<S>::project(row.clone(), entry), row);
        }
    }
}

/// Calls the check for the kind of aggregate behind each stream.
fn check(roll: &Roll, cut: usize) {
    for loaded in roll.now.streams() {
        match loaded.stream.aggregate_type() {
            AggregateType::Tenant => check_stream::<Tenant>(roll, loaded, cut),
            AggregateType::KeyRing => check_stream::<KeyRing>(roll, loaded, cut),
            AggregateType::Api => check_stream::<Api>(roll, loaded, cut),
            AggregateType::Client => check_stream::<Client>(roll, loaded, cut),
            AggregateType::SecretRotation => check_stream::<SecretRotation>(roll, loaded, cut),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Load and decide, inline projection, replay and rebuild are the same fold, wherever it is
    /// interrupted and stored.
    #[test]
    fn every_way_of_folding_a_stream_comes_to_the_same(steps in history(), cut in 0..12_usize) {
        check(&Roll::of(&steps), cut);
    }

    /// A fold takes whatever stands in a log: it does not fail, and before there is an aggregate
    /// nothing can happen to it.
    #[test]
    fn a_fold_takes_any_events_in_any_order(events in vec(crate::testing::arbitrary::event(), 0..20)) {
        for kind in AggregateType::ALL {
            let mut state = State::absent(*kind);
            for event in &events {
                let begins = ["TenantCreated", "KeyGenerated", "ApiCreated", "ClientCreated", "SecretIssued", "SecretRotated", "RotationScheduled"]
                    .contains(&event.kind().0);
                let was_absent = state == State::absent(*kind);
                state = state.after(event);
                let is_absent = state == State::absent(*kind);
                prop_assert_eq!(is_absent, was_absent && !(begins && event.aggregate_type() == *kind));
            }
        }
    }

    #[test]
    fn what_is_final_stays(steps in history()) {
        let roll = Roll::of(&steps);
        let mut closed = false;
        let mut deleted = BTreeSet::new();
        let mut retired = BTreeSet::new();
        for entry in &roll.entries {
            prop_assert!(!closed, "{:?} after the end of the tenant", entry.event);
            match &entry.event {
                Event::Tenant(TenantEvent::TenantClosed { .. }) => closed = true,
                Event::Api(event) => {
                    prop_assert!(!retired.contains(&entry.stream), "{:?} after the end of the API", event);
                    if matches!(event, ApiEvent::ApiRetired {}) {
                        retired.insert(entry.stream);
                    }
                }
                Event::Client(event) => {
                    // That somebody else had a key can come out later.
                    let late = matches!(event, ClientEvent::ClientKeyRevoked { .. });
                    prop_assert!(late || !deleted.contains(&entry.stream), "{:?} after the end of the client", event);
                    if matches!(event, ClientEvent::ClientDeleted { .. }) {
                        deleted.insert(entry.stream);
                    }
                }
                _ => {}
            }
        }
        for loaded in roll.now.streams() {
            match &loaded.state {
                State::Tenant(tenant) => {
                    prop_assert_eq!(closed, tenant.as_ref().unwrap().state == TenantState::Closed);
                }
                State::Client(client) => {
                    let standing = client.as_ref().unwrap().standing;
                    prop_assert_eq!(deleted.contains(&loaded.stream), standing == Standing::Deleted);
                }
                _ => {}
            }
        }
    }

    /// A tenant's slug, and an API's identifier and whose it is, are given once.
    #[test]
    fn what_is_given_once_never_changes(steps in history()) {
        let roll = Roll::of(&steps);
        let mut given = BTreeMap::new();
        let mut read = ReadSet::default();
        for entry in &roll.entries {
            read = read.after(&ChangeSet::of(entry.stream, [entry.event.clone()]));
            for loaded in read.streams() {
                let once = match &loaded.state {
                    State::Tenant(Some(tenant)) => tenant.slug.to_string(),
                    State::Api(Some(api)) => format!("{} {}", api.identifier, api.built_in),
                    _ => continue,
                };
                prop_assert_eq!(given.entry(loaded.stream).or_insert_with(|| once.clone()), &once);
            }
        }
    }

    /// After a secret was issued there are never more live ones than the policy allowed, an end
    /// that was set is put off by a deferral alone, and what has ended does not come back.
    #[test]
    fn secrets_stay_within_the_policy_and_keep_their_ends(steps in history()) {
        let roll = Roll::of(&steps);
        let mut read = ReadSet::default();
        for entry in &roll.entries {
            let before = read.clone();
            read = read.after(&ChangeSet::of(entry.stream, [entry.event.clone()]));
            let StreamId::SecretRotation(client) = entry.stream else { continue };
            let after = read.secrets(client);
            let Event::SecretRotation(event) = &entry.event else { continue };
            if matches!(event, SecretRotationEvent::SecretIssued { .. } | SecretRotationEvent::SecretRotated { .. }) {
                let max = read.tenant(ACME).unwrap().policy.max_live_secrets as usize;
                prop_assert!(after.live(entry.recorded_at).count() <= max);
            }
            for (id, old) in before.secrets(client).secrets {
                let new = &after.secrets[&id];
                if let Some(end) = old.retires_at
                    && !matches!(event, SecretRotationEvent::RetirementDeferred { .. })
                {
                    prop_assert!(new.retires_at.unwrap() <= end);
                }
                let (was, is) = (old.state(entry.recorded_at), new.state(entry.recorded_at));
                prop_assert!(was.is_live() || !is.is_live(), "{:?} came back as {:?}", was, is);
                prop_assert_eq!(new.expires_at, old.expires_at);
                prop_assert!(old.revoked.is_none() || new.revoked.is_some());
            }
        }
    }

    /// Only a client that signs has keys, at most five at a time, each once; no other credential is
    /// live than those of its way to authenticate; a key that was revoked stays so.
    #[test]
    fn credentials_are_those_of_the_clients_way_to_authenticate(steps in history()) {
        let roll = Roll::of(&steps);
        let mut revoked = BTreeMap::new();
        let mut read = ReadSet::default();
        for (number, entry) in roll.entries.iter().enumerate() {
            read = read.after(&ChangeSet::of(entry.stream, [entry.event.clone()]));
            // Between the events of one change anything may be.
            let next = roll.entries.get(number + 1);
            if next.is_some_and(|next| next.recorded_at == entry.recorded_at) {
                continue;
            }
            for loaded in read.streams() {
                let (StreamId::Client(id), State::Client(Some(client))) = (loaded.stream, &loaded.state) else { continue };
                if client.auth_method.has_secrets() {
                    prop_assert_eq!(client.live_keys().count(), 0);
                } else {
                    prop_assert_eq!(read.secrets(id).live(entry.recorded_at).count(), 0);
                }
                prop_assert!(client.live_keys().count() <= MAX_CLIENT_KEYS);
                for (one, key) in &client.keys {
                    let same = client.keys.iter().filter(|(_, other)| other.jwk.is_same_key(&key.jwk));
                    prop_assert_eq!(same.count(), 1);
                    let end = key.ended.filter(|end| end.is_final());
                    let was = *revoked.entry((id, *one)).or_insert(end);
                    prop_assert!(was.is_none() || end.is_some());
                    revoked.insert((id, *one), end);
                }
            }
        }
    }

    /// A grant names what the API has when it is given, never a retired one, and nobody serves the
    /// admin API.
    #[test]
    fn grants_are_within_what_the_apis_have(steps in history()) {
        let roll = Roll::of(&steps);
        let mut read = ReadSet::default();
        for entry in &roll.entries {
            read = read.after(&ChangeSet::of(entry.stream, [entry.event.clone()]));
            let Event::Client(ClientEvent::ClientGranted { api, identifier, scopes, roles, api_generation }) = &entry.event else { continue };
            let api = read.api(*api).unwrap();
            prop_assert_eq!(&api.identifier, identifier);
            prop_assert_eq!(api.state, ApiState::Active);
            prop_assert!(scopes.iter().all(|scope| api.scopes.contains_key(scope)));
            prop_assert!(roles.iter().all(|role| api.roles.contains_key(role)));
            prop_assert_eq!(*api_generation, api.generations.current);
            prop_assert_eq!(&api.effective_roles(roles, *api_generation), roles);
        }
        for loaded in roll.now.streams() {
            let State::Client(Some(client)) = &loaded.state else { continue };
            prop_assert!(client.serves.iter().all(|identifier| !identifier.is_admin()));
        }
    }

    /// An API's roles grant scopes that it has, what signs has a key, and the admin API stays as it is. An API that
    /// is retired signs nothing any more, and its algorithm may have lost its keys.
    #[test]
    fn apis_are_whole(steps in history()) {
        let roll = Roll::of(&steps);
        let end = roll.entries.last().unwrap().recorded_at;
        let signing = |algorithm| roll.now.key_ring(ACME).unwrap().known(algorithm, end);
        for loaded in roll.now.streams() {
            match &loaded.state {
                State::Api(Some(api)) => {
                    let mut named = api.roles.values().flat_map(ScopeSet::iter);
                    prop_assert!(named.all(|scope| api.scopes.contains_key(scope)));
                    let signs = api.tokens.signing_algorithm.filter(|_| api.state == ApiState::Active);
                    prop_assert!(signs.is_none_or(signing));
                    prop_assert!(!api.built_in || loaded.version == 1);
                }
                State::Tenant(Some(tenant)) => prop_assert!(signing(tenant.policy.signing_algorithm)),
                _ => {}
            }
        }
    }

    /// What was taken away from an API counts for nobody who had it, also after it has come back.
    #[test]
    fn what_comes_back_to_an_api_was_not_granted(steps in history()) {
        let roll = Roll::of(&steps);
        let mut read = ReadSet::default();
        let mut lost = BTreeSet::new();
        for entry in &roll.entries {
            read = read.after(&ChangeSet::of(entry.stream, [entry.event.clone()]));
            if let (StreamId::Client(client), Event::Client(ClientEvent::ClientGranted { api, .. })) = (entry.stream, &entry.event) {
                lost.retain(|(of, at, _)| (*of, *at) != (client, *api));
            }
            for loaded in read.streams() {
                let (StreamId::Client(id), State::Client(Some(client))) = (loaded.stream, &loaded.state) else { continue };
                for (at, grant) in &client.grants {
                    let api = read.api(*at).unwrap();
                    let counts = api.effective(&grant.scopes, &[].into(), grant.api_generation);
                    for scope in grant.scopes.iter() {
                        if !api.scopes.contains_key(scope) {
                            lost.insert((id, *at, scope.clone()));
                        }
                        prop_assert!(!(counts.contains(scope) && lost.contains(&(id, *at, scope.clone()))));
                    }
                }
            }
        }
    }

    /// The key ring knows which algorithms the policy and the active APIs sign with, and since when none
    /// of them does with another.
    #[test]
    fn the_ring_knows_what_is_in_use(steps in history()) {
        let roll = Roll::of(&steps);
        let ring = roll.now.key_ring(ACME).unwrap();
        let of_apis = roll.now.streams().iter().filter_map(|loaded| match &loaded.state {
            State::Api(Some(api)) if api.state == ApiState::Active => api.tokens.signing_algorithm,
            _ => None,
        });
        let policy = roll.now.tenant(ACME).unwrap().policy.signing_algorithm;
        let used: BTreeSet<_> = of_apis.chain([policy]).collect();
        let end = roll.entries.last().unwrap().recorded_at;
        for algorithm in SigningAlgorithm::ALL {
            let is_used = used.contains(&algorithm);
            prop_assert!(ring.algorithms.left_at(algorithm).is_none() || !is_used);
            prop_assert!(ring.algorithms.is_in_use(algorithm, end) || !is_used);
            let long_after = end.plus_days(1);
            prop_assert_eq!(ring.algorithms.is_in_use(algorithm, long_after), is_used, "{:?}", algorithm);
        }
    }

    /// A verifier that keeps the key set for as long as the lead always has the key of the token in its
    /// hands, unless that came at once: with its tenant or its API, as the first of its algorithm, or for
    /// one that was revoked.
    #[test]
    fn what_signs_was_in_the_key_set_before(steps in history()) {
        let roll = Roll::of(&steps);
        let ring = roll.now.key_ring(ACME).unwrap();
        for loaded in roll.now.streams() {
            let StreamId::Api(api) = loaded.stream else { continue };
            for later in [0, 1_800, 3_600, 90_000] {
                let moment = roll.entries.last().unwrap().recorded_at.plus_seconds(later);
                let algorithm = ring.algorithms.of_api(api, moment).unwrap();
                let (id, key) = ring.active(algorithm, moment).unwrap();
                prop_assert_eq!(ring.state(id, moment), Some(KeyState::Active));
                let at_once = key.begins_at() == key.generated_at;
                let took_a_place = key.begins_at() < key.activates_at;
                let known = key.generated_at.plus_seconds(LEAD_SECONDS) <= moment;
                prop_assert!(at_once || took_a_place || known, "{:?} at {}", key, moment);
            }
        }
    }

    /// What is due is what the steward does: once it has done it nothing is due any more, so how long
    /// something has been due says how far behind it is, and it has nothing to do in vain.
    #[test]
    fn what_is_due_is_done_by_the_steward(steps in history(), days in 0..200_i64) {
        let roll = Roll::of(&steps);
        let now = roll.entries.last().unwrap().recorded_at.plus_days(days);
        if roll.now.tenant(ACME).unwrap().state == TenantState::Closed {
            return Ok(());
        }
        let due = |state: &State| {
            let agenda = match state {
                State::Client(Some(client)) => client.agenda(),
                State::SecretRotation(Some(rotation)) => rotation.agenda(),
                State::KeyRing(Some(ring)) => ring.agenda(),
                _ => Vec::new(),
            };
            agenda.iter().filter(|due| due.record_at.is_some_and(|at| at <= now)).count()
        };
        for loaded in roll.now.streams() {
            let command: Arc<dyn Command> = match loaded.stream {
                StreamId::Client(client) => Arc::new(ExpireClient { tenant: ACME, client }),
                StreamId::SecretRotation(client) => Arc::new(RecordDueSecrets { tenant: ACME, client }),
                StreamId::KeyRing(_) => {
                    let key = |(number, algorithm)| NewKey {
                        key: KeyId::new(now, [number; 10]),
                        algorithm,
                        ..new_key()
                    };
                    let next = [1, 2, 3].into_iter().zip(SigningAlgorithm::ALL).map(key).collect();
                    Arc::new(RecordDueKeys { tenant: ACME, next })
                }
                _ => continue,
            };
            let change = command.decide(&roll.read(&command.reads()), now).unwrap();
            let done = roll.now.after(&change);
            let after = done.streams().iter().find(|other| other.stream == loaded.stream).unwrap();
            prop_assert_eq!(due(&after.state), 0, "{:?} of {:?}", after.state, change.events());
            prop_assert_eq!(change.events().is_empty(), due(&loaded.state) == 0);
        }
    }

    /// What goes into the vault is nowhere in the roll.
    #[test]
    fn what_is_for_the_vault_is_not_in_the_roll(steps in history()) {
        for entry in &Roll::of(&steps).entries {
            let text = entry.event.payload().to_string();
            prop_assert!(!text.contains(commands::VERIFIER), "{}", text);
            prop_assert!(!text.contains(commands::MASTER_KEY_ID), "{}", text);
            prop_assert!(!text.contains(commands::SECRET), "{}", text);
        }
    }
}

/// The properties above say something only if rolls are full of events.
#[test]
fn rolls_contain_every_kind_of_event() {
    let mut runner = TestRunner::deterministic();
    let all: BTreeSet<_> = Event::kinds()
        .map(|(_, name, version)| (name, version))
        .collect();
    let mut seen = BTreeSet::new();
    for _ in 0..10_000 {
        let steps = history().new_tree(&mut runner).unwrap().current();
        let entries = Roll::of(&steps).entries;
        seen.extend(entries.iter().map(|entry| entry.event.kind()));
        if seen == all {
            break;
        }
    }
    assert_eq!(seen, all);
}
