use std::sync::{Arc, Mutex, PoisonError};

use super::Entropy;

/// How many bytes are drawn at once.
const DRAWN: usize = 1_024;

/// Chance for names: bytes that were drawn ahead, each given out once.
///
/// The generator asks the processor for fresh entropy and changes its own key for every call, whatever is drawn;
/// a request has an id for its trace and one for its token. Only what is told to everybody as soon as it is made
/// may come from here: the next names lie in memory. Keys, secrets, salts and nonces come from the generator.
pub struct Stock {
    source: Arc<dyn Entropy>,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    bytes: [u8; DRAWN],
    left: usize,
}

impl Stock {
    /// A stock of bytes from this source. Nothing is drawn yet.
    pub fn new(source: Arc<dyn Entropy>) -> Self {
        let bytes = [0; DRAWN];
        Self {
            source,
            drawn: Mutex::new(Drawn { bytes, left: 0 }),
        }
    }
}

impl Entropy for Stock {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > DRAWN {
            return self.source.fill(bytes);
        }
        // Whoever panicked while drawing has left nothing: what is there was not given out.
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.left < bytes.len() {
            drawn.left = 0;
            self.source.fill(&mut drawn.bytes);
            drawn.left = DRAWN;
        }
        let rest = drawn.left - bytes.len();
        let left = std::mem::replace(&mut drawn.left, rest);
        let given = &mut drawn.bytes[rest..left];
        bytes.copy_from_slice(given);
        given.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;

    fn stock() -> Stock {
        Stock::new(Arc::new(SeededEntropy::new(7)))
    }

    #[test]
    fn no_byte_is_given_twice_however_much_is_asked_for() {
        let stock = stock();
        let mut seen = std::collections::HashSet::new();
        for length in [16, 24, 500, 1_000, 24, DRAWN, 16, DRAWN + 8, 24] {
            let mut bytes = vec![0; length];
            stock.fill(&mut bytes);
            for piece in bytes.chunks_exact(8) {
                assert!(seen.insert(piece.to_vec()), "{length}");
            }
        }
        assert!(!seen.contains(&vec![0; 8]), "everything is filled");
    }

    #[test]
    fn nothing_that_was_given_stays() {
        let stock = stock();
        let given: [u8; 24] = (&stock as &dyn Entropy).bytes();
        let drawn = stock.drawn.lock().unwrap();
        assert_eq!(drawn.left, DRAWN - 24);
        assert!(!drawn.bytes.windows(8).any(|piece| piece == &given[..8]));
    }

    #[test]
    fn threads_share_it() {
        let stock = stock();
        let draw = || {
            let drawn: Vec<[u8; 16]> = (0..500).map(|_| (&stock as &dyn Entropy).bytes()).collect();
            drawn
        };
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            let drawn = threads.into_iter().flat_map(|it| it.join().unwrap());
            drawn.collect::<std::collections::HashSet<_>>()
        });
        assert_eq!(all.len(), 2_000);
    }
}
