//! The life of a client's secrets, drawn along one line of time.

use chancery_domain::{
    SecretId, Timestamp,
    secret_rotation::{Secret, SecretRotation, SecretState},
};
use maud::{Markup, html};

/// A drawing, in its own units: how wide it is, and from where on it has bars. One for a narrow screen has larger letters.
struct Size {
    class: &'static str,
    width: i64,
    left: i64,
}

const WIDE: Size = Size {
    class: "life wide",
    width: 1_000,
    left: 120,
};
const NARROW: Size = Size {
    class: "life narrow",
    width: 340,
    left: 62,
};
const ROW: i64 = 26;
/// How many are drawn: the newest ones.
const DRAWN: usize = 12;

/// When a secret ends or ended, as far as that is known.
pub(super) fn end(secret: &Secret) -> Option<Timestamp> {
    match (secret.retires_at, secret.expires_at) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The newest secrets first.
pub(super) fn newest_first(secrets: &SecretRotation) -> Vec<(SecretId, &Secret)> {
    let mut sorted = secrets.in_order();
    sorted.reverse();
    sorted
}

/// A bar for each of the newest secrets, from when it was issued to when it ends, and where now is; `used` says when a
/// secret was last used.
pub(super) fn drawn(
    newest: &[(SecretId, &Secret)],
    used: impl Fn(SecretId) -> Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let rows = newest.get(..DRAWN).unwrap_or(newest);
    html! {
        (drawing(&WIDE, rows, &used, now))
        (drawing(&NARROW, rows, &used, now))
    }
}

fn drawing(
    size: &Size,
    rows: &[(SecretId, &Secret)],
    used: impl Fn(SecretId) -> Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let (width, left) = (size.width, size.left);
    let Some(first) = rows.iter().map(|(_, secret)| secret.issued_at).min() else {
        return html! {};
    };
    let ends = rows.iter().filter_map(|(_, secret)| end(secret));
    // What has no end goes on to the edge; a future of the length of the past is shown at least.
    let shown = now.plus_seconds((now.seconds() - first.seconds()).max(3_600) / 3);
    let last = ends.chain([shown]).max().unwrap_or(shown);
    let whole = (last.seconds() - first.seconds()).max(1);
    let x = |at: Timestamp| {
        let far = (at.seconds() - first.seconds()).clamp(0, whole);
        left + far * (width - left) / whole
    };
    let height = ROW * i64::try_from(rows.len()).unwrap_or(0) + 18;
    html! {
        svg class=(size.class) viewBox={"0 0 " (width) " " (height)} role="img" aria-label="When each secret is accepted; the table below has the same in words" {
            @for (place, (id, secret)) in (0..).zip(rows) {
                @let y = place * ROW;
                @let begin = x(secret.not_before.unwrap_or(secret.issued_at));
                @let state = secret.state(now);
                // When one was revoked stands in the roll. It was accepted to its last use at least.
                @let stop = if state == SecretState::Revoked { used(*id).map_or(begin, x) } else { end(secret).map_or(width, x) };
                text x="0" y=(y + 15) { "…" (secret.hint) }
                rect.track x=(left) y=(y + 4) width=(width - left) height="14" rx="7" {}
                rect class=(class(state)) x=(begin) y=(y + 4) width=((stop - begin).max(4)) height="14" rx="7" {}
            }
            line.now x1=(x(now)) x2=(x(now)) y1="0" y2=(height - 14) {}
            text x=(x(now)) y=(height - 2) text-anchor="middle" { "now" }
        }
    }
}

fn class(state: SecretState) -> &'static str {
    match state {
        SecretState::Pending => "info",
        SecretState::Active => "good",
        SecretState::Retiring => "warn",
        SecretState::Retired | SecretState::Expired => "off",
        SecretState::Revoked => "bad",
    }
}
