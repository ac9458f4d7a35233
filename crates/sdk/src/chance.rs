use std::time::Duration;

/// Random bytes of the operating system.
///
/// # Panics
/// When there are none to be had; nothing safe could follow.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "a random generator that fails has no value to fall back to"
    )]
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes of the operating system");
    bytes
}

/// A number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / f64::from(u32::MAX)
}

/// A random part of a duration.
pub(crate) fn part_of(whole: Duration) -> Duration {
    whole.mul_f64(fraction())
}
