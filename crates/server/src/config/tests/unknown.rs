//! Keys that do not exist.

use super::*;

#[test]
fn an_unknown_key_is_refused_where_it_stands() {
    assert_eq!(
        scene().file("lisen = '127.0.0.1:1'").refusal(),
        "unknown key `lisen` (file chancery.toml): did you mean `listen`?"
    );
    assert_eq!(
        scene().file("[log]\nlevels = 'info'").refusal(),
        "unknown key `log.levels` (file chancery.toml): did you mean `log.level`?"
    );
    assert_eq!(
        scene().env("CHANCERY_LOG_FORMAT", "json").refusal(),
        "unknown key `log_format` (environment variable CHANCERY_LOG_FORMAT): \
         did you mean `CHANCERY_LOG__FORMAT`?"
    );
    let refusal = scene().file("[smtp]\nrelay = 'x'").refusal();
    assert!(
        refusal.starts_with("unknown key `smtp.relay` (file chancery.toml): there are listen, "),
        "{refusal}"
    );
}

#[test]
fn a_key_that_would_do_nothing_is_refused() {
    for key in ["tls.authorities", "telemetry.colour", "external_listen"] {
        assert!(
            scene()
                .file(&format!("{key} = 'x'"))
                .refusal()
                .starts_with(&format!("unknown key `{key}`"))
        );
        assert!(
            scene()
                .env(&keys::variable(key), "x")
                .refusal()
                .starts_with(&format!("unknown key `{key}`"))
        );
    }
}

#[test]
fn a_known_name_in_the_wrong_place_is_not_a_key() {
    for text in [
        "log = 'json'",
        "'log.format' = 'json'",
        "[listen]\nport = '1'",
        "[colours]",
        "[log.format]\nx = 'y'",
    ] {
        let read = scene().file(text).read();
        assert!(read.is_err(), "{text}");
    }
    assert!(
        scene().file("[log]").read().is_ok(),
        "an empty table says nothing"
    );
}

#[test]
fn variables_that_are_not_settings_are_passed_over() {
    scene()
        .env("CHANCERY_TEST_POSTGRES", "postgres://u:p@localhost/x")
        .env("CHANCERY_SERVICE_HOST", "10.0.0.1")
        .env("CHANCERY_PORT_8080_TCP_ADDR", "10.0.0.1")
        .env("CHANCERYX", "x")
        .env("HOME", "/root")
        .config();
}
