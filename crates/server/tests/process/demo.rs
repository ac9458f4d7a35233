use chancery_event_store::{Backend, StoreLocation};
use chancery_testkit::stores::TestDatabase;

use crate::server::{chancery, output};

fn tells_the_whole_story(arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = chancery(directory.path());
    command.arg("demo").args(arguments);
    let (status, stdout, stderr) = output(command);
    assert_eq!(status, 0, "{stdout}{stderr}");
    for step in [
        "── 1",
        "── 7",
        "SecretRevoked",
        "each equal to the one that the server keeps",
    ] {
        assert!(stdout.contains(step), "{step} is missing in {stdout}");
    }
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "something is left");
}

#[test]
fn the_demo_ends_well_on_sqlite() {
    tells_the_whole_story(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_ends_well_on_postgres() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let StoreLocation::Postgres(url) = database.location() else {
        panic!("{:?}", database.location())
    };
    tells_the_whole_story(&["--database-url", url]);
}
