//! Lengths of time in days, to the second: some schedules are not of whole days.

use chancery_domain::Invalid;

use super::DAY;

/// The longest time between two rotations, in days.
pub(super) const MOST: u32 = 1_825;
/// Into how many parts a day is told, in a decimal fraction: finer than a second.
const PARTS: u64 = 100_000;

/// So many seconds in days, as short as it can be told.
pub(super) fn text(seconds: u32) -> String {
    let parts = (u64::from(seconds) * PARTS + u64::from(DAY) / 2) / u64::from(DAY);
    let text = format!("{}.{:05}", parts / PARTS, parts % PARTS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// So many days, in seconds.
pub(super) fn parse(text: &str) -> Result<u32, Invalid> {
    let wrong = || Invalid::new("days", "must be a number of days, like 30 or 1.5");
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 5 {
        return Err(wrong());
    }
    let (whole, part): (u64, u64) = (
        whole.parse().map_err(|_| too_many())?,
        format!("{part:0<5}").parse().map_err(|_| wrong())?,
    );
    if whole > u64::from(MOST) {
        return Err(too_many());
    }
    if whole + part == 0 {
        return Err(Invalid::new(
            "days",
            "must be more than 0 days; empty: none",
        ));
    }
    let seconds = ((whole * PARTS + part) * u64::from(DAY) + PARTS / 2) / PARTS;
    u32::try_from(seconds).map_err(|_| too_many())
}

fn too_many() -> Invalid {
    Invalid::new("days", format!("must be at most {MOST} days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_it_is_written_into_the_form() {
        for (seconds, days) in [
            (86_400, "1"),
            (129_600, "1.5"),
            (3_600, "0.04167"),
            (1_825 * 86_400, "1825"),
        ] {
            assert_eq!(text(seconds), days);
        }
        // Every second of some days, and then some.
        for seconds in (3_600..200_000).chain((0..1_500).map(|step| 200_000 + step * 104_729)) {
            assert_eq!(parse(&text(seconds)), Ok(seconds));
        }
    }

    #[test]
    fn what_is_no_number_of_days_is_said() {
        for wrong in ["", "x", "-1", "1.", ".5", "1,5", "1e3", "1.234567", "+1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for long in ["50000", "99999999999999999999999"] {
            assert_eq!(
                parse(long).unwrap_err().message,
                "must be at most 1825 days"
            );
        }
    }
}
