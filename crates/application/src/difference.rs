//! What changed of a tenant between two moments, page by page, and who may export it.

use std::collections::{BTreeMap, BTreeSet};

use chancery_domain::{
    Event, Faults, Invalid, Recorded, StreamId, TenantId, Timestamp, agenda::What,
};
use chancery_event_store::{EventFilter, Order};
use chancery_projections::agenda;
use chancery_roll::replay::{Difference, Kind as Of, Moment, Replay, View};
use chancery_token_log::Kind;

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    roll::EntryNumber,
};

/// How many entries one page walks over at most.
const WALKED: u32 = 250;
/// How many things one page compares at most, the tenant aside.
const COMPARED: usize = 15;
/// How many ends are looked at that were recorded after the later moment, though they may lie before it.
const LATE: u32 = 100;

/// A part of what is different about a tenant at the later of two moments. Its work is bounded by what
/// is on it, however long the roll is.
#[derive(Clone, Debug)]
pub struct DifferencePage {
    /// What is different of what the entries on this page happened to.
    pub difference: Difference,
    /// Past which entry the next page begins; none: this is the last one.
    pub next: Option<EntryNumber>,
    /// Whether more came to its end by the clock alone than one page looks at, so that something may be
    /// different which is not here. A shorter time between the two moments shows it, and so does a file.
    pub is_cut: bool,
}

/// What the clock alone may have made different.
#[derive(Default)]
struct ByTheClock {
    things: BTreeSet<StreamId>,
    /// Whether there is more of that.
    is_cut: bool,
}

impl Application {
    /// What is different about a tenant at the later of two moments, of that to which the entries past
    /// `after` happened. What is different by the clock alone is on the last page.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Invalid`] for moments in the wrong order;
    /// [`Error::NotThen`] for one before the tenant was there.
    pub async fn difference(
        &self,
        caller: &Caller,
        tenant: TenantId,
        (from, to): (Timestamp, Timestamp),
        after: Option<EntryNumber>,
    ) -> Result<DifferencePage, Error> {
        if from > to {
            let mut faults = Faults::default();
            let invalid = Invalid::new("order", "must not be later than `to`");
            faults.add("from", invalid);
            return Err(Error::Invalid(faults));
        }
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await?;
        let first = self.last_entry(tenant, from, "from").await?;
        let last = self.last_entry(tenant, to, "to").await?;
        let EntryNumber(after) = after.unwrap_or(EntryNumber(first));
        let after = after.clamp(first, last);
        let (mut things, upto) = self.touched(tenant, (after, last)).await?;
        let mut by_the_clock = ByTheClock::default();
        if upto == last {
            by_the_clock = self.by_the_clock(tenant, (from, to), last).await?;
            things.append(&mut by_the_clock.things);
        }
        let mut difference = self
            .compared(tenant, (from, to), (first, after, last), things)
            .await?;
        difference.from.entry = first;
        difference.to.entry = last;
        Ok(DifferencePage {
            difference,
            next: (upto < last).then_some(EntryNumber(upto)),
            is_cut: by_the_clock.is_cut,
        })
    }

    /// What the entries past `after` happened to, until a page is full, and up to which entry it goes.
    async fn touched(
        &self,
        tenant: TenantId,
        (after, last): (i64, i64),
    ) -> Result<(BTreeSet<StreamId>, i64), Error> {
        let entries = self.parts.store.events_page(tenant, after, WALKED).await?;
        let is_whole = entries.len() < WALKED as usize;
        let (mut things, mut upto) = (BTreeSet::new(), after);
        for entry in entries {
            if entry.tenant_seq > last {
                return Ok((things, last));
            }
            let thing = thing(entry.stream);
            if things.len() == COMPARED && !things.contains(&thing) {
                return Ok((things, upto));
            }
            things.insert(thing);
            upto = entry.tenant_seq;
        }
        Ok((things, if is_whole { last } else { upto }))
    }

