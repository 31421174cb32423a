//! Remembers how handshakes were answered.
//!
//! A peer's handshake comes over several nodes of the DHT at once, byte for byte the same. Each
//! must get the same answer: a second stream for it would be one that nobody uses.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long the copies of a handshake may come after the first: Node's dialer gives up earlier.
const ANSWER_TTL: Duration = Duration::from_secs(30);

/// How many answers are remembered; the oldest gives way.
const ANSWERS_MAX: usize = 256;

/// The answers by the Noise bytes that they answer.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by_noise: BTreeMap<Vec<u8>, Vec<u8>>,
    oldest_first: VecDeque<(Instant, Vec<u8>)>,
}

impl Answers {
    /// How `noise` was answered, if it was.
    pub(super) fn find(&mut self, now: Instant, noise: &[u8]) -> Option<&Vec<u8>> {
        while self.oldest_first.front().is_some_and(|(at, _)| now >= *at + ANSWER_TTL) {
            self.forget_oldest();
        }
        self.by_noise.get(noise)
    }

    /// Remembers that `noise` was answered with `answer`.
    pub(super) fn add(&mut self, now: Instant, noise: Vec<u8>, answer: Vec<u8>) {
        if self.oldest_first.len() >= ANSWERS_MAX {
            self.forget_oldest();
        }
        self.oldest_first.push_back((now, noise.clone()));
        self.by_noise.insert(noise, answer);
    }

    fn forget_oldest(&mut self) {
        if let Some((_, noise)) = self.oldest_first.pop_front() {
            self.by_noise.remove(&noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gets_the_same_answer_until_it_is_too_late() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        assert_eq!(answers.find(now, b"a"), None);
        answers.add(now, b"a".to_vec(), b"answer".to_vec());
        let late = now + ANSWER_TTL - Duration::from_millis(1);
        assert_eq!(answers.find(late, b"a"), Some(&b"answer".to_vec()));
        assert_eq!(answers.find(late, b"b"), None);
        assert_eq!(answers.find(now + ANSWER_TTL, b"a"), None);
        assert!(answers.by_noise.is_empty() && answers.oldest_first.is_empty());
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        for n in 0..=ANSWERS_MAX {
            answers.add(now, n.to_be_bytes().to_vec(), vec![]);
        }
        assert_eq!((answers.by_noise.len(), answers.oldest_first.len()), (256, 256));
        assert_eq!(answers.find(now, &0_usize.to_be_bytes()), None);
    }
}
