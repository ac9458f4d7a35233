//! The life of a client's secrets, drawn along one line of time.

use chancery_domain::{
    SecretId, Timestamp,
    secret_rotation::{Secret, SecretRotation, SecretState},
};
use maud::{Markup, html};

/// The drawing, in its own units.
const WIDTH: i64 = 1_000;
const LEFT: i64 = 120;
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

/// A bar for each of the newest secrets, from when it was issued to when it ends, and where now is.
pub(super) fn drawn(newest: &[(SecretId, &Secret)], now: Timestamp) -> Markup {
    let rows = newest.get(..DRAWN).unwrap_or(newest);
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
        LEFT + far * (WIDTH - LEFT) / whole
    };
    let height = ROW * i64::try_from(rows.len()).unwrap_or(0) + 18;
    html! {
        svg.life viewBox={"0 0 " (WIDTH) " " (height)} role="img" aria-label="When each secret is accepted; the table below has the same in words" {
            @for (place, (_, secret)) in (0..).zip(rows) {
                @let y = place * ROW;
                @let begin = x(secret.not_before.unwrap_or(secret.issued_at));
                @let state = secret.state(now);
                @let stop = if state == SecretState::Revoked { x(now) } else { end(secret).map_or(WIDTH, x) };
                text x="0" y=(y + 15) { "…" (secret.hint) }
                rect.track x=(LEFT) y=(y + 4) width=(WIDTH - LEFT) height="14" rx="7" {}
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
