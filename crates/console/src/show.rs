//! Values as they are shown.

use chancery_application::Needs;
use chancery_domain::{
    Timestamp, api::ApiState, client::ClientState, key_ring::KeyState,
    secret_rotation::SecretState, tenant::TenantState,
};
use maud::{Markup, html};

use crate::{fields::Fields, within::Within};

/// A moment to the second, with the whole of it for programs; `data-time` lets the script say how long
/// ago it was.
pub(crate) fn moment(at: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) title=(text) { (second(at)) } }
}

/// A moment to the second, as a text.
pub(crate) fn second(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// A moment as a browser's field for moments has it.
pub(crate) fn in_field(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).to_owned()
}

/// A moment as a day and how far it is from now.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) title=(text) { (distance(at, now)) } }
}

/// A moment to the second, in UTC, and how far it is from now: for those who compare it with another.
pub(crate) fn exact(at: Timestamp, now: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time.exact datetime=(text) title=(text) { (second(at)) } br; span.quiet { (distance(at, now)) } }
}

/// How far a moment is from now, in the nearest of one unit.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.seconds() - now.seconds();
    let far = span(nearest(seconds.unsigned_abs()));
    if seconds > 0 {
        format!("in {far}")
    } else if seconds.unsigned_abs() < 5 {
        "just now".to_owned()
    } else {
        format!("{far} ago")
    }
}

/// A length of time rounded to the unit that it is told in.
fn nearest(seconds: u64) -> u64 {
    let unit = match seconds {
        0..120 => 1,
        120..7_200 => 60,
        7_200..172_800 => 3_600,
        172_800..63_072_000 => 86_400,
        _ => 31_536_000,
    };
    (seconds + unit / 2) / unit * unit
}

/// A length of time in its largest unit, and what is left over in the next.
pub(crate) fn span(seconds: u64) -> String {
    let (size, unit, smaller) = match seconds {
        0..120 => (1, "second", None),
        120..7_200 => (60, "minute", Some((1, "second"))),
        7_200..172_800 => (3_600, "hour", Some((60, "minute"))),
        172_800..63_072_000 => (86_400, "day", Some((3_600, "hour"))),
        _ => (31_536_000, "year", Some((86_400, "day"))),
    };
    let told = |number: u64, unit: &str| count(i64::try_from(number).unwrap_or(i64::MAX), unit);
    let whole = told(seconds / size, unit);
    match smaller.map(|(small, unit)| (seconds % size / small, unit)) {
        Some((rest, unit)) if rest > 0 => format!("{whole} {}", told(rest, unit)),
        _ => whole,
    }
}

/// An id, with a button to copy it.
pub(crate) fn id(id: &impl ToString) -> Markup {
    let id = id.to_string();
    html! { span.id { code { (id) } (copy(&id, "Copy the id")) } }
}

/// A button that copies a text. Without the script it is not there.
pub(crate) fn copy(text: &str, label: &str) -> Markup {
    html! { button.copy type="button" hidden data-copy=(text) aria-label=(label) title=(label) { "Copy" } }
}

/// What there is of something, or a dash.
pub(crate) fn or_dash(text: Option<impl AsRef<str>>) -> Markup {
    html! {
        @match text {
            Some(text) => (text.as_ref()),
            None => span.quiet { "–" },
        }
    }
}

/// How many there are of something.
pub(crate) fn count(number: i64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// A state, in a colour and in a word.
pub(crate) fn badge(kind: &str, text: &str) -> Markup {
    html! { span class={"badge " (kind)} { (text) } }
}

pub(crate) fn tenant_state(state: TenantState) -> Markup {
    match state {
        TenantState::Active => badge("good", "active"),
        TenantState::Suspended => badge("warn", "suspended"),
        TenantState::Closed => badge("off", "closed"),
    }
}

pub(crate) fn client_state(state: ClientState) -> Markup {
    match state {
        ClientState::Active => badge("good", "active"),
        ClientState::Disabled => badge("warn", "disabled"),
        ClientState::Expired => badge("off", "expired"),
        ClientState::Deleted => badge("off", "deleted"),
    }
}

pub(crate) fn api_state(state: ApiState) -> Markup {
    match state {
        ApiState::Active => badge("good", "active"),
        ApiState::Retired => badge("off", "retired"),
    }
}

pub(crate) fn key_state(state: KeyState) -> Markup {
    match state {
        KeyState::Published => badge("info", "published"),
        KeyState::Active => badge("good", "signing"),
        KeyState::Retiring => badge("warn", "retiring"),
        KeyState::Retired => badge("off", "retired"),
        KeyState::Revoked => badge("bad", "revoked"),
    }
}

pub(crate) fn secret_state(state: SecretState) -> Markup {
    match state {
        SecretState::Pending => badge("info", "pending"),
        SecretState::Active => badge("good", "active"),
        SecretState::Retiring => badge("warn", "retiring"),
        SecretState::Retired => badge("off", "retired"),
        SecretState::Expired => badge("off", "expired"),
        SecretState::Revoked => badge("bad", "revoked"),
    }
}

/// Said on a page whose forms are left out, because its reader may not send them.
pub(crate) fn only_read(within: &Within) -> Markup {
    html! {
        @if within.is_closed() {
            p.aside { "The tenant is closed: nothing of it can be changed any more." }
        } @else if !within.may(Needs::TenantAdmin) {
            p.aside { "You may read this, and not change it: that takes " code { (Needs::TenantAdmin.scope()) } "." }
        }
    }
}

/// JSON for people.
pub(crate) fn pretty(members: &serde_json::Map<String, serde_json::Value>) -> String {
    serde_json::to_string_pretty(members).unwrap_or_default()
}

/// A link to what comes after a place in the same list.
pub(crate) fn next_page(asked: &Fields, after: &str) -> Markup {
    html! { p.more { a.button href={"?" (asked.address(&[("after", after)]))} rel="next" { "Next page" } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_told_in_one_unit() {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        for (seconds, text) in [
            (0, "just now"),
            (-61, "61 seconds ago"),
            (-3_600, "60 minutes ago"),
            (86_400, "in 24 hours"),
            (86_399, "in 24 hours"),
            (-5_399, "90 minutes ago"),
            (60 * 86_400 - 3, "in 60 days"),
            (30 * 86_400, "in 30 days"),
            (-800 * 86_400, "2 years ago"),
        ] {
            assert_eq!(distance(now.plus_seconds(seconds), now), text);
        }
    }

    #[test]
    fn a_length_of_time_is_told_whole() {
        for (seconds, text) in [
            (90, "90 seconds"),
            (777, "12 minutes 57 seconds"),
            (3_599, "59 minutes 59 seconds"),
            (3_600, "60 minutes"),
            (129_600, "36 hours"),
            (216_000, "2 days 12 hours"),
            (7_776_000, "90 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
