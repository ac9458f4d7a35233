//! What a change of the policy does, before it is saved.

use axum::response::Response;
use chancery_application::PolicyPreview;
use chancery_domain::tenant::PolicyEffect;
use maud::{Markup, html};

use super::differences::Changed;
use crate::{
    fields::Fields,
    form::Form,
    layout::Page,
    posted::{COMMAND, FORM_TOKEN, VERSION},
    show,
    stop::capitalised,
    within::Within,
};

/// What changes, before it is saved.
pub(super) fn show(
    within: &Within,
    given: &Fields,
    changes: &[Changed],
    preview: &PolicyPreview,
) -> Response {
    let form = Form::new(&within.visitor, given, None);
    let content = html! {
        (given.hidden(&[FORM_TOKEN, COMMAND, VERSION, "step"]))
        input type="hidden" name="step" value="save";
        div.actions {
            button.primary type="submit" { "Save the policy" }
            a.button href=(within.at("/policy")) { "Start again" }
        }
    };
    Page::within("Review the policy", within).show(&html! {
        h1 { "Review the changes" }
        @if changes.is_empty() {
            div.empty { p { "Nothing would change. " a href=(within.at("/policy")) { "Back to the policy" } "." } }
        } @else {
            div.table tabindex="0" role="region" aria-label="What changes" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                    tbody {
                        @for (what, before, after) in changes {
                            tr { th scope="row" { (what) } td { (before) } td { strong { (after) } } }
                        }
                    }
                }
            }
            (breaks(within, preview))
            @if preview.refusal.is_none() { (form.to(&within.at("/policy"), &content)) }
        }
    })
}

/// What the change would break.
fn breaks(within: &Within, preview: &PolicyPreview) -> Markup {
    html! {
        @if preview.refusal.is_some() {
            div.problem role="alert" {
                p { strong { "This cannot be saved. " } "It would leave no administrator of the platform who may authenticate." }
            }
        }
        @if preview.breaks.is_empty() && preview.refusal.is_some() {
        } @else if preview.breaks.is_empty() {
            p.notice { "It breaks nothing that is there." }
        } @else {
            section.danger {
                h2 { "What it breaks" }
                ul {
                    @for broken in &preview.breaks {
                        li {
                            p {
                                @match broken.effect {
                                    PolicyEffect::Stops => { (show::badge("bad", "stops")) }
                                    PolicyEffect::MayStop => { (show::badge("warn", "may stop")) }
                                    PolicyEffect::Stands => { (show::badge("info", "stays as it is")) }
                                }
                                " " strong { (broken.count) @if broken.more { "+" } " clients. " } (capitalised(&broken.message))
                            }
                            @if !broken.clients.is_empty() {
                                ul { @for client in &broken.clients {
                                    li { a href=(within.at(&format!("/clients/{}", client.id))) { (client.row.state.name.as_ref().map_or_else(|| client.id.to_string(), ToString::to_string)) } }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}