    /// What may be different though no entry between the two moments says so: its time came, and that is
    /// recorded later, or not yet.
    async fn by_the_clock(
        &self,
        tenant: TenantId,
        (from, to): (Timestamp, Timestamp),
        last: i64,
    ) -> Result<ByTheClock, Error> {
        let store = &self.parts.store;
        // One more than is looked at tells whether there is more.
        let (enough, limit) = (LATE as usize, LATE + 1);
        let filter = EventFilter {
            types: Some(Event::by_the_clock().collect()),
            ..EventFilter::default()
        };
        let late = store
            .select_events(
                tenant,
                &filter,
                (last, i64::MAX),
                (Order::OldestFirst, limit),
            )
            .await?;
        // The steward sees to it within seconds; whatever it recorded an hour later had its time later.
        let near = to.plus_seconds(3_600);
        let late: Vec<_> = late
            .into_iter()
            .filter(|entry| entry.recorded_at <= near)
            .collect();
        let open = agenda::upcoming(store, tenant, (from, to), None, limit).await?;
        let is_cut = late.len() > enough || open.len() > enough;
        let late = late.iter().take(enough);
        let mut things: BTreeSet<_> = late.map(|entry| thing(entry.stream)).collect();
        let open = open.into_iter().take(enough).map(|(_, item)| item);
        let open =
            open.filter(|item| !matches!(item.what, What::SecretRotates | What::KeyRotates(_)));
        things.extend(open.map(|item| {
            item.client
                .map_or(StreamId::KeyRing(tenant), StreamId::Client)
        }));
        Ok(ByTheClock { things, is_cut })
    }

    /// These things before and after, folded from their own entries alone.
    async fn compared(
        &self,
        tenant: TenantId,
        (from, to): (Timestamp, Timestamp),
        (first, after, last): (i64, i64, i64),
        things: BTreeSet<StreamId>,
    ) -> Result<Difference, Error> {
        let of_tenant = StreamId::Tenant(tenant);
        let streams = things.iter().copied().chain([of_tenant]);
        let streams: BTreeSet<_> = streams.flat_map(with_secrets).collect();
        let streams: Vec<_> = streams.into_iter().collect();
        let mut entries: Vec<Recorded> = Vec::new();
        for streams in streams.chunks(200) {
            let found = self.parts.store.stream_events(tenant, streams, last);
            entries.extend(found.await?);
        }
        entries.sort_by_key(|entry| entry.tenant_seq);
        // A thing is told of where it is met first.
        let mut met: BTreeMap<StreamId, i64> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.tenant_seq > first) {
            met.entry(thing(entry.stream)).or_insert(entry.tenant_seq);
        }
        let is_told = |thing: &StreamId| {
            things.contains(thing) && met.get(thing).is_none_or(|number| *number > after)
        };
        let mut replay = Replay::new([Moment::At(from), Moment::At(to)]);
        for entry in &entries {
            let stream = thing(entry.stream);
            if stream == of_tenant || is_told(&stream) {
                replay.take(entry).map_err(internal)?;
            }
        }
        let snapshots = replay.finish().map_err(internal)?;
        let views: Option<Vec<_>> = snapshots.iter().map(View::of).collect();
        let Some([from, to]) = views.as_deref() else {
            return Err(Error::Internal(
                "the roll does not begin with a tenant".into(),
            ));
        };
        let mut difference = Difference::between(from, to);
        if !is_told(&of_tenant) {
            let changes = &mut difference.changes;
            changes.retain(|change| change.kind != Of::Tenant);
        }
        Ok(difference)
    }

    /// From when on a comparison shows about a page: the moment before the tenant's newest entries, or the
    /// beginning.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn moment_before_newest(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<Timestamp, Error> {
        caller.require(Needs::AuditRead, tenant)?;
        let store = &self.parts.store;
        let head = store.head(tenant).await?.unwrap_or_default();
        let before = head.saturating_sub(i64::from(WALKED)).max(0);
        let entry = store.events_page(tenant, before, 1).await?.pop();
        entry
            .map(|entry| entry.recorded_at)
            .ok_or(Error::NotFound { what: "tenant" })
    }

    /// Lets the caller export a tenant's roll, and records that it is read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn may_export(&self, caller: &Caller, tenant: TenantId) -> Result<(), Error> {
        caller.require(Needs::AuditRead, tenant)?;
        self.record_reading(caller, tenant, Kind::RollRead).await
    }
}

/// What is told of where something happens to this: a client's secrets are shown with it.
fn thing(stream: StreamId) -> StreamId {
    match stream {
        StreamId::SecretRotation(client) => StreamId::Client(client),
        other => other,
    }
}

fn with_secrets(thing: StreamId) -> Vec<StreamId> {
    match thing {
        StreamId::Client(client) => vec![thing, StreamId::SecretRotation(client)],
        other => vec![other],
    }
}

fn internal(error: chancery_roll::replay::ReplayError) -> Error {
    Error::Internal(Box::new(error))
}
