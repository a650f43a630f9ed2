//! Exact arithmetic, and what a piecewise linear network is at one input in it: no rounding anywhere.

use geolip::network::{Activation, Network, NodeId, Op};
use geolip::{Functional, InputNorm};
use num_bigint::BigInt;
use std::cmp::Ordering;

/// m·2ᵉ.
#[derive(Clone, Debug)]
pub struct Dyadic {
    m: BigInt,
    e: i64,
}

impl Dyadic {
    pub fn zero() -> Self {
        Self { m: BigInt::ZERO, e: 0 }
    }

    /// A finite number as it is.
    pub fn of(v: f64) -> Self {
        assert!(v.is_finite(), "{v} is no number");
        let bits = v.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i64;
        let fraction = (bits & ((1 << 52) - 1)) as i64;
        let (m, e) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
        let zeros = if m == 0 { 0 } else { m.trailing_zeros() };
        let m = BigInt::from(m >> zeros);
        Self { m: if v.is_sign_negative() { -m } else { m }, e: e + i64::from(zeros) }
    }

    pub fn plus(&self, other: &Self) -> Self {
        if self.m == BigInt::ZERO {
            return other.clone();
        }
        if other.m == BigInt::ZERO {
            return self.clone();
        }
        let e = self.e.min(other.e);
        let at = |v: &Self| v.m.clone() << (v.e - e) as usize;
        Self { m: at(self) + at(other), e }
    }

    pub fn times(&self, other: &Self) -> Self {
        Self { m: &self.m * &other.m, e: self.e + other.e }
    }

    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { m: -other.m.clone(), e: other.e })
    }

    /// Above, on or below zero.
    pub fn sign(&self) -> Ordering {
        self.m.cmp(&BigInt::ZERO)
    }

    pub fn abs(&self) -> Self {
        if self.sign() == Ordering::Less { Self::zero().minus(self) } else { self.clone() }
    }

    pub fn at_most(&self, other: &Self) -> bool {
        self.minus(other).sign() != Ordering::Greater
    }
}

/// A slope from the left and from the right, and the place between.
fn sides(activation: &Activation, index: usize) -> Vec<(f64, f64, f64)> {
    match activation {
        Activation::Relu => vec![(0.0, 0.0, 1.0)],
        Activation::LeakyRelu { slope } => vec![(0.0, *slope, 1.0)],
        Activation::PRelu { slopes } => vec![(0.0, slopes[index], 1.0)],
        Activation::Abs => vec![(0.0, -1.0, 1.0)],
        Activation::Clip { min, max } => vec![(*min, 0.0, 1.0), (*max, 1.0, 0.0)],
        other => panic!("{other} is not piecewise linear, or its kinks are no doubles"),
    }
}

/// φ(s), and its slopes on both sides.
fn piece(activation: &Activation, index: usize, s: &Dyadic) -> (Dyadic, f64, f64) {
    let kinks = sides(activation, index);
    let from = |at: f64| s.minus(&Dyadic::of(at)).sign();
    // the pieces: before the first kink, between, after the last
    let mut slopes = (kinks[0].1, kinks[0].1);
    for (at, _, right) in kinks.iter().filter(|(at, ..)| at.is_finite()) {
        match from(*at) {
            Ordering::Greater => slopes = (*right, *right),
            Ordering::Equal => slopes = (slopes.1, *right),
            Ordering::Less => {}
        }
    }
    let value = match activation {
        Activation::Clip { min, max } => match (from(*min), from(*max)) {
            (Ordering::Less, _) => Dyadic::of(*min),
            (_, Ordering::Greater) => Dyadic::of(*max),
            _ => s.clone(),
        },
        _ if s.sign() == Ordering::Less => s.times(&Dyadic::of(kinks[0].1)),
        _ => s.times(&Dyadic::of(kinks[0].2)),
    };
    (value, slopes.0, slopes.1)
}

/// Neurons on a kink up to which every combination of slopes is looked at.
const MOST_KINKS: usize = 8;

