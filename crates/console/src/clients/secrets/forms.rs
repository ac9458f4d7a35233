//! What can be done with the secrets of a client as a whole.

use chancery_domain::{ClientId, Timestamp, secret_rotation::SecretRotation};
use maud::{Markup, html};

use super::days;
use crate::{
    fields::{Fields, NOTHING},
    form::{Form, Line},
    posted::VERSION,
    refused::Refused,
    show,
    within::Within,
};

/// The longest overlap, in seconds: 30 days.
const LONGEST_OVERLAP: u32 = 30 * super::DAY;

/// When the next rotation is due, and who says so.
pub(super) fn due(secrets: &SecretRotation, now: Timestamp) -> Markup {
    html! {
        @match (&secrets.schedule, &secrets.reminder) {
            (Some(schedule), _) => {
                p {
                    (late(schedule.next_due_at, now))
                    "To be rotated every " (show::span(schedule.every_seconds.into())) ", " (next(schedule.next_due_at, now))
                    "; the old one then works for another " (show::span(schedule.overlap_seconds.into())) "."
                }
            }
            (None, Some(reminder)) => {
                p {
                    (late(reminder.next_due_at, now))
                    "To be rotated every " (show::span(reminder.every_seconds.unsigned_abs())) " by the tenant's policy, " (next(reminder.next_due_at, now)) "."
                }
            }
            (None, None) => {}
        }
    }
}

/// When that is, or was to be.
fn next(due: Timestamp, now: Timestamp) -> Markup {
    html! { @if due <= now { "due " } @else { "next " } (show::when(due, now)) }
}

fn late(due: Timestamp, now: Timestamp) -> Markup {
    html! { @if due <= now { (show::badge("bad", "overdue")) " " } }
}

/// What stands in each form when it is opened, and which of them was refused.
pub(super) fn all(
    within: &Within,
    id: ClientId,
    (version, secrets): (i64, &SecretRotation),
    refused: Option<&Refused>,
) -> Markup {
    let scheduled = scheduled(version, secrets);
    let rotated = Fields::default().with(VERSION, version.to_string());
    let opened = within.at(&format!("/clients/{id}#secrets"));
    let form =
        |name: &str, given| Form::one_of(&within.visitor, name, given, refused).opened(&opened);
    let at = |rest: &str| within.at(&format!("/clients/{id}/secrets/{rest}"));
    html! {
        div.doings {
            (rotate(&at("rotate"), &form("rotate", &rotated)))
            (issue(&at("issue"), &form("issue", &NOTHING)))
            (schedule(&at("schedule"), &form("schedule", &scheduled)))
        }
    }
}

fn rotate(action: &str, form: &Form<'_>) -> Markup {
    let overlap = Line::number(
        "overlapSeconds",
        "The old ones keep working for (seconds)",
        "Empty: as the tenant's policy has it. 0: they end at once.",
    );
    html! {
        details.doing open[form.is_refused()] {
            summary.button.primary { "Rotate" }
            (form.to(action, &html! {
                p { "A new secret is issued and shown once. The old ones retire after an overlap, so nobody has to hurry." }
                (form.line(&overlap.between(0, LONGEST_OVERLAP)))
                (form.line(&label()))
                button.primary type="submit" { "Rotate now" }
            }))
        }
    }
}

fn issue(action: &str, form: &Form<'_>) -> Markup {
    let moment = |name, label, hint| form.line(&Line::moment(name, label, hint));
    html! {
        details.doing open[form.is_refused()] {
            summary.button { "Another secret" }
            (form.to(action, &html! {
                p { "It is accepted beside those that are there, which stay as they are." }
                (form.line(&label()))
                (moment("notBefore", "Accepted from (UTC)", "Empty: at once."))
                (moment("expiresAt", "Ends at (UTC)", "Empty: as the tenant's policy has it."))
                button.primary type="submit" { "Issue it" }
            }))
        }
    }
}

fn scheduled(version: i64, secrets: &SecretRotation) -> Fields {
    let fields = Fields::default().with(VERSION, version.to_string());
    match &secrets.schedule {
        Some(schedule) => fields
            .with("everyDays", days::text(schedule.every_seconds))
            .with("overlapSeconds", schedule.overlap_seconds.to_string()),
        None => fields,
    }
}

fn schedule(action: &str, form: &Form<'_>) -> Markup {
    let every = Line::text(
        "everyDays",
        "Rotate every (days)",
        "1.5 is a day and a half. Empty: it has no schedule of its own.",
    );
    let overlap = Line::number(
        "overlapSeconds",
        "The old one then works for (seconds)",
        "Empty: as the tenant's policy has it.",
    );
    html! {
        details.doing open[form.is_refused()] {
            summary.button { "Schedule" }
            (form.to(action, &html! {
                p { "When the day comes it stands in the calendar and in the roll. Nobody but its owner can put a new secret in place, so nothing is rotated by itself." }
                (form.line(&every))
                (form.line(&overlap.between(0, LONGEST_OVERLAP)))
                button.primary type="submit" { "Save the schedule" }
            }))
        }
    }
}

fn label() -> Line<'static> {
    Line::text(
        "label",
        "Label of the new one",
        "For people: what tells it from the others.",
    )
}
