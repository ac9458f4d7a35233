//! Places in lists: what a page begins after.

use std::{cmp::Ordering, fmt, str::FromStr};

use chancery_domain::{Invalid, Timestamp};

/// What a list is sorted by; the id decides between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// When things were created, oldest first. The moments of one roll never go back, so what is new
    /// comes after every place that a reader has seen.
    Created,
    /// When things end, the soonest first.
    Expiry,
    /// The name in lower case.
    Name,
}

/// A place in a list, for as long as the list is sorted alike. What is added or taken away elsewhere
/// does not move it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<I> {
    pub(crate) key: SortKey,
    pub(crate) id: Option<I>,
}

/// What the list is sorted by, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    Created(i64),
    Expiry(i64),
    Name(String),
}

impl<I> Place<I> {
    pub(crate) fn at(key: SortKey, id: I) -> Self {
        Self { key, id: Some(id) }
    }

    /// Before everything that has this key or a greater one.
    pub(crate) fn before(key: SortKey) -> Self {
        Self { key, id: None }
    }

    /// Of lists that are sorted by what.
    pub fn order(&self) -> Order {
        match self.key {
            SortKey::Created(_) => Order::Created,
            SortKey::Expiry(_) => Order::Expiry,
            SortKey::Name(_) => Order::Name,
        }
    }

    /// The moment that a list by moments is sorted by, in microseconds.
    pub(crate) fn micros(&self) -> i64 {
        match self.key {
            SortKey::Created(at) | SortKey::Expiry(at) => at,
            SortKey::Name(_) => Timestamp::from_micros(0).micros(),
        }
    }

    /// The name that a list by names is sorted by.
    pub(crate) fn name(&self) -> &str {
        match &self.key {
            SortKey::Name(name) => name,
            SortKey::Created(_) | SortKey::Expiry(_) => "",
        }
    }
}

impl<I: ToString> Place<I> {
    /// The id as text; before every id: empty.
    pub(crate) fn id_text(&self) -> String {
        self.id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// The later of two places in one list.
    pub(crate) fn later(self, other: Self) -> Self {
        let by_key = match (&self.key, &other.key) {
            (SortKey::Name(one), SortKey::Name(another)) => one.cmp(another),
            _ => self.micros().cmp(&other.micros()),
        };
        match by_key.then_with(|| self.id_text().cmp(&other.id_text())) {
            Ordering::Less => other,
            Ordering::Equal | Ordering::Greater => self,
        }
    }
}

impl<I: fmt::Display> fmt::Display for Place<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            SortKey::Created(at) => write!(f, "c.{at}.")?,
            SortKey::Expiry(at) => write!(f, "e.{at}.")?,
            SortKey::Name(name) => write!(f, "n.{name}.")?,
        }
        match &self.id {
            Some(id) => id.fmt(f),
            None => Ok(()),
        }
    }
}

impl<I: FromStr<Err = Invalid>> FromStr for Place<I> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("place", "must be a place in a list");
        let (order, rest) = text.split_once('.').ok_or_else(invalid)?;
        // A name may hold a full stop, an id never does.
        let (key, id) = rest.rsplit_once('.').ok_or_else(invalid)?;
        let micros = || key.parse::<i64>().map_err(|_| invalid());
        let key = match order {
            "c" => SortKey::Created(micros()?),
            "e" => SortKey::Expiry(micros()?),
            "n" => SortKey::Name(key.to_owned()),
            _ => return Err(invalid()),
        };
        Ok(Self::at(key, id.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::ClientId;

    use super::*;

    const ID: ClientId = ClientId::from_bytes([7; 16]);

    #[test]
    fn a_place_survives_its_text() {
        for key in [
            SortKey::Created(-1),
            SortKey::Expiry(1_780_000_000_000_000),
            SortKey::Name("a.b. ü".to_owned()),
            SortKey::Name(String::new()),
        ] {
            let place = Place::at(key, ID);
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for wrong in ["", "c", "c.1", "c.x.client_", "z.1.client_", "c.1."] {
            assert!(wrong.parse::<Place<ClientId>>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_later_of_two_places_holds() {
        let early = Place::at(SortKey::Created(1), ID);
        let late = Place::before(SortKey::Created(2));
        assert_eq!(early.clone().later(late.clone()), late);
        assert_eq!(late.clone().later(early), late);
        let within = Place::at(SortKey::Name("a".to_owned()), ID);
        let before = Place::before(SortKey::Name("a".to_owned()));
        assert_eq!(before.later(within.clone()), within);
    }
}
