//! How a program gets a token, in four languages. The secret comes from the environment: it does not
//! belong into a program.

use chancery_domain::{
    ClientId,
    client::Client,
    tenant::{AuthMethod, TokenAuthMethod},
};
use maud::{Markup, html};

use crate::within::Within;

/// Where a secret stands in a request.
#[derive(Clone, Copy)]
enum Way {
    Header,
    Body,
}

/// How this client gets a token for the first of the APIs that it may ask for.
pub(super) fn all(within: &Within, id: ClientId, client: &Client) -> Markup {
    let address = within.visitor.application().public_url().as_str();
    let issuer = format!("{address}/t/{}", within.slug);
    let grants = client.grants.values();
    let mut apis = grants.filter(|grant| !grant.identifier.is_admin());
    let api = apis.next().map(|grant| grant.identifier.as_str());
    let Some(audience) = api else {
        return html! { p { "It may ask for no API yet: grant it something on its page, and ask again." } };
    };
    let allowed = within
        .known
        .as_ref()
        .map(|tenant| &tenant.policy.allowed_auth_methods);
    let by_header = allowed.is_none_or(|ways| ways.contains(&TokenAuthMethod::ClientSecretBasic));
    let way = if by_header { Way::Header } else { Way::Body };
    html! {
        @if client.auth_method == AuthMethod::ClientSecret {
            (told(&issuer, id, audience, way))
        } @else {
            p {
                "It sends no secret: each request has an assertion (RFC 7523), made for " code { (issuer) "/oauth2/token" }
                " and used once. The SDK makes it, and so do most OAuth libraries; "
                "docs/tokens.md has it in three languages. What it asks for: " code { "audience=" (audience) } "."
            }
        }
    }
}

fn told(issuer: &str, client: ClientId, audience: &str, way: Way) -> Markup {
    let snippets = [
        ("curl", curl(issuer, client, audience, way)),
        ("Rust", rust(issuer, client, audience)),
        ("TypeScript", typescript(issuer, client, audience, way)),
        ("Python", python(issuer, client, audience, way)),
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

/// What stands in an address may be a program to a shell.
fn curl(issuer: &str, client: ClientId, audience: &str, way: Way) -> String {
    let address = quoted(&format!("{issuer}/oauth2/token"));
    let audience = quoted(&format!("audience={audience}"));
    let credential = match way {
        Way::Header => format!("-u \"{client}:$CHANCERY_CLIENT_SECRET\""),
        Way::Body => format!(
            "-d client_id={client} \\\n  --data-urlencode \"client_secret=$CHANCERY_CLIENT_SECRET\""
        ),
    };
    format!(
        "curl {address} \\\n  {credential} \\\n  -d grant_type=client_credentials \\\n  --data-urlencode {audience}"
    )
}

/// A text in quotation marks, as Rust, TypeScript and Python all have it. An address is printable ASCII.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// A text that a shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn rust(issuer: &str, client: ClientId, audience: &str) -> String {
    let (address, audience) = (literal(issuer), literal(audience));
    format!(
        r#"// cargo add chancery-sdk
use chancery_sdk::{{Credential, TokenClient}};

let tokens = TokenClient::builder()
    .issuer({address})
    .client_id("{client}")
    .secret(Credential::file("/run/secrets/chancery"))
    .audience({audience})
    .build()?;
let token = tokens.get_token().await?;"#
    )
}

fn typescript(issuer: &str, client: ClientId, audience: &str, way: Way) -> String {
    let (address, audience) = (
        literal(&format!("{issuer}/oauth2/token")),
        literal(audience),
    );
    let (header, fields) = match way {
        Way::Header => (
            format!(
                "  headers: {{\n    authorization: `Basic ${{btoa(`{client}:${{process.env.CHANCERY_CLIENT_SECRET}}`)}}`,\n  }},\n"
            ),
            String::new(),
        ),
        Way::Body => (
            String::new(),
            format!(
                "    client_id: \"{client}\",\n    client_secret: process.env.CHANCERY_CLIENT_SECRET,\n"
            ),
        ),
    };
    format!(
        r#"const answer = await fetch({address}, {{
  method: "POST",
{header}  body: new URLSearchParams({{
    grant_type: "client_credentials",
    audience: {audience},
{fields}  }}),
}});
if (!answer.ok) throw new Error(await answer.text());
const {{ access_token, expires_in }} = await answer.json();"#
    )
}

fn python(issuer: &str, client: ClientId, audience: &str, way: Way) -> String {
    let (address, audience) = (
        literal(&format!("{issuer}/oauth2/token")),
        literal(audience),
    );
    let (header, fields) = match way {
        Way::Header => (
            format!("    auth=(\"{client}\", os.environ[\"CHANCERY_CLIENT_SECRET\"]),\n"),
            String::new(),
        ),
        Way::Body => (
            String::new(),
            format!(
                "        \"client_id\": \"{client}\",\n        \"client_secret\": os.environ[\"CHANCERY_CLIENT_SECRET\"],\n"
            ),
        ),
    };
    format!(
        r#"import os, requests

answer = requests.post(
    {address},
{header}    data={{
        "grant_type": "client_credentials",
        "audience": {audience},
{fields}    }},
    timeout=10,
)
answer.raise_for_status()
token = answer.json()["access_token"]"#
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a shell would give to `curl`, one argument on each line.
    fn arguments(snippet: &str) -> Vec<String> {
        let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{snippet}");
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn no_identifier_is_a_program_to_a_shell() {
        let client = ClientId::from_bytes([7; 16]);
        for audience in [
            "https://orders.example",
            "https://x.example/$(echo${IFS}run);",
            "https://x.example/`echo`&x=1;echo'run'*",
            "https://x.example/'$(echo)'",
            "https://x.example/!a?x=1&y=2#(z)",
        ] {
            let told = arguments(&curl(
                "https://auth.example/t/acme",
                client,
                audience,
                Way::Header,
            ));
            let audience = format!("audience={audience}");
            let expected = [
                "https://auth.example/t/acme/oauth2/token",
                "-u",
                &format!("{client}:"),
                "-d",
                "grant_type=client_credentials",
                "--data-urlencode",
                &audience,
            ];
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_secret_stands_where_the_policy_lets_it() {
        let client = ClientId::from_bytes([7; 16]);
        let (issuer, audience) = ("https://auth.example/t/acme", "https://orders.example");
        for snippet in [curl, typescript, python] {
            let text = |way| snippet(issuer, client, audience, way);
            assert!(
                text(Way::Body).contains("client_secret") && text(Way::Body).contains("client_id")
            );
            assert!(!text(Way::Header).contains("client_id"));
        }
        let told = arguments(&curl(issuer, client, audience, Way::Body));
        let id = format!("client_id={client}");
        assert_eq!(
            told[1..5],
            ["-d", &id, "--data-urlencode", "client_secret="]
        );
        assert!(python(issuer, client, audience, Way::Header).contains("\n    auth=(\"client_"));
    }

    #[test]
    fn no_identifier_ends_a_text_of_a_program() {
        assert_eq!(literal(r#"a"b\c"#), r#""a\"b\\c""#);
        let client = ClientId::from_bytes([7; 16]);
        let (issuer, audience) = ("https://auth.example/t/acme", "x\"); run(\"");
        for text in [
            rust(issuer, client, audience),
            typescript(issuer, client, audience, Way::Header),
            typescript(issuer, client, audience, Way::Body),
            python(issuer, client, audience, Way::Header),
            python(issuer, client, audience, Way::Body),
        ] {
            assert!(text.contains(r#""x\"); run(\"""#), "{text}");
        }
    }
}
