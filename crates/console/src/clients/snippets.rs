//! How a program gets a token, in four languages. The secret comes from the environment: it does not
//! belong into a program.

use chancery_domain::ClientId;
use maud::{Markup, html};

pub(super) fn all(issuer: &str, client: ClientId, audience: Option<&str>) -> Markup {
    let audience = audience.unwrap_or("https://orders.example");
    let snippets = [
        ("curl", curl(issuer, client, audience)),
        ("Rust", rust(issuer, client, audience)),
        ("TypeScript", typescript(issuer, client, audience)),
        ("Python", python(issuer, client, audience)),
    ];
    html! {
        div data-tabs {
            @for (language, text) in &snippets {
                div id={"snippet-" (language.to_lowercase())} data-tab=(language) {
                    h3 { (language) }
                    pre tabindex="0" { code { (text) } }
                    (crate::show::copy(text, &format!("Copy the {language} snippet")))
                }
            }
        }
    }
}

fn curl(issuer: &str, client: ClientId, audience: &str) -> String {
    format!(
        "curl {issuer}/oauth2/token \\\n  -u \"{client}:$CHANCERY_CLIENT_SECRET\" \\\n  -d grant_type=client_credentials \\\n  --data-urlencode audience={audience}"
    )
}

fn rust(issuer: &str, client: ClientId, audience: &str) -> String {
    format!(
        r#"// cargo add chancery-sdk
use chancery_sdk::{{Credential, TokenClient}};

let tokens = TokenClient::builder()
    .issuer("{issuer}")
    .client_id("{client}")
    .secret(Credential::file("/run/secrets/chancery"))
    .audience("{audience}")
    .build()?;
let token = tokens.get_token().await?;"#
    )
}

fn typescript(issuer: &str, client: ClientId, audience: &str) -> String {
    format!(
        r#"const answer = await fetch("{issuer}/oauth2/token", {{
  method: "POST",
  headers: {{
    authorization: `Basic ${{btoa(`{client}:${{process.env.CHANCERY_CLIENT_SECRET}}`)}}`,
  }},
  body: new URLSearchParams({{
    grant_type: "client_credentials",
    audience: "{audience}",
  }}),
}});
if (!answer.ok) throw new Error(await answer.text());
const {{ access_token, expires_in }} = await answer.json();"#
    )
}

fn python(issuer: &str, client: ClientId, audience: &str) -> String {
    format!(
        r#"import os, requests

answer = requests.post(
    "{issuer}/oauth2/token",
    auth=("{client}", os.environ["CHANCERY_CLIENT_SECRET"]),
    data={{
        "grant_type": "client_credentials",
        "audience": "{audience}",
    }},
    timeout=10,
)
answer.raise_for_status()
token = answer.json()["access_token"]"#
    )
}
