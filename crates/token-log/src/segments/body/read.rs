//! Reads a body. A number in the place of a word is looked up in the lines that were read before.

use std::{borrow::Cow, fmt};

use chancery_event_store::StoreError;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::segments::line::{Line, Word};

/// The records of a body.
pub(crate) fn decode(body: &str) -> Result<Vec<Line<'_>>, StoreError> {
    let mut reader = serde_json::Deserializer::from_str(body);
    let lines = Lines.deserialize(&mut reader);
    lines
        .and_then(|lines| reader.end().map(|()| lines))
        .map_err(|error| {
            StoreError::Corrupt(format!("a segment of activity is unreadable: {error}"))
        })
}

struct Lines;

impl<'de> DeserializeSeed<'de> for Lines {
    type Value = Vec<Line<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Lines {
    type Value = Vec<Line<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut lines = Vec::new();
        while let Some(line) = seq.next_element_seed(Next { before: &lines })? {
            lines.push(line);
        }
        Ok(lines)
    }
}

/// The line after these.
#[derive(Clone, Copy)]
struct Next<'b, 'de> {
    before: &'b [Line<'de>],
}

impl<'de> DeserializeSeed<'de> for Next<'_, 'de> {
    type Value = Line<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Next<'_, 'de> {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of a record's members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let short = || A::Error::custom("a record has too few members");
        let mut line = Line {
            at: seq.next_element()?.ok_or_else(short)?,
            expires_at: None,
            words: [const { None }; Word::ALL.len()],
        };
        for (place, word) in line.words.iter_mut().zip(Word::ALL) {
            if word == Word::Address {
                line.expires_at = seq.next_element()?.ok_or_else(short)?;
            }
            let next = Told {
                word,
                before: self.before,
            };
            *place = seq.next_element_seed(next)?.ok_or_else(short)?;
        }
        Ok(line)
    }
}

/// A word, or the number of the line that has it.
struct Told<'b, 'de> {
    word: Word,
    before: &'b [Line<'de>],
}

impl<'de> DeserializeSeed<'de> for Told<'_, 'de> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Told<'_, 'de> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, the number of an earlier line, or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: Error>(self, word: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(word)))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(word.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let line = usize::try_from(number)
            .ok()
            .and_then(|line| self.before.get(line));
        let word = line.and_then(|line| line.words.get(self.word as usize)?.clone());
        word.map(Some).ok_or_else(|| {
            let (own, word) = (self.before.len(), self.word);
            E::custom(format!(
                "line {own} has its {word:?} from line {number}, which has none before it"
            ))
        })
    }
}
