#![allow(
    dead_code,
    reason = "each test file that listens is a crate of its own and uses a part"
)]

use std::{
    fmt::{Debug, Write},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{Event, Subscriber, field::Visit};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// What sqlx says while queries run.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Seen>>>);

/// One thing that it said.
pub(crate) enum Seen {
    /// It ran this statement.
    Statement(String),
    /// The server said this.
    Notice(String),
}

impl Recorder {
    /// Listens to this whole process: one test at a time.
    pub(crate) fn listen() -> Self {
        static ONLY: LazyLock<Recorder> = LazyLock::new(|| {
            let recorder = Recorder::default();
            tracing_subscriber::registry().with(recorder.clone()).init();
            recorder
        });
        ONLY.clone()
    }

    /// What was said since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        match event.metadata().target() {
            "sqlx::query" => {
                event.record(&mut fields);
                let sql = if fields.statement.is_empty() {
                    fields.summary
                } else {
                    fields.statement
                };
                self.0.lock().unwrap().push(Seen::Statement(sql));
            }
            "sqlx::postgres::notice" => {
                event.record(&mut fields);
                self.0.lock().unwrap().push(Seen::Notice(fields.message));
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Fields {
    summary: String,
    statement: String,
    message: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "summary" => self.summary.push_str(value),
            "db.statement" => self.statement.push_str(value),
            "message" => self.message.push_str(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        }
    }
}
