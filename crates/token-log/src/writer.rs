//! The one task that writes: it takes whatever waits, writes it as one batch, and answers each.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chancery_domain::{Clock, TenantId, Timestamp};
use chancery_event_store::StoreError;
use chancery_telemetry::Repeated;
use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    activity::Entry,
    backoff::Backoff,
    batch::{Outcome, Row, Target},
    condition::Condition,
    counted::Counted,
    denials::Denials,
    operation::{Answer, Operation, RecordError},
    pace::Pace,
    segments::{body::Written, compact::Made, due::Due},
    work::Work,
};

/// The most operations in one batch.
pub(crate) const BATCH: usize = 512;

/// How many records that nobody waits for go with a batch: each is a row by itself, on whose indexes everybody in the batch
/// waits.
const ASIDE: usize = 8;

/// How often counted denials are looked after.
const COUNTED: Duration = Duration::from_secs(10);

/// What comes through the queue.
pub(crate) enum Message {
    /// To be written, and answered where somebody waits.
    Write(Work, Option<Answering>),
    /// A segment to be put in the place of its parts, where nobody else can write; and whether it was.
    Replace(Box<Made>, oneshot::Sender<Result<bool, StoreError>>),
    /// To be answered when everything before it is written.
    Drain(oneshot::Sender<()>),
}

pub(crate) type Answering = oneshot::Sender<Result<Answer, RecordError>>;

/// What was recorded in a segment.
struct Line {
    tenant: TenantId,
    at: Timestamp,
    written: Written,
}

impl Line {
    fn of(work: Work) -> Option<Self> {
        let (tenant, at) = (work.tenant(), work.at());
        let written = work.into_line()?;
        Some(Self {
            tenant,
            at,
            written,
        })
    }
}

pub(crate) struct Writer {
    pub(crate) target: Target,
    pub(crate) denials: Arc<Denials>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counted: Arc<Counted>,
    pub(crate) condition: Arc<Condition>,
    pub(crate) backoff: Backoff,
    pub(crate) lines: Lines,
    pub(crate) due: Due,
    /// What nobody waits for.
    pub(crate) notes: mpsc::Receiver<Work>,
    /// What was counted, and goes before them; and the first of them where nobody asks.
    pub(crate) told: VecDeque<Work>,
}

/// What is to be written, and who waits for it.
type Unanswered = (Work, Option<Answering>);

/// What a store that fails makes the log say again and again.
pub(crate) struct Lines {
    batches: Repeated,
    refused: Repeated,
    lost: Repeated,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            batches: Repeated::new(1),
            refused: Repeated::new(10),
            lost: Repeated::new(10),
        }
    }
}

