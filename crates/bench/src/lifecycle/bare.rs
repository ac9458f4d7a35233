//! The control: the same work on the store, by a process that has nothing else to do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{AT_ONCE, Place, Verb};
use crate::{
    assertions::ClientKey,
    error::Error,
    installation::Installation,
    load::Seen,
    machine::now,
    process,
    report::Sample,
    seed::{Hashes, Seeder, write},
};

pub(super) struct Bare {
    /// One for each tenant, all on one store.
    seeders: Vec<Arc<Seeder>>,
    places: Arc<Vec<Place>>,
    jwks: Value,
}

impl Bare {
    pub(super) async fn open(
        installation: &Installation,
        places: &Arc<Vec<Place>>,
        key: &ClientKey,
    ) -> Result<Self, Error> {
        let store = Seeder::store(installation).await?;
        let mut seeders = Vec::new();
        for place in places.iter() {
            let seeder = Seeder::on(store.clone(), &place.tenant, Hashes::AsServed).await?;
            seeders.push(seeder);
        }
        Ok(Self {
            seeders,
            places: Arc::clone(places),
            jwks: key.jwks.clone(),
        })
    }

    /// As many changes as can be made in this time.
    pub(super) async fn sample(
        self: &Arc<Self>,
        verb: Verb,
        lasts: Duration,
    ) -> Result<Sample, Error> {
        let (before, _) = process::this()?;
        let begin = Instant::now();
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|task| {
                let bare = Arc::clone(self);
                tokio::spawn(async move { bare.work(verb, task, begin + lasts).await })
            })
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.map_err(Error::wrong)??);
        }
        took.sort_unstable();
        let seen = Seen {
            took,
            lasted: begin.elapsed(),
        };
        let (after, memory) = process::this()?;
        Ok(Sample::of(&seen, after.saturating_sub(before), memory))
    }

    /// Changes that no other task makes: each has its tenant, or its share of the one tenant's clients.
    async fn work(&self, verb: Verb, task: usize, end: Instant) -> Result<Vec<Duration>, Error> {
        let turn = task % self.places.len();
        let (seeder, place) = (&self.seeders[turn], &self.places[turn]);
        let sharing = AT_ONCE / self.places.len();
        let mine: Vec<_> = (place.clients.iter())
            .skip(task / self.places.len())
            .step_by(sharing)
            .collect();
        let mut took = Vec::new();
        while Instant::now() < end {
            let begin = Instant::now();
            let client = mine[took.len() % mine.len()];
            // Its time makes it another text each time.
            let text = now().to_string();
            let command = verb.command(seeder, client, &text, &self.jwks).await?;
            let read = seeder.store.load(seeder.tenant, &command.reads()).await?;
            let change = command.decide(&read, now()).map_err(Error::wrong)?;
            let mut tx = seeder.store.begin().await?;
            write(&mut tx, &seeder.entropy, seeder.tenant, &read, &change).await?;
            tx.commit().await?;
            took.push(begin.elapsed());
        }
        Ok(took)
    }
}
