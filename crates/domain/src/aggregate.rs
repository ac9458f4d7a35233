//! How events become state: one fold for each kind of aggregate. It serves decisions, the rows of
//! the read models, replay and rebuild alike.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    command::{Order, State},
    envelope::Recorded,
    event::{Event, EventKind},
    id::TenantId,
    refusal::Refusal,
    stream::AggregateType,
    time::Timestamp,
};

/// An aggregate's state, as a fold of its events.
pub trait Fold:
    Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Which kind of aggregate it is.
    const TYPE: AggregateType;

    /// The events of this kind of aggregate.
    type Event: DomainEvent + EventKind;

    /// The state after one more event. It cannot fail; an event before the first one that creates
    /// the aggregate changes nothing.
    fn fold(before: Option<Self>, event: &Self::Event) -> Option<Self>;

    /// The event as one of this aggregate, when it is one.
    fn event(event: &Event) -> Option<&Self::Event>;

    /// The state as one of any aggregate.
    fn into_state(state: Option<Self>) -> State;
}

/// The `cqrs-es` view of an aggregate: absent until its first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Stream<S: Fold>(pub Option<S>);

impl<S: Fold> Default for Stream<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S: Fold> Aggregate for Stream<S> {
    const TYPE: &'static str = S::TYPE.as_str();
    type Command = Order;
    type Event = S::Event;
    type Error = Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        order: Order,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Refusal> {
        for event in order.decide(self.0.clone())? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: S::Event) {
        self.0 = S::fold(self.0.take(), &event);
    }
}

/// A read-model row: what one stream adds up to, and what the log says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<S> {
    /// The tenant whose roll holds the stream.
    pub tenant: TenantId,
    /// The number of the stream's last event.
    pub version: i64,
    /// When its first event was recorded.
    pub created_at: Timestamp,
    /// When its last event was recorded.
    pub changed_at: Timestamp,
    /// The aggregate's state.
    pub state: S,
}

impl<S: Fold> Row<S> {
    /// The row after one more entry of the log. An entry of another kind of aggregate changes
    /// nothing.
    pub fn project(before: Option<Self>, entry: &Recorded) -> Option<Self> {
        let Some(event) = S::event(&entry.event) else {
            return before;
        };
        let (created_at, state) = match before {
            Some(row) => (row.created_at, Some(row.state)),
            None => (entry.recorded_at, None),
        };
        S::fold(state, event).map(|state| Self {
            tenant: entry.tenant,
            version: entry.sequence,
            created_at,
            changed_at: entry.recorded_at,
            state,
        })
    }
}
