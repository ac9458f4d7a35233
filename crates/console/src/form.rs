//! Forms: each field with its label, its hint and what is wrong with it.

use maud::{Markup, Render, html};

use crate::{
    fields::{Fields, holds_private_key},
    posted::{COMMAND, FORM_TOKEN, VERSION},
    problem::Problem,
    refused::Refused,
    visitor::Visitor,
};

/// A form of a page.
pub(crate) struct Form<'a> {
    visitor: &'a Visitor,
    /// What stands in the fields.
    pub(crate) given: &'a Fields,
    problem: Option<&'a Problem>,
    /// Where the form is opened, where that is another address than the one that it is sent to.
    opened: Option<&'a str>,
    /// What the ids of its fields begin with: no two forms of a page have the same.
    prefix: String,
    /// One of the forms of its page that could not be done.
    refused: Option<&'a Refused>,
}

/// A field of one line.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) hint: &'a str,
    /// `text`, `number`, `password` …
    pub(crate) kind: &'static str,
    pub(crate) required: bool,
    /// The least and the greatest number, where the browser is to say so.
    between: Option<(u32, u32)>,
    /// How many letters the browser lets in.
    letters: Option<u32>,
}

impl<'a> Line<'a> {
    pub(crate) fn text(name: &'a str, label: &'a str, hint: &'a str) -> Self {
        Self {
            name,
            label,
            hint,
            kind: "text",
            required: false,
            between: None,
            letters: None,
        }
    }

    /// Why something is done, which stands in the roll.
    pub(crate) fn reason() -> Self {
        Self {
            letters: Some(500),
            ..Self::text("reason", "Reason", "It stands in the roll for ever.").required()
        }
    }

    pub(crate) fn number(name: &'a str, label: &'a str, hint: &'a str) -> Self {
        Self {
            kind: "number",
            ..Self::text(name, label, hint)
        }
    }

    /// A moment, chosen in the browser. Everything here is told in UTC.
    pub(crate) fn moment(name: &'a str, label: &'a str, hint: &'a str) -> Self {
        Self {
            kind: "datetime-local",
            ..Self::text(name, label, hint)
        }
    }

    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A number that is not less than the one and not greater than the other.
    pub(crate) fn between(mut self, least: u32, greatest: u32) -> Self {
        self.between = Some((least, greatest));
        self
    }
}

impl<'a> Form<'a> {
    pub(crate) fn new(
        visitor: &'a Visitor,
        given: &'a Fields,
        problem: Option<&'a Problem>,
    ) -> Self {
        Self {
            visitor,
            given,
            problem,
            opened: None,
            prefix: "f".to_owned(),
            refused: None,
        }
    }

    /// One of several forms of a page, by a name that no other has there: as it is opened, or as it was refused.
    pub(crate) fn one_of(
        visitor: &'a Visitor,
        name: impl Into<String>,
        opened: &'a Fields,
        refused: Option<&'a Refused>,
    ) -> Self {
        let prefix = name.into();
        let (given, problem) = refused
            .and_then(|refused| refused.at(&prefix))
            .map_or((opened, None), |(fields, problem)| (fields, Some(problem)));
        Self {
            prefix,
            refused,
            ..Self::new(visitor, given, problem)
        }
    }

    /// The same, which is opened at this address.
    pub(crate) fn opened(mut self, at: &'a str) -> Self {
        self.opened = Some(at);
        self
    }

    /// Whether it was sent and refused, so that it is to be seen.
    pub(crate) fn is_refused(&self) -> bool {
        self.problem.is_some()
    }

    /// The id of the field with this name.
    fn id(&self, name: &str) -> String {
        format!("{}-{}", self.prefix, anchor(name))
    }

    /// The whole form.
    pub(crate) fn to(&self, action: &str, content: &Markup) -> Markup {
        if let Some(refused) = self.refused {
            refused.shown(&self.prefix);
        }
        html! {
            form method="post" action=(action) {
                (hidden(self.visitor))
                // What was opened stays what was opened, however often it is sent: a newer version is seen first.
                @if self.given.asks(VERSION) { (version(self.given.raw(VERSION))) }
                (self.summary(action))
                (content)
            }
        }
    }

