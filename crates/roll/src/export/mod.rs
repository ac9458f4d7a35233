//! The roll as a file: a header, and one line for each entry.

mod header;
mod reader;
mod writer;

pub(crate) use header::as_text;
pub use header::{FORMAT, Header, HeaderError, TenantName};
pub use reader::{ExportReader, Next, OpenError};
pub use writer::{ExportError, ExportWriter};
