use std::sync::mpsc;

use super::*;
use crate::entropy::SeededEntropy;
use crate::installation_key::InstallationKey;
use crate::secret::SecretIssuer;

fn hasher(threads: usize, waiting: usize) -> SecretHasher {
    let cheap = HashParameters::new(8, 1, 1).unwrap();
    SecretHasher::new(cheap, NonZeroUsize::new(threads).unwrap(), waiting)
}

fn secret(entropy: &dyn Entropy) -> ClientSecret {
    SecretIssuer::new(&InstallationKey::generate(entropy)).mint("client_a", [1; 16], entropy)
}

/// Work that says when it began and ends when it is told to.
fn held() -> (
    impl FnOnce() + Send + 'static,
    mpsc::Receiver<()>,
    mpsc::Sender<()>,
) {
    let ((began, has_begun), (release, released)) = (mpsc::channel(), mpsc::channel());
    let work = move || {
        began.send(()).unwrap();
        // An error is a sender that was dropped, which releases as well.
        let _ = released.recv();
    };
    (work, has_begun, release)
}

#[tokio::test]
async fn a_verifier_knows_its_secret_and_no_other() {
    let (hasher, entropy) = (hasher(2, 2), SeededEntropy::new(1));
    let (own, other) = (secret(&entropy), secret(&entropy));
    let verifier = hasher.hash(&own, &entropy).await.unwrap();
    assert_eq!(hasher.verify(own.as_str(), &verifier).await, Ok(true));
    assert_eq!(hasher.verify(other.as_str(), &verifier).await, Ok(false));
    assert_eq!(hasher.verify("", &verifier).await, Ok(false));
}

#[tokio::test]
async fn the_costs_travel_with_the_hash() {
    let entropy = SeededEntropy::new(1);
    let own = secret(&entropy);
    let verifier = hasher(1, 0).hash(&own, &entropy).await.unwrap();
    assert!(verifier.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
    let dearer = SecretHasher::new(HashParameters::default(), NonZeroUsize::MIN, 0);
    let stored = Verifier::from_stored(verifier.as_str().to_owned());
    assert_eq!(dearer.verify(own.as_str(), &stored).await, Ok(true));
    let new = dearer.hash(&own, &entropy).await.unwrap();
    assert!(new.as_str().starts_with("$argon2id$v=19$m=8192,t=1,p=1$"));
}

#[tokio::test]
async fn one_secret_hashed_twice_gives_two_verifiers() {
    let (hasher, entropy) = (hasher(1, 0), SeededEntropy::new(1));
    let own = secret(&entropy);
    let first = hasher.hash(&own, &entropy).await.unwrap();
    assert_ne!(first, hasher.hash(&own, &entropy).await.unwrap());
}

#[tokio::test]
async fn refuses_verifiers_that_it_cannot_read() {
    let (hasher, entropy) = (hasher(1, 0), SeededEntropy::new(1));
    let own = secret(&entropy);
    let good = hasher.hash(&own, &entropy).await.unwrap();
    let good = good.as_str();
    let (without_output, _) = good.rsplit_once('$').unwrap();
    for damaged in [
        String::new(),
        "plaintext".to_owned(),
        good[1..].to_owned(),
        good.replace("argon2id", "argon2d"),
        good.replace("argon2id", "scrypt"),
        good.replace("m=8", "m=1"),
        good.replace("v=19", "v=18"),
        without_output.to_owned(),
        format!("{good}$more"),
    ] {
        let answer = hasher
            .verify(own.as_str(), &Verifier::from_stored(damaged.clone()))
            .await;
        assert_eq!(answer, Err(HasherError::UnreadableVerifier), "{damaged}");
    }
}

#[tokio::test]
async fn beyond_the_queue_the_answer_is_busy() {
    let hasher = hasher(1, 1);
    let (work, has_begun, release) = held();
    let first = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.run(work).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv())
        .await
        .unwrap()
        .unwrap();

    // One may wait; its place is taken when it is first polled.
    let mut second = Box::pin(hasher.run(|| 2));
    assert!(futures_poll(&mut second).is_none());
    assert_eq!(hasher.run(|| 3).await, Err(HasherError::Busy));

    release.send(()).unwrap();
    assert_eq!(second.await, Ok(2));
    assert_eq!(first.await.unwrap(), Ok(()));
    assert_eq!(hasher.run(|| 4).await, Ok(4));
}

#[tokio::test]
async fn a_request_that_goes_away_leaves_its_place_taken_until_the_work_is_done() {
    let hasher = hasher(1, 0);
    let (work, has_begun, release) = held();
    let first = tokio::spawn({
        let hasher = hasher.clone();
        async move { hasher.run(work).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv())
        .await
        .unwrap()
        .unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());

    assert_eq!(hasher.run(|| ()).await, Err(HasherError::Busy));
    release.send(()).unwrap();
    // The thread's permit comes back when the work has ended; a new hash is then possible.
    drop(hasher.threads.acquire().await.unwrap());
    drop(hasher.places.acquire().await.unwrap());
    assert_eq!(hasher.run(|| 5).await, Ok(5));
}

#[tokio::test]
async fn work_that_panics_gives_its_place_back() {
    let hasher = hasher(1, 0);
    let answer = hasher.run(|| panic!("a defect")).await;
    assert_eq!(answer, Err::<(), _>(HasherError::Failed));
    assert_eq!(hasher.run(|| 1).await, Ok(1));
}

#[test]
fn its_futures_may_move_between_threads() {
    fn moves(_: impl Send) {}
    let (hasher, entropy) = (hasher(1, 0), SeededEntropy::new(1));
    let own = secret(&entropy);
    moves(hasher.hash(&own, &entropy));
    moves(hasher.verify("", &Verifier::from_stored(String::new())));
}

#[test]
fn costs_out_of_range_are_refused_with_the_costs() {
    let refused = HashParametersError {
        memory_kib: 8,
        iterations: 1,
        lanes: 2,
    };
    assert_eq!(HashParameters::new(8, 1, 2), Err(refused));
    assert!(HashParameters::new(8, 0, 1).is_err());
    assert!(HashParameters::new(8, 1, 0).is_err());
    assert_eq!(
        HashParameters::default(),
        HashParameters::new(8192, 1, 1).unwrap()
    );
}

#[test]
fn prints_nothing() {
    let verifier = Verifier::from_stored("$argon2id$secret".to_owned());
    assert_eq!(format!("{verifier:?}"), "Verifier(…)");
}

/// Polls once, with a waker that does nothing.
fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
