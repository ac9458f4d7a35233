//! Pages of lists: Relay connections with opaque cursors.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use async_graphql::{ObjectType, OutputType, SimpleObject, TypeName};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_application::{EntryNumber, Order, Page, PageRequest, Place};
use chancery_domain::{Faults, Invalid};

use crate::error::Failure;

const DEFAULT_FIRST: u32 = 50;
const MAX_FIRST: u32 = 1_000;

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Connection<T: ObjectType> {
    /// What is on the page, in the list's order.
    edges: Vec<Edge<T>>,
    /// Whether more follows, and how to ask for it.
    page_info: PageInfo,
}

/// A place in a list.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Edge<T: ObjectType> {
    /// The place, for `after`. Opaque: its form may change.
    cursor: String,
    /// What is there.
    node: T,
}

/// Whether more follows, and how to ask for it.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether the list goes on after this page.
    has_next_page: bool,
    /// The place up to which the page goes, for `after`. Null where the list is empty. With a filter
    /// that leaves little, a page can hold fewer entries than it was asked for, even none, while the
    /// list goes on.
    end_cursor: Option<String>,
}

impl<T: ObjectType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", <T as OutputType>::type_name()).into()
    }
}

impl<T: ObjectType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", <T as OutputType>::type_name()).into()
    }
}

impl<T: ObjectType> Connection<T> {
    /// The page, each of its items as a node.
    pub(crate) fn of<C: Display, I>(page: Page<C, I>, node: impl Fn(I) -> T) -> Self {
        let edge = |(place, item)| Edge {
            cursor: cursor(&place),
            node: node(item),
        };
        Self {
            edges: page.items.into_iter().map(edge).collect(),
            page_info: PageInfo {
                has_next_page: page.has_next,
                end_cursor: page.end.as_ref().map(cursor),
            },
        }
    }
}

/// A place in a list, as clients get it.
pub(crate) fn cursor(place: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The page that these arguments ask for of a list that is sorted so.
pub(crate) fn sorted<I: FromStr<Err = Invalid>>(
    first: Option<i64>,
    after: Option<&str>,
    order: Order,
) -> Result<PageRequest<Place<I>>, Failure> {
    let page: PageRequest<Place<I>> = request(first, after)?;
    match &page.after {
        Some(place) if place.order() != order => {
            let mut faults = Faults::default();
            faults.add("after", Invalid::new("cursor", FOREIGN));
            Err(Failure::Arguments(faults))
        }
        _ => Ok(page),
    }
}

const FOREIGN: &str =
    "must be a cursor that an earlier page of this list gave, with the same filter";

/// The place that a cursor of a list names.
pub(crate) fn place<I: FromStr>(cursor: &str) -> Result<I, Invalid> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Invalid::new("cursor", FOREIGN))
}

/// The place that a cursor names, or the number that it is: entries of a roll say their numbers
/// themselves.
pub(crate) fn place_or_number(cursor: &str) -> Result<EntryNumber, Invalid> {
    if cursor.bytes().all(|byte| byte.is_ascii_digit()) {
        return cursor.parse();
    }
    place(cursor)
}

/// How many at most: 50, or what the caller says, up to 1,000.
fn count(first: Option<i64>) -> Result<u32, Invalid> {
    match first.map(u32::try_from) {
        None => Ok(DEFAULT_FIRST),
        Some(Ok(first @ 1..=MAX_FIRST)) => Ok(first),
        Some(_) => Err(Invalid::new("range", format!("must be 1 to {MAX_FIRST}"))),
    }
}

/// How many to show at most, of something that has no further pages.
pub(crate) fn first(first: Option<i64>) -> Result<u32, Failure> {
    let mut faults = Faults::default();
    let first = faults.take("first", count(first));
    faults.finish(first).map_err(Failure::Arguments)
}

/// The page that these arguments ask for.
pub(crate) fn request<I: FromStr>(
    first: Option<i64>,
    after: Option<&str>,
) -> Result<PageRequest<I>, Failure> {
    let mut faults = Faults::default();
    let page = request_of(&mut faults, first, after, place);
    faults.finish(page).map_err(Failure::Arguments)
}

/// Like [`request`], beside other arguments.
pub(crate) fn request_of<I>(
    faults: &mut Faults,
    first: Option<i64>,
    after: Option<&str>,
    place: impl Fn(&str) -> Result<I, Invalid>,
) -> Option<PageRequest<I>> {
    let first = faults.take("first", count(first));
    let after = faults.take_optional("after", after.map(place));
    first
        .zip(after)
        .map(|(first, after)| PageRequest { first, after })
}

/// A list of what may be there. An empty one would let nothing through, and was hardly meant.
pub(crate) fn one_at_least<T>(given: Vec<T>) -> Result<Vec<T>, Invalid> {
    if given.is_empty() {
        let message = "must name at least one, or be left out";
        return Err(Invalid::new("empty", message));
    }
    Ok(given)
}

/// What a list costs against the limit on complexity: what each of its entries costs, so many times
/// as the page can hold.
pub(crate) fn cost(first: Option<i64>, each: usize) -> usize {
    let most = count(first).unwrap_or(MAX_FIRST);
    each.saturating_mul(most as usize).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use chancery_domain::{ClientId, TenantId};

    use super::*;

    const CLIENT: ClientId = ClientId::from_bytes([7; 16]);

    fn refused(first: Option<i64>, after: Option<&str>) -> Vec<String> {
        match request::<ClientId>(first, after) {
            Err(Failure::Arguments(faults)) => faults
                .into_vec()
                .into_iter()
                .map(|fault| fault.path)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let page = request::<ClientId>(Some(1_000), Some(&cursor(&CLIENT))).unwrap();
        assert_eq!((page.first, page.after), (1_000, Some(CLIENT)));
        let page = request::<ClientId>(None, None).unwrap();
        assert_eq!((page.first, page.after), (DEFAULT_FIRST, None));
    }

    #[test]
    fn faulty_and_foreign_cursors_and_counts_are_named() {
        let foreign = cursor(&TenantId::from_bytes([7; 16]));
        for wrong in [
            "",
            "%",
            "client_",
            &CLIENT.to_string(),
            &foreign,
            &format!("{}=", cursor(&CLIENT)),
        ] {
            assert_eq!(refused(None, Some(wrong)), ["after"], "{wrong}");
        }
        for wrong in [i64::MIN, -1, 0, 1_001, i64::MAX] {
            assert_eq!(
                refused(Some(wrong), Some("%")),
                ["first", "after"],
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_place_in_a_roll_is_a_cursor_or_a_number() {
        let seven = EntryNumber(7);
        assert_eq!(place_or_number(&cursor(&seven)).unwrap(), seven);
        assert_eq!(place_or_number("7").unwrap(), seven);
        for wrong in [
            "",
            "-7",
            "entry_7",
            &cursor(&CLIENT),
            "99999999999999999999",
        ] {
            assert_eq!(
                place_or_number(wrong).unwrap_err().rule,
                "cursor",
                "{wrong}"
            );
        }
        // A number in digits alone is never the text of a cursor.
        for number in [0, 7, i64::MAX] {
            let cursor = cursor(&EntryNumber(number));
            assert!(
                cursor.bytes().any(|byte| !byte.is_ascii_digit()),
                "{cursor}"
            );
        }
    }

    #[test]
    fn a_list_costs_what_it_can_hold() {
        assert_eq!(cost(None, 3), 151);
        assert_eq!(cost(Some(1_000), 3), 3_001);
        assert_eq!(cost(Some(i64::MAX), 3), 3_001);
        assert_eq!(cost(Some(2), usize::MAX), usize::MAX);
    }
}
