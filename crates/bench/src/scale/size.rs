//! What is measured where there are so many clients.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;

use super::{Options, Part, Plan, lists};
use crate::{
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    process::Process,
    report::{Comparison, Sample},
    tenant::{Client, Operator, Tenant, mutation, requests},
    tokens::start_control,
};

/// How many clients the server's directory holds.
const HELD: usize = 200_000;

/// How many clients are changed in turn, and how many changes are under way.
const CHANGED: usize = 512;
const CHANGES_AT_ONCE: usize = 16;

/// How long a server may take to seal what was written beside it.
const SEALING: Duration = Duration::from_mins(20);

/// How long everybody has to ask once.
const EVERYBODY: Duration = Duration::from_secs(90);

/// What was measured where there are so many clients.
#[derive(Serialize)]
pub(super) struct Size {
    pub(super) clients: usize,
    pub(super) events: u64,
    /// How long it took to write those that came last.
    pub(super) seeding_seconds: f64,
    /// How long `projections check` took over all, and its greatest resident memory.
    pub(super) check_seconds: Option<f64>,
    pub(super) check_mib: Option<f64>,
    /// How long the server took to get ready.
    pub(super) start_seconds: f64,
    /// How long it took from there to seal the entries.
    pub(super) sealing_seconds: f64,
    pub(super) tokens: Comparison,
    pub(super) changes: Option<Sample>,
    pub(super) lists: Vec<(&'static str, Sample)>,
    pub(super) everybody: Option<Everybody>,
}

/// All clients, one after the other, once and then once more; before that as many as the directory holds, when
/// they are more.
#[derive(Serialize)]
pub(super) struct Everybody {
    pub(super) held: Option<Sample>,
    pub(super) first: Sample,
    pub(super) again: Sample,
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
    pub(super) installation: &'a Installation,
    pub(super) tenant: &'a Tenant,
    pub(super) clients: &'a [Client],
}

impl Measuring<'_> {
    pub(super) fn measure(&self, seeding: Duration) -> Result<Size, Error> {
        let checked = if self.options.has(Part::Check) {
            Some(self.installation.check()?)
        } else {
            None
        };
        let runtime = crate::runtime()?;
        let begin = Instant::now();
        let server = self.installation.serve("before_response")?;
        let operator = runtime.block_on(Operator::of(self.installation))?;
        let start = begin.elapsed();
        let begin = Instant::now();
        let events = runtime.block_on(self.sealed(&operator))?;
        let sealing = begin.elapsed();
        // What was sealed just now is a lot, and would be written while tokens wait for the disk.
        self.installation.settle()?;
        let tokens = self.tokens(&server)?;
        let changes = if self.options.has(Part::Changes) {
            Some(self.changes(&server, &operator)?)
        } else {
            None
        };
        let lists = if self.options.has(Part::Lists) {
            self.lists(&server, &operator)?
        } else {
            Vec::new()
        };
        let asks = self.clients.len() >= self.plan.everybody_from;
        let everybody = if asks && self.options.has(Part::Everybody) {
            Some(self.everybody(&server)?)
        } else {
            None
        };
        server.stop()?;
        Ok(Size {
            clients: self.clients.len(),
            events,
            seeding_seconds: seeding.as_secs_f64(),
            check_seconds: checked.map(|(took, _)| took.as_secs_f64()),
            check_mib: checked.map(|(_, mib)| mib),
            start_seconds: start.as_secs_f64(),
            sealing_seconds: sealing.as_secs_f64(),
            tokens,
            changes,
            lists,
            everybody,
        })
    }

