//! Lines of the log that come again and again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// For how long lines of one cause count together.
const TOGETHER: Duration = Duration::from_secs(10);

/// Lines of one cause. The first of them are said as they come, those that follow within ten seconds are left
/// out, and the next that is said tells how many were: so neither a stranger nor a full disk decides how much
/// is logged. What is exact is in the metrics.
///
/// ```
/// static LINES: chancery_telemetry::Repeated = chancery_telemetry::Repeated::new(1);
/// if let Some(left_out) = LINES.say() {
///     tracing::warn!(left_out, "a batch was not written");
/// }
/// ```
#[derive(Debug)]
pub struct Repeated {
    at_once: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Option<Instant>,
    said: u32,
    left_out: u64,
}

impl Repeated {
    /// Lines of which so many are said in ten seconds.
    pub const fn new(at_once: u32) -> Self {
        Self {
            at_once,
            state: Mutex::new(State {
                began: None,
                said: 0,
                left_out: 0,
            }),
        }
    }

    /// Whether to say this line: then, how many were left out since the last one that was said.
    pub fn say(&self) -> Option<u64> {
        self.say_at(Instant::now())
    }

    /// How many were left out since the last one that was said: for who says that it is over.
    pub fn over(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.began = None;
        std::mem::take(&mut state.left_out)
    }

    fn say_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let together = |began| now.saturating_duration_since(began) < TOGETHER;
        if !state.began.is_some_and(together) {
            state.began = Some(now);
            state.said = 0;
        }
        if state.said >= self.at_once {
            state.left_out += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_its_number() {
        let (lines, began) = (Repeated::new(2), Instant::now());
        let said = |millis| lines.say_at(began + Duration::from_millis(millis));
        let first: Vec<_> = (0..1_000).map(|line| said(line * 9)).collect();
        assert_eq!(first[..3], [Some(0), Some(0), None]);
        assert_eq!(first.iter().flatten().count(), 2);
        // Ten seconds after the first of them, not after the last.
        assert_eq!(said(9_999), None);
        assert_eq!(said(10_000), Some(999));
        assert_eq!(said(10_001), Some(0));
        assert_eq!(said(10_002), None);
        assert_eq!(said(60_000), Some(1));
    }

    #[test]
    fn what_is_over_is_told_with_its_number_and_begins_anew() {
        let (lines, now) = (Repeated::new(1), Instant::now());
        for _ in 0..5 {
            lines.say_at(now);
        }
        assert_eq!((lines.over(), lines.over()), (4, 0));
        assert_eq!(lines.say_at(now), Some(0));
    }
}
