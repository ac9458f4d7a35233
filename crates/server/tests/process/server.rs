use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use chancery_event_store::StoreLocation;
use chancery_testkit::stores::TestDatabase;
use serde_json::{Value, json};

/// How long a server may take to do what it is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `chancery serve` in a directory of its own.
pub(crate) struct Server {
    child: Mutex<Child>,
    pub(crate) url: String,
    /// Where it listens: behind its public URL there may be several.
    pub(crate) address: String,
    pub(crate) operator: Value,
    http: reqwest::Client,
    log: Arc<Log>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

/// What a server has logged since it was started.
struct Log {
    text: Mutex<String>,
    /// How much of it was said before it listened.
    before: usize,
    grown: Condvar,
}

impl Log {
    /// Takes in everything, to the end: it has to go somewhere, or the server would wait for a reader.
    fn follow(&self, from: BufReader<ChildStderr>) {
        for line in from.lines() {
            let mut text = self.text.lock().unwrap();
            text.push_str(&line.unwrap());
            text.push('\n');
            self.grown.notify_all();
        }
    }
}

/// The binary with a clean environment.
pub(crate) fn chancery(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("USER", "tester");
    command
}

/// A client that does not use a connection which the server may be closing at that moment: it does so when nobody
/// has said anything on it for fifteen seconds.
pub(crate) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(5))
}

