//! Requests that cannot be read.

use chancery_testkit::stores::TestStore;

use crate::{FORM, GRANT, ORDERS, basic, shop};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests_that_cannot_be_read_are_refused() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let basic = basic(&client);
    let json = ("content-type", "application/json");
    let form = ("content-type", FORM);
    let by_basic = ("authorization", &*basic);
    let long = format!("{GRANT}&scope={}", "x".repeat(64 * 1024));
    for (headers, body, status, error) in [
        (&[][..], &b""[..], 400, "invalid_request"),
        (&[by_basic], GRANT.as_bytes(), 400, "invalid_request"),
        (
            &[by_basic, ("content-type", "text/plain")],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form, json],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (&[by_basic, form], b"", 400, "invalid_request"),
        (&[by_basic, form], b"scope=\xff", 400, "invalid_request"),
        (&[by_basic, form], b"scope=%00", 400, "invalid_request"),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (&[by_basic, form], long.as_bytes(), 400, "invalid_request"),
        (
            &[by_basic, form, by_basic],
            GRANT.as_bytes(),
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&client_secret=x",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&client_id=x",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, json],
            br#"{"grant_type":"client_credentials","grant_type":"password"}"#,
            400,
            "invalid_request",
        ),
        (&[by_basic, json], b"[]", 400, "invalid_request"),
        (
            &[by_basic, form],
            b"grant_type=refresh_token",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=refresh_token&refresh_token=chr_x",
            400,
            "unauthorized_client",
        ),
        (
            &[by_basic, form],
            b"grant_type=Client_Credentials",
            400,
            "unsupported_grant_type",
        ),
        (&[form], GRANT.as_bytes(), 401, "invalid_client"),
        (
            &[form, ("authorization", "Bearer x")],
            GRANT.as_bytes(),
            401,
            "invalid_client",
        ),
        (
            &[form],
            b"grant_type=client_credentials&client_assertion=x",
            400,
            "invalid_request",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&audience=urn:x:unknown",
            400,
            "invalid_target",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&audience=urn:chancery:admin",
            400,
            "invalid_target",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&scope=billing:pay",
            400,
            "invalid_scope",
        ),
        (
            &[by_basic, form],
            b"grant_type=client_credentials&scope=+",
            400,
            "invalid_scope",
        ),
    ] {
        let answer = node.post(headers, body.to_vec()).await;
        assert_eq!(
            answer.outcome(),
            (status, error.to_owned()),
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(80)])
        );
    }
    assert_eq!(node.ask(&client, "").await.status, 200);

    let wrong_method = node.get("/t/acme/oauth2/token", &[]).await;
    assert_eq!(
        (wrong_method.status, wrong_method.header("allow")),
        (405, Some("POST"))
    );
}

/// What names another charset is read only where that makes no difference.
#[tokio::test]
async fn a_body_in_another_charset_is_refused() {
    let (node, client) = shop(TestStore::sqlite().await).await;
    let basic = basic(&client);
    let json = format!(r#"{{"grant_type":"client_credentials","audience":"{ORDERS}"}}"#);
    for (content_type, body, status) in [
        (format!("{FORM}; charset=UTF-8"), GRANT, 200),
        (format!("{FORM}; charset=ISO-8859-1"), GRANT, 200),
        (format!("{FORM}; charset=utf-16"), GRANT, 400),
        ("application/json; charset=utf-8".to_owned(), &*json, 200),
        ("application/json;charset=utf-16".to_owned(), &*json, 400),
    ] {
        let headers = [("content-type", &*content_type), ("authorization", &basic)];
        let answer = node.post(&headers, body.to_owned()).await;
        assert_eq!(answer.status, status, "{content_type}: {answer:?}");
        if status == 400 {
            assert!(answer.description().contains("UTF-8"), "{answer:?}");
        }
    }
}
