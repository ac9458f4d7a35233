use std::collections::BTreeSet;

use async_graphql::{ID, InputObject};
use chancery_application::{ByActor, EventFilter, RollQuery};
use chancery_domain::{Actor, AggregateType, ClientId, Event, Faults, Invalid, StreamId};

use crate::{input::each, page::one_at_least, scalars::DateTime};

/// Which entries of a roll: those for which everything holds that is given here.
#[derive(InputObject, Default)]
#[graphql(name = "EventFilter")]
pub(crate) struct EventFilterInput {
    /// Of one of these types, like `ClientDisabled`.
    types: Option<Vec<String>>,
    /// Of this kind of aggregate: `tenant`, `key_ring`, `api`, `client` or `secret_rotation`.
    aggregate_type: Option<String>,
    /// Of the aggregate with this id. Without `aggregateType`: whatever has this id, so a client's id
    /// finds the client's entries and those of its secrets.
    aggregate_id: Option<ID>,
    /// By this kind of actor: `client`, `steward`, `cli` or `installation`.
    actor_type: Option<String>,
    /// By the actor with this id. Without `actorType` it is a client's.
    actor_id: Option<ID>,
    /// Recorded at this moment or after it.
    since: Option<DateTime>,
    /// Recorded before this moment.
    until: Option<DateTime>,
}

impl EventFilterInput {
    /// What the application is asked. Faults are named by their paths within `filter`.
    pub(super) fn parse(self, faults: &mut Faults) -> RollQuery {
        let types = faults.take_optional("filter.types", self.types.map(one_at_least));
        let types = types.flatten().map(|types| {
            let types = each(faults, "filter.types", &types, event_type);
            types.into_iter().collect::<BTreeSet<_>>()
        });
        let aggregate = self.aggregate_type.as_deref().map(aggregate_type);
        let aggregate = faults.take_optional("filter.aggregateType", aggregate);
        let aggregate = aggregate.flatten();
        let streams = self
            .aggregate_id
            .as_deref()
            .map(|id| streams(aggregate, id));
        let streams = faults
            .take_optional("filter.aggregateId", streams)
            .flatten();
        let kinds = aggregate.filter(|_| streams.is_none()).map(types_of);
        let types = match (types, kinds) {
            (Some(types), Some(kinds)) => Some(&types & &kinds),
            (types, kinds) => types.or(kinds),
        };
        let actor = actor(
            faults,
            self.actor_type.as_deref(),
            self.actor_id.as_ref().map(|id| id.as_str()),
        );
        let since = self.since.as_ref().map(DateTime::parse);
        let since = faults.take_optional("filter.since", since).flatten();
        let until = self.until.as_ref().map(DateTime::parse);
        let until = faults.take_optional("filter.until", until).flatten();
        if since
            .zip(until)
            .is_some_and(|(since, until)| since >= until)
        {
            let order = Invalid::new("order", "must be later than `since`");
            faults.add("filter.until", order);
        }
        RollQuery {
            filter: EventFilter {
                types,
                streams,
                actor,
            },
            since,
            until,
        }
    }
}

fn event_type(text: &str) -> Result<&'static str, Invalid> {
    let known = Event::kinds().find(|(_, name, _)| *name == text);
    known.map(|(_, name, _)| name).ok_or_else(|| {
        Invalid::new(
            "event_type",
            "must be the type of an event, like ClientDisabled",
        )
    })
}

fn types_of(aggregate: AggregateType) -> BTreeSet<&'static str> {
    Event::kinds()
        .filter(|(of, _, _)| *of == aggregate)
        .map(|(_, name, _)| name)
        .collect()
}

fn aggregate_type(text: &str) -> Result<AggregateType, Invalid> {
    let known = AggregateType::ALL.iter().find(|kind| kind.as_str() == text);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = AggregateType::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect();
        Invalid::new(
            "aggregate_type",
            format!("must be one of {}", names.join(", ")),
        )
    })
}

fn streams(of: Option<AggregateType>, id: &str) -> Result<BTreeSet<StreamId>, Invalid> {
    let kinds = AggregateType::ALL
        .iter()
        .filter(|kind| of.is_none_or(|of| of == **kind));
    let streams: BTreeSet<_> = kinds
        .filter_map(|kind| StreamId::parse(kind.as_str(), id))
        .collect();
    if streams.is_empty() {
        let message = match of {
            Some(kind) => format!("must be the id of what a {kind} belongs to"),
            None => "must be the id of a tenant, an API or a client".to_owned(),
        };
        return Err(Invalid::new("aggregate_id", message));
    }
    Ok(streams)
}

