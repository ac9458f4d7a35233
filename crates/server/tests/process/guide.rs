//! The guides are true: their blocks are run in their order against the binary, and what follows each is
//! what it says. It needs what the guides need: `bash`, `curl`, `jq`, `openssl` and `sqlite3`.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use crate::{
    integrator::Integrator,
    server::{Server, on_both_stores, output},
};

/// A block that is to be run, and what it says.
pub(crate) struct Step {
    /// The language that it is in.
    pub(crate) kind: String,
    pub(crate) line: usize,
    pub(crate) run: String,
    pub(crate) said: Option<String>,
}

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn operators_guide() -> String {
    fs::read_to_string(repository().join("docs/operators.md")).unwrap()
}

/// How a backup is made and restored.
fn operations() -> String {
    fs::read_to_string(repository().join("docs/operations.md")).unwrap()
}

pub(crate) fn integrators_guide() -> String {
    fs::read_to_string(repository().join("docs/tokens.md")).unwrap()
}

/// The blocks that can be run, each with the `json` or `text` that comes next.
pub(crate) fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open: Option<(&str, usize, String)> = None;
    for (index, line) in guide.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind, index + 1, String::new())),
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (Some(_), Some(_)) => {
                let (kind, line, text) = open.take().unwrap();
                match kind {
                    "bash" | "python" | "javascript" | "go" => steps.push(Step {
                        kind: kind.to_owned(),
                        line,
                        run: text,
                        said: None,
                    }),
                    "json" | "text" => {
                        if let Some(last) = steps.last_mut() {
                            last.said.get_or_insert(text);
                        }
                    }
                    _ => {}
                }
            }
            (None, None) => {}
        }
    }
    steps
}

/// The same with the members of each object in one order: GraphQL gives them as they are ready.
fn sorted(said: &str) -> String {
    let values = |text: &str| {
        let values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
        let values = values.collect::<Result<Vec<_>, _>>().ok()?;
        let lines: Vec<_> = values.iter().map(ToString::to_string).collect();
        Some(lines.join("\n"))
    };
    let line = |line: &str| values(line).unwrap_or_else(|| line.to_owned());
    values(said).unwrap_or_else(|| said.lines().map(line).collect::<Vec<_>>().join("\n"))
}

/// What is the same each time: ids, times, secrets and hints are not.
fn lasting(said: &str) -> String {
    let said = sorted(said);
    let varies = |word: &str| {
        let number = word.len() <= 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        // A hash or a key in base64 has a digit nearly always, and not always.
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let hash = word.len() >= 43 && word.chars().all(base64);
        word.contains('…') || hash || !number && word.contains(|c: char| c.is_ascii_digit())
    };
    let mut kept = String::new();
    let mut word = String::new();
    for c in said.replace('\r', "").trim_end().chars().chain(['\n']) {
        if c.is_whitespace() || "\"{}[](),".contains(c) {
            let after_one_that_varies = ["\"hint\":\"", "retry-after: "]
                .iter()
                .any(|before| kept.ends_with(before));
            kept.push_str(
                if varies(&word) || after_one_that_varies && !word.is_empty() {
                    "#"
                } else {
                    &word
                },
            );
            word.clear();
            kept.push(c);
        } else {
            word.push(c);
        }
    }
    kept
}

/// Runs blocks of `bash` in one shell, and gives where the guide is wrong, and what was complained of.
fn follow(
    directory: &Path,
    steps: &[Step],
    here: &dyn Fn(&str) -> String,
    mut bash: Command,
) -> (Vec<String>, String) {
    let run = |step: &Step| format!("echo '<<< {}'\n{}", step.line, here(&step.run));
    let script: Vec<_> = steps.iter().map(run).collect();
    fs::write(directory.join("guide.sh"), script.join("\n")).unwrap();
    bash.arg("guide.sh").current_dir(directory);
    let (_, said, complained) = output(bash);
    let mut said = said
        .split("<<< ")
        .skip(1)
        .map(|said| said.split_once('\n').unwrap());
    let mut wrong = Vec::new();
    for step in steps {
        let (line, said) = said
            .next()
            .unwrap_or_else(|| panic!("it stopped: {complained}"));
        assert_eq!(line, step.line.to_string());
        let expected = here(step.said.as_deref().unwrap_or_default());
        if lasting(said) != lasting(&expected) {
            wrong.push(format!(
                "--- line {line}, the guide says\n{expected}--- and the server\n{said}"
            ));
        }
    }
    (wrong, complained)
}

