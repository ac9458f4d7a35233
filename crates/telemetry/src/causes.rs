//! Why something failed, for the log.

use std::error::Error;

/// An error and what is behind it, in one line. Some errors say to whoever asked only that they failed, and others
/// repeat in their own words what is behind them; that is said once.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Says(&'static str, Option<Box<Says>>);

    impl std::fmt::Display for Says {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Says {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|behind| behind as _)
        }
    }

    #[test]
    fn what_is_behind_is_said_once() {
        let refused = Says("refused", None);
        let repeats = Says("no answer: refused", Some(Box::new(refused)));
        let asked = Says("try again", Some(Box::new(repeats)));
        assert_eq!(causes(&asked), "try again: no answer: refused");
    }
}
