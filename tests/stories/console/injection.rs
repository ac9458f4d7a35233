//! Script, put into every text field of every form, is shown as text.

use std::collections::BTreeSet;

use super::{browser::signed_in, life, pages::cases};
use crate::support::{Browser, Page, World, story, unescaped};

const EVIL: &str = "<img src=x onerror=\"window.evil=1\">'\"><script>window.evil=1</script>";

/// A form of a page: where it goes, and what it sends when nobody types anything.
#[derive(Debug)]
struct Form {
    action: String,
    /// Names and values, and whether something can be typed there.
    fields: Vec<(String, String, bool)>,
}

/// What a field can hold that is needed for others to be looked at.
fn usual(name: &str, number: usize) -> String {
    match name {
        "slug" => format!("tenant-{number}"),
        "identifier" => format!("https://api-{number}.example"),
        "displayName" | "name" | "reason" => format!("usual {number}"),
        _ => String::new(),
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag
        .split(&format!(" {name}=\""))
        .nth(1)?
        .split('"')
        .next()?;
    Some(unescaped(value))
}

/// The forms of a page that change something.
fn forms(page: &Page) -> Vec<Form> {
    let forms = page
        .html
        .split("<form ")
        .skip(1)
        .map(|form| form.split("</form>").next().unwrap());
    forms
        .filter(|form| form.contains("method=\"post\"") && !form.contains("/console/sign-"))
        .map(|form| {
            let mut fields = Vec::new();
            for tag in form.split('<').skip(1) {
                let Some(name) = attribute(tag, "name") else {
                    continue;
                };
                let value = attribute(tag, "value").unwrap_or_default();
                if tag.starts_with("textarea ") {
                    fields.push((
                        name,
                        unescaped(tag.split('>').nth(1).unwrap_or_default()),
                        true,
                    ));
                } else if tag.starts_with("select ") {
                    fields.push((name, String::new(), true));
                } else if tag.starts_with("input ") {
                    match attribute(tag, "type").as_deref() {
                        Some("hidden") => fields.push((name, value, false)),
                        Some("checkbox") => fields.push((name, String::new(), true)),
                        _ => fields.push((name, value, true)),
                    }
                }
            }
            Form {
                action: attribute(&format!(" {form}"), "action").unwrap(),
                fields,
            }
        })
        .collect()
}

/// Nothing that was typed has become part of the page.
fn is_text(page: &Page, from: &str) {
    assert!(!page.html.contains("<img"), "{from}: {}", page.html);
    let scripts = page.html.matches("<script").count();
    let own = page
        .html
        .matches("<script src=\"/console/assets/console.js?v=")
        .count();
    assert_eq!(scripts, own, "{from}: {}", page.html);
}

/// Sends a form with script in each of its fields by turns, and in all at once. Gives the fields.
async fn attack(browser: &Browser<'_>, on: &str, which: usize, number: &mut usize) -> Vec<String> {
    let typed: Vec<_> = {
        let page = browser.get(on).await;
        let Some(form) = forms(&page).into_iter().nth(which) else {
            return Vec::new();
        };
        form.fields
            .into_iter()
            .filter(|(.., typed)| *typed)
            .map(|(name, ..)| name)
            .collect()
    };
    let turns = (0..typed.len()).map(Some).chain([None]);
    for turn in turns {
        *number += 1;
        // Each time anew, since every form is a command of its own.
        let page = browser.get(on).await;
        let Some(form) = forms(&page).into_iter().nth(which) else {
            break;
        };
        let mut place = 0;
        let mut fields = Vec::new();
        for (name, value, is_typed) in &form.fields {
            let value = if !is_typed {
                value.clone()
            } else if turn.is_none_or(|turn| turn == place) {
                EVIL.to_owned()
            } else if value.is_empty() {
                usual(name, *number)
            } else {
                value.clone()
            };
            place += usize::from(*is_typed);
            fields.push((name.clone(), value));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let answer = browser.send(&form.action, &fields).await;
        let from = format!("{} {turn:?}", form.action);
        assert_ne!(answer.status, 500, "{from}: {}", answer.text());
        is_text(&answer, &from);
        if answer.status == 303 {
            is_text(&browser.get(answer.location()).await, &from);
        }
    }
    typed
        .into_iter()
        .map(|field| format!("{on} {field}"))
        .collect()
}

story! {
    async fn script_in_any_field_is_text(world: World) {
        let seen = life::live(&world).await;
        let browser = Browser::operator(&world).await;
        let client = format!("/console/t/acme/clients/{}", seen.client);
        let keyed = format!("/console/t/acme/clients/{}", seen.keyed);
        let api = format!("/console/t/acme/apis/{}", seen.api);
        let tenant = |rest: &str| format!("/console/t/acme{rest}");
        let (mut number, mut attacked) = (0, BTreeSet::new());
        // What stops things comes last.
        for on in [
            "/console/tenants/new".to_owned(), tenant("/apis/new"), tenant("/clients/new"), format!("{client}/edit"),
            format!("{client}/try"), tenant("/policy"), tenant("/keys"), keyed, client, api, tenant(""),
        ] {
            let count = forms(&browser.get(&on).await).len();
            assert!(count > 0, "{on} has no form");
            for which in 0..count {
                attacked.extend(attack(&browser, &on, which, &mut number).await);
            }
        }
        assert!(attacked.len() > 50, "{attacked:#?}");
        // It was kept where any text may be, and is told in the roll.
        let shown = browser.open("/console/t/acme/roll?type=ClientDescribed").await;
        shown.shows(EVIL);
        for case in cases(&seen) {
            is_text(&browser.get(&case.path).await, &case.path);
        }
        // In a real browser nothing of it runs, and nothing is asked for that the policy forbids.
        let mut real = signed_in(&world).await;
        let client = format!("/console/t/acme/clients/{}", seen.client);
        for path in ["/console/tenants", "/console/t/acme", "/console/t/acme/clients", &client, "/console/t/acme/roll", "/console/t/acme/difference", "/console/t/acme/past"] {
            real.open(&format!("{}{path}", world.url)).await;
            let ran = "window.evil !== undefined || document.querySelector('img') !== null";
            assert_eq!(real.eval(ran).await.unwrap(), false, "{path}");
        }
        real.no_complaints();
    }
}
