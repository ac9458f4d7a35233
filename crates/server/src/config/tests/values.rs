//! Values that are refused, each in one sentence.

use super::*;

#[test]
fn a_variable_that_is_not_text_is_refused_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let noise = OsString::from_vec(vec![0xff, 0xfe]);
    let mut scene = scene();
    scene.environment.push(("OTHER".into(), noise.clone()));
    scene.environment.push((noise.clone(), noise.clone()));
    scene.config();
    scene.environment.push(("CHANCERY_DATA_DIR".into(), noise));
    assert_eq!(
        scene.refusal(),
        "`data_dir` (environment variable CHANCERY_DATA_DIR): is not UTF-8"
    );
}

#[test]
fn a_wrong_value_names_its_key_and_source() {
    assert_eq!(
        scene().env("CHANCERY_LISTEN", "localhost:80").refusal(),
        "`listen` (environment variable CHANCERY_LISTEN): `localhost:80` is not an address and port; \
         write it as 127.0.0.1:8080 or [::1]:8080"
    );
    assert_eq!(
        scene().file("listen = 8080").refusal(),
        "`listen` (file chancery.toml): must be text, in quotes"
    );
    assert_eq!(
        scene().file("trusted_proxies = '10.0.0.0/8'").refusal(),
        "`trusted_proxies` (file chancery.toml): must be a list of texts, as in [\"10.0.0.0/8\"]"
    );
    assert_eq!(
        scene()
            .flags(|flags| flags.log_format = Some("yaml".into()))
            .refusal(),
        "`log.format` (flag --log-format): `yaml` is not a format; write text or json"
    );
    assert!(
        scene()
            .env("CHANCERY_LISTEN", "0.0.0.0:8080")
            .refusal()
            .starts_with("`public_url` (default): is not set")
    );
}

#[test]
fn numbers_of_a_file_need_no_quotes() {
    let config = scene()
        .file("telemetry.sampling = 0.5\nactivity.retention_days = 30\n")
        .config();
    assert_eq!(config.telemetry.sampling.to_string(), "0.5");
    assert_eq!(config.activity.retention.to_string(), "30");
    let whole = scene().file("telemetry.sampling = 1\n").config();
    assert_eq!(whole.telemetry.sampling.to_string(), "1");
    for (file, key) in [
        ("activity.retention_days = 0", "activity.retention_days"),
        ("activity.retention_days = 1.5", "activity.retention_days"),
        ("activity.retention_days = -1", "activity.retention_days"),
        ("telemetry.sampling = 2", "telemetry.sampling"),
        ("telemetry.sampling = nan", "telemetry.sampling"),
    ] {
        let refusal = scene().file(file).refusal();
        assert!(
            refusal.starts_with(&format!("`{key}` (file chancery.toml): ")),
            "{refusal}"
        );
        assert!(!refusal.contains("quotes"), "{refusal}");
    }
}

#[test]
fn what_the_environment_goes_over_in_the_file_is_known() {
    let config = scene()
        .file("listen = '127.0.0.1:9090'\nlog.level = 'warn'\n")
        .env("CHANCERY_LISTEN", "127.0.0.1:8080")
        .env("CHANCERY_DATA_DIR", "/data")
        .config();
    let overridden: Vec<_> = config.overridden().collect();
    assert_eq!(overridden, [("listen", "CHANCERY_LISTEN".to_owned())]);
}

#[test]
fn an_empty_value_is_refused() {
    for key in keys::KEYS
        .iter()
        .filter(|key| key.name != keys::TRUSTED_PROXIES)
    {
        let expected = format!(
            "`{0}` (environment variable {1}): is empty; give it a value or remove it",
            key.name,
            key.variable()
        );
        assert_eq!(scene().env(&key.variable(), "").refusal(), expected);
        assert_eq!(scene().env(&key.variable(), "  ").refusal(), expected);
    }
}

#[test]
fn a_broken_file_is_refused_without_quoting_it() {
    let refusal = scene()
        .file("listen = '127.0.0.1:1'\nmaster_key = hunter2\n")
        .refusal();
    assert!(
        refusal.starts_with("the configuration file chancery.toml, line 2, is not TOML: "),
        "{refusal}"
    );
    assert!(!refusal.contains("hunter2"), "{refusal}");
    for text in [
        "master_key = 'hunter2",
        "master_key = \"hun\\ter2\"\nmaster_key = 'hunter2'",
        "master_key 'hunter2'",
        "hunter2",
    ] {
        let refusal = scene().file(text).refusal();
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn postgres_needs_a_master_key() {
    let postgres = || scene().env("CHANCERY_DATABASE_URL", "postgres://u:hunter2@db/chancery");
    let refusal = postgres().refusal();
    assert!(refusal.contains("openssl rand -base64 32"), "{refusal}");
    assert!(matches!(
        postgres()
            .env("CHANCERY_MASTER_KEY", KEY)
            .config()
            .master_key,
        MasterKeySource::Inline(_)
    ));
    let file = postgres()
        .env("CHANCERY_MASTER_KEY_FILE", "/run/secrets/key")
        .config();
    assert_eq!(
        file.master_key,
        MasterKeySource::File("/run/secrets/key".into())
    );
}

#[test]
fn one_master_key_at_most() {
    let scene = scene()
        .file("master_key_file = '/run/secrets/key'")
        .env("CHANCERY_MASTER_KEY", KEY);
    assert_eq!(
        scene.refusal(),
        "`master_key` (environment variable CHANCERY_MASTER_KEY) and \
         `master_key_file` (file chancery.toml) are both set; keep one"
    );
}

#[test]
fn a_master_key_that_is_none_is_refused_at_once() {
    for text in ["hunter2", "c2hvcnQ="] {
        let refusal = scene().env("CHANCERY_MASTER_KEY", text).refusal();
        assert!(
            refusal.starts_with("`master_key` (environment variable CHANCERY_MASTER_KEY): "),
            "{refusal}"
        );
        assert!(!refusal.contains(text), "{refusal}");
    }
}

#[test]
fn introspection_is_true_or_false() {
    assert!(scene().config().introspection);
    for (file, value) in [("true", true), ("false", false), ("'false'", false)] {
        let scene = scene().file(&format!("graphql.introspection = {file}"));
        assert_eq!(scene.config().introspection, value, "{file}");
    }
    let off = scene().env("CHANCERY_GRAPHQL__INTROSPECTION", "false");
    assert!(!off.config().introspection);
    for wrong in ["1", "'no'", "'TRUE'"] {
        let refusal = scene()
            .file(&format!("graphql.introspection = {wrong}"))
            .refusal();
        assert!(refusal.ends_with("must be true or false"), "{refusal}");
    }
}

#[test]
fn a_file_with_a_password_is_for_postgres_and_in_place_of_one_in_the_url() {
    let with = |url: &str| {
        scene()
            .env("CHANCERY_DATABASE_URL", url)
            .env("CHANCERY_MASTER_KEY", KEY)
            .env("CHANCERY_DATABASE_PASSWORD_FILE", "/run/secrets/password")
    };
    let config = with("postgres://chancery@db/chancery").config();
    assert_eq!(
        config.database_password_file,
        Some("/run/secrets/password".into())
    );
    for (url, says) in [
        ("sqlite:///srv/chancery.db", "is for PostgreSQL"),
        ("postgres://u:hunter2@db/x", "has a password too"),
        ("postgres://u@db/x?password=hunter2", "has a password too"),
    ] {
        let refusal = with(url).refusal();
        assert!(refusal.contains(says), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
