//! A record's place in the log, which is its id: a `UUIDv7` of its moment whose lower part is not
//! chance but the record's number.

use chancery_domain::{ActivityId, Timestamp};

/// The bits of a `UUIDv7` that are below its moment and its marks.
const NUMBER: u64 = (1 << 62) - 1;

/// Where a record stands: the log is read in the order of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) at: i64,
    pub(crate) position: i64,
}

impl Place {
    /// Before every record.
    pub(crate) const BEGIN: Self = Self { at: 0, position: 0 };

    /// Behind every record.
    pub(crate) const END: Self = Self {
        at: i64::MAX,
        position: NUMBER.cast_signed(),
    };

    /// The first place of a moment.
    pub(crate) const fn start(at: i64) -> Self {
        Self { at, position: 0 }
    }

    /// The place after this one.
    pub(crate) const fn next(self) -> Self {
        if self.position >= NUMBER.cast_signed() {
            return Self::start(self.at.saturating_add(1));
        }
        Self {
            at: self.at,
            position: self.position + 1,
        }
    }

    /// The place before this one.
    pub(crate) const fn previous(self) -> Self {
        match self {
            Self { at: 0, position: 0 } => self,
            Self { at, position: 0 } => Self {
                at: at - 1,
                position: NUMBER.cast_signed(),
            },
            Self { at, position } => Self {
                at,
                position: position - 1,
            },
        }
    }
}

impl From<Place> for ActivityId {
    fn from(place: Place) -> Self {
        let at = Timestamp::from_micros(place.at);
        let within = u64::try_from(at.micros() % 1_000).unwrap_or_default();
        let high = (at.millis() << 16) | 0x7000 | within;
        let low = (1 << 63) | (place.position.unsigned_abs() & NUMBER);
        Self::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }
}

impl From<ActivityId> for Place {
    fn from(id: ActivityId) -> Self {
        let number = u128::from_be_bytes(id.to_bytes());
        let part = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            at: part((number >> 80) * 1_000 + ((number >> 64) & 0xfff)),
            position: part(number & u128::from(NUMBER)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_place_and_sorts_like_it() {
        let places = [
            (0, 0),
            (0, 1),
            (999, 1),
            (1_000, 0),
            (1_790_000_000_123_456, 7),
            (1_790_000_000_123_456, 8),
            (1_790_000_000_123_457, 1),
            (253_402_300_799_999_999, i64::from(u32::MAX)),
        ]
        .map(|(at, position)| Place { at, position });
        let ids = places.map(ActivityId::from);
        assert!(ids.is_sorted() && ids.map(|id| id.to_string()).is_sorted());
        assert_eq!(ids.map(Place::from), places);
        let [byte_6, byte_8] = [6, 8].map(|index| ids[4].to_bytes()[index]);
        assert_eq!((byte_6 >> 4, byte_8 >> 6), (7, 0b10), "a UUIDv7");
    }

    #[test]
    fn a_place_lies_between_its_neighbours_and_ids_have_them_too() {
        for place in [Place::start(5), Place { at: 5, position: 9 }] {
            assert!(place.previous() < place && place < place.next());
            assert_eq!(
                Place::from(ActivityId::from(place.previous())),
                place.previous()
            );
            assert_eq!(place.next().previous(), place);
        }
        assert_eq!(Place::start(5).previous().next(), Place::start(5));
        assert_eq!(Place::BEGIN.previous(), Place::BEGIN);
    }

    #[test]
    fn a_foreign_id_has_some_place() {
        let place = Place::from(ActivityId::from_bytes([0xff; 16]));
        assert!(place.at > 0 && place.position > 0);
    }
}
