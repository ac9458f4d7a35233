use std::io::{self, BufRead, Read};

use super::{Header, HeaderError};

/// The longest line that is read, in bytes; events are far shorter.
const MAX_LINE: u64 = 16 << 20;
/// The longest header.
const MAX_HEADER: u64 = 1 << 20;

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no export that this version reads.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The system cannot read it.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads an export line by line; only one is in memory.
pub struct ExportReader<R> {
    file: R,
    header: Header,
    bytes: u64,
}

/// What came next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line; its newline is left out.
    Line,
    /// The file ends in the middle of a line.
    Cut,
    /// A line without an end in sight.
    TooLong,
    /// The file ends.
    End,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(mut file: R) -> Result<Self, OpenError> {
        let mut line = Vec::new();
        let bytes = (&mut file).take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Err(HeaderError::Empty.into());
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            // Cut or endless: whatever it says, it is no line.
            return Err(match Header::read(&line) {
                Err(other @ HeaderError::OtherFormat(_)) => other,
                Ok(_) => HeaderError::Unreadable("the line has no end".to_owned()),
                Err(_) => HeaderError::NotAnExport,
            }
            .into());
        }
        Ok(Self {
            header: Header::read(&line)?,
            file,
            bytes: bytes as u64,
        })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the next line in the place of what `line` holds.
    ///
    /// # Errors
    /// What the system says.
    pub fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let bytes = (&mut self.file).take(MAX_LINE).read_until(b'\n', line)? as u64;
        self.bytes += bytes;
        Ok(match line.last() {
            None => Next::End,
            Some(b'\n') => {
                line.pop();
                Next::Line
            }
            Some(_) if bytes == MAX_LINE => Next::TooLong,
            Some(_) => Next::Cut,
        })
    }
}
