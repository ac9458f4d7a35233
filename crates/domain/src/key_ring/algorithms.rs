use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{id::ApiId, tenant::SigningAlgorithm, time::Timestamp};

/// Who signs with which algorithm, and since when nobody does with one that was in use.
///
/// The policy and the APIs say it too. It stands here once more, because whether an algorithm is in use
/// depends on all of them together: written into one stream, two changes at a time cannot each see the
/// other's algorithm in use, and the roll proves since when it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Algorithms {
    /// The tenant's. The ring's first key is of this algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_tenant: Option<SigningAlgorithm>,
    /// Those that APIs have of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    of_apis: BTreeMap<ApiId, SigningAlgorithm>,
    /// Since when nobody signs with one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    left: BTreeMap<SigningAlgorithm, Timestamp>,
}

impl Algorithms {
    /// After so many seconds every token has ended that was signed before: the longest life that a policy
    /// allows, and five minutes for clocks that differ.
    pub const TOKENS_HAVE_ENDED_AFTER: i64 = 86_400 + 300;

    /// Since when nobody signs with it; `None` while somebody does.
    pub fn left_at(&self, algorithm: SigningAlgorithm) -> Option<Timestamp> {
        self.left.get(&algorithm).copied()
    }

    /// The first key of the ring.
    pub(super) fn begin(&mut self, algorithm: SigningAlgorithm) {
        self.of_tenant.get_or_insert(algorithm);
    }

    pub(super) fn choose(
        &mut self,
        api: Option<ApiId>,
        algorithm: Option<SigningAlgorithm>,
        at: Timestamp,
    ) {
        let before = match (api, algorithm) {
            (Some(api), Some(algorithm)) => self.of_apis.insert(api, algorithm),
            (Some(api), None) => self.of_apis.remove(&api),
            (None, Some(algorithm)) => self.of_tenant.replace(algorithm),
            // The tenant always has one.
            (None, None) => None,
        };
        if let Some(before) = before.filter(|before| !self.is_in_use(*before)) {
            self.left.insert(before, at);
        }
        if let Some(algorithm) = algorithm {
            self.left.remove(&algorithm);
        }
    }

    fn is_in_use(&self, algorithm: SigningAlgorithm) -> bool {
        self.of_tenant == Some(algorithm) || self.of_apis.values().any(|other| *other == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::NOW;

    const ONE: SigningAlgorithm = SigningAlgorithm::Es256;
    const OTHER: SigningAlgorithm = SigningAlgorithm::EdDsa;

    fn api(number: u8) -> ApiId {
        ApiId::new(NOW, [number; 10])
    }

    #[test]
    fn an_algorithm_has_left_when_the_last_who_signed_with_it_has() {
        let mut algorithms = Algorithms::default();
        algorithms.begin(ONE);
        algorithms.choose(Some(api(1)), Some(OTHER), NOW);
        algorithms.choose(Some(api(2)), Some(OTHER), NOW);
        algorithms.choose(Some(api(1)), None, NOW.plus_seconds(1));
        assert_eq!(algorithms.left_at(OTHER), None);
        algorithms.choose(Some(api(2)), Some(ONE), NOW.plus_seconds(2));
        assert_eq!(algorithms.left_at(OTHER), Some(NOW.plus_seconds(2)));
        algorithms.choose(None, Some(OTHER), NOW.plus_seconds(3));
        assert_eq!(
            (algorithms.left_at(ONE), algorithms.left_at(OTHER)),
            (None, None)
        );
        algorithms.choose(Some(api(2)), None, NOW.plus_seconds(4));
        assert_eq!(algorithms.left_at(ONE), Some(NOW.plus_seconds(4)));
    }

    #[test]
    fn what_is_chosen_again_has_not_left() {
        let mut algorithms = Algorithms::default();
        algorithms.begin(ONE);
        for (at, algorithm) in [(1, OTHER), (2, ONE), (3, OTHER)] {
            algorithms.choose(None, Some(algorithm), NOW.plus_seconds(at));
        }
        assert_eq!(algorithms.left_at(ONE), Some(NOW.plus_seconds(3)));
        algorithms.choose(None, Some(OTHER), NOW.plus_seconds(4));
        assert_eq!(algorithms.left_at(OTHER), None);
    }
}
