use std::{
    io,
    sync::{Mutex, OnceLock},
};

use tracing_subscriber::{filter::LevelFilter, fmt::format::FmtSpan};

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Written;

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps from now on what this process logs, spans and everything at the most talkative level. In a
/// process with other tests it holds their log too.
pub(crate) fn keep_log() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Written)
            .init();
    });
}

/// What was logged since.
pub(crate) fn kept_log() -> String {
    String::from_utf8_lossy(&WRITTEN.lock().unwrap()).into_owned()
}
