//! The body of a row: a JSON array of records, each an array as the migration describes it. Most of what a record
//! says its neighbours say too, so a number in the place of a word stands for the word in that place of the line
//! with this number, which comes before it; the first line has the number 0.

mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chancery_domain::Timestamp;
use chancery_event_store::StoreError;
use serde::Serialize;

use crate::{
    activity::Entry,
    segments::line::{Line, Word},
};

pub(crate) use read::decode;

/// What a line is about as long as by itself, and among others.
const ALONE: usize = 384;
const AMONG: usize = 208;

/// How many members a line has: the moment, the words, and before the address when the token ends.
const MEMBERS: usize = Word::ALL.len() + 2;

/// Whose members are as good as never another record's too: numbers, and what is drawn for each.
const ITS_OWN: [usize; 4] = [0, 6, 7, 11];

/// A record's line by itself, with where each member of it ends.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    line: String,
    ends: [usize; MEMBERS],
}

impl Written {
    pub(crate) fn of(entry: &Entry<'_>) -> Result<Self, StoreError> {
        Writing::new()
            .put(entry.at.micros())?
            .put(entry.kind.as_str())?
            .put(entry.client.as_deref())?
            .put(entry.credential.as_deref())?
            .put(entry.scopes.as_deref())?
            .put(entry.audience.as_deref())?
            .put(entry.jti.as_deref())?
            .put(entry.expires_at.map(Timestamp::micros))?
            .put(entry.address)?
            .put(entry.user_agent.as_deref())?
            .put(entry.reason)?
            .put(entry.trace_id.as_deref())?
            .end()
    }

    /// What was read, as it was written.
    pub(crate) fn again(line: &Line<'_>) -> Result<Self, StoreError> {
        let mut writing = Writing::new().put(line.at)?;
        for word in Word::ALL {
            if word == Word::Address {
                writing = writing.put(line.expires_at)?;
            }
            writing = writing.put(line.word(word))?;
        }
        writing.end()
    }

    /// The whole line, which is one of a body too.
    pub(crate) fn as_str(&self) -> &str {
        &self.line
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        let mut begin = 1;
        self.ends.iter().map(move |end| {
            let member = self.line.get(begin..*end).unwrap_or_default();
            begin = end + 1;
            member
        })
    }
}

/// A line that is being written.
struct Writing {
    line: Vec<u8>,
    ends: [usize; MEMBERS],
    members: usize,
}

impl Writing {
    fn new() -> Self {
        Self {
            line: Vec::with_capacity(ALONE),
            ends: [0; MEMBERS],
            members: 0,
        }
    }

    fn put(mut self, member: impl Serialize) -> Result<Self, StoreError> {
        self.line.push(if self.members == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut self.line, &member).map_err(|_| no_json())?;
        if let Some(end) = self.ends.get_mut(self.members) {
            *end = self.line.len();
        }
        self.members += 1;
        Ok(self)
    }

    fn end(mut self) -> Result<Written, StoreError> {
        self.line.push(b']');
        let line = String::from_utf8(self.line).map_err(|_| no_json())?;
        Ok(Written {
            line,
            ends: self.ends,
        })
    }
}

fn no_json() -> StoreError {
    StoreError::Misuse("a record is no JSON".to_owned())
}

/// A body that is being put together.
pub(crate) struct Body<'a> {
    text: String,
    lines: usize,
    /// What stood in each place of the line before, and where it stood first.
    before: [(&'a str, usize); MEMBERS],
    /// The line in which each member stood first.
    first: HashMap<(usize, &'a str), usize>,
}

impl<'a> Body<'a> {
    /// For about so many lines.
    pub(crate) fn of(lines: usize) -> Self {
        Self {
            text: String::with_capacity(lines * AMONG + 2),
            lines: 0,
            before: [("", 0); MEMBERS],
            first: HashMap::new(),
        }
    }

    pub(crate) fn push(&mut self, written: &'a Written) {
        self.text.push(if self.lines == 0 { '[' } else { ',' });
        for (place, member) in written.members().enumerate() {
            self.text.push(if place == 0 { '[' } else { ',' });
            match self.told(place, member) {
                Some(line) => push_number(&mut self.text, line),
                None => self.text.push_str(member),
            }
        }
        self.text.push(']');
        self.lines += 1;
    }

    /// The line that said the same in this place, where that is shorter.
    fn told(&mut self, place: usize, member: &'a str) -> Option<usize> {
        if ITS_OWN.contains(&place) || member == "null" {
            return None;
        }
        let before = self.before.get_mut(place)?;
        if before.0 != member {
            let first = *self.first.entry((place, member)).or_insert(self.lines);
            *before = (member, first);
        }
        (before.1 < self.lines).then_some(before.1)
    }

    pub(crate) fn end(mut self) -> String {
        self.text.push_str(if self.lines == 0 { "[]" } else { "]" });
        self.text
    }
}

/// Nearly always it is the first line.
fn push_number(text: &mut String, number: usize) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => text.push(char::from(b'0' + digit)),
        _ => text.push_str(&number.to_string()),
    }
}
