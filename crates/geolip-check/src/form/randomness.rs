//! Where the random numbers of a random test come from.

use super::tester::{Randomness, Tester};
use rand::TryRng;
use rand::rngs::SysRng;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The random numbers of a tester: a stream for every test.
#[derive(Clone, Debug)]
pub struct Draws {
    tester: Tester,
    key: Key,
}

impl Draws {
    /// For whoever makes claims: numbers that repeat.
    pub fn of_maker(seed: u64) -> Self {
        Self { tester: Tester::Maker, key: Key::of_seed(seed) }
    }

    /// For whoever checks claims; an error says why the system gave no random numbers.
    pub fn of_checker(randomness: Randomness) -> Result<Self, String> {
        Ok(Self { tester: Tester::Checker(randomness), key: randomness.key()? })
    }

    /// Whose they are.
    pub fn tester(&self) -> Tester {
        self.tester
    }

    /// The numbers of one test: different ones for every `test`.
    pub(crate) fn stream(&self, test: u64) -> ChaCha20Rng {
        self.key.stream(test)
    }
}

impl Randomness {
    /// A key that makes as many streams of random numbers as are needed; an error says why the system gave none.
    fn key(self) -> Result<Key, String> {
        match self {
            Self::System => {
                let mut key = [0; 32];
                SysRng.try_fill_bytes(&mut key).map_err(|error| error.to_string())?;
                Ok(Key(key))
            }
            Self::Seed(seed) => Ok(Key::of_seed(seed)),
        }
    }
}

/// The key of a cipher whose streams are random numbers.
#[derive(Clone, Debug)]
struct Key([u8; 32]);

impl Key {
    /// The key of a seed.
    fn of_seed(seed: u64) -> Self {
        // named, so that these numbers are none that the solver draws from the same seed
        let hash = Sha256::new().chain_update("geolip random test").chain_update(seed.to_le_bytes()).finalize();
        Self(hash.into())
    }

    /// The random numbers of test number `test`.
    fn stream(&self, test: u64) -> ChaCha20Rng {
        let mut random = ChaCha20Rng::from_seed(self.0);
        random.set_stream(test);
        random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn seeds_repeat_and_streams_and_the_system_do_not() {
        let first = |key: &Key, test: u64| key.stream(test).next_u64();
        let key = |randomness: Randomness| randomness.key().expect("the system gives random numbers");
        let seeded = key(Randomness::Seed(1));
        assert_eq!(first(&seeded, 3), first(&key(Randomness::Seed(1)), 3));
        assert_ne!(first(&seeded, 3), first(&seeded, 4));
        assert_ne!(first(&seeded, 3), first(&key(Randomness::Seed(2)), 3));
        assert_ne!(first(&key(Randomness::System), 0), first(&key(Randomness::System), 0));
    }
}
