//! What becomes of changes that are to share a transaction: each comes to what it would have come to by itself.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, Ordering},
};

use chancery_event_store::StoreError;
use futures_util::FutureExt;

use crate::{
    error::Error,
    together::NotDone,
    write::{NotWritten, WriteError},
};

/// Why changes were not made together.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What holds for all of them.
    All(StoreError),
    /// What is wrong with some of them, by their place among them. Nothing of the others has happened.
    Some(Vec<(usize, WriteError)>),
    /// What may hold for one of them, it is not known which. Nothing has happened.
    One,
}

impl From<NotWritten> for Failed {
    fn from(why: NotWritten) -> Self {
        let cause = match why {
            NotWritten::Some(wrong) => return Self::Some(wrong),
            NotWritten::All(WriteError::Failed(Error::Unavailable(cause))) => cause,
            NotWritten::All(_) => return Self::One,
        };
        match cause.downcast::<StoreError>() {
            Ok(error) if holds_for_all(&error) => Self::All(*error),
            _ => Self::One,
        }
    }
}

/// Whether the store is away or cannot write at all. What it says of one statement (that it took too long, or too much
/// memory, or was chosen to end a deadlock) may be the statement's own.
fn holds_for_all(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else {
        return false;
    };
    match cause.code.as_deref() {
        // The connection is lost, or there is none.
        None => true,
        // SQLSTATE: connection, shutdown, system, full disk. It has five characters, and a code of SQLite fewer.
        Some(code) if code.len() == 5 => ["08", "57P", "58", "53100"]
            .iter()
            .any(|all| code.starts_with(all)),
        // SQLite: busy, locked, read-only, input and output, full, not to be opened.
        Some(code) => {
            let code = code.parse().map_or(0, |code: i32| code & 0xff);
            [5, 6, 8, 10, 13, 14].contains(&code)
        }
    }
}

pub(crate) fn lost() -> WriteError {
    NotDone::Lost.into()
}

/// How changes are made, which are known by their places.
pub(crate) trait Makes: Sync {
    /// What comes of one.
    type Made: Send;

    /// Whether it is too late to begin with this one.
    fn is_late(&self, place: usize) -> bool;

    /// Makes these, all of them or none. From when it says that it `commits` it is not known whether it has.
    fn together(
        &self,
        places: &[usize],
        commits: &AtomicBool,
    ) -> impl Future<Output = Result<Vec<Self::Made>, Failed>> + Send;

    /// Makes this one. The outer error says that the store is away, which holds for those after it too.
    fn alone(
        &self,
        place: usize,
    ) -> impl Future<Output = Result<Result<Self::Made, WriteError>, StoreError>> + Send;
}

type Answers<A> = BTreeMap<usize, Result<A, WriteError>>;

/// Makes these together, and those alone that cannot be. What is wrong with one, and a panic in it, is told to that one.
pub(crate) async fn settle<M: Makes>(
    makes: &M,
    together: Vec<usize>,
    alone: Vec<usize>,
) -> Answers<M::Made> {
    let mut answers = Answers::new();
    let mut left = make_together(makes, together, &mut answers).await;
    left.extend(alone);
    make_alone(makes, left, &mut answers).await;
    answers
}

/// Gives those that are to be made alone.
async fn make_together<M: Makes>(
    makes: &M,
    mut places: Vec<usize>,
    answers: &mut Answers<M::Made>,
) -> Vec<usize> {
    loop {
        places.retain(|place| in_time(makes, *place, answers));
        if places.len() <= 1 {
            return places;
        }
        let commits = AtomicBool::new(false);
        let attempt = AssertUnwindSafe(makes.together(&places, &commits)).catch_unwind();
        match attempt.await {
            Ok(Ok(made)) => {
                let mut made = made.into_iter();
                let answer = |place| (place, made.next().ok_or_else(lost));
                answers.extend(places.into_iter().map(answer));
                return Vec::new();
            }
            // The others begin anew without those.
            Ok(Err(Failed::Some(wrong))) if !wrong.is_empty() => {
                for (number, error) in wrong {
                    if let Some(place) = places.get(number) {
                        answers.insert(*place, Err(error));
                    }
                }
                places.retain(|place| !answers.contains_key(place));
            }
            Ok(Err(Failed::All(error))) => {
                let each = |place| (place, Err(error.clone().into()));
                answers.extend(places.into_iter().map(each));
                return Vec::new();
            }
            // Nobody knows what became of them.
            Err(_) if commits.load(Ordering::Relaxed) => {
                answers.extend(places.into_iter().map(|place| (place, Err(lost()))));
                return Vec::new();
            }
            // It may be one that cannot be made, or that panics. Nothing of the others has happened.
            Ok(Err(_)) | Err(_) => return places,
        }
    }
}

/// Whether this one may begin; else it is told that it is late.
fn in_time<M: Makes>(makes: &M, place: usize, answers: &mut Answers<M::Made>) -> bool {
    let late = makes.is_late(place);
    if late {
        answers.insert(place, Err(NotDone::Late.into()));
    }
    !late
}

async fn make_alone<M: Makes>(makes: &M, places: Vec<usize>, answers: &mut Answers<M::Made>) {
    let mut away: Option<StoreError> = None;
    for place in places {
        // Each may wait as long for the same as the one before.
        if !in_time(makes, place, answers) {
            continue;
        }
        let answer = if let Some(error) = &away {
            Err(error.clone().into())
        } else {
            let made = AssertUnwindSafe(makes.alone(place)).catch_unwind();
            match made.await {
                Ok(Ok(made)) => made,
                Ok(Err(error)) => Err(away.insert(error).clone().into()),
                Err(_) => Err(lost()),
            }
        };
        answers.insert(place, answer);
    }
}

#[cfg(test)]
mod tests;
