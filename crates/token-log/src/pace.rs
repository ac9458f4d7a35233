//! How many operations a batch waits for, while others are ready to ask.

use tokio::{sync::mpsc, task::yield_now};

use crate::writer::{BATCH, Message};

/// A batch costs about as much for one as for so many. Where each token takes its time (a signature with RSA), few ask
/// while one is written, and batches would stay small.
const LEAST: usize = 10;

/// How often those who are ready go first until it is enough that nobody of them asked: they were signing, or answering,
/// and who is answered asks again.
const ROUNDS_IN_VAIN: usize = 3;

/// The pace of the batches before.
///
/// A transaction costs nearly the same for one operation as for fifty. Clients that ask again and again fall into
/// step with it: most of them are in one batch, and the first who is back has the next one for itself while all the
/// others wait for two. Batches of half of them keep the database and the processors busy at the same time.
#[derive(Default)]
pub(crate) struct Pace {
    last: usize,
    before: usize,
}

impl Pace {
    /// With how many a batch begins at once: half of what the last two had together, and no fewer than [`LEAST`].
    fn enough(&self) -> usize {
        usize::midpoint(self.last, self.before).clamp(LEAST, BATCH)
    }

    /// Who asks alone would sign first, while nothing is written.
    fn patience(&self) -> usize {
        if self.last > 1 || self.before > 1 {
            ROUNDS_IN_VAIN
        } else {
            1
        }
    }

    /// Lets requests that are ready to ask do so first, until there are enough or no more of them. So nothing is
    /// ever waited for: when there is nothing else to do, this takes no time.
    pub(crate) async fn gather(
        &mut self,
        queue: &mut mpsc::Receiver<Message>,
        messages: &mut Vec<Message>,
    ) {
        let mut in_vain = 0;
        while messages.len() < self.enough() {
            let had = messages.len();
            yield_now().await;
            while messages.len() < BATCH
                && let Ok(message) = queue.try_recv()
            {
                messages.push(message);
            }
            if messages.len() == had {
                in_vain += 1;
                if in_vain >= self.patience() {
                    break;
                }
            }
        }
        self.before = std::mem::replace(&mut self.last, messages.len());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::oneshot;

    use super::*;

    fn message() -> Message {
        Message::Drain(oneshot::channel().0)
    }

    /// So many who ask one after the other, each when it comes to run.
    fn asks(sender: &mpsc::Sender<Message>, many: usize) {
        for _ in 0..many {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(message()).await });
        }
    }

    /// How many are gathered after batches of these sizes, where so many are ready to ask.
    async fn gathered(sizes: [usize; 2], ready: usize) -> usize {
        let (sender, mut queue) = mpsc::channel(BATCH * 4);
        let mut pace = Pace {
            before: sizes[0],
            last: sizes[1],
        };
        let mut messages = vec![message()];
        asks(&sender, ready);
        pace.gather(&mut queue, &mut messages).await;
        assert_eq!((pace.before, pace.last), (sizes[1], messages.len()));
        messages.len()
    }

    #[test]
    fn enough_is_half_of_the_last_two() {
        let enough = |before, last| Pace { last, before }.enough();
        assert_eq!(enough(2, 62), 32);
        assert_eq!(enough(1, 1), LEAST);
        assert_eq!(enough(BATCH, BATCH), BATCH);
    }

    #[tokio::test]
    async fn a_batch_is_as_large_as_half_of_the_last_two_where_so_many_ask() {
        assert!(gathered([2, 62], 40).await >= 32);
    }

    #[tokio::test]
    async fn a_batch_after_small_ones_takes_those_who_are_ready_with_it() {
        assert_eq!(gathered([1, 1], 5).await, 6);
        assert!(gathered([0, 0], 40).await >= LEAST);
    }

    #[tokio::test]
    async fn who_asks_after_something_else_is_in_the_batch() {
        let (sender, mut queue) = mpsc::channel(BATCH);
        tokio::spawn(async move {
            yield_now().await;
            sender.send(message()).await
        });
        let mut messages = vec![message()];
        let mut pace = Pace { last: 2, before: 1 };
        pace.gather(&mut queue, &mut messages).await;
        assert_eq!(messages.len(), 2);
    }

    #[tokio::test]
    async fn who_asks_alone_is_written_before_it_goes_on() {
        let (_sender, mut queue) = mpsc::channel(BATCH);
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = rounds.clone();
        tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let mut messages = vec![message()];
        let mut pace = Pace { last: 1, before: 1 };
        pace.gather(&mut queue, &mut messages).await;
        assert!(rounds.load(Ordering::Relaxed) <= 1);
    }

    #[tokio::test]
    async fn nobody_is_waited_for_who_does_not_come() {
        assert_eq!(gathered([64, 64], 0).await, 1);
        assert_eq!(gathered([64, 64], 3).await, 4);
    }

    #[tokio::test]
    async fn a_batch_has_an_end() {
        assert_eq!(gathered([BATCH, BATCH], 2 * BATCH).await, BATCH);
    }
}
