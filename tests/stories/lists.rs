//! Pages of lists, with what belongs to each entry.

use serde_json::{Value, json};

use crate::support::{World, story};

/// What every entry of a connection holds under this pointer.
fn each(connection: &Value, pointer: &str) -> Vec<Value> {
    let edges = connection["edges"].as_array().unwrap();
    let nodes = edges.iter().map(|edge| &edge["node"]);
    nodes
        .map(|node| node.pointer(pointer).unwrap().clone())
        .collect()
}

story! {
    /// A page of clients shows of each its own secrets and the APIs that it is granted, and pages join
    /// without a gap.
    async fn a_page_of_clients_shows_what_belongs_to_each(world: World) {
        let acme = world.acme().await;
        let umbrella = world.tenant_like_acme("umbrella").await;
        let operator = world.operator().await;
        let mut expected = vec![(json!(acme.client), json!(acme.secret_id))];
        for number in 0..6 {
            let input = json!({"tenant": "acme", "name": format!("client {number}")});
            let created = operator.mutation("createClient", "client { id } secret { id }", input).await.data();
            expected.push((created["client"]["id"].clone(), created["secret"]["id"].clone()));
        }
        let fields = "edges { node { id tenant { slug } secrets { id } grants { api { identifier name } } } } pageInfo { hasNextPage endCursor }";
        let query = |after: &str| format!("{{ clients(tenant: \"acme\", first: 4{after}) {{ {fields} }} }}");
        let first = operator.query("clients", &query("")).await.data();
        let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
        let second = operator.query("clients", &query(&format!(", after: \"{cursor}\""))).await.data();
        assert_eq!((&first["pageInfo"]["hasNextPage"], &second["pageInfo"]["hasNextPage"]), (&json!(true), &json!(false)));

        let mut found = Vec::new();
        for page in [&first, &second] {
            assert!(each(page, "/tenant/slug").iter().all(|slug| slug == "acme"));
            assert!(each(page, "/secrets").iter().all(|secrets| secrets.as_array().unwrap().len() == 1));
            found.extend(each(page, "/id").into_iter().zip(each(page, "/secrets/0/id")));
        }
        // Ids of one moment are in no order among themselves.
        for all in [&mut found, &mut expected] {
            all.sort_by_key(|(client, _)| client.to_string());
        }
        assert_eq!(found, expected);
        let grants: Vec<_> = [&first, &second].iter().flat_map(|page| each(page, "/grants")).filter(|grants| *grants != json!([])).collect();
        assert_eq!(grants, [json!([{"api": {"identifier": "https://orders.example", "name": "Orders"}}])]);

        // What belongs to two tenants is read in one request as well.
        let query = format!(
            "query {{ a: client(id: \"{}\") {{ secrets {{ id }} tenant {{ slug }} }} b: client(id: \"{}\") {{ secrets {{ id }} tenant {{ slug }} }} }}",
            acme.client, umbrella.client
        );
        let answer = operator.query("a", &query).await;
        assert_eq!(answer.body["data"], json!({
            "a": {"secrets": [{"id": acme.secret_id}], "tenant": {"slug": "acme"}},
            "b": {"secrets": [{"id": umbrella.secret_id}], "tenant": {"slug": "umbrella"}},
        }));
    }
}