fn actor(faults: &mut Faults, kind: Option<&str>, id: Option<&str>) -> Option<ByActor> {
    match (kind, id) {
        (None, None) => None,
        (None, Some(id)) => {
            let client = id.parse::<ClientId>().map_err(|_| {
                Invalid::new(
                    "actor_id",
                    "must be a client's id, or `actorType` must be given too",
                )
            });
            let client = faults.take("filter.actorId", client);
            client.map(|client| ByActor::One(Actor::Client(client)))
        }
        (Some("client"), None) => Some(ByActor::AnyClient),
        (Some("cli"), None) => Some(ByActor::AnyCli),
        (Some("steward"), None) => Some(ByActor::One(Actor::Steward)),
        (Some("installation"), None) => Some(ByActor::One(Actor::Installation)),
        (Some(kind @ ("client" | "cli" | "steward" | "installation")), Some(id)) => {
            let actor = Actor::parse(kind, id).filter(|actor| actor.id() == id);
            let actor = actor
                .ok_or_else(|| Invalid::new("actor_id", format!("must be the id of a {kind}")));
            faults.take("filter.actorId", actor).map(ByActor::One)
        }
        (Some(_), _) => {
            let message = "must be one of client, steward, cli, installation";
            faults.add("filter.actorType", Invalid::new("actor_type", message));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "client_01h455vb4pex5vsknk084sn02q";

    fn right(input: EventFilterInput) -> EventFilter {
        let mut faults = Faults::default();
        let query = input.parse(&mut faults);
        assert_eq!(faults.into_vec(), []);
        query.filter
    }

    fn faulty(input: EventFilterInput) -> Vec<String> {
        let mut faults = Faults::default();
        input.parse(&mut faults);
        faults
            .into_vec()
            .into_iter()
            .map(|fault| fault.path)
            .collect()
    }

    #[test]
    fn an_id_finds_everything_that_has_it() {
        let id: ClientId = CLIENT.parse().unwrap();
        let filter = right(EventFilterInput {
            aggregate_id: Some(CLIENT.into()),
            ..Default::default()
        });
        assert_eq!(
            filter.streams,
            Some([StreamId::Client(id), StreamId::SecretRotation(id)].into())
        );
        let filter = right(EventFilterInput {
            aggregate_id: Some(CLIENT.into()),
            aggregate_type: Some("secret_rotation".to_owned()),
            ..Default::default()
        });
        assert_eq!(
            (filter.streams, filter.types),
            (Some([StreamId::SecretRotation(id)].into()), None)
        );
    }

    #[test]
    fn a_kind_of_aggregate_is_the_types_of_its_events() {
        let filter = right(EventFilterInput {
            aggregate_type: Some("key_ring".to_owned()),
            ..Default::default()
        });
        assert!(filter.types.unwrap().contains("KeyGenerated"));
        let filter = right(EventFilterInput {
            aggregate_type: Some("key_ring".to_owned()),
            types: Some(vec!["KeyGenerated".to_owned(), "ClientCreated".to_owned()]),
            ..Default::default()
        });
        assert_eq!(filter.types, Some(["KeyGenerated"].into()));
    }

    #[test]
    fn an_actor_is_a_client_unless_its_kind_is_said() {
        let by = |kind: Option<&str>, id: Option<&str>| {
            right(EventFilterInput {
                actor_type: kind.map(str::to_owned),
                actor_id: id.map(Into::into),
                ..Default::default()
            })
            .actor
        };
        let client = ByActor::One(Actor::Client(CLIENT.parse().unwrap()));
        assert_eq!(by(None, Some(CLIENT)), Some(client.clone()));
        assert_eq!(by(Some("client"), Some(CLIENT)), Some(client));
        assert_eq!(
            by(Some("cli"), Some("ada")),
            Some(ByActor::One(Actor::Cli("ada".to_owned())))
        );
        assert_eq!(by(Some("cli"), None), Some(ByActor::AnyCli));
        assert_eq!(
            by(Some("steward"), None),
            by(Some("steward"), Some("steward"))
        );
    }

    #[test]
    fn every_fault_is_named_by_its_path() {
        let input = EventFilterInput {
            types: Some(vec![
                "ClientDisabled".to_owned(),
                "clientDisabled".to_owned(),
            ]),
            aggregate_type: Some("secret".to_owned()),
            aggregate_id: Some("acme".into()),
            actor_type: Some("root".to_owned()),
            actor_id: None,
            since: None,
            until: None,
        };
        let paths = [
            "filter.types[1]",
            "filter.aggregateType",
            "filter.aggregateId",
            "filter.actorType",
        ];
        assert_eq!(faulty(input), paths);
        for (kind, id) in [
            (None, "ada"),
            (Some("client"), "ada"),
            (Some("steward"), "ada"),
            (Some("installation"), ""),
        ] {
            let input = EventFilterInput {
                actor_type: kind.map(str::to_owned),
                actor_id: Some(id.into()),
                ..Default::default()
            };
            assert_eq!(faulty(input), ["filter.actorId"], "{kind:?} {id}");
        }
        let moment = |text: &str| Some(chancery_domain::Timestamp::into(text.parse().unwrap()));
        let input = EventFilterInput {
            since: moment("2026-11-20T17:00:00Z"),
            until: moment("2026-11-20T17:00:00Z"),
            ..Default::default()
        };
        assert_eq!(faulty(input), ["filter.until"]);
        let other = EventFilterInput {
            aggregate_type: Some("api".to_owned()),
            aggregate_id: Some(CLIENT.into()),
            ..Default::default()
        };
        assert_eq!(faulty(other), ["filter.aggregateId"]);
    }
}
