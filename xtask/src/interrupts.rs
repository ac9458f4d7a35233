//! Signals that ask us to stop: noted instead of obeyed at once, so that what runs ends in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// The last signal that asked us to stop.
#[derive(Clone)]
pub(crate) struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// From now on SIGINT, SIGTERM and SIGHUP are noted here and do not end the process.
    pub(crate) fn listen() -> Result<Self, Error> {
        let last = Arc::new(AtomicUsize::new(0));
        for (signal, number) in [(SIGINT, 2), (SIGTERM, 15), (SIGHUP, 1)] {
            signal_hook::flag::register_usize(signal, Arc::clone(&last), number)
                .map_err(Error::io("listen for signals"))?;
        }
        Ok(Self(last))
    }

    /// The signal that asked us to stop, if one did.
    pub(crate) fn signal(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(signal).ok(),
        }
    }

    /// [`Error::Interrupted`] once a signal has asked us to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.signal()
            .map_or(Ok(()), |signal| Err(Error::Interrupted(signal)))
    }

    /// Whether the signal came to this process alone. Ctrl-C reaches everything in the terminal's
    /// foreground; SIGTERM and SIGHUP have to be passed on.
    pub(crate) fn must_be_passed_on(&self) -> bool {
        matches!(self.signal(), Some(1 | 15))
    }
}