/// A shell at the server's command line.
fn beside(server: &Server, arguments: &[String]) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_chancery")).parent().unwrap();
    let mut bash = Command::new("bash");
    bash.env_clear()
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display()),
        )
        .env("USER", "tester")
        .env("CHANCERY_PUBLIC_URL", &server.url);
    if let [_, url, _, key] = arguments {
        bash.env("CHANCERY_DATABASE_URL", url)
            .env("CHANCERY_MASTER_KEY_FILE", key);
    }
    bash
}

on_both_stores! {
    async fn every_block_of_the_operators_guide_says_what_the_guide_says(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let on_sqlite = arguments.is_empty();
        let here = |text: &str| text.replace("http://127.0.0.1:8080", &server.url);
        let guide = operators_guide();
        // How SQLite is backed up is for SQLite.
        let steps: Vec<_> = steps(&guide)
            .into_iter()
            .chain(steps(&operations()))
            .filter(|step| on_sqlite || !step.run.contains("sqlite3") && !step.run.contains("restored"))
            .collect();
        assert!(steps.len() > 30, "{} steps", steps.len());
        let bash = beside(&server, arguments);
        let (wrong, complained) = follow(directory, &steps, &here, bash);
        assert!(wrong.is_empty(), "{}\n{complained}", wrong.join("\n"));
        // What is refused on purpose is said by the guide's own helper.
        let said = complained.replace("chancery: ", "");
        let others: Vec<_> = said.lines().filter(|line| !line.starts_with("refused: ")).collect();
        assert_eq!(others, Vec::<&str>::new());
    }
}

on_both_stores! {
    async fn every_block_of_the_auditors_guide_says_what_the_guide_says(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let authority = server.url.strip_prefix("http://").unwrap();
        let here = |text: &str| text.replace("127.0.0.1:8080", authority);
        let guide = fs::read_to_string(repository().join("docs/auditors.md")).unwrap();
        let steps = steps(&guide);
        assert!(steps.len() > 10, "{} steps", steps.len());
        let (wrong, complained) = follow(directory, &steps, &here, beside(&server, arguments));
        assert!(wrong.is_empty(), "{}\n{complained}", wrong.join("\n"));
        assert_eq!(complained, "");
    }
}

/// Every rule that a refusal can name stands in the guide.
#[test]
fn every_refusal_is_explained() {
    let mut rules = BTreeSet::new();
    for source in ["crates/domain/src", "crates/application/src"] {
        rules_in(&repository().join(source), &mut rules);
    }
    assert!(
        rules.len() > 40 && rules.contains("LAST_OPERATOR"),
        "{rules:?}"
    );
    let guide = operators_guide();
    let missing: Vec<_> = rules
        .iter()
        .filter(|rule| !guide.contains(&format!("`{rule}`")))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// `Variant = "RULE",` of the refusals, and `rule: "RULE",` or a constant of the guards.
fn rules_in(directory: &Path, rules: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rules_in(&path, rules);
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(rule) = line.trim_end_matches([',', ';']).strip_suffix('"') else {
                continue;
            };
            let rule = rule.split_once("= \"").or(rule.split_once("rule: \""));
            let upper = |c: char| c.is_ascii_uppercase() || c == '_';
            if let Some((_, rule)) = rule
                && rule.contains('_')
                && rule.chars().all(upper)
            {
                rules.insert(rule.to_owned());
            }
        }
    }
}

on_both_stores! {
    async fn every_block_of_the_integrators_guide_says_what_the_guide_says(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let integrator = Integrator::welcome(&server, directory).await;
        let steps: Vec<_> = steps(&integrators_guide()).into_iter().filter(|step| step.kind == "bash").collect();
        assert!(steps.len() > 7, "{} steps", steps.len());
        let mut bash = Command::new("bash");
        bash.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").envs(integrator.environment());
        let here = |text: &str| text.replace("http://127.0.0.1:8080", &server.url);
        let (wrong, complained) = follow(directory, &steps, &here, bash);
        assert!(wrong.is_empty(), "{}\n{complained}", wrong.join("\n"));
        assert_eq!(complained, "");
    }
}

/// Every error that an endpoint can answer with stands in the integrators' guide, with its status.
#[test]
fn every_error_is_explained() {
    let document = fs::read_to_string(repository().join("schema/openapi.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let answers = document
        .pointer("/paths/~1t~1{slug}~1oauth2~1token/post/responses")
        .unwrap();
    let guide = integrators_guide();
    let mut rows = Vec::new();
    for (status, answer) in answers.as_object().unwrap() {
        let errors = answer.pointer("/content/application~1json/schema/properties/error/enum");
        for error in errors
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
        {
            rows.push(format!("| `{}` | {status} | ", error.as_str().unwrap()));
        }
    }
    assert_eq!(rows.len(), 10, "{rows:?}");
    let missing: Vec<_> = rows
        .into_iter()
        .filter(|row| !guide.contains(row))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
