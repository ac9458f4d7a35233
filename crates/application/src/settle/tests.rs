use std::sync::Mutex;

use chancery_event_store::Cause;

use super::*;

fn away(code: Option<&str>) -> StoreError {
    let (code, message) = (code.map(ToOwned::to_owned), String::new());
    StoreError::Unavailable(Cause { code, message })
}

#[test]
fn one_that_fails_for_its_own_sake_is_tried_alone() {
    let failed = |error: WriteError| Failed::from(NotWritten::from(error));
    let of_all = |error: StoreError| matches!(failed(error.into()), Failed::All(_));
    for code in ["08006", "57P01", "58030", "53100", "5", "13", "778"] {
        assert!(of_all(away(Some(code))), "{code}");
    }
    assert!(of_all(away(None)));
    // A statement of its own took too long, or too much; it lost a deadlock.
    for code in ["57014", "53200", "40P01", "9"] {
        assert!(!of_all(away(Some(code))), "{code}");
    }
    assert!(!of_all(StoreError::MasterKeyLeft {
        found: "a".into(),
        current: "b".into()
    }));
    assert!(matches!(failed(NotDone::Late.into()), Failed::One));
    assert!(matches!(failed(WriteError::Overtaken), Failed::One));
}

/// What happens to the change at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    /// It is found out before anything is written.
    Wrong,
    /// It is found out too late to know whose it is.
    Undoes,
    Panics,
    /// While it commits.
    PanicsLate,
    CommitLost,
    /// When it is its turn alone.
    Away,
    /// Its time is over.
    Late,
    /// Its time is over as soon as anything was made.
    LateNext,
}

/// Changes with their fates, and what was made of them: in each transaction these.
struct World(Vec<Fate>, Mutex<Vec<Vec<usize>>>);

impl World {
    fn any(&self, places: &[usize], fate: Fate) -> bool {
        places.iter().any(|place| self.0[*place] == fate)
    }

    fn made(&self, places: &[usize]) -> Vec<usize> {
        self.1.lock().unwrap().push(places.to_vec());
        places.to_vec()
    }
}

impl Makes for World {
    type Made = usize;

    fn is_late(&self, place: usize) -> bool {
        let anything = !self.1.lock().unwrap().is_empty();
        self.0[place] == Fate::Late || self.0[place] == Fate::LateNext && anything
    }

    async fn together(&self, places: &[usize], commits: &AtomicBool) -> Result<Vec<usize>, Failed> {
        let wrong = (places.iter().enumerate()).filter(|(_, place)| self.0[**place] == Fate::Wrong);
        let wrong: Vec<_> = wrong
            .map(|(number, _)| (number, WriteError::Overtaken))
            .collect();
        assert!(!self.any(places, Fate::Panics), "one of them panics");
        if !wrong.is_empty() {
            return Err(Failed::Some(wrong));
        }
        if self.any(places, Fate::Undoes) {
            return Err(Failed::One);
        }
        commits.store(true, Ordering::Relaxed);
        let made = self.made(places);
        assert!(!self.any(places, Fate::PanicsLate), "one of them panics");
        if self.any(places, Fate::CommitLost) {
            return Err(Failed::All(away(None)));
        }
        Ok(made)
    }

    async fn alone(&self, place: usize) -> Result<Result<usize, WriteError>, StoreError> {
        match self.0[place] {
            Fate::Away => Err(away(None)),
            Fate::Panics => panic!("it panics"),
            Fate::Wrong | Fate::Undoes => Ok(Err(WriteError::Overtaken)),
            _ => Ok(Ok(self.made(&[place])[0])),
        }
    }
}

/// What each is told, and what was made.
async fn told(fates: &[Fate]) -> (Vec<&'static str>, Vec<Vec<usize>>) {
    let world = World(fates.to_vec(), Mutex::default());
    let answers = settle(&world, (0..fates.len()).collect(), Vec::new()).await;
    let told = (0..fates.len()).map(|place| match &answers[&place] {
        Ok(made) if *made == place => "made",
        Ok(_) => "made another",
        Err(WriteError::Overtaken) => "overtaken",
        Err(WriteError::Failed(Error::Unavailable(why))) if why.is::<NotDone>() => "late",
        Err(WriteError::Failed(Error::Unavailable(_))) => "away",
        Err(WriteError::Failed(Error::Internal(_))) => "lost",
        Err(_) => "something else",
    });
    (told.collect(), world.1.into_inner().unwrap())
}

#[tokio::test]
async fn what_is_wrong_with_one_takes_nothing_from_the_others() {
    use Fate::{Good, Wrong};
    let (told, made) = told(&[Good, Wrong, Good, Wrong, Good]).await;
    assert_eq!(told, ["made", "overtaken", "made", "overtaken", "made"]);
    assert_eq!(made, [[0, 2, 4]], "one transaction for all others");
}

#[tokio::test]
async fn all_may_be_wrong_and_one_that_is_left_is_made_alone() {
    use Fate::{Good, Wrong};
    assert_eq!(told(&[Wrong; 3]).await, (vec!["overtaken"; 3], vec![]));
    let (told, made) = told(&[Wrong, Good, Wrong]).await;
    assert_eq!(told, ["overtaken", "made", "overtaken"]);
    assert_eq!(made, [[1]]);
}

#[tokio::test]
async fn what_undoes_all_is_told_to_whose_it_is() {
    use Fate::{Good, Undoes};
    let (told, made) = told(&[Good, Undoes, Good]).await;
    assert_eq!(told, ["made", "overtaken", "made"]);
    assert_eq!(made, [[0], [2]]);
}

#[tokio::test]
async fn a_panic_is_told_to_that_one_alone() {
    use Fate::{Good, Panics};
    let (told, made) = told(&[Good, Panics, Good]).await;
    assert_eq!(told, ["made", "lost", "made"]);
    assert_eq!(made, [[0], [2]]);
}

#[tokio::test]
async fn what_may_have_been_committed_is_not_made_again() {
    use Fate::{CommitLost, Good, PanicsLate};
    let once = vec![vec![0, 1]];
    assert_eq!(
        told(&[Good, PanicsLate]).await,
        (vec!["lost"; 2], once.clone())
    );
    assert_eq!(told(&[Good, CommitLost]).await, (vec!["away"; 2], once));
}

#[tokio::test]
async fn a_store_that_is_away_is_not_asked_for_each() {
    use Fate::{Away, Good, Undoes};
    let (told, made) = told(&[Good, Undoes, Away, Good, Good]).await;
    assert_eq!(told, ["made", "overtaken", "away", "away", "away"]);
    assert_eq!(made, [[0]]);
}

#[tokio::test]
async fn what_is_too_late_is_not_begun() {
    use Fate::{Good, Late, LateNext, Undoes, Wrong};
    let made_without = vec![vec![0, 3]];
    assert_eq!(
        told(&[Good, Late, Wrong, Good]).await,
        (vec!["made", "late", "overtaken", "made"], made_without)
    );
    let (told, made) = told(&[Good, Undoes, LateNext, Good]).await;
    assert_eq!(told, ["made", "overtaken", "late", "made"]);
    assert_eq!(made, [[0], [3]]);
}
