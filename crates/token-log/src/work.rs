//! What waits to be written: an operation, as far as its writing needs it.

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Stamp, StoreError};

use crate::{
    activity::{Entry, Kind},
    operation::{Assertion, Operation},
    refresh::Change,
    segments::body::Written,
};

pub(crate) enum Work {
    /// A record of the bulk and nothing beside it: its line goes with those of others.
    Line {
        tenant: TenantId,
        at: Timestamp,
        seen: Option<Stamp>,
        line: Written,
    },
    /// Anything else.
    Whole(Box<Whole>),
}

pub(crate) struct Whole {
    pub(crate) operation: Operation<'static>,
    /// As it stands in a segment. None: it is a row.
    pub(crate) line: Option<Written>,
}

impl Work {
    /// Made by whoever asks, so that the one task that writes only puts together.
    pub(crate) fn of(operation: Operation<'_>) -> Result<Self, StoreError> {
        let Entry {
            tenant, at, kind, ..
        } = operation.entry;
        let line = kind
            .is_bulk()
            .then(|| Written::of(&operation.entry))
            .transpose()?;
        let alone = operation.assertion.is_none() && operation.change.is_none();
        Ok(match line {
            Some(line) if alone => Self::Line {
                tenant,
                at,
                seen: operation.seen,
                line,
            },
            line => {
                let operation = Operation {
                    entry: operation.entry.into_owned(),
                    seen: operation.seen,
                    assertion: operation.assertion,
                    change: operation.change,
                };
                Self::Whole(Box::new(Whole { operation, line }))
            }
        })
    }

    pub(crate) fn tenant(&self) -> TenantId {
        match self {
            Self::Line { tenant, .. } => *tenant,
            Self::Whole(whole) => whole.operation.entry.tenant,
        }
    }

    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Line { at, .. } => *at,
            Self::Whole(whole) => whole.operation.entry.at,
        }
    }

    pub(crate) fn seen(&self) -> Option<Stamp> {
        match self {
            Self::Line { seen, .. } => *seen,
            Self::Whole(whole) => whole.operation.seen,
        }
    }

    /// What stands in a segment; nothing where it is a row.
    pub(crate) fn line(&self) -> Option<&Written> {
        match self {
            Self::Line { line, .. } => Some(line),
            Self::Whole(whole) => whole.line.as_ref(),
        }
    }

    /// The same.
    pub(crate) fn into_line(self) -> Option<Written> {
        match self {
            Self::Line { line, .. } => Some(line),
            Self::Whole(whole) => whole.line,
        }
    }

    pub(crate) fn whole(&self) -> Option<&Whole> {
        match self {
            Self::Line { .. } => None,
            Self::Whole(whole) => Some(whole),
        }
    }

    pub(crate) fn assertion(&self) -> Option<&Assertion> {
        self.whole()?.operation.assertion.as_ref()
    }

    pub(crate) fn change(&self) -> Option<&Change> {
        self.whole()?.operation.change.as_ref()
    }

    /// What it is called where it was lost.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Line { .. } => Kind::TokenIssued.as_str(),
            Self::Whole(whole) => whole.operation.entry.kind.as_str(),
        }
    }
}
