//! The change path: authorise, load, decide, append, fold, remember, commit.

use std::sync::Arc;

use chancery_crypto::sha256;
use chancery_domain::{
    ChangeSet, Command, CommandId, EventId, ReadSet, Recorded, StreamId, TenantId, Timestamp,
    id::ClientId,
};
use chancery_event_store::{Provenance, Remembered};
use chancery_projections::Saved;
use chancery_telemetry::{TraceContext, stage};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::{
    Application,
    access::{Caller, Guarded, guard_escalation},
    deadline::Deadline,
    error::Error,
    expected::Expected,
    group::Job,
    together::{LIMIT, NotDone},
    write::{WriteError, Written},
};

/// The digest of what a command was asked: SHA-256 of the verb and its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputDigest([u8; 32]);

impl InputDigest {
    /// The digest of a verb with this input (without the command's id). The order of members and
    /// the spelling of numbers make no difference (RFC 8785).
    pub fn of(verb: &str, input: &serde_json::Value) -> Self {
        Self(sha256(
            chancery_domain::json::canonical(&(verb, input)).as_bytes(),
        ))
    }
}

impl std::fmt::Display for InputDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What makes a retry harmless: the caller's own id for the command, and what it asked for.
#[derive(Clone, Debug)]
pub struct Remember {
    /// The caller's id for the command.
    pub command_id: CommandId,
    /// The digest of the verb and its input.
    pub digest: InputDigest,
}

/// What comes with a command, whatever it is.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// So that a retry is harmless.
    pub remember: Option<Remember>,
    /// The W3C trace in which it happens.
    pub trace_id: Option<String>,
    /// Until when it may begin.
    deadline: Deadline,
    /// The version on which the caller decided. A retry is answered before it is looked at.
    expected: Option<Expected>,
}

impl Request {
    /// What comes with a command that is asked for now.
    pub fn new(remember: Option<Remember>, trace_id: Option<String>) -> Self {
        Self {
            remember,
            trace_id,
            deadline: Deadline::from_now(),
            expected: None,
        }
    }

    /// The same for one that was asked for before.
    #[must_use]
    pub fn until(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same for a change that is to be made on this version of the stream, where there is one.
    pub(crate) fn expecting(&self, stream: StreamId, version: Option<i64>) -> Self {
        Self {
            expected: version.map(|version| Expected { stream, version }),
            ..self.clone()
        }
    }
}

/// What a command came to.
pub(crate) enum Executed<A> {
    /// It was carried out now.
    Done(A, Done),
    /// It was carried out before, under the same command id.
    Replayed(A),
}

/// What a command that was carried out now has changed.
pub(crate) struct Done {
    /// The entries of the roll.
    pub(crate) recorded: Vec<Recorded>,
    /// What was read, as it is after the change.
    pub(crate) after: ReadSet,
    /// The rows that were saved.
    pub(crate) saved: Saved,
}

/// One attempt's way to the transaction.
#[derive(Clone, Copy, PartialEq)]
enum Attempt {
    /// Load and decide without a lock; the versions are compared under it.
    Optimistic,
    /// Take the tenant's lock first, then load and decide: nobody can overtake.
    Locked,
}

enum Outcome {
    Committed(Done),
    /// A stream had moved since it was read.
    Overtaken,
    /// Somebody with the same command id was faster.
    AlreadyRemembered,
}

impl Application {
    /// The answer to a command that was carried out before; `None` when it was not.
    ///
    /// # Errors
    /// [`Error::CommandReused`] when the same id came with another input.
    pub(crate) async fn replayed<A: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: &Request,
    ) -> Result<Option<A>, Error> {
        let Some(remember) = &request.remember else {
            return Ok(None);
        };
        let found = self
            .parts
            .store
            .remembered(caller.actor(), remember.command_id, self.now())
            .await?;
        match found {
            None => Ok(None),
            Some(found) if found.input_digest == remember.digest.0 => {
                Ok(Some(serde_json::from_str(&found.result)?))
            }
            Some(_) => Err(Error::CommandReused),
        }
    }

