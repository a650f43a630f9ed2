//! The cuts of a relaxation over signs: cycles with an odd number of negative edges ([`crate::proof::signs`]), their
//! multipliers, and the search for those that unit vectors violate most.
//!
//! In ℓ∞ the products of an input and a neuron alone count, so cycles have length four; the most violated one through a pair
//! (j, l) of neurons takes the inputs of the largest |⟨xᵢ, tⱼ + t_l⟩| and the largest |⟨x_k, tⱼ − t_l⟩|. In ℓ2 the products
//! of neurons count, and cycles are triangles.

use crate::matrix::Matrix;
use crate::problem::InputNorm;
use crate::proof::SignCut;

/// Violations below this are left alone.
const LEAST: f64 = 0.02;
/// Multipliers go on in the direction of their last step with this part of it.
const MOMENTUM: f64 = 0.5;

/// One cycle. Inputs are numbered from 0, neurons after them, the constant last. Triangles have length three: their last
/// place is unused.
#[derive(Clone, Copy, Debug)]
struct Cycle {
    visits: [u16; 4],
    /// σ of the edges from each to the next.
    signs: [i8; 4],
    length: u8,
    weight: f64,
    step: f64,
}

impl Cycle {
    /// The variables of every edge, and σ.
    fn edges(&self) -> impl Iterator<Item = (usize, usize, f64)> + use<> {
        let (length, visits, signs) = (usize::from(self.length), self.visits, self.signs);
        (0..length).map(move |e| {
            let next = if e + 1 == length { 0 } else { e + 1 };
            (usize::from(visits[e]), usize::from(visits[next]), f64::from(signs[e]))
        })
    }

    /// What identifies it.
    fn key(&self) -> u128 {
        let signs = self.signs.iter().fold(0, |bits, s| bits << 1 | u128::from(*s < 0));
        self.visits.iter().fold(signs, |bits, v| bits << 16 | u128::from(*v))
    }
}

/// All cuts of a case.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    cycles: Vec<Cycle>,
}

impl Cuts {
    /// Room for that many variables.
    pub const MOST_VARIABLES: usize = u16::MAX as usize;

    pub fn bytes(&self) -> usize {
        self.cycles.len() * size_of::<Cycle>()
    }

    /// Σ μ (|c| − 2).
    pub fn constants(&self) -> f64 {
        self.cycles.iter().map(|c| f64::from(c.length - 2) * c.weight).sum()
    }

    /// Calls `visit` with the variables of every edge and μσ.
    pub fn for_each_edge(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for cycle in self.cycles.iter().filter(|c| c.weight > 0.0) {
            cycle.edges().for_each(|(a, b, sign)| visit(a, b, sign * cycle.weight));
        }
    }

    /// The same cuts where some neurons are signs already: they become the constant, or its negative. `fixed` tells which
    /// variables these are, and their sign.
    pub fn with_fixed(&self, constant: usize, fixed: impl Fn(usize) -> Option<f64>) -> Self {
        let map = |cycle: &Cycle| {
            let mut cycle = *cycle;
            let length = usize::from(cycle.length);
            for at in 0..length {
                if let Some(sign) = fixed(usize::from(cycle.visits[at])) {
                    cycle.visits[at] = constant as u16;
                    if sign < 0.0 {
                        cycle.signs[at] = -cycle.signs[at];
                        let before = (at + length - 1) % length;
                        cycle.signs[before] = -cycle.signs[before];
                    }
                }
            }
            let visits = &cycle.visits[..length];
            let own = (0..length).all(|a| !visits[..a].contains(&visits[a]));
            own.then_some(cycle)
        };
        Self { cycles: self.cycles.iter().filter_map(map).collect() }
    }

    /// Moves every multiplier along its violation.
    pub fn step(&mut self, products: &Products, length: f64) {
        for cycle in &mut self.cycles {
            let violation = products.violation(cycle);
            let moved = (cycle.weight + MOMENTUM * cycle.step + length * violation).max(0.0);
            cycle.step = moved - cycle.weight;
            cycle.weight = moved;
        }
    }

    /// Stops all multipliers where they are.
    pub fn rest(&mut self) {
        self.cycles.iter_mut().for_each(|c| c.step = 0.0);
    }

    /// Drops cuts without weight that hold.
    pub fn tidy(&mut self, products: &Products) {
        self.cycles.retain(|c| c.weight > 0.0 || products.violation(c) > 0.0);
    }

    /// Drops the cuts of least weight, up to a total of `spare`, and rounds the others.
    pub fn simplified(&self, spare: f64, round: impl Fn(f64) -> f64) -> Self {
        let mut weights: Vec<f64> = self.cycles.iter().map(|c| c.weight).collect();
        weights.sort_unstable_by(f64::total_cmp);
        let mut total = 0.0;
        let dropped = weights.into_iter().take_while(|weight| {
            total += weight;
            total <= spare || *weight == 0.0
        });
        let least = dropped.last().unwrap_or(0.0);
        let kept = self.cycles.iter().filter(|c| c.weight > least);
        Self { cycles: kept.map(|c| Cycle { weight: round(c.weight), step: 0.0, ..*c }).collect() }
    }

