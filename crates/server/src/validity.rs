//! When a certificate begins and ends (RFC 5280, section 4.1).

use chancery_domain::Timestamp;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which is left out in the first.
const VERSION: u8 = 0xa0;

/// What is left to read of an encoding in DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value, with its tag.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // More than four bytes of length are of no certificate.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| (length << 8) | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    /// The next value, which has this tag.
    fn tagged(&mut self, tag: u8) -> Option<Der<'a>> {
        let (found, value) = self.next()?;
        (found == tag).then_some(Der(value))
    }
}

/// When a certificate is valid, as far as that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    /// Its first moment.
    pub(crate) begins: Option<Timestamp>,
    /// Its last.
    pub(crate) ends: Option<Timestamp>,
}

impl Validity {
    /// That of the certificate.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self::read(certificate).unwrap_or_default()
    }

    fn read(certificate: &[u8]) -> Option<Self> {
        let mut to_be_signed = Der(certificate).tagged(SEQUENCE)?.tagged(SEQUENCE)?;
        if to_be_signed.0.first() == Some(&VERSION) {
            to_be_signed.next()?;
        }
        to_be_signed.tagged(INTEGER)?;
        // The algorithm of the signature, and the issuer.
        to_be_signed.tagged(SEQUENCE)?;
        to_be_signed.tagged(SEQUENCE)?;
        let mut validity = to_be_signed.tagged(SEQUENCE)?;
        Some(Self {
            begins: moment(validity.next()?),
            ends: moment(validity.next()?),
        })
    }
}

fn moment((tag, time): (u8, &[u8])) -> Option<Timestamp> {
    let time = str::from_utf8(time).ok()?;
    match tag {
        // Two digits are a year from 1950 to 2049.
        UTC_TIME => {
            let century = if time.get(..2)? < "50" { "20" } else { "19" };
            parsed(&format!("{century}{time}"))
        }
        GENERALIZED_TIME => parsed(time),
        _ => None,
    }
}

/// `20301231235959Z`.
fn parsed(time: &str) -> Option<Timestamp> {
    let part = |from: usize, to| time.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    (part(14, time.len())? == "Z").then_some(())?;
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000000Z")
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(ends: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1975, 1, 1);
        params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn beginning_and_end_are_read_in_both_ways_to_write_it() {
        for (ends, told) in [
            ((1999, 12, 31), "1999-12-31"),
            ((2030, 2, 28), "2030-02-28"),
            ((2049, 12, 31), "2049-12-31"),
            ((2050, 1, 1), "2050-01-01"),
        ] {
            let Validity { begins, ends } = Validity::of(&certificate(ends));
            let (begins, ends) = (begins.unwrap().to_string(), ends.unwrap().to_string());
            assert!(ends.starts_with(&format!("{told}T00:00:00")), "{ends}");
            assert!(begins.starts_with("1975-01-01T00:00:00"), "{begins}");
        }
    }

    #[test]
    fn what_breaks_off_ends_at_no_time() {
        let whole = certificate((2050, 1, 1));
        for length in 0..80 {
            assert_eq!(Validity::of(&whole[..length]).ends, None, "{length}");
        }
        for nonsense in [
            &b""[..],
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x80",
            b"nothing",
        ] {
            assert_eq!(Validity::of(nonsense), Validity::default());
        }
    }
}
