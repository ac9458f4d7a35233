use chancery_domain::{Clock, ClockFault, Timestamp};
use chancery_testkit::stores::TestStore;
use sqlx::{Connection, Executor, PgConnection};

use super::{
    Seen, SystemClock,
    belief::{Belief, Reading},
};

const START: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// So many seconds have passed, and the clock was set so many ahead.
fn after(passed: i64, ahead: i64) -> Reading {
    Reading {
        wall: START.plus_seconds(passed + ahead),
        passed: 77_000_000 + passed * 1_000_000,
    }
}

#[test]
fn time_may_pass_for_as_long_as_it_likes() {
    let belief = Belief::at(after(0, 0));
    assert_eq!(belief.holds(after(100 * 86_400, 0)), Ok(()));
    assert_eq!(belief.holds(after(100 * 86_400, 5)), Ok(()));
}

#[test]
fn a_jump_ahead_is_believed_as_soon_as_it_is_taken_back() {
    let belief = Belief::at(after(0, 0));
    for _ in 0..3 {
        assert_eq!(belief.holds(after(60, 6)), Err(ClockFault::Jumped(6)));
        belief.follow(after(60, 6));
    }
    assert_eq!(belief.holds(after(70, 0)), Ok(()));
}

#[test]
fn small_steps_do_not_add_up_and_one_back_may_be_undone() {
    let belief = Belief::at(after(0, 0));
    for step in 1..100 {
        assert_eq!(belief.holds(after(step, step * 4)), Ok(()));
        belief.follow(after(step, step * 4));
    }
    let belief = Belief::at(after(0, 0));
    belief.follow(after(1, -3_600));
    assert_eq!(belief.holds(after(2, -3_600)), Ok(()));
    assert_eq!(belief.holds(after(3, 0)), Ok(()));
    assert_eq!(belief.holds(after(3, 6)), Err(ClockFault::Jumped(6)));
}

#[test]
fn the_databases_clock_confirms_a_jump_or_denies_it() {
    let belief = Belief::at(after(0, 0));
    // A machine that stood still for a while: the jump is the truth.
    assert!(belief.holds(after(10, 3_600)).is_err());
    belief.compare(
        after(10, 3_600),
        START.plus_seconds(3_611),
        after(12, 3_600),
    );
    assert_eq!(belief.holds(after(12, 3_600)), Ok(()));
    // And here it is not.
    belief.compare(
        after(20, 7_200),
        START.plus_seconds(3_620),
        after(20, 7_200),
    );
    let fault = Err(ClockFault::Ahead(3_600));
    assert_eq!(belief.holds(after(20, 7_200)), fault);
    // It is compared again before it is believed again.
    assert_eq!(belief.holds(after(30, 3_600)), fault);
    belief.compare(
        after(30, 3_600),
        START.plus_seconds(3_630),
        after(30, 3_600),
    );
    assert_eq!(belief.holds(after(30, 3_600)), Ok(()));
}

#[test]
fn what_the_way_to_the_database_takes_is_not_held_against_the_clock() {
    let belief = Belief::at(after(0, 0));
    for (ahead, found) in [
        (0, Ok(())),
        (5, Ok(())),
        (6, Err(ClockFault::Ahead(6))),
        (-7, Ok(())),
        (-8, Err(ClockFault::Behind(6))),
    ] {
        // It answers within two seconds, and nobody knows at which moment.
        belief.compare(after(0, ahead), START, after(2, ahead));
        assert_eq!(belief.holds(after(2, ahead)), found, "{ahead}");
    }
}

#[test]
fn a_clock_that_jumps_while_it_is_compared_is_not_believed() {
    let belief = Belief::at(after(0, 0));
    belief.compare(after(0, 0), START, after(1, 400));
    assert_eq!(belief.holds(after(1, 400)), Err(ClockFault::Jumped(400)));
}

#[test]
fn a_long_rest_needs_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let seen = Seen::at(directory.path().join("clock-seen"));
    let (month, later) = (START.plus_days(30), START.plus_days(31));
    assert!(seen.allows(later, None).is_ok(), "nothing was made yet");
    assert!(seen.allows(month, Some(START)).is_ok());
    let sentence = seen.allows(later, Some(START)).unwrap_err().to_string();
    assert!(sentence.contains("--clock-is-right"), "{sentence}");
    // A server that ran all the time and changed nothing.
    seen.note(month).unwrap();
    assert!(seen.allows(later, Some(START)).is_ok());
}

/// The database's clock is shown another one, which hides the real one behind its name.
#[tokio::test]
async fn a_node_is_held_against_the_databases_clock() {
    let store = TestStore::postgres().await;
    let chancery_event_store::StoreLocation::Postgres(url) = store.database().location() else {
        unreachable!()
    };
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let mut other = PgConnection::connect(url).await.unwrap();
    let first = format!("ALTER DATABASE \"{name}\" SET search_path = public, pg_catalog");
    other.execute(first.as_str()).await.unwrap();
    let shift = async |other: &mut PgConnection, seconds: i64| {
        let shifted = format!(
            "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
             AS 'SELECT pg_catalog.clock_timestamp() + interval ''{seconds} s'''"
        );
        other.execute(shifted.as_str()).await.unwrap();
    };
    // Before it is asked for the first time: a connection that knows the statement goes on with the other.
    shift(&mut other, 0).await;
    let asked = store.another().await;
    let clock = SystemClock::new();
    clock.look(&asked).await.unwrap();
    assert_eq!(clock.trusted(), Ok(()));
    for (seconds, found) in [
        (-60, Err(ClockFault::Ahead(60))),
        (0, Ok(())),
        (60, Err(ClockFault::Behind(60))),
    ] {
        shift(&mut other, seconds).await;
        clock.look(&asked).await.unwrap();
        // The way there and back is less than a second, and may be half of one.
        let near = match (clock.trusted(), found) {
            (Err(ClockFault::Ahead(_)), Err(ClockFault::Ahead(_)))
            | (Err(ClockFault::Behind(55..=60)), Err(ClockFault::Behind(_))) => true,
            (told, found) => told == found,
        };
        assert!(near, "{seconds}: {:?}", clock.trusted());
    }
    asked.close().await;
    other.close().await.unwrap();
}
