//! The one task that writes: it takes whatever waits, writes it as one batch, and answers each.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chancery_domain::Clock;
use chancery_event_store::StoreError;
use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use crate::{
    activity::Entry,
    batch::Target,
    counted::Counted,
    denials::Denials,
    operation::{Answer, Operation, RecordError},
};

/// The most operations in one batch.
pub(crate) const BATCH: usize = 512;

/// How often counted denials are looked after.
const COUNTED: Duration = Duration::from_secs(10);

/// What comes through the queue.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every message is the large one"
)]
pub(crate) enum Message {
    /// To be written, and answered where somebody waits.
    Write(Operation, Option<Answering>),
    /// To be answered when everything before it is written.
    Drain(oneshot::Sender<()>),
}

pub(crate) type Answering = oneshot::Sender<Result<Answer, RecordError>>;

pub(crate) struct Writer {
    pub(crate) target: Target,
    pub(crate) denials: Arc<Denials>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counted: Arc<Counted>,
}

impl Writer {
    /// Runs until nobody can ask any more and everything is written.
    pub(crate) async fn run(self, mut queue: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(BATCH);
        let mut counted = interval(COUNTED);
        counted.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                received = queue.recv_many(&mut messages, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    self.take(&mut messages).await;
                }
                _ = counted.tick() => {
                    let due = self.denials.due(self.clock.now());
                    self.write(due.into_iter().map(unasked).collect()).await;
                }
            }
        }
        let all = self.denials.all();
        self.write(all.into_iter().map(unasked).collect()).await;
    }

    async fn take(&self, messages: &mut Vec<Message>) {
        let mut batch = Vec::with_capacity(messages.len());
        let mut drains = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Write(operation, answering) => batch.push((operation, answering)),
                Message::Drain(done) => drains.push(done),
            }
        }
        if !drains.is_empty() {
            batch.extend(self.denials.all().into_iter().map(unasked));
        }
        self.write(batch).await;
        for done in drains {
            let _ = done.send(());
        }
    }

    async fn write(&self, batch: Vec<(Operation, Option<Answering>)>) {
        if batch.is_empty() {
            return;
        }
        let operations: Vec<_> = batch.iter().map(|(operation, _)| operation).collect();
        let outcomes = self.outcomes(&operations).await;
        for ((operation, answering), outcome) in batch.into_iter().zip(outcomes) {
            match (answering, outcome) {
                // Whoever has gone away meanwhile issues nothing.
                (Some(answering), outcome) => drop(answering.send(outcome)),
                (None, Ok(_)) => {}
                (None, Err(error)) => {
                    self.counted.dropped.one();
                    let kind = operation.entry.kind.as_str();
                    tracing::warn!(%error, kind, "a record of activity was lost");
                }
            }
        }
    }

    async fn outcomes(&self, operations: &[&Operation]) -> Vec<Result<Answer, RecordError>> {
        match self.attempt(operations).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) if operations.len() == 1 || !one_may_be_to_blame(&error) => {
                tracing::warn!(%error, operations = operations.len(), "a batch of activity was not written");
                let refused = || Err(RecordError::Store(error.clone()));
                std::iter::repeat_with(refused)
                    .take(operations.len())
                    .collect()
            }
            Err(error) => {
                tracing::warn!(%error, operations = operations.len(), "a batch of activity failed; its records are written one by one");
                let mut outcomes = Vec::with_capacity(operations.len());
                for operation in operations {
                    let outcome = self.attempt(&[*operation]).await;
                    if let Err(error) = &outcome {
                        tracing::error!(%error, kind = operation.entry.kind.as_str(), "a record of activity was refused");
                    }
                    let first = |answers: Vec<_>| answers.first().copied();
                    outcomes.push(match outcome.map(first) {
                        Ok(Some(answer)) => Ok(answer),
                        Ok(None) => Err(RecordError::Store(unanswered())),
                        Err(error) => Err(error.into()),
                    });
                }
                outcomes
            }
        }
    }

    /// A panic below is a defect of one batch and must not end the task on which every token waits.
    async fn attempt(&self, operations: &[&Operation]) -> Result<Vec<Answer>, StoreError> {
        let begun = Instant::now();
        let answers = AssertUnwindSafe(self.target.write(operations))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Misuse("writing a batch panicked".to_owned())));
        self.counted.wrote(operations.len(), begun.elapsed());
        let answers = answers.inspect_err(|_| self.counted.failures.one())?;
        if answers.len() == operations.len() {
            Ok(answers)
        } else {
            Err(unanswered())
        }
    }
}

fn unanswered() -> StoreError {
    StoreError::Misuse("an operation of a batch got no answer".to_owned())
}

fn unasked(entry: Entry) -> (Operation, Option<Answering>) {
    (Operation::of(entry), None)
}

/// Whether the others may succeed without one of them. While the store is away none does, and asking
/// for each would only take longer; after a deadlock (SQLSTATE class 40) all do.
fn one_may_be_to_blame(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(cause) => cause
            .code
            .as_deref()
            .is_some_and(|code| code.starts_with("40") && code.len() == 5),
        _ => true,
    }
}
