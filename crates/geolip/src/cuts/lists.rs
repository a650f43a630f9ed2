//! The cuts at hand: atoms are rows of one matrix, and products of them that several cuts share are computed once.

use super::cut::{Cut, Kind};
use super::real::{Real, axpy, dot};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// Multiply–adds that are worth another thread.
const WORK: usize = 1 << 17;

/// Cuts, with the products that they share.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    pub all: Vec<Cut>,
    triangles: HashSet<([u32; 3], [i8; 3])>,
    pattern: Pattern,
}

/// Where products stand.
#[derive(Clone, Debug, Default)]
struct Pattern {
    /// i ≤ j per product.
    pairs: Vec<(u32, u32)>,
    /// Per cut, where its products begin: (product, weight).
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
    /// Per atom, where its products begin: (other atom, product); twice on the diagonal.
    rows: Vec<usize>,
    others: Vec<(u32, u32)>,
}

impl Cuts {
    /// Whether there is this triangle.
    pub fn has_triangle(&self, variables: [u32; 3], signs: [i8; 3]) -> bool {
        self.triangles.contains(&(variables, signs))
    }

    /// Keeps equations and those that hold tightly or have multipliers, and adds others.
    pub fn renew(&mut self, slack: f64, added: Vec<Cut>, atoms: usize) {
        self.all.retain(|cut| cut.mu > 0.0 || cut.value > slack || cut.kind.is_equation());
        self.all.extend(added);
        self.triangles = self
            .all
            .iter()
            .filter_map(|cut| match &cut.kind {
                Kind::Triangle(v, s) => Some((*v, *s)),
                Kind::Vertex(..) | Kind::Apart(..) | Kind::Whole(..) => None,
            })
            .collect();
        self.pattern = Pattern::new(&self.all, atoms);
    }

    /// The products of atoms, rows of k numbers.
    pub fn gram<T: Real>(&self, k: usize, atoms: &[T], gram: &mut Vec<T>) {
        gram.resize(self.pattern.pairs.len(), T::default());
        let arch = pulp::Arch::new();
        let block = (WORK / k).max(1);
        gram.par_chunks_mut(block).zip(self.pattern.pairs.par_chunks(block)).for_each(|(gram, pairs)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for (g, (i, j)) in gram.iter_mut().zip(pairs) {
                        *g = dot(&atoms[*i as usize * k..][..k], &atoms[*j as usize * k..][..k]);
                    }
                },
            );
        });
    }

    /// What the augmented Lagrangian loses for the cuts, with penalties times `factor`; the weights of products in its gradient; the new multipliers.
    pub fn lost<T: Real>(&mut self, factor: f64, gram: &[T], weights: &mut Vec<T>, multipliers: &mut Vec<f64>) -> f64 {
        weights.clear();
        weights.resize(gram.len(), T::default());
        multipliers.resize(self.all.len(), 0.0);
        let mut lost = 0.0;
        for ((at, cut), multiplier) in self.all.iter_mut().enumerate().zip(multipliers.iter_mut()) {
            let entries = &self.pattern.entries[self.pattern.starts[at]..self.pattern.starts[at + 1]];
            let value = entries.iter().map(|(p, w)| gram[*p as usize].get() * *w).sum::<f64>() - cut.constant;
            cut.value = value;
            let sigma = factor * cut.sigma;
            let moved = cut.mu + sigma * value;
            *multiplier = if cut.kind.is_equation() { moved } else { moved.max(0.0) };
            lost += (*multiplier * *multiplier - cut.mu * cut.mu) / (2.0 * sigma);
            if *multiplier != 0.0 {
                for (p, w) in entries {
                    weights[*p as usize] -= T::of(*multiplier * *w);
                }
            }
        }
        lost
    }

    /// The weights of products in the Lagrangian at fixed multipliers, and its constant.
    pub fn fixed(&self) -> (Vec<f64>, f64) {
        let mut weights = vec![0.0; self.pattern.pairs.len()];
        for (at, cut) in self.all.iter().enumerate().filter(|(_, cut)| cut.mu != 0.0) {
            for (p, w) in &self.pattern.entries[self.pattern.starts[at]..self.pattern.starts[at + 1]] {
                weights[*p as usize] -= cut.mu * *w;
            }
        }
        (weights, self.constant())
    }

    /// The constant of the Lagrangian.
    pub fn constant(&self) -> f64 {
        self.all.iter().map(|cut| cut.mu * cut.constant).sum()
    }

    /// Adds the gradient of Σ weight·product to that of the atoms.
    pub fn add_gradient<T: Real>(&self, k: usize, atoms: &[T], weights: &[T], gradient: &mut [T]) {
        let arch = pulp::Arch::new();
        const ROWS: usize = 32;
        let blocks = gradient.len().div_ceil(ROWS * k);
        let enough = WORK * blocks / (self.pattern.others.len() * k).max(1);
        gradient.par_chunks_mut(ROWS * k).enumerate().with_min_len(enough.max(1)).for_each(|(block, chunk)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for (r, target) in chunk.chunks_exact_mut(k).enumerate() {
                        let row = block * ROWS + r;
                        let Some(end) = self.pattern.rows.get(row + 1) else { break };
                        for (other, product) in &self.pattern.others[self.pattern.rows[row]..*end] {
                            let weight = weights[*product as usize];
                            if weight != T::default() {
                                axpy(target, weight, &atoms[*other as usize * k..][..k]);
                            }
                        }
                    }
                },
            );
        });
    }
}

impl Pattern {
    fn new(cuts: &[Cut], atoms: usize) -> Self {
        let mut index: HashMap<(u32, u32), u32> = HashMap::new();
        let (mut pairs, mut starts, mut entries) = (Vec::new(), vec![0], Vec::new());
        for cut in cuts {
            for (i, j, weight) in &cut.products {
                let next = pairs.len() as u32;
                let product = *index.entry((*i, *j)).or_insert_with(|| {
                    pairs.push((*i, *j));
                    next
                });
                entries.push((product, *weight));
            }
            starts.push(entries.len());
        }
        let mut rows = vec![0; atoms + 1];
        for (i, j) in &pairs {
            rows[*i as usize + 1] += 1;
            rows[*j as usize + 1] += 1;
        }
        for i in 0..atoms {
            rows[i + 1] += rows[i];
        }
        let mut next = rows.clone();
        let mut others = vec![(0, 0); 2 * pairs.len()];
        for (product, (i, j)) in pairs.iter().enumerate() {
            others[next[*i as usize]] = (*j, product as u32);
            next[*i as usize] += 1;
            others[next[*j as usize]] = (*i, product as u32);
            next[*j as usize] += 1;
        }
        Self { pairs, starts, entries, rows, others }
    }
}