    fn lists(
        &self,
        server: &Process,
        operator: &Operator,
    ) -> Result<Vec<(&'static str, Sample)>, Error> {
        let middle = &self.clients[self.clients.len() / 2];
        let host = self.installation.address.to_string();
        let questions = lists::questions(operator, &self.tenant.slug, &middle.id);
        let mut lists = Vec::new();
        for (name, question) in crate::runtime()?.block_on(questions)? {
            let load = Load {
                lasts: self.plan.lists,
                expected: Expected::ok_with("{\"data\":{\""),
                ..Load::of(
                    self.installation.address,
                    [operator.request(&host, &question)].into(),
                    1,
                )
            };
            // Once before, for what is prepared at the first time.
            let first = Load {
                once: true,
                ..load.clone()
            };
            first.send()?;
            lists.push((name, Sample::take(server, &load)?));
        }
        Ok(lists)
    }

    /// Waits until the whole roll is sealed, which would otherwise go on beside what is measured. Gives its
    /// length.
    async fn sealed(&self, operator: &Operator) -> Result<u64, Error> {
        let slug = &self.tenant.slug;
        let question = json!({"query": format!(
            "{{ tenant(slug: \"{slug}\") {{ head }} checkpoint(tenant: \"{slug}\") {{ size }} }}"
        )});
        let begin = Instant::now();
        loop {
            let answer = operator.ask(&question).await?;
            let (head, sealed) = (&answer["tenant"]["head"], &answer["checkpoint"]["size"]);
            if head == sealed {
                let head = head.as_str().unwrap_or_default();
                return head.parse().map_err(Error::wrong);
            }
            if begin.elapsed() > SEALING {
                return Err(Error::Wrong(format!("sealed {sealed} of {head}")));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// So many, evenly chosen.
    fn some(&self, count: usize) -> Vec<Client> {
        let step = (self.clients.len() / count).max(1);
        let chosen = self.clients.iter().step_by(step).take(count);
        chosen.cloned().collect()
    }

    /// Warm tokens of some clients, against the control.
    fn tokens(&self, server: &Process) -> Result<Comparison, Error> {
        let control = start_control("ES256")?;
        let load = Load {
            lasts: self.plan.lasts,
            ..self.load(&self.some(self.options.asking))
        };
        let first = Load {
            once: true,
            ..load.clone()
        };
        first.send()?;
        let of_control = Load {
            address: control.address,
            ..load.clone()
        };
        let mut comparison = Comparison {
            name: format!("{} clients", self.clients.len()),
            control: Vec::new(),
            server: Vec::new(),
        };
        Sample::take(&control, &of_control)?;
        Sample::take(server, &load)?;
        for _ in 0..self.plan.pairs {
            comparison
                .control
                .push(Sample::take(&control, &of_control)?);
            comparison.server.push(Sample::take(server, &load)?);
        }
        Ok(comparison)
    }

    /// `updateClient`, several at a time.
    fn changes(&self, server: &Process, operator: &Operator) -> Result<Sample, Error> {
        let host = self.installation.address.to_string();
        let some = self.some(CHANGED);
        let turns = (0..8 * some.len()).map(|turn| (turn, &some[turn % some.len()]));
        let requests = turns
            .map(|(turn, client)| {
                let input = json!({"client": client.id, "description": format!("change {turn}")});
                operator.request(&host, &mutation("updateClient", "client { id }", &input))
            })
            .collect();
        let load = Load {
            lasts: self.plan.lasts,
            expected: Expected::ok_with("{\"data\":{\""),
            ..Load::of(self.installation.address, requests, CHANGES_AT_ONCE)
        };
        Sample::take(server, &load)
    }

    fn everybody(&self, server: &Process) -> Result<Everybody, Error> {
        let once = |clients: &[Client]| {
            let load = Load {
                once: true,
                lasts: EVERYBODY,
                ..self.load(clients)
            };
            Sample::take(server, &load)
        };
        let held = self
            .clients
            .get(..HELD)
            .filter(|_| self.clients.len() > HELD);
        Ok(Everybody {
            held: held.map(once).transpose()?,
            first: once(self.clients)?,
            again: once(self.clients)?,
        })
    }

    fn load(&self, clients: &[Client]) -> Load {
        let host = self.installation.address.to_string();
        let requests = requests(clients, &host, &self.tenant.endpoint("token"));
        Load::of(
            self.installation.address,
            requests,
            self.options.connections,
        )
    }
}
