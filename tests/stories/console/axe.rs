//! Every page before axe-core, another's judge of accessibility: `cargo xtask check --deep axe`.

use chancery_testkit::stores::TestStore;
use serde_json::{Value, json};

use super::{browser::signed_in, pages::cases};
use crate::support::{Chromium, World};

/// Rules of level A and AA, and nothing that is only advice.
const RUN: &str = "axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    resultTypes: ['violations'],
}).then(found => found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs axe-core: `cargo xtask check --deep axe`"]
async fn no_page_violates_level_a_or_aa() {
    let script = std::env::var("CHANCERY_TEST_AXE").expect("the file axe.min.js");
    let script = std::fs::read_to_string(script).expect("axe-core is read");
    let world = World::start(TestStore::sqlite().await).await;
    let life = super::life::live(&world).await;
    let mut browser = signed_in(&world).await;
    let (mut looked, mut violations) = (0, Vec::new());
    for case in cases(&life) {
        case.open(&mut browser, &world).await;
        browser.eval(&format!("{script}; true")).await;
        for look in [
            ((1_280, 900), false),
            ((1_280, 900), true),
            ((380, 800), false),
            ((380, 800), true),
        ] {
            let found = judged(&mut browser, look).await;
            looked += 1;
            for violation in found {
                violations.push(format!("{} {look:?}: {violation}", case.called()));
            }
        }
    }
    eprintln!("axe-core looked {looked} times");
    assert!(violations.is_empty(), "{violations:#?}");
}

async fn judged(browser: &mut Chromium, (size, dark): ((u32, u32), bool)) -> Vec<Value> {
    browser.look(size, dark).await;
    let found = browser.eval(RUN).await.expect("the page stays");
    found
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![json!("axe-core gave nothing")])
}