    /// What is wrong with the form as a whole, and where.
    fn summary(&self, action: &str) -> Markup {
        html! {
            @if let Some(problem) = self.problem {
                div.problem role="alert" tabindex="-1" autofocus {
                    (refused(problem))
                    @if problem.is_overtaken {
                        p {
                            "What you had put in still stands below, for you to compare. "
                            a href=(self.opened.unwrap_or(action)) { "Open the form anew" }
                            " to see how it is now, and decide on that."
                        }
                    }
                    @if !problem.faults.is_empty() {
                        ul {
                            @for fault in &problem.faults {
                                li { a href={"#" (self.id(&fault.path))} { (fault.path) } " " (fault.invalid.message) }
                            }
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn line(&self, field: &Line<'_>) -> Markup {
        let id = self.id(field.name);
        html! {
            div.field {
                label for=(id) { (field.label) @if field.required { " " span.needed { "needed" } } }
                input id=(id) name=(field.name) type=(field.kind) value=(self.value(field))
                    required[field.required] autocomplete="off" spellcheck="false" maxlength=[field.letters] min=[field.between.map(|(least, _)| least)] max=[field.between.map(|(_, greatest)| greatest)] step=[(field.kind == "datetime-local").then_some("1")]
                    aria-invalid=[self.wrong(field.name).map(|_| "true")]
                    aria-describedby=(format!("{id}-hint"));
                (self.hint(&id, field.name, field.hint))
            }
        }
    }

    /// A secret is never written back into a page.
    fn value(&self, field: &Line<'_>) -> &str {
        if field.kind == "password" {
            ""
        } else {
            self.given.raw(field.name)
        }
    }

    /// Nor is a private key.
    fn text(&self, name: &str) -> &str {
        let text = self.given.raw(name);
        if holds_private_key(text) { "" } else { text }
    }

    pub(crate) fn lines(&self, name: &str, label: &str, hint: &str, rows: u8) -> Markup {
        let id = self.id(name);
        html! {
            div.field {
                label for=(id) { (label) }
                textarea id=(id) name=(name) rows=(rows) spellcheck="false"
                    aria-invalid=[self.wrong(name).map(|_| "true")]
                    aria-describedby=(format!("{id}-hint")) { (self.text(name)) }
                (self.hint(&id, name, hint))
            }
        }
    }

    pub(crate) fn choice(
        &self,
        name: &str,
        label: &str,
        hint: &str,
        options: &[(&str, &str)],
    ) -> Markup {
        let id = self.id(name);
        html! {
            div.field {
                label for=(id) { (label) }
                select id=(id) name=(name) aria-describedby=(format!("{id}-hint")) {
                    @for (value, text) in options {
                        option value=(value) selected[self.given.raw(name) == *value] { (text) }
                    }
                }
                (self.hint(&id, name, hint))
            }
        }
    }

    pub(crate) fn tick(&self, name: &str, value: &str, label: &str) -> Markup {
        html! {
            label.tick {
                input type="checkbox" name=(name) value=(value) checked[self.given.has(name, value)];
                span { (label) }
            }
        }
    }

    /// A tick for what ends something at once, where the form was sent without it. What it would end stands beside it.
    pub(crate) fn meant(&self, label: &str) -> Markup {
        html! {
            @if let Some(ends) = self.wrong("meant") {
                label.tick {
                    input id=(self.id("meant")) type="checkbox" name="meant" value="yes" required aria-describedby=(self.id("meant-hint"));
                    span { (label) "." br; span.wrong id=(self.id("meant-hint")) { "This " (ends) "." } }
                }
            }
        }
    }

    /// What has to be typed out before it is done.
    pub(crate) fn confirmation(&self, word: &str) -> Markup {
        let (id, name) = (self.id("confirm"), "confirm");
        html! {
            div.field {
                label for=(id) { "Type " strong { (word) } " to confirm" }
                input id=(id) name=(name) value=(self.given.raw(name)) required autocomplete="off" autocapitalize="none"
                    spellcheck="false" aria-invalid=[self.wrong(name).map(|_| "true")]
                    aria-describedby=(format!("{id}-hint"));
                (self.hint(&id, name, ""))
            }
        }
    }

    fn wrong(&self, name: &str) -> Option<&str> {
        self.problem.and_then(|problem| problem.at(name))
    }

    fn hint(&self, id: &str, name: &str, hint: &str) -> Markup {
        html! {
            p.hint id={(id) "-hint"} {
                @if let Some(wrong) = self.wrong(name) { span.wrong { (wrong) ". " } }
                (hint)
            }
        }
    }
}

/// What every form brings along: where it comes from, and which command it is.
pub(crate) fn hidden(visitor: &Visitor) -> Markup {
    html! {
        input type="hidden" name=(FORM_TOKEN) value=(visitor.session.form_token);
        input type="hidden" name=(COMMAND) value=(command_id(visitor));
    }
}

/// What is wrong with a form that is not on the page any more, because nobody can send it now.
pub(crate) fn gone(problem: &Problem) -> Markup {
    html! { div.problem role="alert" tabindex="-1" autofocus { (refused(problem)) } }
}

fn refused(problem: &Problem) -> Markup {
    html! { p { strong { (problem.text) } " Nothing was changed." } }
}

/// Which version of a thing stands in a form.
pub(crate) fn version(version: impl Render) -> Markup {
    html! { input type="hidden" name=(VERSION) value=(version); }
}

/// A form that is a button.
pub(crate) fn button(visitor: &Visitor, action: &str, kind: &str, text: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            (hidden(visitor))
            button class=(kind) type="submit" { (text) }
        }
    }
}

/// A random UUID (RFC 9562, version 4).
fn command_id(visitor: &Visitor) -> String {
    let number = u128::from_be_bytes(visitor.application().random());
    let number = number & !(0xf000_u128 << 64) | (0x4000_u128 << 64);
    let number = number & !(0xc_u128 << 60) | (0x8_u128 << 60);
    let hex = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (place, digit) in hex.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// A path as part of an element's id.
fn anchor(path: &str) -> String {
    path.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}