/// What a command that ends by itself printed.
pub(crate) fn output(mut command: Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Makes a test into two, one for each store; `arguments` choose it on the command line.
macro_rules! on_both_stores {
    ($(#[$meta:meta])* async fn $name:ident($directory:ident: &Path, $arguments:ident: &[String]) $body:block) => {
        mod $name {
            use super::*;

            async fn check($directory: &std::path::Path, $arguments: &[String]) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let directory = tempfile::tempdir().unwrap();
                check(directory.path(), &[]).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let directory = tempfile::tempdir().unwrap();
                let database = chancery_testkit::stores::TestDatabase::empty(chancery_event_store::Backend::Postgres).await;
                let arguments = crate::server::arguments(directory.path(), &database);
                check(directory.path(), &arguments).await;
            }
        }
    };
}
pub(crate) use on_both_stores;

/// PostgreSQL needs a master key of its own.
pub(crate) fn arguments(directory: &Path, database: &TestDatabase) -> Vec<String> {
    let StoreLocation::Postgres(url) = database.location() else {
        panic!("{:?}", database.location())
    };
    arguments_of(directory, url)
}

/// The same for the database at this address.
pub(crate) fn arguments_of(directory: &Path, url: &str) -> Vec<String> {
    let key = directory.join("postgres-master.key");
    fs::write(&key, "kG3sPMT0yUgEPZ1VUhnIXBD3hSY6Zy8s0jVtsXdNPLA=\n").unwrap();
    vec![
        "--database-url".to_owned(),
        url.to_owned(),
        "--master-key-file".to_owned(),
        key.to_str().unwrap().to_owned(),
    ]
}

impl Server {
    /// Starts the server on a free port and waits until it listens.
    pub(crate) fn start(directory: &Path, arguments: &[String]) -> Self {
        Self::start_by(chancery(directory), directory, arguments)
    }

    /// The same, so that a write beyond the size that its files may have fails, as on a full disk, and does
    /// not end it: see [`Server::may_write`].
    pub(crate) fn start_on_a_small_disk(directory: &Path) -> Self {
        Self::start_after("trap '' XFSZ", directory, &[])
    }

    /// The same, after a shell has done this in its process.
    pub(crate) fn start_after(prepared: &str, directory: &Path, arguments: &[String]) -> Self {
        let binary = chancery(directory);
        let mut shell = Command::new("/bin/sh");
        shell.current_dir(directory).env_clear();
        shell.envs(
            binary
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell.args(["-c", &format!("{prepared}; exec \"$0\" \"$@\"")]);
        shell.arg(binary.get_program());
        Self::start_by(shell, directory, arguments)
    }

    fn start_by(mut command: Command, directory: &Path, arguments: &[String]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(arguments)
            .env("CHANCERY_LOG__LEVEL", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        // What runs in the background may say something before it is said where the server listens.
        let mut text = String::new();
        let (url, address) = loop {
            let begin = text.len();
            assert!(
                log.read_line(&mut text).unwrap() > 0,
                "the server ended before it listened"
            );
            let line = &text[begin..];
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            if let Some(url) = entry["public_url"].as_str() {
                let address = entry["address"].as_str().unwrap_or_default();
                break (url.to_owned(), format!("http://{address}"));
            }
        };
        let kept = Arc::new(Log {
            before: text.len(),
            text: Mutex::new(text),
            grown: Condvar::new(),
        });
        let reader = std::thread::spawn({
            let kept = Arc::clone(&kept);
            move || kept.follow(log)
        });
        let operator = fs::read(directory.join("chancery-data/operator.json")).unwrap();
        let operator = serde_json::from_slice(&operator).unwrap();
        Self {
            child: Mutex::new(child),
            url,
            address,
            operator,
            http: client().build().unwrap(),
            log: kept,
            reader: Mutex::new(Some(reader)),
        }
    }

    /// A token of a client, or the status.
    pub(crate) async fn token(
        &self,
        slug: &str,
        client: &str,
        secret: &str,
        audience: &str,
    ) -> Result<String, u16> {
        let request = self
            .http
            .post(format!("{}/t/{slug}/oauth2/token", self.url));
        let request = request.basic_auth(client, Some(secret));
        let form = [("grant_type", "client_credentials"), ("audience", audience)];
        granted(request.form(&form)).await
    }

    /// The same, of a client that authenticates with an assertion.
    pub(crate) async fn token_by(
        &self,
        slug: &str,
        assertion: &str,
        audience: &str,
    ) -> Result<String, u16> {
        let request = self
            .http
            .post(format!("{}/t/{slug}/oauth2/token", self.url));
        let of = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("audience", audience),
            ("client_assertion_type", of),
            ("client_assertion", assertion),
        ];
        granted(request.form(&form)).await
    }

    /// A token of the first operator.
    pub(crate) async fn operator_token(&self) -> String {
        let text = |name: &str| self.operator[name].as_str().unwrap();
        self.token(
            "system",
            text("client_id"),
            text("client_secret"),
            "urn:chancery:admin",
        )
        .await
        .unwrap()
    }

    /// What GraphQL answers; `None` when the connection broke.
    pub(crate) async fn graphql(&self, token: &str, query: &str) -> Option<Value> {
        let request = self
            .http
            .post(format!("{}/graphql", self.url))
            .bearer_auth(token)
            .json(&json!({"query": query}));
        request.send().await.ok()?.json().await.ok()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    /// The latest checkpoint of a roll. Whoever is the first to ask has it sealed; else the server does so a
    /// moment after the tenant is made. Commands beside it never begin.
    pub(crate) async fn checkpoint(&self, slug: &str) -> String {
        let answer = self.get(&format!("/t/{slug}/roll/checkpoint")).await;
        assert_eq!(answer.status(), 200, "the checkpoint of {slug}");
        answer.text().await.unwrap()
    }

    /// Tells the server to stop, and waits.
    pub(crate) fn terminate(&self) -> i32 {
        self.tell_to_stop();
        self.ended()
    }

    pub(crate) fn tell_to_stop(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().id().to_string();
        let told = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(told.success());
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&self) -> i32 {
        self.child.lock().unwrap().wait().unwrap().code().unwrap()
    }

    /// What was logged since it listened, when it has ended.
    pub(crate) fn log(&self) -> String {
        if let Some(reader) = self.reader.lock().unwrap().take() {
            reader.join().unwrap();
        }
        self.log.text.lock().unwrap()[self.log.before..].to_owned()
    }

    /// Waits until this is in the log of the server, which runs on. It may have been said before it listened.
    pub(crate) fn logs(&self, told: &str) {
        let text = self.log.text.lock().unwrap();
        let missing = |text: &mut String| !text.contains(told);
        let wait = self.log.grown.wait_timeout_while(text, PATIENCE, missing);
        let (text, timeout) = wait.unwrap();
        assert!(!timeout.timed_out(), "`{told}` is not logged: {text}");
    }

    /// From now on whatever it writes into files fails, or does not any more.
    pub(crate) fn may_write(&self, may: bool) {
        let size = if may { "unlimited" } else { "0" };
        let status = Command::new("prlimit")
            .arg(format!("--pid={}", self.child.lock().unwrap().id()))
            .arg(format!("--fsize={size}:"))
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// `kill -9`, while others may still talk to it.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// The access token that a request is answered with, or the status; 0 where the connection broke.
async fn granted(request: reqwest::RequestBuilder) -> Result<String, u16> {
    let answer = request.send().await.map_err(|_| 0_u16)?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.map_err(|_| status)?;
    body["access_token"]
        .as_str()
        .map(ToOwned::to_owned)
        .ok_or(status)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
