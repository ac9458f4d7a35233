//! The body of a row: a JSON array of records, each an array as the migration describes it. Most of what a record
//! says its neighbours say too, so a number in the place of a word stands for the word in that place of the line
//! with this number, which comes before it; the first line has the number 0.

mod read;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashMap};

use chancery_domain::Timestamp;
use chancery_event_store::StoreError;
use serde::{Deserialize, Serialize};

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

/// Where the numbers stand among them.
const AT: usize = 0;
const EXPIRES_AT: usize = 7;

/// Whose members are as good as never another record's too: numbers, and what is drawn for each.
const ITS_OWN: [usize; 4] = [AT, 6, EXPIRES_AT, 11];

/// A record's line by itself, with where each member of it ends.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    line: String,
    ends: [u32; MEMBERS],
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

    /// The whole line, which is one of a body too.
    pub(crate) fn as_str(&self) -> &str {
        &self.line
    }

    /// How many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.line.capacity()
    }

    /// What it says, as far as that was looked at already when it was written.
    pub(crate) fn read(&self) -> Result<Line<'_>, StoreError> {
        let mut line = Line {
            at: 0,
            expires_at: None,
            words: [const { None }; Word::ALL.len()],
        };
        let mut words = line.words.iter_mut();
        for (place, json) in self.json().enumerate() {
            match place {
                AT => line.at = value(json)?,
                EXPIRES_AT => line.expires_at = value(json)?,
                _ => {
                    let word = words.next().ok_or_else(no_json)?;
                    *word = match json.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
                        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
                        _ => value::<Option<String>>(json)?.map(Cow::Owned),
                    };
                }
            }
        }
        Ok(line)
    }

    fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.json().map(Member::Json)
    }

    fn json(&self) -> impl Iterator<Item = &str> {
        let mut begin = 1;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let member = self.line.get(begin..end).unwrap_or_default();
            begin = end + 1;
            member
        })
    }
}

/// A member of a line, to be put into a body.
enum Member<'a> {
    /// As it was written.
    Json(&'a str),
    /// As it was read.
    Word(&'a str),
    Number(i64),
    Nothing,
}

impl<'a> Member<'a> {
    /// Those of a line that was read.
    fn of(line: &'a Line<'_>) -> impl Iterator<Item = Self> {
        let number = |number: Option<i64>| number.map_or(Self::Nothing, Self::Number);
        let word = |place: usize| {
            let word = line.words.get(place).and_then(Option::as_deref);
            word.map_or(Self::Nothing, Self::Word)
        };
        let address = Word::Address as usize;
        std::iter::once(Self::Number(line.at))
            .chain((0..address).map(word))
            .chain(std::iter::once(number(line.expires_at)))
            .chain((address..Word::ALL.len()).map(word))
    }

    /// What another line may say too, where its number is shorter.
    fn said(&self) -> Option<&'a str> {
        match self {
            Self::Json("null") | Self::Number(_) | Self::Nothing => None,
            Self::Json(said) | Self::Word(said) => Some(said),
        }
    }

    fn write(&self, text: &mut Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Json(json) => text.extend_from_slice(json.as_bytes()),
            Self::Nothing => text.extend_from_slice(b"null"),
            Self::Number(number) => write(text, number)?,
            Self::Word(word) => write(text, word)?,
        }
        Ok(())
    }
}

fn value<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|_| no_json())
}

fn write(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), StoreError> {
    serde_json::to_writer(text, value).map_err(|_| no_json())
}

/// A line that is being written.
struct Writing {
    line: Vec<u8>,
    ends: [u32; MEMBERS],
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
        write(&mut self.line, &member)?;
        if let Some(end) = self.ends.get_mut(self.members) {
            *end = u32::try_from(self.line.len()).map_err(|_| no_json())?;
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

/// What the fresh lines of a batch say together.
pub(crate) struct Batch<'a>(Body<'a>);

impl<'a> Batch<'a> {
    /// For about so many lines.
    pub(crate) fn of(lines: usize) -> Self {
        Self(Body::of(lines))
    }

    pub(crate) fn push(&mut self, written: &'a Written) -> Result<(), StoreError> {
        // It does not stay for long: that a client comes twice among some thirty is not looked for.
        self.0.push(written.members(), |_, _| None)
    }

    pub(crate) fn end(self) -> Result<String, StoreError> {
        self.0.end()
    }
}

/// A body of all these lines, where each says what was said before by its number.
pub(crate) fn encode<'a>(
    lines: impl ExactSizeIterator<Item = &'a Line<'a>>,
) -> Result<String, StoreError> {
    let mut body = Body::of(lines.len());
    let mut first: HashMap<(usize, &str), usize> = HashMap::new();
    for (number, line) in lines.enumerate() {
        body.push(Member::of(line), |place, said| {
            Some(*first.entry((place, said)).or_insert(number))
        })?;
    }
    body.end()
}

/// A body that is being put together.
struct Body<'a> {
    text: Vec<u8>,
    lines: usize,
    /// What was said last in each place, and where it stood first.
    before: [Option<(&'a str, usize)>; MEMBERS],
}

impl<'a> Body<'a> {
    fn of(lines: usize) -> Self {
        Self {
            text: Vec::with_capacity(lines * AMONG + 2),
            lines: 0,
            before: [None; MEMBERS],
        }
    }

    /// `first` tells the line that said so first where it was not the line before.
    fn push(
        &mut self,
        members: impl Iterator<Item = Member<'a>>,
        mut first: impl FnMut(usize, &'a str) -> Option<usize>,
    ) -> Result<(), StoreError> {
        self.text.push(if self.lines == 0 { b'[' } else { b',' });
        for (place, member) in members.enumerate() {
            self.text.push(if place == 0 { b'[' } else { b',' });
            let said = member.said().filter(|_| !ITS_OWN.contains(&place));
            match said.and_then(|said| self.told(place, said, &mut first)) {
                Some(digit @ 0..=9) => self.text.extend(u8::try_from(digit).map(|it| b'0' + it)),
                Some(line) => write(&mut self.text, &line)?,
                None => member.write(&mut self.text)?,
            }
        }
        self.text.push(b']');
        self.lines += 1;
        Ok(())
    }

    /// The line that said the same in this place.
    fn told(
        &mut self,
        place: usize,
        said: &'a str,
        first: &mut impl FnMut(usize, &'a str) -> Option<usize>,
    ) -> Option<usize> {
        let before = self.before.get_mut(place)?;
        let line = match before {
            Some((last, line)) if *last == said => *line,
            _ => {
                let line = first(place, said).unwrap_or(self.lines);
                *before = Some((said, line));
                line
            }
        };
        (line < self.lines).then_some(line)
    }

    fn end(mut self) -> Result<String, StoreError> {
        let end: &[u8] = if self.lines == 0 { b"[]" } else { b"]" };
        self.text.extend_from_slice(end);
        String::from_utf8(self.text).map_err(|_| no_json())
    }
}
