use super::{PolicyRule, Reach, Tightened};

impl Tightened {
    /// What happens to those who stand against the rule, in a sentence.
    pub fn message(&self) -> String {
        let text = match (self.rule, self.reach) {
            (PolicyRule::AuthMethodNotAllowed, Reach::Method(method)) => {
                let (name, needs) = (method.as_str(), method.needs());
                return format!(
                    "clients that authenticate with {name} get no token any more; keep {needs} in allowedAuthMethods, or move them by updateClient first"
                );
            }
            (PolicyRule::AuthMethodNotAllowed, _) => {
                "clients that authenticate in a way that is not allowed get no token any more"
            }
            (PolicyRule::SecretWayTurnedOff, _) => {
                "clients that send their secret in the way that is not allowed any more get no token; those that send it in the other way do"
            }
            (PolicyRule::NameRequired, _) => {
                "clients without a name go on; once they have one, they keep one"
            }
            (PolicyRule::MetadataNotAllowed, _) => {
                "clients keep the metadata that they have; it can be taken away, and not be changed"
            }
            (PolicyRule::ExpiryRequired, _) => {
                "clients without an end go on without one; whoever changes the end has to give one"
            }
            (PolicyRule::LifetimeTooLong, _) => {
                "clients keep the end that they have, which is later than one that could be given now"
            }
            (PolicyRule::SecretLivesTooLong, _) => {
                "secrets keep the end that they have, which is later than the policy allows; rotate them to give them an earlier one"
            }
            (PolicyRule::TooManyLiveSecrets, _) => {
                "clients keep the secrets that they have; none can be issued or rotated with an overlap until fewer are live"
            }
            (PolicyRule::RefreshTokensTurnedOff, _) => {
                "no refresh token is given or taken any more: clients ask for each access token with their own credential"
            }
            (PolicyRule::SigningAlgorithmChanged, _) => {
                "tokens for APIs without an algorithm of their own are signed with another one, which whoever verifies them must accept; a token cannot be for APIs that differ"
            }
            (PolicyRule::RotationNeedsNoOverlap, _) => {
                "with one live secret at most there is no room for an overlap: a rotation is refused unless it says overlapSeconds: 0; set rotationOverlapSeconds to 0 as well"
            }
        };
        text.to_owned()
    }
}
