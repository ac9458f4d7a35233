use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use chancery_application::{EntryNumber, Error, PageRequest, RollQuery};
use maud::html;

use super::{timeline, words};
use crate::{layout::Page, show, stop::Stop, within::Within};

/// One entry, and the proof that it is in the roll that the checkpoint vouches for.
pub(crate) async fn page(within: Within) -> Result<Response, Stop> {
    let number: u32 = within.id("entry")?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let before = i64::from(number) - 1;
    let request = PageRequest {
        first: 1,
        after: (before > 0).then_some(EntryNumber(before)),
    };
    let missing = Error::NotFound { what: "entry" };
    let listed = application
        .events(caller, within.tenant, &RollQuery::default(), &request)
        .await;
    let listed = listed.map_err(|error| match error {
        Error::Invalid(_) => Error::NotFound { what: "entry" },
        error => error,
    })?;
    let found = listed.items.into_iter().next().map(|(_, entry)| entry);
    let entry = found
        .filter(|entry| entry.tenant_seq == i64::from(number))
        .ok_or(missing)?;
    let sealed = application.checkpoint(caller, within.tenant).await?;
    let size = sealed.checkpoint.size;
    let proof = if u64::from(number) <= size {
        let proof = application.inclusion_proof(caller, within.tenant, (number.into(), size));
        Some(proof.await?)
    } else {
        None
    };
    Ok(Page::within(format!("Entry {number}"), &within).show(&html! {
        div.head {
            h1 { "Entry " (number) }
            @if number > 1 { a.button href=(within.at(&format!("/roll/{}", number - 1))) rel="prev" { "Before" } }
            @if listed.has_next { a.button href=(within.at(&format!("/roll/{}", u64::from(number) + 1))) rel="next" { "After" } }
            a.button href=(within.at(&format!("/past?entry={number}"))) { "The tenant then" }
        }
        p.lead { (words::sentence(&entry)) }
        section {
            dl.facts {
                dt { "Recorded" } dd { (show::moment(entry.recorded_at)) }
                dt { "By" } dd { (timeline::who(&entry.actor)) }
                dt { "Type" } dd { code { (entry.event.kind().0) } ", version " (entry.event.kind().1) }
                dt { "Happened to" } dd {
                    a href=(within.at(&words::page(entry.stream))) { (words::subject(entry.stream)) } " "
                    code { (entry.stream.aggregate_id()) }
                }
                dt { "Id" } dd { (show::id(&entry.id)) }
                @if let Some(trace) = &entry.trace_id { dt { "Trace" } dd { (show::id(trace)) } }
                @if let Some(command) = &entry.command_id { dt { "Command" } dd { code { (command) } } }
            }
            pre tabindex="0" { code { (timeline::pretty(&entry)) } }
        }
        section {
            h2 { "Proof" }
            @match &proof {
                Some(proof) => {
                    p { "With these hashes, and the hash of the entry's line as it stands in the export, anybody can compute the root that the checkpoint of size " (proof.size) " signs (RFC 6962, section 2.1.1). Then the entry is in that roll, at this place, unchanged." }
                    dl.facts {
                        dt { "Root" } dd { code { (STANDARD.encode(proof.root.as_bytes())) } }
                        dt { "Leaf" } dd { (proof.seq - 1) }
                    }
                    ol { @for hash in &proof.hashes { li { code { (STANDARD.encode(hash.as_bytes())) } } } }
                }
                None => p { "It is not sealed yet. That takes a few seconds: load the page again." },
            }
        }
    }))
}