    /// Carries a command out: all of it or nothing. `answer` is what a retry will get.
    ///
    /// The change runs in a task of its own, so that a request that is dropped cannot tear it.
    pub(crate) async fn execute<C, A>(
        &self,
        caller: &Caller,
        command: C,
        request: &Request,
        answer: A,
    ) -> Result<Executed<A>, Error>
    where
        C: Guarded + 'static,
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        caller.require(C::NEEDS, command.tenant())?;
        let work = Arc::new(Work {
            application: self.clone(),
            caller: caller.clone(),
            refuses_breaks: command.refuses_breaks(),
            command: Arc::new(command),
            request: request.clone(),
            answer: serde_json::to_string(&answer)?,
        });
        let work = work.run().instrument(stage!("change"));
        let working = match TraceContext::current() {
            Some(trace) => self.tasks.spawn(trace.scope(work)),
            None => self.tasks.spawn(work),
        };
        let outcome = working.await?;
        let error = match outcome {
            Ok(Outcome::Committed(done)) => return Ok(Executed::Done(answer, done)),
            Ok(Outcome::Overtaken | Outcome::AlreadyRemembered) => Error::Conflict,
            Err(error) if error.is_final() => error,
            Err(error) => return Err(error),
        };
        // Whoever sends the same command twice at once is refused the second time by what the first
        // one made; the answer is that of the first.
        match self.replayed(caller, request).await? {
            Some(answer) => Ok(Executed::Replayed(answer)),
            None => Err(error),
        }
    }

    /// Ids for so many events.
    pub(crate) fn event_ids(&self, count: usize, now: Timestamp) -> Vec<EventId> {
        (0..count)
            .map(|_| EventId::new(now, self.random()))
            .collect()
    }
}

/// What was decided, and on what.
pub(crate) struct Decided {
    pub(crate) read: ReadSet,
    pub(crate) change: ChangeSet,
    pub(crate) now: Timestamp,
}

/// What was decided, and what came of writing it, where there was anything to write.
type Tried = (Arc<Decided>, Option<Result<Written, WriteError>>);

pub(crate) struct Work {
    application: Application,
    caller: Caller,
    command: Arc<dyn Command>,
    /// Whether a policy that breaks something is to be refused.
    refuses_breaks: bool,
    request: Request,
    answer: String,
}

impl Work {
    async fn run(self: Arc<Self>) -> Result<Outcome, Error> {
        match self.attempt(Attempt::Optimistic).await? {
            Outcome::Overtaken => self.attempt(Attempt::Locked).await,
            // By the same command, which was to be made at the same moment and is on another way now.
            Outcome::AlreadyRemembered if self.is_unknown().await? => {
                self.attempt(Attempt::Locked).await
            }
            outcome => Ok(outcome),
        }
    }

    /// Whether nothing is remembered of the command.
    async fn is_unknown(&self) -> Result<bool, Error> {
        let (application, caller) = (&self.application, &self.caller);
        let found = application.replayed::<IgnoredAny>(caller, &self.request);
        Ok(found.await?.is_none())
    }

    async fn attempt(self: &Arc<Self>, attempt: Attempt) -> Result<Outcome, Error> {
        let tried = match attempt {
            Attempt::Optimistic => self.optimistically().await,
            // Else a connection that says nothing any more would keep the tenant's turn for good.
            Attempt::Locked => timeout(LIMIT, self.under_lock())
                .await
                .unwrap_or_else(|_| Err(NotDone::Unknown.into())),
        };
        let (decided, written) = tried?;
        match written {
            None => Ok(Outcome::Committed(Done {
                recorded: Vec::new(),
                after: decided.read.after(&decided.change),
                saved: Saved::default(),
            })),
            Some(Ok(written)) => Ok(self.committed(&decided, written).await),
            Some(Err(WriteError::Overtaken | WriteError::Busy | WriteError::Slow)) => {
                Ok(Outcome::Overtaken)
            }
            Some(Err(WriteError::AlreadyRemembered)) => Ok(Outcome::AlreadyRemembered),
            Some(Err(WriteError::Failed(error))) => Err(error),
        }
    }

    async fn optimistically(self: &Arc<Self>) -> Result<Tried, Error> {
        let store = &self.application.parts.store;
        let now = self.now()?;
        let streams = self.command.reads();
        let load = store.load(self.command.tenant(), &streams);
        let read = load.instrument(stage!("load")).await?;
        let decided = self.decide(read, now)?;
        if self.is_nothing(&decided) {
            return Ok((decided, None));
        }
        let job = Job::new(self, &decided);
        let written = self.application.change_together(job).await;
        Ok((decided, Some(written)))
    }

