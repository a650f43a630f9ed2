//! One cut: a combination of products of two atoms that is at most a constant at every vertex, or equal to it.

use super::layout::Layout;

/// What a cut is, for its proof.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Variables (0 the constant, then signs, then inputs) and signs.
    Triangle([u32; 3], [i8; 3]),
    /// Two variables and the coefficients of their ψ, those of the first in the first four places.
    Vertex([u32; 2], [f64; 8]),
    /// Two signs of a group, and which product, in the order of [`crate::proof::Apart`].
    Apart([u32; 2], u8),
    /// A group by its number, its first sign, and how many there are, one after the other.
    Whole(u32, u32, u32),
}

/// One cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub kind: Kind,
    /// Products of atoms (i ≤ j), and what they count.
    pub products: Vec<(u32, u32, f64)>,
    pub constant: f64,
    /// The multiplier.
    pub mu: f64,
    /// Its penalty, before the factor that all share.
    pub sigma: f64,
    /// The value when it was last looked at: left less right side.
    pub value: f64,
}

impl Kind {
    /// Whether its left side equals its right side at every vertex: its multiplier may have any sign.
    pub fn is_equation(&self) -> bool {
        match self {
            Self::Apart(..) | Self::Whole(..) => true,
            Self::Triangle(..) | Self::Vertex(..) => false,
        }
    }
}

/// How much of the objective hangs on variables, by their numbers: the constant, signs, inputs (ℓ∞ alone).
pub(super) struct Shares {
    of: Vec<f64>,
    inputs: usize,
    penalty: f64,
}

impl Shares {
    pub fn new(signs: &[f64], inputs: &[f64], penalty: f64) -> Self {
        let of = std::iter::once(1.0).chain(signs.iter().copied()).chain(inputs.iter().copied()).collect();
        Self { of, inputs: inputs.len(), penalty }
    }

    /// Inputs that are signs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// That of a cut, by the smallest share of those that take part.
    fn penalty(&self, variables: &[u32]) -> f64 {
        self.penalty * variables.iter().map(|v| self.of[*v as usize]).fold(f64::INFINITY, f64::min)
    }
}

impl Cut {
    /// With no multiplier yet.
    pub fn new(kind: Kind, layout: Layout, shares: &Shares) -> Self {
        let (products, constant, sigma) = match &kind {
            Kind::Triangle(variables, signs) => {
                let [a, b, c] = variables.map(|v| layout.atom(v as usize) as u32);
                let product = |i: u32, j: u32, s: i8| (i.min(j), i.max(j), f64::from(s));
                let products = vec![product(a, b, signs[0]), product(a, c, signs[1]), product(b, c, signs[2])];
                (products, 1.0, shares.penalty(variables))
            }
            Kind::Vertex(variables, coefficients) => {
                (of_sides(layout, *variables, coefficients), 0.0, shares.penalty(variables))
            }
            Kind::Apart([a, b], which) => {
                let [f, g] = [(a, which & 2), (b, which & 1)].map(|(variable, on)| {
                    let j = *variable as usize - 1;
                    if on == 0 { vec![layout.upper(j) as u32] } else { vec![0, layout.sign(j) as u32] }
                });
                let products = f.iter().flat_map(|i| g.iter().map(|j| (*i.min(j), *i.max(j), 1.0))).collect();
                (products, 0.0, shares.penalty(&[*a, *b]))
            }
            Kind::Whole(_, first, count) => {
                let variables: Vec<u32> = (*first..first + count).collect();
                let sum = variables.iter().map(|v| (0, layout.atom(*v as usize) as u32, 1.0));
                let products = sum.chain([(0, 0, f64::from(*count) - 2.0)]).collect();
                (products, 0.0, shares.penalty(&variables))
            }
        };
        Self { kind, products, constant, mu: 0.0, sigma, value: 0.0 }
    }
}

/// −q of a vertex cut as a combination of products.
fn of_sides(layout: Layout, variables: [u32; 2], coefficients: &[f64; 8]) -> Vec<(u32, u32, f64)> {
    // Q = Σ J ψψ
    const J: [[f64; 4]; 4] =
        [[1.0, 0.0, -1.0, -1.0], [0.0, 1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 0.0], [-1.0, 1.0, 0.0, 1.0]];
    // the atoms that take part, e first, and ψ⁺, ψ⁻ of both sides as combinations of them
    let (mut atoms, mut psi) = (vec![0], [const { [0.0; 7] }; 4]);
    for ((side, variable), c) in variables.iter().enumerate().zip(coefficients.chunks_exact(4)) {
        let (variable, (plus, minus), first) = (*variable as usize, (2 * side, 2 * side + 1), atoms.len());
        if variable <= layout.free {
            let j = variable - 1;
            atoms.extend([layout.sign(j), layout.upper(j), layout.lower(j)]);
            (psi[plus][0], psi[plus][first], psi[plus][first + 1]) = (c[1], c[1], c[0]);
            (psi[minus][0], psi[minus][first], psi[minus][first + 2]) = (c[3], -c[3], c[2]);
        } else {
            atoms.push(layout.atom(variable));
            (psi[plus][0], psi[plus][first]) = (c[0], c[0]);
            (psi[minus][0], psi[minus][first]) = (c[1], -c[1]);
        }
    }
    let mut products = Vec::new();
    for i in 0..atoms.len() {
        for j in 0..=i {
            let of = |(p, row): (usize, &[f64; 4])| {
                row.iter().zip(&psi).map(|(sign, other)| sign * psi[p][i] * other[j]).sum::<f64>()
            };
            let entry: f64 = J.iter().enumerate().map(of).sum();
            if entry != 0.0 {
                let (x, y) = (atoms[i].min(atoms[j]) as u32, atoms[i].max(atoms[j]) as u32);
                products.push((x, y, if i == j { -entry } else { -2.0 * entry }));
            }
        }
    }
    products
}
