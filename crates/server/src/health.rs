//! Liveness and readiness.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use chancery_application::{Application, Error};
use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Backend, Newest, Store};
use chancery_telemetry::{Repeated, causes};
use chancery_token_log::{TokenLog, Unwritten};
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};

use crate::{problem::nothing_here, unreachable::Unreachable};

/// How long the store may take to answer before the server calls itself not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is tried whether the store takes writes, however many ask.
const BETWEEN_TRIALS: Duration = Duration::from_secs(5);

/// How often while the log of token requests takes none: who is asked for no token has to find out in another way
/// that it does again.
const WHILE_UNWRITTEN: Duration = Duration::from_secs(1);

const SILENT: &str = "not ready: the store does not answer";

/// How many tenants an alarm counts.
const ALARMS: u32 = 1_000;

/// How often the server looks by itself, whoever asks.
const LOOK: Duration = Duration::from_secs(5);

/// What readiness looks at.
pub(crate) struct Health {
    store: Store,
    log: TokenLog,
    application: Application,
    /// When it was last tried whether the store takes writes and can be opened, and what came of it.
    trial: Mutex<Option<(Instant, Result<(), &'static str>)>>,
    /// When the rolls ended, as it was last seen.
    newest: Mutex<Option<(Instant, Option<Newest>)>>,
    /// How many rolls were not as they were sealed when somebody last asked.
    alarmed: AtomicUsize,
    unreachable: Unreachable,
    /// Why it is not ready, which anybody may ask as often as they like.
    lines: Repeated,
    /// What was found last.
    ready: AtomicBool,
}

/// `/healthz`: the process answers. `/readyz`: it can do its work.
pub(crate) fn routes(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/readyz", get(ready).with_state(health))
}

/// Who comes with a browser and knows no more than the address wants the console.
pub(crate) async fn front(headers: HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT);
    let mut accepts = accepts.iter().filter_map(|accept| accept.to_str().ok());
    if accepts.any(|accept| accept.contains("text/html")) {
        return Redirect::temporary("/console").into_response();
    }
    nothing_here().await
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let answer = looked(&health).await;
    health
        .ready
        .store(answer.0 == StatusCode::OK, Ordering::Relaxed);
    answer
}

async fn looked(health: &Health) -> (StatusCode, Json<Value>) {
    if let Err(fault) = health.application.clock_trusted() {
        return not_ready(&fault.to_string());
    }
    let looked = async {
        health.store.ping().await.map_err(Error::from)?;
        let newest = health.newest().await?;
        let stopped = health.application.stopped_seals(ALARMS).await?;
        Ok::<_, Error>((newest, stopped))
    };
    let (newest, stopped) = match tokio::time::timeout(PATIENCE, looked).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(error)) => {
            health.unreachable.say(SILENT, Some(&error));
            return not_ready("the store cannot be reached; the log says why");
        }
        Err(_) => {
            health.unreachable.say(SILENT, None);
            return not_ready("the store does not answer in time; the log says why");
        }
    };
    if let Err(what) = health.takes_writes().await {
        return not_ready(what);
    }
    if let Err(error) = health.log.written() {
        health.say(
            &error,
            "not ready: the log of token requests is not written",
        );
        return not_ready(match error {
            Unwritten::Failed(_) => "the log of token requests takes no writes; the log says why",
            Unwritten::Stands(_) => {
                "nothing has been written to the log of token requests for some seconds, and something waits; see what holds a lock on it, and its disk"
            }
        });
    }
    let now = health.application.now();
    let future = newest.filter(|newest| now.is_behind(newest.most));
    if let Some(newest) = future
        && health.stands(newest, now)
    {
        return not_ready(&format!(
            "this node's clock shows {now}, and entries were recorded at {}: set it right (NTP); if it is right, see \"Clocks\" in docs/operations.md; nothing is lost",
            newest.most
        ));
    }
    // Tokens are as good as before, so it is ready; but somebody has to look.
    health.alarm(&stopped, future)
}

impl Health {
    pub(crate) fn of(store: Store, log: TokenLog, application: Application) -> Arc<Self> {
        Arc::new(Self {
            unreachable: Unreachable::of(store.clone()),
            lines: Repeated::new(1),
            store,
            log,
            application,
            trial: Mutex::new(None),
            newest: Mutex::new(None),
            alarmed: AtomicUsize::new(0),
            ready: AtomicBool::new(false),
        })
    }

