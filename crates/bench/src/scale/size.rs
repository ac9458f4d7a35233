//! What is measured where there are so many clients.

use std::{
    fmt,
    time::{Duration, Instant},
};

use chancery_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Options, Part, Plan, lists,
    place::{Place, Served},
};
use crate::{
    error::Error,
    load::{Expected, Load},
    machine::now,
    process::Process,
    report::{Comparison, Sample},
    room::Room,
    tenant::{Client, Operator},
    tokens::start_control,
};

/// Clients and entries of the installation that is the control of changes.
pub(super) const FEW: (usize, usize) = (1_000, 10_000);

/// How many clients the server's directory holds.
const HELD: usize = 200_000;

/// How long everybody has to ask once.
const EVERYBODY: Duration = Duration::from_secs(90);

/// What was measured where there are so many clients.
#[derive(Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) clients: usize,
    pub(crate) events: u64,
    /// How long it took to write those that came last.
    pub(super) seeding_seconds: f64,
    /// How long `projections check` took over all, and its greatest resident memory.
    pub(super) check_seconds: Option<f64>,
    pub(super) check_mib: Option<f64>,
    /// How long the server took to get ready.
    pub(super) start_seconds: f64,
    /// How long it took from there to seal the entries.
    pub(super) sealing_seconds: f64,
    pub(crate) tokens: Comparison,
    pub(super) changes: Option<Changes>,
    pub(crate) lists: Vec<(String, Sample)>,
    /// How many records the token log had put together when the lists were asked for.
    #[serde(default)]
    pub(super) records: Option<f64>,
    pub(crate) everybody: Option<Everybody>,
}

/// `updateClient`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Changes {
    /// The same in a small installation, made anew, is the control.
    Compared(Comparison),
    /// As it was kept before there was a control.
    Alone(Sample),
}

impl Changes {
    pub(super) fn server(&self) -> &[Sample] {
        match self {
            Self::Compared(comparison) => &comparison.server,
            Self::Alone(sample) => std::slice::from_ref(sample),
        }
    }

    pub(super) fn compared(&self) -> Option<&Comparison> {
        match self {
            Self::Compared(comparison) => Some(comparison),
            Self::Alone(_) => None,
        }
    }
}

/// All clients, one after the other, once and then once more; before that as many as the directory holds, when
/// they are more.
#[derive(Serialize, Deserialize)]
pub(crate) struct Everybody {
    pub(super) held: Option<Sample>,
    pub(super) first: Sample,
    pub(crate) again: Sample,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} clients, {} entries: written in {:.0} s, checked in {:.0} s, sealed in {:.0} s; {:.2} of the control",
            self.clients,
            self.events,
            self.seeding_seconds,
            self.check_seconds.unwrap_or_default(),
            self.sealing_seconds,
            self.tokens.ratio().0
        )
    }
}

pub(super) struct Measuring<'a> {
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
    pub(super) database: Option<&'a str>,
}

