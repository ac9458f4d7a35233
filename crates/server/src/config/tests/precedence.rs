//! Which source wins, and what follows from what.

use super::*;

#[test]
fn nothing_configured() {
    let config = scene().config();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080");
    assert_eq!(
        config.database.to_string(),
        "sqlite://./chancery-data/chancery.db"
    );
    assert_eq!(config.data_dir, Path::new("./chancery-data"));
    assert_eq!(
        config.master_key,
        MasterKeySource::GenerateIn("./chancery-data".into())
    );
    assert_eq!(config.master_key_previous_file, None);
    assert_eq!(config.address_failures.to_string(), "300/60s");
    assert!(config.trusted_proxies.is_empty());
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level.to_string(), "info");
}

#[test]
fn text_on_a_terminal() {
    let mut scene = scene();
    scene.terminal = true;
    assert_eq!(scene.config().log.format, LogFormat::Text);
    assert_eq!(
        scene
            .env("CHANCERY_LOG__FORMAT", "json")
            .config()
            .log
            .format,
        LogFormat::Json
    );
}

#[test]
fn flags_over_environment_over_file_over_defaults() {
    let scene = scene().file("listen = '127.0.0.1:1'\n[log]\nlevel = 'warn'");
    let listen = |scene: &Scene| {
        let config = scene.config();
        (
            config.listen.port(),
            config.origin(keys::LISTEN).to_string(),
        )
    };
    assert_eq!(listen(&scene), (1, "file chancery.toml".into()));
    let scene = scene.env("CHANCERY_LISTEN", "127.0.0.1:2");
    assert_eq!(
        listen(&scene),
        (2, "environment variable CHANCERY_LISTEN".into())
    );
    let scene = scene.flags(|flags| flags.listen = Some("127.0.0.1:3".into()));
    assert_eq!(listen(&scene), (3, "flag --listen".into()));
    assert_eq!(
        scene.config().log.level.to_string(),
        "warn",
        "the rest of the file still holds"
    );
}

#[test]
fn what_is_derived_follows_what_it_is_derived_from() {
    let config = scene()
        .env("CHANCERY_LISTEN", "[::1]:9000")
        .env("CHANCERY_DATA_DIR", "/srv/c")
        .config();
    assert_eq!(config.public_url.as_str(), "http://[::1]:9000");
    assert_eq!(config.database.to_string(), "sqlite:///srv/c/chancery.db");
    assert_eq!(
        config.master_key,
        MasterKeySource::GenerateIn("/srv/c".into())
    );
}

#[test]
fn the_public_url_follows_the_port_that_was_bound() {
    let bound = "127.0.0.1:40001".parse().unwrap();
    let config = scene()
        .env("CHANCERY_LISTEN", "127.0.0.1:0")
        .config()
        .bound_to(bound)
        .unwrap();
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:40001");
    let named = scene()
        .env("CHANCERY_PUBLIC_URL", "https://auth.example.com")
        .config();
    assert_eq!(
        named.bound_to(bound).unwrap().public_url.as_str(),
        "https://auth.example.com"
    );
}

#[test]
fn lists_are_arrays_in_the_file_and_separated_by_commas_in_the_environment() {
    let shown = |scene: Scene| {
        scene
            .config()
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let file = "trusted_proxies = ['10.0.0.0/8', '::1']";
    assert_eq!(shown(scene().file(file)), ["10.0.0.0/8", "::1"]);
    let name = "CHANCERY_TRUSTED_PROXIES";
    assert_eq!(
        shown(scene().file(file).env(name, "192.0.2.7, 192.0.2.8")),
        ["192.0.2.7", "192.0.2.8"]
    );
    assert!(shown(scene().file(file).env(name, "")).is_empty());
}

#[test]
fn a_named_file_takes_the_place_of_the_usual_one_and_must_be_there() {
    let scene = scene()
        .file("listen = '127.0.0.1:1'")
        .flags(|flags| flags.config = Some("other.toml".into()));
    assert!(
        scene
            .refusal()
            .starts_with("the configuration file other.toml cannot be read: ")
    );
    fs::write(
        scene.directory.path().join("other.toml"),
        "listen = '127.0.0.1:2'",
    )
    .unwrap();
    assert_eq!(scene.config().listen.port(), 2);
}
