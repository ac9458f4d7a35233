//! A headless Chromium, spoken to by its `DevTools` protocol over the library for web sockets that is here
//! anyway: what a story needs of it is a dozen messages.

use std::{path::PathBuf, process::Stdio, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How long anything may take before the story has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A browser with one page.
pub(crate) struct Chromium {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    page: String,
    next: u64,
    /// What the page complained of: errors of scripts, and what the policy did not let through.
    complaints: Vec<String>,
    _process: Child,
    _profile: tempfile::TempDir,
}

/// Where the browser is: `CHANCERY_CHROMIUM`, or one of these names in the path.
fn program() -> PathBuf {
    if let Some(given) = std::env::var_os("CHANCERY_CHROMIUM") {
        return given.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|directory| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| directory.join(name))
        })
        .find(|program| program.exists())
        .expect(
            "no Chromium: on Debian, `apt-get install chromium`; or name one in CHANCERY_CHROMIUM",
        )
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(program())
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--disable-background-networking",
            ])
            .args(["--remote-debugging-port=0", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let file = profile.path().join("DevToolsActivePort");
        let begun = tokio::time::Instant::now();
        let (port, path) = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some((port, path)) = text.trim().split_once('\n') {
                break (port.to_owned(), path.to_owned());
            }
            assert!(begun.elapsed() < PATIENCE, "Chromium does not start");
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let (socket, _) = connect_async(format!("ws://127.0.0.1:{port}{path}"))
            .await
            .unwrap();
        let mut browser = Self {
            socket,
            page: String::new(),
            next: 0,
            complaints: Vec::new(),
            _process: process,
            _profile: profile,
        };
        let target = browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attached).await;
        browser.page = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.ask(method, parameters).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.page.is_empty() {
            message["sessionId"] = json!(self.page);
        }
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = next.unwrap_or_else(|_| panic!("no answer to {method}"));
            let Message::Text(text) = message.unwrap().unwrap() else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == json!(id) {
                return answer;
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let is_error = entry["level"] == "error" && entry["source"] != "network";
        if is_error || event["method"] == "Runtime.exceptionThrown" {
            self.complaints.push(event["params"].to_string());
        }
    }

    /// What the page complained of so far.
    pub(crate) fn no_complaints(&self) {
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
    }

    /// The value of an expression on the page; none while the page is being left.
    pub(crate) async fn eval(&mut self, expression: &str) -> Option<Value> {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", parameters).await;
        let result = answer.get("result")?;
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        Some(result["result"]["value"].clone())
    }

    /// Waits until an expression holds.
    pub(crate) async fn until(&mut self, expression: &str) {
        let begun = tokio::time::Instant::now();
        while self.eval(expression).await != Some(json!(true)) {
            if begun.elapsed() > PATIENCE {
                let text = self.text().await;
                panic!("`{expression}` never holds on: {text}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Opens an address: another than the one that is open, but for its fragment.
    pub(crate) async fn open(&mut self, url: &str) {
        self.eval("window.before = true").await;
        self.call("Page.navigate", json!({"url": url})).await;
        self.until_another_page().await;
    }

    /// Does something that leads to another page, and waits for that.
    pub(crate) async fn follow(&mut self, script: &str) {
        self.eval(&format!("window.before = true; {script}; true"))
            .await;
        self.until_another_page().await;
    }

    /// Waits until the page that was marked as the one before is gone, and the next is whole.
    async fn until_another_page(&mut self) {
        self.until("window.before === undefined && document.readyState === 'complete'")
            .await;
    }

    /// Clicks a link or a button that leads to another page.
    pub(crate) async fn click(&mut self, selector: &str) {
        let found = format!("document.querySelector({}) !== null", json!(selector));
        self.until(&found).await;
        self.follow(&format!(
            "document.querySelector({}).click()",
            json!(selector)
        ))
        .await;
    }

    /// Clicks the first link or button with this text.
    pub(crate) async fn press(&mut self, text: &str) {
        let element = format!(
            "[...document.querySelectorAll('main a, main button, header button')].find(e => e.textContent.trim() === {})",
            json!(text)
        );
        self.until(&format!("{element} !== undefined")).await;
        self.follow(&format!("{element}.click()")).await;
    }

    /// Types into a field.
    pub(crate) async fn fill(&mut self, name: &str, value: &str) {
        let script = format!(
            "(() => {{ const e = document.querySelector(`main [name='${{{}}}']`); e.value = {}; e.dispatchEvent(new Event('input', {{bubbles: true}})); return true; }})()",
            json!(name),
            json!(value)
        );
        self.eval(&script).await;
    }

    /// Presses a key: `Tab`, `Enter`, or an arrow.
    pub(crate) async fn key(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "ArrowLeft" => (37, ""),
            "ArrowDown" => (40, ""),
            _ => (9, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Types into what has the focus.
    pub(crate) async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Goes on by the Tab key until what has the focus is called like this. On the way there everything that
    /// has it can be seen to have it.
    pub(crate) async fn tab_to(&mut self, name: &str) {
        let mut met = Vec::new();
        for _ in 0..100 {
            self.key("Tab").await;
            let focus = self
                .eval(
                    "(() => {
                        const e = document.activeElement;
                        const style = getComputedStyle(e);
                        const name = e.labels?.[0]?.innerText || e.getAttribute('aria-label') || e.innerText || e.title || '';
                        const box = e.getBoundingClientRect();
                        return {
                            name: name.trim(),
                            is_seen: style.outlineStyle !== 'none' && style.outlineWidth !== '0px'
                                && box.width > 0 && box.bottom > 0 && box.top < innerHeight,
                        };
                    })()",
                )
                .await
                .unwrap();
            let (called, is_seen) = (
                focus["name"].as_str().unwrap().to_owned(),
                &focus["is_seen"],
            );
            assert_eq!(is_seen, true, "nobody sees that `{called}` has the focus");
            if called.starts_with(name) {
                return;
            }
            met.push(called);
        }
        panic!("`{name}` is not reached by Tab, only {met:?}");
    }

    /// Presses Enter where that leads to another page, and waits for it.
    pub(crate) async fn enter(&mut self) {
        self.eval("window.before = true").await;
        self.key("Enter").await;
        self.until_another_page().await;
    }

    /// What a reader sees.
    pub(crate) async fn text(&mut self) -> String {
        let text = self
            .eval("document.body.innerText")
            .await
            .unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn shows(&mut self, text: &str) {
        self.until(&format!(
            "document.body.innerText.includes({})",
            json!(text)
        ))
        .await;
    }

    /// Keeps a cookie for this server.
    pub(crate) async fn keep_cookie(&mut self, url: &str, name: &str, value: &str) {
        let cookie = json!({"url": url, "name": name, "value": value, "httpOnly": true});
        self.call("Network.setCookie", cookie).await;
    }

    /// How wide the window is, and whether the reader wants it dark.
    pub(crate) async fn look(&mut self, (width, height): (u32, u32), dark: bool) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// The page as a picture.
    pub(crate) async fn picture(&mut self) -> Vec<u8> {
        let format = json!({"format": "webp", "quality": 80});
        let shot = self.call("Page.captureScreenshot", format).await;
        STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }
}
