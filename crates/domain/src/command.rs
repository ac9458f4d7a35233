//! Commands, and what they are decided on.

use std::sync::Arc;

use crate::{
    aggregate::Fold,
    api::Api,
    change::ChangeSet,
    client::Client,
    event::Event,
    id::{ApiId, ClientId, TenantId},
    key_ring::KeyRing,
    refusal::Refusal,
    secret_rotation::SecretRotation,
    stream::{AggregateType, StreamId},
    tenant::Tenant,
    time::Timestamp,
};

/// An order to change something in one tenant. Ids, hashes and keys are made before and come with
/// it; the decision awaits nothing and knows neither clock nor store.
pub trait Command: Send + Sync {
    /// The tenant whose roll the change goes into.
    fn tenant(&self) -> TenantId;

    /// Every stream that the decision needs or changes.
    fn reads(&self) -> Vec<StreamId>;

    /// What changes, or the rule that forbids it.
    ///
    /// # Errors
    /// The refusal, which changes nothing.
    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal>;
}

/// The state of any aggregate, or its absence.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// A tenant.
    Tenant(Option<Tenant>),
    /// A tenant's signing keys.
    KeyRing(Option<KeyRing>),
    /// An API.
    Api(Option<Api>),
    /// A client.
    Client(Option<Client>),
    /// A client's secrets.
    SecretRotation(Option<SecretRotation>),
}

impl State {
    /// The state before the first event.
    pub fn absent(aggregate_type: AggregateType) -> Self {
        match aggregate_type {
            AggregateType::Tenant => Self::Tenant(None),
            AggregateType::KeyRing => Self::KeyRing(None),
            AggregateType::Api => Self::Api(None),
            AggregateType::Client => Self::Client(None),
            AggregateType::SecretRotation => Self::SecretRotation(None),
        }
    }

    /// The state after one more event. An event of another kind of aggregate changes nothing.
    #[must_use]
    pub fn after(self, event: &Event) -> Self {
        match (self, event) {
            (Self::Tenant(state), Event::Tenant(event)) => Self::Tenant(Tenant::fold(state, event)),
            (Self::KeyRing(state), Event::KeyRing(event)) => {
                Self::KeyRing(KeyRing::fold(state, event))
            }
            (Self::Api(state), Event::Api(event)) => Self::Api(Api::fold(state, event)),
            (Self::Client(state), Event::Client(event)) => Self::Client(Client::fold(state, event)),
            (Self::SecretRotation(state), Event::SecretRotation(event)) => {
                Self::SecretRotation(SecretRotation::fold(state, event))
            }
            (state, _) => state,
        }
    }
}

/// One stream as it was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Which stream.
    pub stream: StreamId,
    /// The number of its last event; 0 when there is none.
    pub version: i64,
    /// What its events add up to.
    pub state: State,
}

impl Loaded {
    /// A stream without events.
    pub fn absent(stream: StreamId) -> Self {
        Self {
            stream,
            version: 0,
            state: State::absent(stream.aggregate_type()),
        }
    }

    /// The stream after one more event.
    pub fn apply(&mut self, event: &Event) {
        let before =
            std::mem::replace(&mut self.state, State::absent(self.stream.aggregate_type()));
        self.state = before.after(event);
        self.version += 1;
    }
}

/// The streams that a decision is made on, all of one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadSet(Vec<Loaded>);

impl ReadSet {
    /// A read set of these streams.
    pub fn new(streams: Vec<Loaded>) -> Self {
        Self(streams)
    }

    /// The streams.
    pub fn streams(&self) -> &[Loaded] {
        &self.0
    }

    /// Whether the stream was read, even when there is nothing in it.
    pub fn has(&self, stream: StreamId) -> bool {
        self.find(stream).is_some()
    }

    /// The streams as they will be after a change.
    #[must_use]
    pub fn after(&self, change: &ChangeSet) -> Self {
        let mut after = self.clone();
        for (stream, event) in change.events() {
            after.entry(*stream).apply(event);
        }
        after
    }

    /// The stream in this set; one that is not in it joins it without events.
    fn entry(&mut self, stream: StreamId) -> &mut Loaded {
        let position = self.0.iter().position(|loaded| loaded.stream == stream);
        let position = position.unwrap_or_else(|| {
            self.0.push(Loaded::absent(stream));
            self.0.len() - 1
        });
        &mut self.0[position]
    }

    /// The number of the stream's last event, where the stream was read; 0 when there is nothing in it.
    pub fn version(&self, stream: StreamId) -> Option<i64> {
        let loaded = self.0.iter().find(|loaded| loaded.stream == stream);
        loaded.map(|loaded| loaded.version)
    }

    fn find(&self, stream: StreamId) -> Option<&State> {
        self.0
            .iter()
            .find(|loaded| loaded.stream == stream)
            .map(|loaded| &loaded.state)
    }

    /// The tenant.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none.
    pub fn tenant(&self, id: TenantId) -> Result<&Tenant, Refusal> {
        match self.find(StreamId::Tenant(id)) {
            Some(State::Tenant(Some(tenant))) => Ok(tenant),
            _ => Err(Refusal::NotFound { what: "tenant" }),
        }
    }

    /// The tenant's signing keys.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none.
    pub fn key_ring(&self, id: TenantId) -> Result<&KeyRing, Refusal> {
        match self.find(StreamId::KeyRing(id)) {
            Some(State::KeyRing(Some(ring))) => Ok(ring),
            _ => Err(Refusal::NotFound { what: "key ring" }),
        }
    }

    /// An API.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none.
    pub fn api(&self, id: ApiId) -> Result<&Api, Refusal> {
        match self.find(StreamId::Api(id)) {
            Some(State::Api(Some(api))) => Ok(api),
            _ => Err(Refusal::NotFound { what: "API" }),
        }
    }

    /// A client.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none.
    pub fn client(&self, id: ClientId) -> Result<&Client, Refusal> {
        match self.find(StreamId::Client(id)) {
            Some(State::Client(Some(client))) => Ok(client),
            _ => Err(Refusal::NotFound { what: "client" }),
        }
    }

    /// A client's secrets; none yet is an empty rotation.
    pub fn secrets(&self, id: ClientId) -> SecretRotation {
        match self.find(StreamId::SecretRotation(id)) {
            Some(State::SecretRotation(Some(rotation))) => rotation.clone(),
            _ => SecretRotation::default(),
        }
    }
}

/// A command with the moment and the streams around the one that handles it: what the `cqrs-es`
/// aggregate takes.
#[derive(Clone)]
pub struct Order {
    command: Arc<dyn Command>,
    now: Timestamp,
    stream: StreamId,
    read: ReadSet,
}

impl Order {
    /// An order to the aggregate behind `stream`, decided at `now`. What the read set holds of that
    /// stream itself is not used: the aggregate knows its own state.
    pub fn new(
        command: impl Command + 'static,
        now: Timestamp,
        stream: StreamId,
        read: ReadSet,
    ) -> Self {
        Self {
            command: Arc::new(command),
            now,
            stream,
            read,
        }
    }

    /// The events for this one aggregate.
    pub(crate) fn decide<S: Fold>(&self, state: Option<S>) -> Result<Vec<S::Event>, Refusal> {
        let mut read = self.read.clone();
        read.entry(self.stream).state = S::into_state(state);
        let change = self.command.decide(&read, self.now)?;
        Ok(change
            .events()
            .iter()
            .filter(|(stream, _)| *stream == self.stream)
            .filter_map(|(_, event)| S::event(event).cloned())
            .collect())
    }
}
