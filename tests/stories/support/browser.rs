use serde_json::Value;

use super::World;

/// A browser without scripts: it keeps a cookie and sends forms as the page has them.
pub(crate) struct Browser<'a> {
    world: &'a World,
    http: reqwest::Client,
    pub(crate) cookie: Option<String>,
}

/// A page, or another answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) html: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let redirects = reqwest::redirect::Policy::none();
        Self {
            world,
            http: reqwest::Client::builder()
                .redirect(redirects)
                .build()
                .unwrap(),
            cookie: None,
        }
    }

    /// One in which the first operator is signed in.
    pub(crate) async fn operator(world: &'a World) -> Self {
        let text = |name: &str| world.operator[name].as_str().unwrap().to_owned();
        let (client, secret) = (text("client_id"), text("client_secret"));
        Self::signed_in(world, "system", &client, &secret).await
    }

    /// One in which this client is signed in.
    pub(crate) async fn signed_in(
        world: &'a World,
        tenant: &str,
        client: &str,
        secret: &str,
    ) -> Self {
        let mut browser = Self::new(world);
        let page = browser.sign_in(tenant, client, secret).await;
        assert_eq!(page.status, 303, "{}", page.text());
        browser
    }

    /// Sends the form to sign in.
    pub(crate) async fn sign_in(&mut self, tenant: &str, client: &str, secret: &str) -> Page {
        let fields = [("tenant", tenant), ("client", client), ("secret", secret)];
        let page = self.send("/console/sign-in", &fields).await;
        self.keep_cookie(&page);
        page
    }

    pub(crate) fn keep_cookie(&mut self, page: &Page) {
        if let Some(cookie) = page.headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(cookie.to_owned());
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.world.url));
        self.answer(request).await
    }

    /// A page that must be there.
    pub(crate) async fn open(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        page
    }

    /// Sends exactly these fields, as from a page of this server.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.world.url));
        let request = request.header("origin", &self.world.url);
        self.answer(request.form(fields)).await
    }

    /// The same, by a browser that says from which site's page it is.
    pub(crate) async fn send_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.world.url));
        let request = request.header("sec-fetch-site", site);
        self.answer(request.form(fields)).await
    }

    /// Opens a page, and sends the form on it that goes to this path, with what it brings along by
    /// itself, and these fields.
    pub(crate) async fn submit(&self, on: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.open(on).await;
        let hidden = page.hidden(path);
        let hidden: Vec<_> = hidden
            .iter()
            .filter(|(name, _)| fields.iter().all(|(given, _)| given != name))
            .map(|(name, value)| (&**name, &**value))
            .collect();
        self.send(path, &[&hidden, fields].concat()).await
    }

    async fn answer(&self, mut request: reqwest::RequestBuilder) -> Page {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.unwrap();
        Page {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            html: response.text().await.unwrap(),
        }
    }
}

impl Page {
    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text());
        self.headers["location"].to_str().unwrap()
    }

    /// The fields that the form to this path brings along.
    pub(crate) fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let marker = format!("action=\"{action}\"");
        let at = self.html.find(&marker);
        let at = at.unwrap_or_else(|| panic!("no form to {action}: {}", self.text()));
        let form = &self.html[at..];
        let form = &form[..form.find("</form>").unwrap()];
        form.split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }

    /// The text of the first element with this attribute.
    pub(crate) fn within(&self, attribute: &str) -> String {
        let at = self.html.find(attribute);
        let at = at.unwrap_or_else(|| panic!("no {attribute}: {}", self.text()));
        let rest = &self.html[at..];
        let rest = &rest[rest.find('>').unwrap() + 1..];
        unescaped(&rest[..rest.find('<').unwrap()])
    }

    /// What a reader sees.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.html.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        let words: Vec<_> = text.split_whitespace().collect();
        unescaped(&words.join(" "))
    }

    pub(crate) fn shows(&self, text: &str) {
        assert!(self.text().contains(text), "no `{text}`: {}", self.text());
    }

    pub(crate) fn shows_not(&self, text: &str) {
        assert!(!self.text().contains(text), "`{text}`: {}", self.text());
    }
}

fn attribute(input: &str, name: &str) -> String {
    let marker = format!(" {name}=\"");
    let at = input.find(&marker).unwrap() + marker.len();
    let rest = &input[at..];
    unescaped(&rest[..rest.find('"').unwrap()])
}

/// HTML as the text that it shows.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// A tenant's administrator: its client's id and secret.
pub(crate) async fn tenant_admin(world: &World, tenant: &str) -> (String, String) {
    let created = world
        .operator()
        .await
        .mutation(
            "createClient",
            "client { id } secret { plaintext }",
            serde_json::json!({
                "tenant": tenant,
                "name": format!("{tenant} admin"),
                "grants": [{"api": "urn:chancery:admin", "scopes": ["tenant:admin"]}],
            }),
        )
        .await
        .data();
    let text = |pointer: &str| {
        created
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    (text("/client/id"), text("/secret/plaintext"))
}
