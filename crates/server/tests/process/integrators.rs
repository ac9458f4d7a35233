//! Programs of others against the server: the libraries that integrators use, the guide's own programs, and
//! a run that is driven by the OpenAPI document. `cargo xtask check --deep` installs what they need.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use crate::{
    guide::{integrators_guide, steps},
    integrator::Integrator,
    server::{Server, on_both_stores, output},
};

/// Where packages of npm are installed.
const NPM: &str = "CHANCERY_TEST_NPM";
/// A Python that has the packages.
const PYTHON: &str = "CHANCERY_TEST_PYTHON";

/// Where sources of Go's modules are: what they are called, each at its path.
const GO: &str = "CHANCERY_TEST_GO";
/// Those that the guide's programs need, with what these need.
const MODULES: [(&str, &str, &str); 3] = [
    (
        "github.com/golang-jwt/jwt/v4",
        "v4.4.3",
        "github.com/golang-jwt/jwt",
    ),
    ("golang.org/x/oauth2", "v0.3.0", "golang.org/x/oauth2"),
    ("golang.org/x/net", "v0.3.0", "golang.org/x/net"),
];

fn named(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set; `cargo xtask check --deep` sets it"))
}

fn own(file: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/integrators");
    fs::read_to_string(here.join(file)).unwrap()
}

/// Runs a program of one of these languages with what an integrator has, and gives what it said.
fn run(directory: &Path, integrator: &Integrator, language: &str, program: &str) -> String {
    let modules = directory.join("node_modules");
    let (interpreter, file) = match language {
        "python" => (named(PYTHON), "program.py"),
        "javascript" => ("node".to_owned(), "program.mjs"),
        "go" => ("go".to_owned(), "program.go"),
        other => panic!("nobody here reads {other}"),
    };
    if language == "javascript" && !modules.exists() {
        symlink(Path::new(&named(NPM)).join("node_modules"), modules).unwrap();
    }
    fs::write(directory.join(file), program).unwrap();
    let mut command = Command::new(interpreter);
    if language == "go" {
        fs::write(directory.join("go.mod"), go_mod(&named(GO))).unwrap();
        // Nothing is fetched: all that it needs is there.
        command
            .env("GOPROXY", "off")
            .env("GOFLAGS", "-mod=mod")
            .arg("run");
    }
    command.arg(file).current_dir(directory);
    command.envs(integrator.environment());
    let (status, said, complained) = output(command);
    assert_eq!(status, 0, "{program}\n{said}{complained}");
    said
}

/// A module that has its dependencies from these sources.
fn go_mod(sources: &str) -> String {
    let lines = MODULES.map(|(module, version, path)| {
        format!("require {module} {version}\nreplace {module} => {sources}/{path}\n")
    });
    format!("module guide\n\ngo 1.19\n\n{}", lines.concat())
}

on_both_stores! {
    #[ignore = "needs packages of others: cargo xtask check --deep clients"]
    async fn every_program_of_the_integrators_guide_says_what_the_guide_says(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let integrator = Integrator::welcome(&server, directory).await;
        let guide = integrators_guide();
        let mut languages = Vec::new();
        for step in steps(&guide).into_iter().filter(|step| step.kind != "bash") {
            let said = run(directory, &integrator, &step.kind, &step.run);
            let expected = step.said.unwrap_or_default().replace("client_…", &integrator.client.0);
            assert_eq!(said, expected, "line {}", step.line);
            languages.push(step.kind);
        }
        // To ask, to keep, to sign, to verify, and what to do about errors: in each language.
        for language in ["python", "javascript", "go"] {
            assert_eq!(languages.iter().filter(|found| *found == language).count(), 5, "{language}");
        }
    }
}

on_both_stores! {
    #[ignore = "needs packages of others: cargo xtask check --deep clients"]
    async fn clients_of_others_authenticate_in_every_way_and_verify_by_rfc_9068(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let integrator = Integrator::welcome(&server, directory).await;
        for (language, file) in [("python", "clients.py"), ("javascript", "clients.mjs")] {
            assert_eq!(run(directory, &integrator, language, &own(file)), "done\n", "{file}");
        }
    }
}

on_both_stores! {
    #[ignore = "needs packages of others: cargo xtask check --deep openapi"]
    async fn requests_made_up_from_the_document_are_answered_as_it_says(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let integrator = Integrator::welcome(&server, directory).await;
        fs::write(directory.join("hooks.py"), own("hooks.py")).unwrap();
        fs::write(directory.join("schemathesis.toml"), "[parameters]\n\"path.slug\" = \"acme\"\n").unwrap();
        let (client, secret) = &integrator.client;
        let mut schemathesis = Command::new(named(PYTHON));
        schemathesis
            .args(["-m", "schemathesis.cli", "run", &format!("{}/openapi.json", server.url)])
            .args(["--auth", &format!("{client}:{secret}")])
            .args(["--max-examples", "200"])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"])
            // What fits the schema can still be refused, as two ways of authenticating are; and `null` is taken
            // where a member is left out.
            .args(["--exclude-checks", "positive_data_acceptance,negative_data_rejection"])
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", directory)
            .envs(integrator.environment())
            .current_dir(directory);
        let (status, said, complained) = output(schemathesis);
        assert_eq!(status, 0, "{said}{complained}");
        let answer = server.get("/metrics").await.text().await.unwrap();
        let decided = |outcome: &str| answer.contains(&format!("chancery_outcome=\"{outcome}\""));
        // It got beyond the syntax, at each endpoint.
        assert!(["issued", "introspected", "revoked", "denied"].into_iter().all(decided), "{said}{answer}");
    }
}
