use std::{collections::HashMap, io::BufRead};

use chancery_domain::{StreamId, Timestamp};

use super::fault::{Fault, VerifyError};
use crate::{
    export::{ExportReader, Header, Next, OpenError},
    line::Line,
};

/// Reads an export entry by entry and holds each to what can be seen without a hash: its form, its
/// number, its tenant, its time and its place in its aggregate. What it keeps grows with the
/// aggregates, not with the entries.
pub struct Walk<R> {
    reader: ExportReader<R>,
    due: u64,
    last: Option<Timestamp>,
    sequences: HashMap<StreamId, i64>,
}

impl<R: BufRead> Walk<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(file: R) -> Result<Self, OpenError> {
        let reader = ExportReader::open(file)?;
        Ok(Self {
            due: reader.header().from,
            reader,
            last: None,
            sequences: HashMap::new(),
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// How many bytes of the file have been read.
    pub fn bytes(&self) -> u64 {
        self.reader.bytes()
    }

    /// The next entry, in the place of what `buffer` holds; none after the last one.
    ///
    /// # Errors
    /// The first fault of the file.
    pub fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Option<Line<'b>>, VerifyError> {
        let (entry, to) = (self.due, self.header().to);
        let next = self.reader.next_line(buffer)?;
        if entry > to {
            return match next {
                Next::End => Ok(None),
                _ => Err(Fault::Extra { to }.into()),
            };
        }
        match next {
            Next::Line => {}
            Next::Cut => return Err(Fault::Cut { entry }.into()),
            Next::TooLong => return Err(Fault::Endless { entry }.into()),
            Next::End => return Err(Fault::Truncated { entry, to }.into()),
        }
        let line = Line::read(buffer).map_err(|fault| Fault::Line { entry, fault })?;
        if u64::try_from(line.tenant_seq) != Ok(entry) {
            return Err(self.out_of_order(entry, line.tenant_seq)?.into());
        }
        self.check(entry, &line)?;
        self.due += 1;
        Ok(Some(line))
    }

    fn check(&mut self, entry: u64, line: &Line<'_>) -> Result<(), Fault> {
        if line.tenant != self.header().tenant.id {
            return Err(Fault::Tenant {
                entry,
                found: line.tenant,
            });
        }
        let found = line.recorded_at;
        if let Some(earlier) = self.last.replace(found).filter(|earlier| found < *earlier) {
            return Err(Fault::Time {
                entry,
                found,
                earlier,
            });
        }
        let whole = self.header().from == 1;
        let sequence = self.sequences.entry(line.stream).or_insert(0);
        // Where the roll is not there from its beginning, the first of an aggregate may have any number.
        let known = whole || *sequence > 0;
        if known && line.sequence != *sequence + 1 {
            return Err(Fault::Aggregate {
                entry,
                stream: line.stream,
                found: line.sequence,
                due: *sequence + 1,
            });
        }
        *sequence = line.sequence;
        Ok(())
    }

    /// What happened where another number stands than the one that is due: the line after it tells.
    fn out_of_order(&mut self, entry: u64, found: i64) -> Result<Fault, VerifyError> {
        if u64::try_from(found).is_ok_and(|found| found < entry) {
            return Ok(Fault::Inserted { entry, found });
        }
        let mut after = Vec::new();
        let is_due = match self.reader.next_line(&mut after)? {
            Next::Line => {
                Line::read(&after).is_ok_and(|line| u64::try_from(line.tenant_seq) == Ok(entry))
            }
            _ => false,
        };
        Ok(if is_due {
            Fault::Swapped { entry, found }
        } else {
            Fault::Removed { entry, found }
        })
    }
}
