use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TOKENS_HAVE_ENDED_AFTER;
use crate::{id::ApiId, tenant::SigningAlgorithm, time::Timestamp};

/// Who signs with which algorithm and from when, and since when nobody does with one that was in use.
///
/// The policy and the APIs say it too. It stands here once more, because whether an algorithm is in use
/// depends on all of them together: written into one stream, two changes at a time cannot each see the
/// other's algorithm in use, and the roll proves since when it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Algorithms {
    /// The tenant's. The ring's first key is of this algorithm.
    #[serde(default, skip_serializing_if = "Choices::is_empty")]
    of_tenant: Choices,
    /// Those that APIs have of their own, or had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    of_apis: BTreeMap<ApiId, Choices>,
    /// From when on nobody signs with one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    left: BTreeMap<SigningAlgorithm, Timestamp>,
    /// Since when the keys of one are in the key set without a break.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    published: BTreeMap<SigningAlgorithm, Timestamp>,
}

/// What one who signs has chosen: what holds, and what will hold from a moment on. The first of two is
/// forgotten with the next choice after the second has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Choices(Vec<Choice>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Choice {
    /// None: an API follows the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<SigningAlgorithm>,
    from: Timestamp,
}

impl Choices {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds at a moment.
    fn at(&self, now: Timestamp) -> Option<SigningAlgorithm> {
        let begun = self.0.iter().rev().find(|choice| choice.from <= now);
        begun?.algorithm
    }

    /// What was chosen last, whether or not it holds already.
    fn last(&self) -> Option<SigningAlgorithm> {
        self.0.last()?.algorithm
    }

    fn has(&self, algorithm: SigningAlgorithm, now: Timestamp) -> bool {
        self.at(now) == Some(algorithm) || self.last() == Some(algorithm)
    }

    /// Takes a new choice, and gives what was chosen until then: what holds until the new one does, and
    /// what was to come.
    fn choose(&mut self, choice: Choice, now: Timestamp) -> [Option<SigningAlgorithm>; 2] {
        let (held, coming) = (self.at(now), self.last());
        let kept = Choice {
            algorithm: held,
            from: now,
        };
        self.0.clear();
        if choice.from > now {
            self.0.push(kept);
        }
        self.0.push(choice);
        [held, coming]
    }
}

impl Algorithms {
    /// With what the tokens for an API are signed at a moment; `None` for a ring without a key.
    pub fn of_api(&self, api: ApiId, now: Timestamp) -> Option<SigningAlgorithm> {
        let own = self.of_apis.get(&api).and_then(|choices| choices.at(now));
        own.or_else(|| self.of_tenant(now))
    }

    /// With what the tenant's tokens are signed at a moment, where their API has no algorithm of its own.
    pub fn of_tenant(&self, now: Timestamp) -> Option<SigningAlgorithm> {
        let first = || self.of_tenant.0.first()?.algorithm;
        self.of_tenant.at(now).or_else(first)
    }

    /// From when on nobody signs with it; `None` while somebody does or will.
    pub fn left_at(&self, algorithm: SigningAlgorithm) -> Option<Timestamp> {
        self.left.get(&algorithm).copied()
    }

    /// Since when its keys are in the key set without a break.
    pub(super) fn published_since(&self, algorithm: SigningAlgorithm) -> Option<Timestamp> {
        self.published.get(&algorithm).copied()
    }

    /// Whether somebody signs with it at this moment.
    pub(super) fn signs(&self, algorithm: SigningAlgorithm, now: Timestamp) -> bool {
        let own = |choices: &Choices| choices.at(now) == Some(algorithm);
        self.of_tenant(now) == Some(algorithm) || self.of_apis.values().any(own)
    }

