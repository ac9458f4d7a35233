use super::ClientRefusal;
use crate::{tenant::ClientLifetime, time::Timestamp};

/// When a client shall end, as its creator says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// So many days from now.
    InDays(u32),
    /// At this moment.
    At(Timestamp),
}

impl Expiry {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::InDays(days) => now.plus_days(i64::from(days)),
            Self::At(end) => end,
        }
    }
}

/// The end of a client within the bounds of the tenant's policy.
///
/// # Errors
/// The bound that it breaks.
pub(super) fn within(
    bounds: ClientLifetime,
    expiry: Option<Expiry>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ClientRefusal> {
    let Some(end) = expiry.map(|expiry| expiry.at(now)) else {
        return match bounds.max {
            None => Ok(None),
            Some(max_days) => Err(ClientRefusal::ExpiryRequired { max_days }),
        };
    };
    if end < now.plus_days(i64::from(bounds.min)) {
        return Err(ClientRefusal::LifetimeTooShort {
            min_days: bounds.min,
        });
    }
    match bounds.max {
        Some(max_days) if end > now.plus_days(i64::from(max_days)) => {
            Err(ClientRefusal::LifetimeTooLong { max_days })
        }
        _ => Ok(Some(end)),
    }
}