impl Measuring<'_> {
    pub(super) fn measure(&self, place: &mut Place, seeding: Duration) -> Result<Size, Error> {
        let checked = if self.options.has(Part::Check) {
            Some(place.installation.check()?)
        } else {
            None
        };
        let served = place.serve()?;
        let begin = now();
        let tokens = self.tokens(place, &served.server)?;
        let middle = Timestamp::from_micros(i64::midpoint(begin.micros(), now().micros()));
        let changes = if self.options.has(Part::Changes) {
            Some(Changes::Compared(self.changes(place, &served)?))
        } else {
            None
        };
        let (lists, records) = if self.options.has(Part::Lists) {
            let records = Room::of(&place.installation.location())?.records;
            let lists = self.lists(place, &served, middle)?;
            (lists, Some(records))
        } else {
            (Vec::new(), None)
        };
        let asks = place.clients.len() >= self.plan.everybody_from;
        let everybody = if asks && self.options.has(Part::Everybody) {
            Some(self.everybody(place, &served.server)?)
        } else {
            None
        };
        served.server.stop()?;
        Ok(Size {
            clients: place.clients.len(),
            events: served.events,
            seeding_seconds: seeding.as_secs_f64(),
            check_seconds: checked.map(|(took, _)| took.as_secs_f64()),
            check_mib: checked.map(|(_, mib)| mib),
            start_seconds: served.starting.as_secs_f64(),
            sealing_seconds: served.sealing.as_secs_f64(),
            tokens,
            changes,
            lists,
            records,
            everybody,
        })
    }

    fn lists(
        &self,
        place: &Place,
        served: &Served,
        middle: Timestamp,
    ) -> Result<Vec<(String, Sample)>, Error> {
        let host = place.installation.address.to_string();
        let asking = place.some(self.options.asking);
        let whose = lists::Whose {
            slug: &place.tenant.slug,
            client: &place.clients[place.clients.len() / 2].id,
            asking: &asking[asking.len() / 2].id,
            middle,
        };
        let questions = whose.questions(&served.operator);
        let mut lists = Vec::new();
        for (name, question) in crate::runtime()?.block_on(questions)? {
            let load = Load {
                lasts: self.plan.lists,
                expected: Expected::ok_with("{\"data\":{\""),
                ..Load::of(
                    place.installation.address,
                    [served.operator.request(&host, &question)].into(),
                    1,
                )
            };
            // Once before, for what is prepared at the first time.
            once(&load).send()?;
            lists.push((name.to_owned(), Sample::take(&served.server, &load)?));
        }
        Ok(lists)
    }

    /// Warm tokens of some clients, against the control.
    fn tokens(&self, place: &Place, server: &Process) -> Result<Comparison, Error> {
        let control = start_control("ES256")?;
        let some = place.some(self.options.asking);
        let load = Load {
            lasts: self.plan.lasts,
            ..place.asking(&some, self.options.connections)
        };
        once(&load).send()?;
        let of_control = Load {
            address: control.address,
            ..load.clone()
        };
        let mut comparison =
            Comparison::new(format!("{} clients", place.clients.len()), load.lasts);
        Sample::take(&control, &of_control)?;
        Sample::take(server, &load)?;
        for _ in 0..self.plan.pairs {
            let control = Sample::take(&control, &of_control)?;
            comparison.control.push(control);
            comparison.server.push(Sample::take(server, &load)?);
        }
        Ok(comparison)
    }

    /// Changes here, in turn with those in an installation that never grows. It is made anew, since its changes make
    /// it grow; so whatever differs between the sizes in it is the machine's.
    fn changes(&self, place: &Place, served: &Served) -> Result<Comparison, Error> {
        let begin = Instant::now();
        let mut few = Place::begin(self.options, self.database, "bench_scale_few")?;
        few.grow(FEW)?;
        let control = few.serve()?;
        eprintln!(
            "an installation beside it: {:.0} s",
            begin.elapsed().as_secs_f64()
        );
        let (lasts, pairs) = self.plan.changes;
        let take = |place: &Place, operator: &Operator, server: &Process, round: usize| {
            Sample::take(server, &place.changes(operator, round, lasts))
        };
        once(&few.changes(&control.operator, 0, lasts)).send()?;
        once(&place.changes(&served.operator, 0, lasts)).send()?;
        let mut comparison = Comparison::new(format!("{} clients", place.clients.len()), lasts);
        for round in 1..=pairs {
            let of_control = take(&few, &control.operator, &control.server, round)?;
            comparison.control.push(of_control);
            let of_server = take(place, &served.operator, &served.server, round)?;
            comparison.server.push(of_server);
        }
        control.server.stop()?;
        few.remove()?;
        Ok(comparison)
    }

    fn everybody(&self, place: &Place, server: &Process) -> Result<Everybody, Error> {
        let all = |clients: &[Client]| {
            let load = Load {
                once: true,
                lasts: EVERYBODY,
                ..place.asking(clients, self.options.connections)
            };
            Sample::take(server, &load)
        };
        let more = place.clients.len() > HELD;
        let held = place.clients.get(..HELD).filter(|_| more);
        Ok(Everybody {
            held: held.map(all).transpose()?,
            first: all(&place.clients)?,
            again: all(&place.clients)?,
        })
    }
}

/// What has to be prepared before something is measured.
fn once(load: &Load) -> Load {
    Load {
        once: true,
        ..load.clone()
    }
}
