use axum::{
    Json,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chancery_application::{
    EntryNumber, Error, Hash, InclusionProof, Needs, PageRequest, RollQuery,
};
use chancery_domain::{Invalid, Recorded};
use maud::html;
use serde_json::json;

use super::{names::Names, timeline, words};
use crate::{
    fields::{Asked, Fields},
    layout::Page,
    show,
    stop::Stop,
    within::Within,
};

/// One entry, and what is around it.
struct Found {
    number: u32,
    entry: Recorded,
    has_next: bool,
}

async fn found(within: &Within) -> Result<Found, Stop> {
    let number: u32 = within.id("entry")?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let before = i64::from(number) - 1;
    let request = PageRequest {
        first: 1,
        after: (before > 0).then_some(EntryNumber(before)),
    };
    let listed = application
        .events(caller, within.tenant, &RollQuery::default(), &request)
        .await;
    let listed = listed.map_err(|error| match error {
        Error::Invalid(_) => Error::NotFound { what: "entry" },
        error => error,
    })?;
    let has_next = listed.has_next;
    let found = listed.items.into_iter().next().map(|(_, entry)| entry);
    let entry = found
        .filter(|entry| entry.tenant_seq == i64::from(number))
        .ok_or(Error::NotFound { what: "entry" })?;
    Ok(Found {
        number,
        entry,
        has_next,
    })
}

/// The proof that an entry is in the roll that a checkpoint vouches for: the newest one, or one of the size that is
/// asked for. None: it is not in it.
async fn proved(
    within: &Within,
    asked: &Fields,
    number: u32,
) -> Result<Option<InclusionProof>, Stop> {
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let size = if let Some(size) = asked.sought("size", size)? {
        size
    } else {
        let sealed = application.checkpoint(caller, within.tenant).await?;
        sealed.checkpoint.size
    };
    if u64::from(number) > size {
        return Ok(None);
    }
    let proof = application.inclusion_proof(caller, within.tenant, (number.into(), size));
    Ok(Some(proof.await?))
}

fn size(text: &str) -> Result<u64, Invalid> {
    text.parse()
        .map_err(|_| Invalid::new("number", "must be the size of a checkpoint, a whole number"))
}

fn coded(hash: &Hash) -> String {
    STANDARD.encode(hash.as_bytes())
}

/// The proof, for programs.
pub(crate) async fn proof(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let Found { number, .. } = found(&within).await?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let leaf = application
        .leaf(caller, within.tenant, number.into())
        .await?;
    let proof = proved(&within, &asked, number).await?;
    let proof = proof.ok_or(Error::NotFound {
        what: "checkpoint that has this entry in it yet",
    })?;
    let hashes: Vec<_> = proof.hashes.iter().map(coded).collect();
    Ok(Json(json!({
        "line": leaf.line,
        "leafHash": coded(&leaf.hash),
        "leafIndex": proof.seq - 1,
        "treeSize": proof.size,
        "rootHash": coded(&proof.root),
        "auditPath": hashes,
    }))
    .into_response())
}

/// One entry, and the proof that it is in the roll that the checkpoint vouches for.
pub(crate) async fn page(within: Within, Asked(asked): Asked) -> Result<Response, Stop> {
    let Found {
        number,
        entry,
        has_next,
    } = found(&within).await?;
    let application = within.visitor.application();
    let caller = &within.visitor.session.caller;
    let proof = proved(&within, &asked, number).await?;
    let leaf = application
        .leaf(caller, within.tenant, number.into())
        .await?;
    let names = Names::of(&within, std::iter::once(&entry)).await?;
    let program = within.at(&format!("/roll/{number}/proof?{}", asked.address(&[])));
    Ok(Page::within(format!("Entry {number}"), &within).show(&html! {
        div.head {
            h1 { "Entry " (number) }
            @if number > 1 { a.button href=(within.at(&format!("/roll/{}", number - 1))) rel="prev" { "Before" } }
            @if has_next { a.button href=(within.at(&format!("/roll/{}", u64::from(number) + 1))) rel="next" { "After" } }
            a.button href=(within.at(&format!("/past?entry={number}"))) { "The tenant then" }
        }
        p.lead { @if let Some(name) = names.subject(entry.stream) { (name) ": " } (words::sentence(&entry, &names)) }
        section {
            dl.facts {
                dt { "Recorded" } dd { (show::moment(entry.recorded_at)) }
                dt { "By" } dd { @if let Some(name) = names.actor(&entry.actor) { (name) ", " } (timeline::who(&entry.actor)) }
                dt { "Type" } dd { code { (entry.event.kind().0) } ", version " (entry.event.kind().1) }
                dt { "Happened to" } dd {
                    @match words::leads(entry.stream, within.may(Needs::TenantRead)) {
                        Some(page) => a href=(within.at(&page)) { (words::subject(entry.stream)) },
                        None => (words::subject(entry.stream)),
                    }
                    " "
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
            p { "What is hashed is the entry's line in its canonical form, as an export has it:" }
            pre tabindex="0" { code data-line { (leaf.line) } }
            p { (show::copy(&leaf.line, "Copy the line")) }
            dl.facts {
                dt { "Its hash" } dd { code { (coded(&leaf.hash)) } " " (show::copy(&coded(&leaf.hash), "Copy the hash")) br; span.quiet { "SHA-256 of a byte 0 and the line, in base64 (RFC 6962, section 2.1)" } }
            }
            form.filter method="get" {
                div {
                    label for="size" { "In the checkpoint of size" }
                    input id="size" name="size" type="number" min=(number) value=(asked.raw("size")) aria-describedby="size-hint";
                    p.hint id="size-hint" { "Of one that you kept: how many entries it vouches for. Empty: the newest one." }
                }
                button type="submit" { "Prove" }
            }
            @match &proof {
                Some(proof) => {
                    p { "With these hashes anybody can compute, from the hash above, the root that the checkpoint of size " (proof.size) " signs (RFC 6962, section 2.1.1). Then the entry is in that roll, at this place, unchanged." }
                    dl.facts {
                        dt { "Root" } dd { code { (coded(&proof.root)) } }
                        dt { "Leaf" } dd { (proof.seq - 1) }
                    }
                    ol { @for hash in &proof.hashes { li { code { (coded(hash)) } } } }
                    p { a.button href=(program) { "As JSON" } }
                    p { "The whole roll is checked by " code { "chancery audit verify" } ", with an " a href=(within.at("/roll/export")) { "export" } " and the checkpoints that you kept." }
                }
                None if asked.get("size").is_some() => p { "It is not in a checkpoint of that size, which was made before it. Leave the size empty for the newest one." },
                None => p { "It is not in a checkpoint yet. That takes a few seconds: load the page again." },
            }
        }
    }))
}
