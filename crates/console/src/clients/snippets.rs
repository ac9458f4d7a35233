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

/// What stands in an address may be a program to a shell.
fn curl(issuer: &str, client: ClientId, audience: &str) -> String {
    let address = quoted(&format!("{issuer}/oauth2/token"));
    let audience = quoted(&format!("audience={audience}"));
    format!(
        "curl {address} \\\n  -u \"{client}:$CHANCERY_CLIENT_SECRET\" \\\n  -d grant_type=client_credentials \\\n  --data-urlencode {audience}"
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

fn typescript(issuer: &str, client: ClientId, audience: &str) -> String {
    let (address, audience) = (
        literal(&format!("{issuer}/oauth2/token")),
        literal(audience),
    );
    format!(
        r#"const answer = await fetch({address}, {{
  method: "POST",
  headers: {{
    authorization: `Basic ${{btoa(`{client}:${{process.env.CHANCERY_CLIENT_SECRET}}`)}}`,
  }},
  body: new URLSearchParams({{
    grant_type: "client_credentials",
    audience: {audience},
  }}),
}});
if (!answer.ok) throw new Error(await answer.text());
const {{ access_token, expires_in }} = await answer.json();"#
    )
}

fn python(issuer: &str, client: ClientId, audience: &str) -> String {
    let (address, audience) = (
        literal(&format!("{issuer}/oauth2/token")),
        literal(audience),
    );
    format!(
        r#"import os, requests

answer = requests.post(
    {address},
    auth=("{client}", os.environ["CHANCERY_CLIENT_SECRET"]),
    data={{
        "grant_type": "client_credentials",
        "audience": {audience},
    }},
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
            let told = arguments(&curl("https://auth.example/t/acme", client, audience));
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
    fn no_identifier_ends_a_text_of_a_program() {
        assert_eq!(literal(r#"a"b\c"#), r#""a\"b\\c""#);
        let client = ClientId::from_bytes([7; 16]);
        for snippet in [rust, typescript, python] {
            let text = snippet("https://auth.example/t/acme", client, "x\"); run(\"");
            assert!(text.contains(r#""x\"); run(\"""#), "{text}");
        }
    }
}
