//! Whose random numbers a random test uses: always those of whoever tests, never the claim's, or whoever made the claim could try
//! others until one passes.

use std::fmt;

/// The source of a tester's random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Randomness {
    /// 256 bits from the operating system.
    #[default]
    System,
    /// The same numbers for the same seed: whoever knew it when they made a claim may have made the claim for it.
    Seed(u64),
}

impl fmt::Display for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("entropy from the system"),
            Self::Seed(seed) => write!(f, "seed {seed}"),
        }
    }
}

/// Who ran the random tests behind a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tester {
    /// Whoever made it: with random numbers that the maker knew.
    Maker,
    /// Whoever checked it: with random numbers of the checker's own.
    Checker(Randomness),
}