/// Whether ‖∇(uᵀy)(x)‖ is at least `lower` for a linear functional, whatever the slopes on kinks; none where there are too many
/// of these.
pub fn is_attained(network: &Network, norm: InputNorm, functional: &Functional, x: &[f64], lower: f64) -> Option<bool> {
    let mut values: Vec<Vec<Dyadic>> = Vec::new();
    let mut slopes: Vec<Vec<(f64, f64)>> = Vec::new();
    for node in network.nodes() {
        values.push(match &node.op {
            Op::Input => x.iter().map(|v| Dyadic::of(*v)).collect(),
            Op::Affine { terms, bias } => {
                let mut sum: Vec<Dyadic> =
                    (0..node.len).map(|i| bias.as_ref().map_or_else(Dyadic::zero, |b| Dyadic::of(b[i]))).collect();
                for term in terms {
                    let (map, from) = (term.map.to_sparse(), &values[term.parent.index()]);
                    for (i, sum) in sum.iter_mut().enumerate() {
                        map.row(i).for_each(|(j, w)| *sum = sum.plus(&from[j].times(&Dyadic::of(w))));
                    }
                }
                sum
            }
            Op::Activate { parent, activation } => {
                let pieces: Vec<_> =
                    values[parent.index()].iter().enumerate().map(|(i, s)| piece(activation, i, s)).collect();
                slopes.push(pieces.iter().map(|(_, left, right)| (*left, *right)).collect());
                pieces.into_iter().map(|(value, ..)| value).collect()
            }
            Op::Combine { .. } => unreachable!("no such network is drawn"),
        });
    }
    let kinks: Vec<(usize, usize)> = (0..slopes.len())
        .flat_map(|a| (0..slopes[a].len()).map(move |i| (a, i)))
        .filter(|(a, i)| slopes[*a][*i].0 != slopes[*a][*i].1)
        .collect();
    if kinks.len() > MOST_KINKS {
        return None;
    }
    let u = functional.entries().expect("a linear functional");
    let all = (0..1_usize << kinks.len()).all(|choice| {
        let mut own: Vec<Vec<f64>> = slopes.iter().map(|layer| layer.iter().map(|s| s.1).collect()).collect();
        for (_, (a, i)) in kinks.iter().enumerate().filter(|(k, _)| choice >> k & 1 == 1) {
            own[*a][*i] = slopes[*a][*i].0;
        }
        is_at_least(&gradient(network, &u, &own), norm, lower)
    });
    Some(all)
}

fn gradient(network: &Network, u: &[(usize, f64)], slopes: &[Vec<f64>]) -> Vec<Dyadic> {
    let mut gradients: Vec<Vec<Dyadic>> = network.nodes().iter().map(|n| vec![Dyadic::zero(); n.len]).collect();
    u.iter().for_each(|(i, u)| gradients[network.output().index()][*i] = Dyadic::of(*u));
    let mut layer = slopes.len();
    for (index, node) in network.nodes().iter().enumerate().rev() {
        let own = gradients[index].clone();
        let mut add = |to: NodeId, j: usize, v: Dyadic| {
            let sum = gradients[to.index()][j].plus(&v);
            gradients[to.index()][j] = sum;
        };
        match &node.op {
            Op::Input => {}
            Op::Affine { terms, .. } => {
                for term in terms {
                    let map = term.map.to_sparse();
                    for (i, own) in own.iter().enumerate() {
                        map.row(i).for_each(|(j, w)| add(term.parent, j, own.times(&Dyadic::of(w))));
                    }
                }
            }
            Op::Activate { parent, .. } => {
                layer -= 1;
                for (i, own) in own.iter().enumerate() {
                    add(*parent, i, own.times(&Dyadic::of(slopes[layer][i])));
                }
            }
            Op::Combine { .. } => unreachable!("no such network is drawn"),
        }
    }
    gradients.swap_remove(0)
}

/// Whether the dual norm of g is at least a number: ℓ∞, ℓ2 and ℓ1.
fn is_at_least(g: &[Dyadic], norm: InputNorm, lower: f64) -> bool {
    let (lower, zero) = (Dyadic::of(lower), Dyadic::zero());
    match norm {
        InputNorm::Linf => lower.at_most(&g.iter().fold(zero, |sum, v| sum.plus(&v.abs()))),
        InputNorm::L2 => lower.times(&lower).at_most(&g.iter().fold(zero, |sum, v| sum.plus(&v.times(v)))),
        InputNorm::L1 => lower.at_most(&zero) || g.iter().any(|v| lower.at_most(&v.abs())),
        InputNorm::Lp(_) => panic!("powers are not rational"),
    }
}

/// Whether x lies in a region, exactly.
pub fn is_inside(region: &geolip::place::Region, x: &[f64]) -> bool {
    let in_box = x.iter().zip(region.lower().iter().zip(region.upper())).all(|(x, (l, u))| l <= x && x <= u);
    in_box
        && region.ball().is_none_or(|ball| {
            let squares = x.iter().zip(&ball.centre).map(|(x, c)| Dyadic::of(*x).minus(&Dyadic::of(*c)));
            let distance = squares.fold(Dyadic::zero(), |sum, d| sum.plus(&d.times(&d)));
            let radius = Dyadic::of(ball.radius);
            distance.at_most(&radius.times(&radius))
        })
}
