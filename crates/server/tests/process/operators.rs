use reqwest::redirect::Policy;
use serde_json::Value;

use crate::server::{Server, chancery, on_both_stores, output};

on_both_stores! {
    async fn an_operator_is_made_beside_a_running_server(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let create = |extra: &[&str]| {
            let mut command = chancery(directory);
            command.args(["operator", "create", "--name", "reader"]).args(extra).args(arguments);
            output(command)
        };
        let (status, stdout, stderr) = create(&["--scope", "platform:read"]);
        assert_eq!(status, 0, "{stderr}");
        // The server was told its address by a flag, which the command cannot know.
        assert!(stderr.contains("give them here too"), "{stderr}");
        let credential: Value = serde_json::from_str(&stdout).unwrap();
        let text = |name: &str| credential[name].as_str().unwrap();
        let token = server.token("system", text("client_id"), text("client_secret"), text("audience")).await.unwrap();
        let answer = server.graphql(&token, "{ tenants { edges { node { slug } } } }").await.unwrap();
        assert_eq!(answer["data"]["tenants"]["edges"][0]["node"]["slug"], "system");

        let (status, _, stderr) = create(&["--scope", "platform:read", "--tenant", "nobody"]);
        assert_eq!(status, 2, "{stderr}");
        assert!(stderr.contains("there is no such tenant: `nobody`"), "{stderr}");
        let (status, _, stderr) = create(&["--scope", "everything"]);
        assert_eq!(status, 2, "{stderr}");
    }
}

on_both_stores! {
    async fn a_link_signs_the_first_operator_in_to_the_console(directory: &Path, arguments: &[String]) {
        let server = Server::start(directory, arguments);
        let mut command = chancery(directory);
        command.args(["operator", "link"]).args(arguments);
        let (status, stdout, stderr) = output(command);
        assert_eq!(status, 0, "{stderr}");
        let (address, code) = stdout.trim().split_once('#').unwrap();
        assert!(address.ends_with("/console/link"), "{stdout}");
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        let url = format!("{}/console/link", server.url);
        let sign_in = || http.post(&url).header("origin", &server.url).form(&[("code", code)]).send();
        let answer = sign_in().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert!(answer.headers().contains_key("set-cookie"));
        assert_eq!(sign_in().await.unwrap().status(), 401);

        let mut command = chancery(directory);
        command.args(["operator", "link", "--tenant", "nobody"]).args(arguments);
        let (status, stdout, stderr) = output(command);
        assert_eq!((status, &*stdout), (2, ""), "{stderr}");
    }
}