    async fn under_lock(self: &Arc<Self>) -> Result<Tried, Error> {
        let (application, tenant) = (&self.application, self.command.tenant());
        let now = self.now()?;
        let _turn = application.turns.take(tenant, self.deadline()).await?;
        let mut tx = application.parts.store.begin().await?;
        self.in_time()?;
        let numbers = tx.take_numbers(tenant, 0, now).await?;
        application.now_after(tenant, numbers.recorded_at())?;
        let read = tx.load(tenant, &self.command.reads()).await?;
        let decided = self.decide(read, now)?;
        if self.is_nothing(&decided) {
            return Ok((decided, None));
        }
        let written = Job::new(self, &decided).write_and_commit(tx).await;
        Ok((decided, Some(written)))
    }

    /// The present, by which it is decided.
    fn now(&self) -> Result<Timestamp, Error> {
        let clock = &self.application.parts.clock;
        let now = clock.now();
        clock.trusted()?;
        Ok(now)
    }

    /// Whether there is nothing to write: not even that it was asked for.
    fn is_nothing(&self, decided: &Decided) -> bool {
        decided.change.is_empty() && self.request.remember.is_none()
    }

    /// Tells of what is committed.
    async fn committed(&self, decided: &Decided, written: Written) -> Outcome {
        let application = &self.application;
        let Written {
            recorded,
            ended,
            saved,
        } = written;
        for (why, sessions) in &ended {
            application.note_ends(sessions, *why).await;
        }
        if let Some(last) = recorded.last() {
            application.heads.announce(last.tenant, last.tenant_seq);
            application.unsealed.notify_one();
            if recorded.first().is_some_and(|first| first.tenant_seq == 1) {
                application.begin_sealing(last.tenant).await;
            }
        }
        Outcome::Committed(Done {
            recorded,
            after: decided.read.after(&decided.change),
            saved,
        })
    }

    fn decide(&self, read: ReadSet, now: Timestamp) -> Result<Arc<Decided>, Error> {
        if let Some(expected) = self.request.expected {
            expected.among(&read)?;
        }
        let change = stage!("decide").in_scope(|| self.command.decide(&read, now))?;
        guard_escalation(&self.caller, &read, &change)?;
        Ok(Arc::new(Decided { read, change, now }))
    }

    /// The tenant that it changes.
    pub(crate) fn tenant(&self) -> TenantId {
        self.command.tenant()
    }

    /// Until when it may begin.
    pub(crate) fn deadline(&self) -> Deadline {
        self.request.deadline
    }

    /// Whether it may begin still.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) fn in_time(&self) -> Result<(), Error> {
        if self.deadline().is_over() {
            return Err(NotDone::Late.into());
        }
        Ok(())
    }

    pub(crate) fn application(&self) -> &Application {
        &self.application
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether a policy that breaks something is to be refused.
    pub(crate) fn refuses_breaks(&self) -> bool {
        self.refuses_breaks
    }

    /// Whether the caller's token was revoked, which stands in another database.
    ///
    /// # Errors
    /// [`Error::CallerEnded`].
    pub(crate) async fn not_revoked(&self) -> Result<(), Error> {
        if self.application.is_revoked(&self.caller).await? {
            return Err(Error::CallerEnded);
        }
        Ok(())
    }

    /// Where the change comes from, for its entries.
    pub(crate) fn provenance(&self) -> Provenance {
        let remember = self.request.remember.as_ref();
        Provenance {
            actor: self.caller.actor().clone(),
            command_id: remember.map(|remember| remember.command_id),
            trace_id: self.request.trace_id.clone(),
        }
    }

    /// What is to be remembered of it, if anything.
    pub(crate) fn remembered(&self) -> Option<(CommandId, Remembered)> {
        let remember = self.request.remember.as_ref()?;
        let remembered = Remembered {
            input_digest: remember.digest.0.to_vec(),
            result: self.answer.clone(),
        };
        Some((remember.command_id, remembered))
    }
}

/// The ids that an answer names; what a retry gets again.
#[derive(Clone, Copy, Debug, Serialize, serde::Deserialize)]
pub(crate) struct ClientAnswer {
    pub(crate) client: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<chancery_domain::SecretId>,
}