impl Writer {
    /// Runs until nobody can ask any more and everything is written.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(BATCH);
        let mut pace = Pace::default();
        let mut counted = interval(COUNTED);
        counted.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                // However many ask, it has its turn.
                _ = counted.tick() => {
                    // The pool says how long a connection may live.
                    self.target.give_back();
                    let now = self.clock.now();
                    // Where the last of it is not written yet, counting goes on.
                    if self.told.is_empty() {
                        self.told.extend(self.works(self.denials.due(now)));
                    }
                    self.due.tick(now);
                }
                received = queue.recv_many(&mut messages, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    pace.gather(&mut queue, &mut messages).await;
                    self.take(&mut messages).await;
                }
                // Who is ready to ask does so first.
                () = yield_now(), if !self.told.is_empty() => self.write(Vec::new()).await,
                Some(noted) = self.notes.recv(), if self.told.is_empty() => self.told.push_back(noted),
                () = self.target.wanted() => self.target.give_back(),
            }
        }
        self.write_all_noted().await;
    }

    /// Writes all that was noted and counted, while whoever asks waits.
    async fn write_all_noted(&mut self) {
        for _ in 0..self.notes.len() {
            self.told.extend(self.notes.try_recv());
        }
        self.told.extend(self.works(self.denials.all()));
        while !self.told.is_empty() {
            self.write_with(Vec::new(), BATCH).await;
        }
    }

    async fn take(&mut self, messages: &mut Vec<Message>) {
        let mut batch = Vec::with_capacity(messages.len() + ASIDE);
        let (mut drains, mut replacing) = (Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Write(work, answering) => batch.push((work, answering)),
                Message::Replace(made, done) => replacing.push((made, done)),
                Message::Drain(done) => drains.push(done),
            }
        }
        self.write(batch).await;
        if !drains.is_empty() {
            self.write_all_noted().await;
        }
        for (made, done) in replacing {
            // Whoever asked and has gone away finds it done, or does it again.
            let _ = done.send(self.replace(&made).await);
        }
        if !drains.is_empty() {
            // Whoever wants to close the database does not find a connection in use.
            self.target.give_back();
        }
        for done in drains {
            let _ = done.send(());
        }
    }

    /// What was counted, to be written. What cannot be is lost, and counted.
    fn works(&self, entries: Vec<Entry<'static>>) -> Vec<Work> {
        let works = entries.into_iter().filter_map(|entry| {
            let work = Work::of(Operation::of(entry));
            work.inspect_err(|error| {
                self.counted.dropped.one();
                if let Some(left_out) = self.lines.lost.say() {
                    tracing::warn!(%error, left_out, "a record of activity was lost");
                }
            })
            .ok()
        });
        works.collect()
    }

    /// Writes a batch, and with it some of what stands aside.
    async fn write(&mut self, batch: Vec<Unanswered>) {
        self.write_with(batch, ASIDE).await;
    }

    async fn write_with(&mut self, mut batch: Vec<Unanswered>, aside: usize) {
        for _ in 0..aside {
            let next = self.told.pop_front();
            let Some(work) = next.or_else(|| self.notes.try_recv().ok()) else {
                break;
            };
            batch.push((work, None));
        }
        if batch.is_empty() {
            return;
        }
        let works: Vec<_> = batch.iter().map(|(work, _)| work).collect();
        let (outcomes, rows) = self.outcomes(&works).await;
        let mut lines: Vec<_> = Vec::with_capacity(batch.len());
        for ((work, answering), outcome) in batch.into_iter().zip(outcomes) {
            let recorded = outcome == Ok(Answer::Recorded);
            match (answering, outcome) {
                // Whoever has gone away meanwhile issues nothing.
                (Some(answering), outcome) => drop(answering.send(outcome)),
                (None, Ok(_)) => {}
                (None, Err(error)) => {
                    self.counted.dropped.one();
                    if let Some(left_out) = self.lines.lost.say() {
                        let kind = work.kind();
                        tracing::warn!(%error, kind, left_out, "a record of activity was lost");
                    }
                }
            }
            lines.push(Line::of(work).filter(|_| recorded));
        }
        self.tell_due(rows, lines);
        // Everybody has their answer; whoever asks now waits for it in the queue.
        if let Some(pause) = self.backoff.due() {
            sleep(pause).await;
        }
    }

    /// Says what was written: first what stands in rows whose numbers are known, then the rest.
    fn tell_due(&mut self, rows: Vec<Row>, mut lines: Vec<Option<Line>>) {
        for row in rows {
            let of = row.members.iter();
            let of: Vec<_> = of.filter_map(|at| lines.get_mut(*at)?.take()).collect();
            let Some(tenant) = of.first().map(|line| line.tenant) else {
                continue;
            };
            let written = of.into_iter().map(|line| line.written).collect();
            self.due
                .wrote_row(tenant, row.position, row.first_at, written);
        }
        let mut rest: HashMap<_, (i64, _)> = HashMap::new();
        for line in lines.into_iter().flatten() {
            rest.entry(line.tenant).or_insert((0, line.at)).0 += 1;
        }
        for (tenant, (records, at)) in rest {
            self.due.wrote(tenant, records, at);
        }
    }

    async fn replace(&mut self, made: &Made) -> Result<bool, StoreError> {
        let replaced = AssertUnwindSafe(self.target.replace(made))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                Err(StoreError::Misuse(
                    "replacing a segment panicked".to_owned(),
                ))
            });
        if replaced.is_err() {
            self.target.give_back();
        }
        replaced
    }

    /// What became of each, and which rows were written, as far as that is known.
    async fn outcomes(&mut self, works: &[&Work]) -> (Vec<Result<Answer, RecordError>>, Vec<Row>) {
        let outcomes = match self.attempt(works).await {
            Ok(Outcome { answers, rows }) => {
                return (answers.into_iter().map(Ok).collect(), rows);
            }
            Err(error) if works.len() == 1 || !one_may_be_to_blame(&error) => {
                if let Some(left_out) = self.lines.batches.say() {
                    tracing::warn!(%error, operations = works.len(), left_out, "a batch of activity was not written");
                }
                let refused = || Err(RecordError::Store(error.clone()));
                std::iter::repeat_with(refused).take(works.len()).collect()
            }
            Err(error) => {
                if let Some(left_out) = self.lines.batches.say() {
                    tracing::warn!(%error, operations = works.len(), left_out, "a batch of activity failed; its records are written one by one");
                }
                let mut outcomes = Vec::with_capacity(works.len());
                for work in works {
                    let outcome = self.attempt(&[*work]).await.map(|it| it.answers);
                    if let Err(error) = &outcome
                        && let Some(left_out) = self.lines.refused.say()
                    {
                        tracing::error!(%error, kind = work.kind(), left_out, "a record of activity was refused");
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
        };
        (outcomes, Vec::new())
    }

    /// A panic below is a defect of one batch and must not end the task on which every token waits.
    async fn attempt(&mut self, works: &[&Work]) -> Result<Outcome, StoreError> {
        let begun = Instant::now();
        self.condition.begins(self.clock.now());
        let outcome = AssertUnwindSafe(self.target.write(works))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Misuse("writing a batch panicked".to_owned())));
        if outcome.is_err() {
            self.target.give_back();
        }
        self.counted.wrote(works.len(), begun.elapsed());
        self.learn(outcome.as_ref().err());
        let outcome = outcome.inspect_err(|_| self.counted.failures.one())?;
        if outcome.answers.len() == works.len() {
            Ok(outcome)
        } else {
            Err(unanswered())
        }
    }

    /// What the outcome of a batch says of the store.
    fn learn(&mut self, failed: Option<&StoreError>) {
        let now = self.clock.now();
        match failed {
            None => {
                self.condition.wrote(now);
                if self.backoff.over() {
                    let left_out = self.lines.batches.over();
                    tracing::info!(left_out, "activity is written again");
                }
            }
            Some(error) if one_may_be_to_blame(error) => self.condition.refused(),
            Some(error) => {
                self.condition.failed(now, error);
                self.backoff.failed();
                // Another may be there when it is back, which has not all that this one had.
                self.due.forget();
            }
        }
    }
}

fn unanswered() -> StoreError {
    StoreError::Misuse("an operation of a batch got no answer".to_owned())
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
