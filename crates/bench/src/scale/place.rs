//! A tenant in an installation of its own, that grows.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::json;

use super::Options;
use crate::{
    error::Error,
    installation::Installation,
    load::{Expected, Load},
    process::Process,
    seed::{Growth, Hashes, Seeder},
    tenant::{Client, Operator, Tenant, mutation, requests},
};

/// How many clients are changed in turn, and how many changes are under way.
const CHANGED: usize = 512;
const CHANGES_AT_ONCE: usize = 16;

/// How long a server may take to seal what was written beside it.
const SEALING: Duration = Duration::from_mins(20);

pub(super) struct Place {
    pub(super) installation: Installation,
    pub(super) tenant: Tenant,
    pub(super) clients: Vec<Client>,
    /// How many entries its roll has, or had when the server ran last.
    entries: usize,
}

/// The server, ready and with nothing left to seal.
pub(super) struct Served {
    pub(super) server: Process,
    pub(super) operator: Operator,
    pub(super) events: u64,
    /// How long it took to get ready, and from there to seal.
    pub(super) starting: Duration,
    pub(super) sealing: Duration,
}

impl Place {
    /// With no client yet.
    pub(super) fn begin(
        options: &Options,
        database: Option<&str>,
        name: &str,
    ) -> Result<Self, Error> {
        let installation = Installation::new(&options.server, database, name)?;
        let server = installation.serve("before_response")?;
        let (tenant, entries) = crate::runtime()?.block_on(async {
            let operator = Operator::of(&installation).await?;
            let tenant = operator.tenant("bench-scale", json!({})).await?;
            let entries = head(&operator, &tenant).await?;
            Ok::<_, Error>((tenant, entries))
        })?;
        server.stop()?;
        Ok(Self {
            installation,
            tenant,
            clients: Vec::new(),
            entries,
        })
    }

    /// Until there are so many clients and entries. Gives how long it took.
    pub(super) fn grow(&mut self, (clients, entries): (usize, usize)) -> Result<Duration, Error> {
        let growth = Growth {
            clients: clients.saturating_sub(self.clients.len()),
            entries: entries.saturating_sub(self.entries),
        };
        // Who decides on a change reads all that happened to its client: where only the roll is to grow, the histories of
        // those that are changed stay as they are.
        let mut others = self.others();
        let clients = if growth.clients == 0 && !others.is_empty() {
            &mut others
        } else {
            &mut self.clients
        };
        let begin = Instant::now();
        crate::runtime()?.block_on(async {
            let seeder = Seeder::open(&self.installation, &self.tenant, Hashes::Least).await?;
            seeder.grow(clients, growth).await?;
            seeder.close().await;
            Ok::<_, Error>(())
        })?;
        self.installation.settle()?;
        Ok(begin.elapsed())
    }

    /// Starts the server and waits until all is sealed, which would otherwise go on beside what is measured.
    pub(super) fn serve(&mut self) -> Result<Served, Error> {
        let runtime = crate::runtime()?;
        let begin = Instant::now();
        let server = self.installation.serve("before_response")?;
        let operator = runtime.block_on(Operator::of(&self.installation))?;
        let starting = begin.elapsed();
        let begin = Instant::now();
        let events = runtime.block_on(self.sealed(&operator))?;
        let sealing = begin.elapsed();
        self.entries = usize::try_from(events).map_err(Error::wrong)?;
        // What was sealed just now is a lot, and would be written while tokens wait for the disk.
        self.installation.settle()?;
        Ok(Served {
            server,
            operator,
            events,
            starting,
            sealing,
        })
    }

    /// Gives the length of the roll.
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

    /// So many clients, evenly chosen.
    pub(super) fn some(&self, count: usize) -> Vec<Client> {
        let step = (self.clients.len() / count).max(1);
        let chosen = self.clients.iter().step_by(step).take(count);
        chosen.cloned().collect()
    }

    /// All that are not changed.
    fn others(&self) -> Vec<Client> {
        let changed: HashSet<_> = self
            .some(CHANGED)
            .into_iter()
            .map(|client| client.id)
            .collect();
        let others = self.clients.iter();
        let others = others.filter(|client| !changed.contains(&client.id));
        others.cloned().collect()
    }

    /// Tokens of these clients in turn.
    pub(super) fn asking(&self, clients: &[Client], connections: usize) -> Load {
        let host = self.installation.address.to_string();
        let requests = requests(clients, &host, &self.tenant.endpoint("token"));
        Load::of(self.installation.address, requests, connections)
    }

    /// `updateClient`, several at a time. What is said in one round differs from every other.
    pub(super) fn changes(&self, operator: &Operator, round: usize, lasts: Duration) -> Load {
        let host = self.installation.address.to_string();
        let some = self.some(CHANGED);
        let turns = (0..8 * some.len()).map(|turn| (turn, &some[turn % some.len()]));
        let requests = turns
            .map(|(turn, client)| {
                let text = format!("change {turn} of round {round}");
                let input = json!({"client": client.id, "description": text});
                operator.request(&host, &mutation("updateClient", "client { id }", &input))
            })
            .collect();
        Load {
            lasts,
            expected: Expected::ok_with("{\"data\":{\""),
            ..Load::of(self.installation.address, requests, CHANGES_AT_ONCE)
        }
    }

    /// Leaves nothing behind.
    pub(super) fn remove(self) -> Result<(), Error> {
        self.installation.remove()
    }
}

/// How many entries the roll has.
async fn head(operator: &Operator, tenant: &Tenant) -> Result<usize, Error> {
    let question = json!({"query": format!("{{ tenant(slug: \"{}\") {{ head }} }}", tenant.slug)});
    let answer = operator.ask(&question).await?;
    let head = answer["tenant"]["head"].as_str().unwrap_or_default();
    head.parse().map_err(Error::wrong)
}
