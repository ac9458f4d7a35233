//! What can be done with the secrets of a client as a whole.

use chancery_domain::{ClientId, Timestamp, secret_rotation::SecretRotation};
use maud::{Markup, html};

use crate::{form, show, within::Within};

/// When the next rotation is due, and who says so.
pub(super) fn due(secrets: &SecretRotation, now: Timestamp) -> Markup {
    html! {
        @match (&secrets.schedule, &secrets.reminder) {
            (Some(schedule), _) => {
                p {
                    (late(schedule.next_due_at, now))
                    "To be rotated every " (show::span(schedule.every_seconds.into())) ", next " (show::when(schedule.next_due_at, now))
                    "; the old one then works for another " (show::span(schedule.overlap_seconds.into())) "."
                }
            }
            (None, Some(reminder)) => {
                p {
                    (late(reminder.next_due_at, now))
                    "To be rotated every " (show::span(reminder.every_seconds.unsigned_abs())) " by the tenant's policy, next " (show::when(reminder.next_due_at, now)) "."
                }
            }
            (None, None) => {}
        }
    }
}

fn late(due: Timestamp, now: Timestamp) -> Markup {
    html! { @if due <= now { (show::badge("bad", "overdue")) " " } }
}

pub(super) fn all(within: &Within, id: ClientId, version: i64, secrets: &SecretRotation) -> Markup {
    html! {
        div.doings {
            (rotate(within, id))
            (issue(within, id))
            (schedule(within, id, version, secrets))
        }
    }
}

fn rotate(within: &Within, id: ClientId) -> Markup {
    html! {
        details.doing {
            summary.button.primary { "Rotate" }
            form method="post" action=(within.at(&format!("/clients/{id}/secrets/rotate"))) {
                (form::hidden(&within.visitor))
                p { "A new secret is issued and shown once. The old ones retire after an overlap, so nobody has to hurry." }
                div.field {
                    label for="overlap" { "The old ones keep working for (seconds)" }
                    input id="overlap" name="overlapSeconds" type="number" min="0" max="2592000" aria-describedby="overlap-hint";
                    p.hint id="overlap-hint" { "Empty: as the tenant's policy has it. 0: they end at once." }
                }
                (label("label"))
                button.primary type="submit" { "Rotate now" }
            }
        }
    }
}

fn issue(within: &Within, id: ClientId) -> Markup {
    html! {
        details.doing {
            summary.button { "Another secret" }
            form method="post" action=(within.at(&format!("/clients/{id}/secrets/issue"))) {
                (form::hidden(&within.visitor))
                p { "It is accepted beside those that are there, which stay as they are." }
                (label("another-label"))
                div.field {
                    label for="not-before" { "Accepted from (UTC)" }
                    input id="not-before" name="notBefore" type="datetime-local" step="1" aria-describedby="not-before-hint";
                    p.hint id="not-before-hint" { "Empty: at once." }
                }
                div.field {
                    label for="expires-at" { "Ends at (UTC)" }
                    input id="expires-at" name="expiresAt" type="datetime-local" step="1" aria-describedby="expires-at-hint";
                    p.hint id="expires-at-hint" { "Empty: as the tenant's policy has it." }
                }
                button.primary type="submit" { "Issue it" }
            }
        }
    }
}

fn schedule(within: &Within, id: ClientId, version: i64, secrets: &SecretRotation) -> Markup {
    let schedule = secrets.schedule.as_ref();
    let days = schedule.map(|schedule| schedule.every_seconds / super::DAY);
    let overlap = schedule.map(|schedule| schedule.overlap_seconds);
    html! {
        details.doing {
            summary.button { "Schedule" }
            form method="post" action=(within.at(&format!("/clients/{id}/secrets/schedule"))) {
                (form::hidden(&within.visitor))
                (form::version(version))
                p { "When the day comes it stands in the calendar and in the roll. Nobody but its owner can put a new secret in place, so nothing is rotated by itself." }
                div.field {
                    label for="every" { "Rotate every (days)" }
                    input id="every" name="everyDays" type="number" min="1" max="1825" value=[days] aria-describedby="every-hint";
                    p.hint id="every-hint" { "Empty: it has no schedule of its own." }
                }
                div.field {
                    label for="schedule-overlap" { "The old one then works for (seconds)" }
                    input id="schedule-overlap" name="overlapSeconds" type="number" min="0" max="2592000" value=[overlap] aria-describedby="schedule-overlap-hint";
                    p.hint id="schedule-overlap-hint" { "Empty: as the tenant's policy has it." }
                }
                button.primary type="submit" { "Save the schedule" }
            }
        }
    }
}

fn label(id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { "Label of the new one" }
            input id=(id) name="label" maxlength="100" autocomplete="off";
        }
    }
}
