use crate::{refusal::refusals, time::Timestamp};

refusals! {
    /// The rules of a client's secrets.
    SecretRefusal {
        #[error("the client would have {live} live secrets, those to come included, and the tenant's policy allows {max}; revoke one first, or rotate with an overlap of 0 seconds")]
        TooManyLiveSecrets { live: usize, max: u32 } = "TOO_MANY_LIVE_SECRETS",
        #[error("the secret would end before it begins, or has ended already; give a later expiresAt")]
        EndsTooEarly = "SECRET_ENDS_TOO_EARLY",
        #[error("the secret would live longer than the {max_days} day(s) that the tenant's policy allows; give an earlier expiresAt, or none")]
        LivesTooLong { max_days: u32 } = "SECRET_LIVES_TOO_LONG",
        #[error("the overlap can be 0 to {max} seconds (at most 30 days, and no longer than the interval of a schedule), and is {seconds}")]
        OverlapTooLong { seconds: u32, max: u32 } = "OVERLAP_TOO_LONG",
        #[error("a rotation can be scheduled every 3600 seconds (an hour) to 157680000 seconds (five years), and not every {seconds}")]
        IntervalOutOfBounds { seconds: u32 } = "ROTATION_INTERVAL_OUT_OF_BOUNDS",
        #[error("only a secret that is retiring can be given more time; this one is not retiring, or has ended")]
        NotRetiring = "SECRET_NOT_RETIRING",
        #[error("the secret retires at {retires_at} already, and a retirement is only put off; give a later time, or revoke the secret to end it earlier")]
        NotDeferred { retires_at: Timestamp } = "RETIREMENT_NOT_DEFERRED",
        #[error("the secret can retire at {latest} at the latest: 30 days from now, and not after it expires")]
        DeferredTooLong { latest: Timestamp } = "RETIREMENT_DEFERRED_TOO_LONG",
        #[error("the secret is revoked already")]
        AlreadyRevoked = "SECRET_REVOKED",
    }
}
