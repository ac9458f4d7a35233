//! What `chancery config` prints, and what it never does.

use super::*;

#[test]
fn no_secret_is_shown() {
    let config = scene()
        .env(
            "CHANCERY_DATABASE_URL",
            "postgres://u:hunter2@db/chancery?password=hunter2",
        )
        .env("CHANCERY_MASTER_KEY", KEY)
        .config();
    let json = serde_json::to_string(&config.report()).unwrap();
    for shown in [
        config.report().to_string(),
        json,
        format!("{config:?}"),
        format!("{:?}", config.report()),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&KEY[..8]), "{shown}");
    }
}

#[test]
fn the_report_is_a_file_that_says_the_same() {
    let first = scene()
        .env("CHANCERY_TRUSTED_PROXIES", "10.0.0.0/8")
        .env("CHANCERY_DATA_DIR", "./a \"b\"")
        .file("limits.address_failures = '10/5s'")
        .config();
    let text = first.report().to_string();
    assert!(
        text.contains("limits.address_failures = \"10/5s\""),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|line| line.ends_with("  # environment variable CHANCERY_TRUSTED_PROXIES")),
        "{text}"
    );
    let second = scene().file(&text).config();
    assert_eq!(second.data_dir, first.data_dir);
    assert_eq!(second.trusted_proxies, first.trusted_proxies);
    assert_eq!(
        second.master_key,
        MasterKeySource::File("./a \"b\"/master.key".into())
    );
    let values = |text: String| {
        text.lines()
            .map(|line| line.split("  # ").next().unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(second.report().to_string()), values(text));
}

#[test]
fn the_report_is_json_by_key() {
    let scene = scene()
        .env("CHANCERY_MASTER_KEY", KEY)
        .file("data_dir = '/srv/c'")
        .flags(|flags| flags.listen = Some("127.0.0.1:1".into()));
    let config = scene.config();
    let json = serde_json::to_value(config.report()).unwrap();
    let expect = |key: &str, value: serde_json::Value| assert_eq!(json[key], value);
    expect(
        "listen",
        serde_json::json!({"value": "127.0.0.1:1", "source": "flag", "name": "--listen"}),
    );
    expect(
        "data_dir",
        serde_json::json!({"value": "/srv/c", "source": "file", "path": "chancery.toml"}),
    );
    expect(
        "master_key",
        serde_json::json!({"value": "(redacted)", "source": "environment", "name": "CHANCERY_MASTER_KEY"}),
    );
    expect(
        "master_key_file",
        serde_json::json!({"value": null, "source": "default"}),
    );
    expect(
        "trusted_proxies",
        serde_json::json!({"value": [], "source": "default"}),
    );
    assert_eq!(json.as_object().unwrap().len(), keys::KEYS.len());
}
