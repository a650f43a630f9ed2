//! Numbers for choices.

/// Numbers for choices (splitmix64).
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// Of one network, whatever those before it threw (which hangs on what was proved in time).
    pub fn of(seed: u64, turn: u64) -> Self {
        Self(seed.wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(turn.wrapping_mul(0xa076_1d64_78bd_642f)))
    }

    /// Any number.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// An item of a list.
    pub fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}