    /// Looks every few seconds, for ever, so that who collects the metrics hears of it where nobody asks.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let _ = ready(State(self.clone())).await;
        }
    }

    /// Whether the server could do its work when it was looked last.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Whether the store takes writes, and this node has the key to what is sealed there, as the last trial found
    /// it. Whoever asks while one is under way waits for it. What a trial finds of the log of token requests, that
    /// log knows.
    async fn takes_writes(&self) -> Result<(), &'static str> {
        let between = match self.log.written() {
            Ok(()) => BETWEEN_TRIALS,
            Err(_) => WHILE_UNWRITTEN,
        };
        let mut trial = self.trial.lock().await;
        if let Some((at, found)) = &*trial
            && at.elapsed() < between
        {
            return *found;
        }
        let (store, key, ()) = tokio::join!(
            self.store.try_write(),
            tokio::time::timeout(PATIENCE, self.application.follow_master_key()),
            self.log.try_write(),
        );
        let found = match (store, key) {
            (Ok(()), Ok(Ok(None))) => Ok(()),
            (Ok(()), Ok(Ok(Some(missing)))) => {
                tracing::warn!(missing, "not ready: the master key is not configured here");
                Err(
                    "the database is sealed under a master key that this node does not have; the log says which. Give it as master_key_file or master_key_previous_file and restart",
                )
            }
            (Ok(()), Ok(Err(error))) => {
                let what =
                    "not ready: it cannot be read under which master key the database is sealed";
                self.unreachable.say(what, Some(&error));
                Err("the store cannot be reached; the log says why")
            }
            (Ok(()), Err(_)) => {
                self.unreachable.say(SILENT, None);
                Err("the store does not answer in time; the log says why")
            }
            (Err(error), _) => {
                self.say(&error, "not ready: the store takes no writes");
                Err("the store takes no writes; the log says why")
            }
        };
        *trial = Some((Instant::now(), found));
        found
    }

    fn say(&self, error: &(dyn std::error::Error + 'static), what: &'static str) {
        if let Some(left_out) = self.lines.say() {
            tracing::warn!(error = causes(error), left_out, "{what}");
        }
    }

    /// When the rolls ended, seen every few seconds, however many ask.
    async fn newest(&self) -> Result<Option<Newest>, Error> {
        let mut seen = self.newest.lock().await;
        if let Some((at, newest)) = &*seen
            && at.elapsed() < BETWEEN_TRIALS
        {
            return Ok(*newest);
        }
        let newest = self.store.platform_newest().await?;
        *seen = Some((Instant::now(), newest));
        Ok(newest)
    }

    /// Whether nothing goes on by a clock that is behind the newest entry. Where the database's clock
    /// confirms it, the entry is what is wrong, and tenants without such entries have their tokens.
    fn stands(&self, newest: Newest, now: Timestamp) -> bool {
        match self.store.backend() {
            Backend::Postgres => now.is_behind(newest.least),
            Backend::Sqlite => true,
        }
    }

    /// Whoever asks may be anybody, so they hear how many rolls there are, and the log hears which.
    fn alarm(
        &self,
        stopped: &BTreeMap<TenantId, String>,
        future: Option<Newest>,
    ) -> (StatusCode, Json<Value>) {
        let count = stopped.len();
        if self.alarmed.swap(count, Ordering::Relaxed) != count {
            for (tenant, fault) in stopped {
                tracing::error!(%tenant, fault, "ALARM: a roll is not as it was sealed");
            }
        }
        let mut body = json!({"status": "ready"});
        if count > 0 {
            body["alarm"] = "rolls are not as they were sealed; the log says which".into();
            body["rolls"] = count.into();
        }
        if let Some(newest) = future {
            body["clock"] = format!("rolls have entries from the future, as of {}, and their tenants get no tokens; see \"Clocks\" in docs/operations.md", newest.most).into();
        }
        (StatusCode::OK, Json(body))
    }
}

fn not_ready(reason: &str) -> (StatusCode, Json<Value>) {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({"status": "not ready", "reason": reason})),
    )
}
