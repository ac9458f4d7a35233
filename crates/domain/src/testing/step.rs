//! A command in a generated sequence.

use std::{fmt, sync::Arc};

use proptest::prelude::*;

use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::TenantId,
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// A command, and how much later than the one before it is given.
pub(crate) struct Step {
    label: String,
    /// In seconds.
    pub(crate) later: i64,
    make: Box<dyn Fn(u8) -> Arc<dyn Command>>,
}

impl Step {
    /// The command as the one with this number; a secret that it issues has the number too.
    pub(crate) fn command(&self, number: u8) -> Arc<dyn Command> {
        (self.make)(number)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} s {}", self.later, self.label)
    }
}

impl Command for Arc<dyn Command> {
    fn tenant(&self) -> TenantId {
        (**self).tenant()
    }

    fn reads(&self) -> Vec<StreamId> {
        (**self).reads()
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        (**self).decide(read, now)
    }
}

/// Steps that make their command from a generated input.
pub(super) fn step<I, C>(
    input: impl Strategy<Value = I> + 'static,
    make: impl Fn(&I, u8) -> C + Clone + 'static,
) -> BoxedStrategy<Step>
where
    I: fmt::Debug + 'static,
    C: Command + 'static,
{
    let later = prop_oneof![
        Just(0),
        1..100_000_i64,
        (1..40_i64).prop_map(|days| days * 86_400)
    ];
    (input, later)
        .prop_map(move |(input, later)| {
            let make = make.clone();
            Step {
                label: format!("{} {input:?}", std::any::type_name::<C>()),
                later,
                make: Box::new(move |number| Arc::new(make(&input, number))),
            }
        })
        .boxed()
}
