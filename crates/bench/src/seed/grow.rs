//! An installation that grows: clients, and entries about them, ten thousands in a transaction. The next ones are
//! decided and their secrets hashed while the last ones are written.

use std::{ops::Range, sync::Arc};

use chancery_domain::{
    ChangeSet, ClientId, Command, ReadSet, StreamId,
    client::UpdateClient,
    command::{Loaded, State},
    value::{Description, Patch},
};
use chancery_event_store::{Tx, Versions, execute};
use chancery_projections::clients;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::{HASHES, Seeder, record};
use crate::{error::Error, machine::now, tenant::Client};

/// How many entries share a transaction, about.
const ENTRIES: usize = 20_000;

/// How many clients share one, at most.
const CLIENTS: usize = 4_000;

/// What there is to be more of.
#[derive(Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) clients: usize,
    /// At least so many; to make a client takes some by itself. Where there are no new clients they are about those
    /// that are there.
    pub(crate) entries: usize,
}

/// Some clients, and what to write about them.
struct Batch {
    whose: Whose,
    entries: usize,
}

enum Whose {
    /// New ones with these numbers.
    New(Range<usize>),
    Known(Vec<ClientId>),
}

/// What goes into one transaction.
struct Decided {
    clients: Vec<Client>,
    /// Where the streams were that have begun before.
    read: Versions,
    change: ChangeSet,
}

/// One client among the others of a batch.
struct Described {
    client: ClientId,
    read: ReadSet,
}

impl Seeder {
    /// Adds to the clients that there are. Nobody else writes meanwhile.
    pub(crate) async fn grow(
        self: &Arc<Self>,
        clients: &mut Vec<Client>,
        growth: Growth,
    ) -> Result<(), Error> {
        let batches = batches(clients, growth)?;
        let (decided, mut decisions) = mpsc::channel(1);
        let seeder = self.clone();
        let deciding = tokio::spawn(async move {
            for batch in batches {
                let next = seeder.decide(batch).await;
                let failed = next.is_err();
                if decided.send(next).await.is_err() || failed {
                    break;
                }
            }
        });
        while let Some(next) = decisions.recv().await {
            let next: Decided = next?;
            self.write(&next).await?;
            clients.extend(next.clients);
        }
        deciding.await.map_err(Error::wrong)?;
        let mut tx = self.store.begin_long().await?;
        execute!(&mut tx, "ANALYZE")?;
        tx.commit().await?;
        Ok(())
    }

    async fn write(&self, decided: &Decided) -> Result<(), Error> {
        let mut tx = self.store.begin_long().await?;
        if let Tx::Postgres(_) = tx {
            // Nobody is told that it is kept.
            execute!(&mut tx, "SET LOCAL synchronous_commit = off")?;
        }
        let count = decided.change.events().len();
        let numbers = tx.take_numbers(self.tenant, count, now()).await?;
        let Decided { read, change, .. } = decided;
        record(&mut tx, &self.entropy, numbers, read, change).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn decide(&self, batch: Batch) -> Result<Decided, Error> {
        let mut decided = Decided {
            clients: Vec::new(),
            read: Versions::default(),
            change: ChangeSet::default(),
        };
        let mut described = match batch.whose {
            Whose::New(numbers) => self.made(numbers, &mut decided).await?,
            Whose::Known(clients) => self.known(&clients, &mut decided).await?,
        };
        // In turn, so that what is about one client is not in one place.
        for turn in 0.. {
            for one in &mut described {
                if decided.change.events().len() >= batch.entries {
                    return Ok(decided);
                }
                let number = decided.change.events().len();
                let change = self.describe(one, &format!("Described {turn} times, of {number}"))?;
                decided.change.and(change);
            }
        }
        Ok(decided)
    }

    async fn made(
        &self,
        numbers: Range<usize>,
        decided: &mut Decided,
    ) -> Result<Vec<Described>, Error> {
        let mut made = stream::iter(numbers)
            .map(|number| self.client(number))
            .buffered(HASHES);
        let mut described = Vec::new();
        while let Some((client, change)) = made.try_next().await? {
            let id: ClientId = client.id.parse().map_err(Error::wrong)?;
            let mut loaded = Loaded::absent(StreamId::Client(id));
            for (stream, event) in change.events() {
                if *stream == loaded.stream {
                    loaded.apply(event);
                }
            }
            described.push(self.described(id, loaded));
            decided.change.and(change);
            decided.clients.push(client);
        }
        Ok(described)
    }

    async fn known(
        &self,
        ids: &[ClientId],
        decided: &mut Decided,
    ) -> Result<Vec<Described>, Error> {
        let rows = clients::of_tenant(&self.store, self.tenant, ids).await?;
        let streams = rows.iter();
        decided.read = streams
            .map(|(id, row)| (StreamId::Client(*id), row.version))
            .collect();
        let described = rows.into_iter().map(|(id, row)| {
            let loaded = Loaded {
                stream: StreamId::Client(id),
                version: row.version,
                state: State::Client(Some(row.state)),
            };
            self.described(id, loaded)
        });
        Ok(described.collect())
    }

    fn described(&self, client: ClientId, loaded: Loaded) -> Described {
        let tenant = StreamId::Tenant(self.tenant);
        let of_tenant = self.read.streams().iter();
        let of_tenant = of_tenant.filter(|loaded| loaded.stream == tenant).cloned();
        Described {
            client,
            read: ReadSet::new(of_tenant.chain([loaded]).collect()),
        }
    }

    fn describe(&self, one: &mut Described, text: &str) -> Result<ChangeSet, Error> {
        let command = UpdateClient {
            description: Patch::Set(Description::parse(text).map_err(Error::wrong)?),
            ..UpdateClient::keeping(self.tenant, one.client)
        };
        let change = command.decide(&one.read, now()).map_err(Error::wrong)?;
        one.read = one.read.after(&change);
        Ok(change)
    }
}

/// The clients one after the other, each batch with its share of the entries.
fn batches(clients: &[Client], growth: Growth) -> Result<Vec<Batch>, Error> {
    let (first, all) = match growth.clients {
        0 => (0, clients.len()),
        more => (clients.len(), more),
    };
    if all == 0 || (growth.clients == 0 && growth.entries == 0) {
        return Ok(Vec::new());
    }
    let at_once = (ENTRIES * all / growth.entries.max(1)).clamp(1, CLIENTS);
    let mut batches = Vec::new();
    let mut begin = 0;
    while begin < all {
        let end = all.min(begin + at_once);
        let whose = if growth.clients == 0 {
            let ids = clients[begin..end].iter().map(|client| client.id.parse());
            Whose::Known(ids.collect::<Result<_, _>>().map_err(Error::wrong)?)
        } else {
            Whose::New(first + begin..first + end)
        };
        let until = |clients: usize| growth.entries * clients / all;
        batches.push(Batch {
            whose,
            entries: until(end) - until(begin),
        });
        begin = end;
    }
    Ok(batches)
}
