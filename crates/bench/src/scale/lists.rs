//! The lists that operators look at, each from its beginning and from somewhere in the middle.

use chancery_domain::Timestamp;
use serde_json::{Value, json};

use crate::{error::Error, tenant::Operator};

/// What is asked about.
pub(super) struct Whose<'a> {
    pub(super) slug: &'a str,
    /// A client in the middle, which nobody has used.
    pub(super) client: &'a str,
    /// One that asked for tokens, and when half of them were issued.
    pub(super) asking: &'a str,
    pub(super) middle: Timestamp,
}

impl Whose<'_> {
    /// Questions of fifty each, with their names.
    pub(super) async fn questions(
        &self,
        operator: &Operator,
    ) -> Result<Vec<(&'static str, Value)>, Error> {
        let created =
            json!({"query": format!("{{ client(id: \"{}\") {{ createdAt }} }}", self.client)});
        let answer = operator.ask(&created).await?;
        let since = answer["client"]["createdAt"].as_str().unwrap_or_default();
        let mut questions = self.of_roll(since);
        let token = self.token(operator).await?;
        questions.extend(self.of_activity(&token));
        let asked = |(name, query): (&'static str, String)| (name, json!({"query": query}));
        Ok(questions.into_iter().map(asked).collect())
    }

    /// The first token of the one that asked. Pages before it may be empty: each looks at so many records at most.
    async fn token(&self, operator: &Operator) -> Result<String, Error> {
        let mut after = String::new();
        loop {
            let page = format!("{after}, filter: {{client: \"{}\"}}", self.asking);
            let answer = operator
                .ask(&json!({"query": self.activity(&page)}))
                .await?;
            let activity = &answer["activity"];
            if let Some(token) = activity["edges"][0]["node"]["jti"].as_str() {
                return Ok(token.to_owned());
            }
            let end = activity["pageInfo"]["endCursor"].as_str();
            let goes_on = activity["pageInfo"]["hasNextPage"] == true;
            let Some(end) = end.filter(|_| goes_on) else {
                let none = format!("no token of {} is in the activity", self.asking);
                return Err(Error::Wrong(none));
            };
            after = format!(", after: \"{end}\"");
        }
    }

    fn of_roll(&self, since: &str) -> Vec<(&'static str, String)> {
        let Self { slug, client, .. } = self;
        let clients = |filter: &str| {
            format!(
                "{{ clients(tenant: \"{slug}\", first: 50{filter}) {{ edges {{ cursor node {{ id name state createdAt }} }} }} }}"
            )
        };
        let events = |filter: &str| {
            format!(
                "{{ events(tenant: \"{slug}\", first: 50{filter}) {{ edges {{ cursor node {{ id tenantSeq type payload }} }} }} }}"
            )
        };
        vec![
            ("clients", clients("")),
            (
                "clients since the middle",
                clients(&format!(", filter: {{createdSince: \"{since}\"}}")),
            ),
            (
                "clients by the beginning of a name",
                clients(", filter: {search: \"seeded 77\"}"),
            ),
            (
                "one client",
                format!("{{ client(id: \"{client}\") {{ name state createdAt }} }}"),
            ),
            ("entries", events("")),
            (
                "entries since the middle",
                events(&format!(", filter: {{since: \"{since}\"}}")),
            ),
            (
                "entries of one client",
                events(&format!(", filter: {{aggregateId: \"{client}\"}}")),
            ),
        ]
    }

    /// What has been asked for.
    fn of_activity(&self, token: &str) -> Vec<(&'static str, String)> {
        let Self {
            client,
            asking,
            middle,
            ..
        } = self;
        let filtered = |filter: &str| self.activity(&format!(", filter: {{{filter}}}"));
        vec![
            ("activity", self.activity("")),
            (
                "activity since the middle",
                filtered(&format!("since: \"{middle}\"")),
            ),
            (
                "activity of one client",
                filtered(&format!("client: \"{asking}\"")),
            ),
            (
                "activity of a client that did nothing",
                filtered(&format!("client: \"{client}\"")),
            ),
            (
                "activity of one token",
                filtered(&format!("jti: \"{token}\"")),
            ),
            ("denials", filtered("kinds: [\"token_denied\"]")),
        ]
    }

    fn activity(&self, filter: &str) -> String {
        format!(
            "{{ activity(tenant: \"{}\", first: 50{filter}) {{ edges {{ cursor node {{ id at kind client jti }} }} pageInfo {{ hasNextPage endCursor }} }} }}",
            self.slug
        )
    }
}