    /// Adds the cuts that are violated most, at most so many.
    pub fn separate(&mut self, products: &Products, most: usize) {
        let mut known: Vec<u128> = self.cycles.iter().map(Cycle::key).collect();
        known.sort_unstable();
        let mut found = match products.norm {
            InputNorm::Linf => products.four_cycles(),
            _ => products.triangles(),
        };
        found.retain(|(_, cycle)| known.binary_search(&cycle.key()).is_err());
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.key().cmp(&b.1.key())));
        self.cycles.extend(found.into_iter().take(most).map(|(_, cycle)| cycle));
    }

    /// For a proof.
    pub fn proof(&self) -> Vec<SignCut> {
        let cut = |c: &Cycle| {
            let length = usize::from(c.length);
            SignCut(c.visits[..length].iter().map(|v| usize::from(*v)).collect(), c.signs[..length].to_vec(), c.weight)
        };
        self.cycles.iter().map(cut).collect()
    }
}

/// The inner products of a solution's vectors that cuts are about.
pub(super) struct Products {
    pub norm: InputNorm,
    pub inputs: usize,
    /// Which of the neurons (and the constant) are variables.
    pub free: Vec<bool>,
    /// ⟨t_j, x_i⟩, a row for every neuron, in ℓ∞; ⟨t_j, t_l⟩ in ℓ2.
    pub matrix: Matrix,
}

impl Products {
    fn violation(&self, cycle: &Cycle) -> f64 {
        let [a, b, c, d] = cycle.visits.map(usize::from);
        let [ab, bc, cd, da] = cycle.signs.map(f64::from);
        let row = |variable: usize| self.matrix.row(variable - self.inputs);
        if cycle.length == 4 {
            let (first, second) = (row(b), row(d)); // inputs and neurons take turns
            ab * first[a] + bc * first[c] + cd * second[c] + da * second[a] - 2.0
        } else {
            let (first, second) = (row(a), row(b));
            ab * first[b - self.inputs] + bc * second[c - self.inputs] + cd * first[c - self.inputs] - 1.0
        }
    }

    /// The most violated cycle of every pair of neurons, if it is violated.
    fn four_cycles(&self) -> Vec<(f64, Cycle)> {
        let mut found = Vec::new();
        for j in (0..self.matrix.rows()).filter(|j| self.free[*j]) {
            for l in (j + 1..self.matrix.rows()).filter(|l| self.free[*l]) {
                let (a, b) = (self.matrix.row(j), self.matrix.row(l));
                let (sum, difference) = largest(a, b);
                let violation = sum + difference - 2.0;
                if violation > LEAST {
                    let at = |size: f64, value: fn(f64, f64) -> f64| {
                        a.iter().zip(b).position(|(a, b)| value(*a, *b).abs() == size).unwrap_or(0)
                    };
                    let (i, k) = (at(sum, |a, b| a + b), at(difference, |a, b| a - b));
                    let (p, m) = (sign(a[i] + b[i]), sign(a[k] - b[k]));
                    let visits = [i, self.inputs + j, k, self.inputs + l].map(|v| v as u16);
                    let cycle = Cycle { visits, signs: [p, m, -m, p], length: 4, weight: 0.0, step: 0.0 };
                    found.push((violation, cycle));
                }
            }
        }
        found
    }

    fn triangles(&self) -> Vec<(f64, Cycle)> {
        let mut found = Vec::new();
        let free: Vec<usize> = (0..self.matrix.rows()).filter(|j| self.free[*j]).collect();
        for (at, &a) in free.iter().enumerate() {
            for (more, &b) in free[at + 1..].iter().enumerate() {
                let ab = self.matrix.at(a, b);
                for &c in &free[at + more + 2..] {
                    let (ac, bc) = (self.matrix.at(a, c), self.matrix.at(b, c));
                    for [p, q, r] in [[-1_i8, -1, -1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]] {
                        let violation = f64::from(p) * ab + f64::from(q) * bc + f64::from(r) * ac - 1.0;
                        if violation > LEAST {
                            let visits = [self.inputs + a, self.inputs + b, self.inputs + c, 0].map(|v| v as u16);
                            let cycle = Cycle { visits, signs: [p, q, r, 0], length: 3, weight: 0.0, step: 0.0 };
                            found.push((violation, cycle));
                        }
                    }
                }
            }
        }
        found
    }
}

fn sign(v: f64) -> i8 {
    if v >= 0.0 { 1 } else { -1 }
}

/// max |aᵢ + bᵢ| and max |aᵢ − bᵢ|.
fn largest(a: &[f64], b: &[f64]) -> (f64, f64) {
    const LANES: usize = 8;
    let (mut sums, mut differences) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let (chunks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = chunks.remainder().iter().zip(others.remainder());
    let (mut sum, mut difference) = (0.0_f64, 0.0_f64);
    for (a, b) in rest {
        (sum, difference) = (sum.max((a + b).abs()), difference.max((a - b).abs()));
    }
    for (a, b) in chunks.zip(others) {
        for lane in 0..LANES {
            let (s, d) = ((a[lane] + b[lane]).abs(), (a[lane] - b[lane]).abs());
            sums[lane] = if s > sums[lane] { s } else { sums[lane] };
            differences[lane] = if d > differences[lane] { d } else { differences[lane] };
        }
    }
    let most = |lanes: &[f64]| lanes.iter().copied().fold(0.0, f64::max);
    (sum.max(most(&sums)), difference.max(most(&differences)))
}
