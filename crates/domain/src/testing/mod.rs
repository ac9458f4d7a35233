//! Given, when, then: what the tests of the decisions are written in.

#![allow(clippy::unwrap_used, clippy::panic)]

pub(crate) mod arbitrary;
pub(crate) mod commands;
mod fixtures;
pub(crate) mod samples;
pub(crate) mod step;

use crate::{
    change::ChangeSet,
    command::{Command, Loaded, ReadSet},
    event::Event,
    refusal::Refusal,
    stream::{AggregateType, StreamId},
};

pub(crate) use fixtures::*;

/// Where an event of this kind goes when the test does not say.
fn usual_stream(event: &Event) -> StreamId {
    match event.aggregate_type() {
        AggregateType::Tenant => StreamId::Tenant(ACME),
        AggregateType::KeyRing => StreamId::KeyRing(ACME),
        AggregateType::Api => StreamId::Api(ORDERS),
        AggregateType::Client => StreamId::Client(BILLING),
        AggregateType::SecretRotation => StreamId::SecretRotation(BILLING),
    }
}

pub(crate) type History = Vec<(StreamId, Event)>;

pub(crate) struct Given(ReadSet);

pub(crate) fn given(history: impl IntoIterator<Item = (StreamId, Event)>) -> Given {
    let mut change = ChangeSet::default();
    for (stream, event) in history {
        change.push(stream, event);
    }
    Given(ReadSet::default().after(&change))
}

impl Given {
    pub(crate) fn and<E: Into<Event>>(self, events: impl IntoIterator<Item = E>) -> Self {
        let mut change = ChangeSet::default();
        for event in events {
            let event = event.into();
            change.push(usual_stream(&event), event);
        }
        self.and_change(&change)
    }

    pub(crate) fn and_change(self, change: &ChangeSet) -> Self {
        Self(self.0.after(change))
    }

    pub(crate) fn read(self) -> ReadSet {
        self.0
    }

    /// Decides on the command's own read set: a stream that it does not name is not there.
    pub(crate) fn when(self, command: &(impl Command + ?Sized)) -> Outcome {
        let streams = command
            .reads()
            .into_iter()
            .map(|stream| {
                self.0
                    .streams()
                    .iter()
                    .find(|loaded| loaded.stream == stream)
                    .cloned()
                    .unwrap_or_else(|| Loaded::absent(stream))
            })
            .collect();
        Outcome(command.decide(&ReadSet::new(streams), NOW))
    }
}

pub(crate) struct Outcome(Result<ChangeSet, Refusal>);

impl Outcome {
    pub(crate) fn change(self) -> ChangeSet {
        self.0
            .unwrap_or_else(|refusal| panic!("refused: {refusal:?}"))
    }

    pub(crate) fn then<E: Into<Event>>(self, expected: impl IntoIterator<Item = E>) {
        let change = self.change();
        let events: Vec<_> = change
            .events()
            .iter()
            .map(|(_, event)| event.clone())
            .collect();
        assert_eq!(
            events,
            expected.into_iter().map(Into::into).collect::<Vec<_>>()
        );
    }

    pub(crate) fn then_nothing(self) {
        assert!(self.change().is_empty());
    }

    pub(crate) fn refusal(self) -> Refusal {
        match self.0 {
            Err(refusal) => refusal,
            Ok(change) => panic!("not refused: {:?}", change.events()),
        }
    }

    pub(crate) fn refused(self, expected: impl Into<Refusal>) {
        assert_eq!(self.refusal(), expected.into());
    }

    pub(crate) fn faults(self) -> Vec<String> {
        match self.refusal() {
            Refusal::Invalid(faults) => faults
                .into_vec()
                .into_iter()
                .map(|fault| fault.path)
                .collect(),
            other => panic!("not faulty input: {other:?}"),
        }
    }
}