    /// When somebody begins to sign with it, where nobody does at this moment.
    pub(super) fn begins(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<Timestamp> {
        if self.signs(algorithm, now) {
            return None;
        }
        let all = self.of_apis.values().chain([&self.of_tenant]);
        all.flat_map(|choices| &choices.0)
            .filter(|choice| choice.algorithm == Some(algorithm) && choice.from > now)
            .map(|choice| choice.from)
            .min()
    }

    /// Whether somebody signs with it, or will.
    pub fn is_in_use(&self, algorithm: SigningAlgorithm, now: Timestamp) -> bool {
        self.of_tenant.has(algorithm, now)
            || self
                .of_apis
                .values()
                .any(|choices| choices.has(algorithm, now))
    }

    /// Those that the last choices name.
    pub(super) fn chosen(&self) -> impl Iterator<Item = SigningAlgorithm> {
        let all = self.of_apis.values().chain([&self.of_tenant]);
        all.filter_map(Choices::last)
    }

    /// The next moment at which somebody begins to sign with another algorithm.
    pub fn next_switch(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.of_apis.values().chain([&self.of_tenant]);
        all.flat_map(|choices| &choices.0)
            .map(|choice| choice.from)
            .filter(|from| *from > now)
            .min()
    }

    /// Who will begin to sign with it and does not yet: what each has chosen, and from when on that holds.
    pub(super) fn waiting(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Vec<(Option<ApiId>, Option<SigningAlgorithm>, Timestamp)> {
        let own = self.of_apis.iter().map(|(api, it)| (Some(*api), it));
        let all = own.chain([(None, &self.of_tenant)]);
        let last = all.filter_map(|(who, choices)| Some((who, choices.0.last()?)));
        last.filter(|(_, choice)| choice.from > now)
            .filter(|(_, choice)| {
                let with = choice.algorithm.or_else(|| self.of_tenant(choice.from));
                with == Some(algorithm)
            })
            .map(|(who, choice)| (who, choice.algorithm, choice.from))
            .collect()
    }

    /// A key was made. The first of the ring is of the tenant's algorithm. One whose algorithm is on its way out
    /// leaves with it: nobody signs with it for longer because of a new key.
    pub(super) fn key_made(&mut self, algorithm: SigningAlgorithm, at: Timestamp) {
        if self.of_tenant.is_empty() {
            self.of_tenant.0.push(Choice {
                algorithm: Some(algorithm),
                from: at,
            });
        }
        if self.left_at(algorithm).is_none_or(|left| left <= at) {
            self.publish(algorithm, at);
        }
    }

    pub(super) fn choose(
        &mut self,
        api: Option<ApiId>,
        algorithm: Option<SigningAlgorithm>,
        (chosen_at, signs_from): (Timestamp, Timestamp),
    ) {
        if let Some(algorithm) = algorithm {
            self.publish(algorithm, chosen_at);
        }
        let choices = match (api, algorithm) {
            (Some(api), _) => self.of_apis.entry(api).or_default(),
            (None, Some(_)) => &mut self.of_tenant,
            // The tenant always has one.
            (None, None) => return,
        };
        let choice = Choice {
            algorithm,
            from: signs_from,
        };
        let before = choices.choose(choice, chosen_at);
        for algorithm in before.into_iter().flatten() {
            if !self.chosen().any(|other| other == algorithm) {
                let left = self.left.entry(algorithm).or_insert(signs_from);
                *left = signs_from.max(*left);
            }
        }
    }

    /// Its keys are in the key set from now on, if they are not already.
    fn publish(&mut self, algorithm: SigningAlgorithm, at: Timestamp) {
        let out = self
            .left
            .remove(&algorithm)
            .is_some_and(|left| left.plus_seconds(TOKENS_HAVE_ENDED_AFTER) <= at);
        if out || !self.published.contains_key(&algorithm) {
            self.published.insert(algorithm, at);
        }
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

    fn at(seconds: i64) -> Timestamp {
        NOW.plus_seconds(seconds)
    }

    fn begun() -> Algorithms {
        let mut algorithms = Algorithms::default();
        algorithms.key_made(ONE, NOW);
        algorithms
    }

    #[test]
    fn an_algorithm_has_left_when_the_last_who_signed_with_it_has() {
        let mut algorithms = begun();
        let mut choose = |who: Option<u8>, algorithm, seconds| {
            let moment = (at(seconds), at(seconds));
            algorithms.choose(who.map(api), algorithm, moment);
            (algorithms.left_at(ONE), algorithms.left_at(OTHER))
        };
        choose(Some(1), Some(OTHER), 0);
        choose(Some(2), Some(OTHER), 0);
        assert_eq!(choose(Some(1), None, 1), (None, None));
        assert_eq!(choose(Some(2), Some(ONE), 2), (None, Some(at(2))));
        assert_eq!(choose(None, Some(OTHER), 3), (None, None));
        assert_eq!(choose(Some(2), None, 4), (Some(at(4)), None));
    }

    #[test]
    fn what_is_chosen_holds_from_its_moment_on() {
        let mut algorithms = begun();
        algorithms.choose(None, Some(OTHER), (at(10), at(70)));
        assert_eq!(algorithms.of_api(api(1), at(69)), Some(ONE));
        assert_eq!(algorithms.of_api(api(1), at(70)), Some(OTHER));
        assert_eq!(algorithms.left_at(ONE), Some(at(70)));
        assert!(algorithms.is_in_use(ONE, at(69)) && !algorithms.is_in_use(ONE, at(70)));
        assert_eq!(algorithms.next_switch(at(69)), Some(at(70)));
        assert_eq!(algorithms.next_switch(at(70)), None);
        // Thought better of before it began: nothing has changed, and the other one was never used.
        algorithms.choose(None, Some(ONE), (at(20), at(20)));
        assert_eq!(algorithms.of_tenant(at(70)), Some(ONE));
        assert_eq!(
            (algorithms.left_at(ONE), algorithms.left_at(OTHER)),
            (None, Some(at(20)))
        );
    }

    #[test]
    fn a_key_that_is_made_for_an_algorithm_on_its_way_out_leaves_with_it() {
        let mut algorithms = begun();
        algorithms.choose(None, Some(OTHER), (at(10), at(70)));
        algorithms.key_made(ONE, at(20));
        assert_eq!(algorithms.left_at(ONE), Some(at(70)));
        // Once it is out, a key of it is there because somebody wants it to be.
        algorithms.key_made(ONE, at(70));
        assert_eq!(algorithms.left_at(ONE), None);
    }

    #[test]
    fn those_who_wait_for_an_algorithm_are_known() {
        let mut algorithms = begun();
        algorithms.choose(Some(api(1)), Some(OTHER), (at(0), at(0)));
        algorithms.choose(None, Some(OTHER), (at(10), at(70)));
        algorithms.choose(Some(api(2)), Some(ONE), (at(10), at(10)));
        algorithms.choose(Some(api(2)), None, (at(20), at(80)));
        algorithms.choose(Some(api(3)), Some(OTHER), (at(20), at(80)));
        let who = |seconds| algorithms.waiting(OTHER, at(seconds));
        let (tenant, api_2, api_3) = (
            (None, Some(OTHER), at(70)),
            (Some(api(2)), None, at(80)),
            (Some(api(3)), Some(OTHER), at(80)),
        );
        assert_eq!(who(20), [api_2, api_3, tenant]);
        assert_eq!(who(70), [api_2, api_3]);
        assert_eq!(who(80), []);
    }

    #[test]
    fn what_an_api_had_holds_until_the_tenants_does() {
        let mut algorithms = begun();
        algorithms.choose(Some(api(1)), Some(OTHER), (at(0), at(0)));
        algorithms.choose(Some(api(1)), None, (at(10), at(20)));
        assert_eq!(algorithms.of_api(api(1), at(19)), Some(OTHER));
        assert_eq!(algorithms.of_api(api(1), at(20)), Some(ONE));
        assert_eq!(algorithms.of_api(api(2), at(0)), Some(ONE));
        // One that had none follows the tenant until its own begins.
        algorithms.choose(Some(api(2)), Some(OTHER), (at(10), at(20)));
        assert_eq!(algorithms.of_api(api(2), at(19)), Some(ONE));
        assert_eq!(algorithms.of_api(api(2), at(20)), Some(OTHER));
    }

    #[test]
    fn keys_are_published_anew_once_they_were_out_of_the_set() {
        let mut algorithms = begun();
        algorithms.choose(None, Some(OTHER), (at(1), at(1)));
        algorithms.choose(None, Some(ONE), (at(86_700), at(86_700)));
        assert_eq!(
            algorithms.published_since(ONE),
            Some(NOW),
            "without a break"
        );
        algorithms.choose(None, Some(OTHER), (at(86_701), at(86_701)));
        algorithms.choose(None, Some(ONE), (at(200_000), at(200_000)));
        assert_eq!(algorithms.published_since(ONE), Some(at(200_000)));
        assert_eq!(algorithms.left_at(ONE), None);
    }
}
