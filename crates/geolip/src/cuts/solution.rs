//! What is kept of a case for those below it, and what becomes of that where more neurons are fixed.
//!
//! A neuron that is fixed is a sign no more: t = e or t = −e. A triangle with it is one with e, or says nothing; a vertex cut with it is lost. What is
//! positive definite stays so, as z = vh restricts the form to a subspace.

use super::cut::{Cut, Kind, Shares};
use super::layout::Layout;
use super::start::{Neuron, Sizes};
use crate::form::QuadraticForm;
use crate::slopes::SlopeNetwork;
use std::collections::HashMap;

/// Rows, links and cuts with their multipliers.
#[derive(Clone, Debug)]
pub(crate) struct Solution {
    pub(super) sizes: Sizes,
    /// Features, and rows of as many numbers: inputs, unit vectors, signs.
    pub(super) k: usize,
    pub(super) rows: Vec<f32>,
    pub(super) kappa: Vec<f64>,
    pub(super) nu: Vec<f64>,
    /// Cuts with their multipliers.
    pub(super) cuts: Vec<(Kind, f64)>,
}

/// What a variable becomes in a case.
#[derive(Clone, Copy)]
enum Becomes {
    Variable(u32),
    /// e or −e.
    Constant(i8),
    /// Nothing hangs on it.
    Nothing,
}

impl Solution {
    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        let per_neuron = size_of::<Neuron>() + 5 * size_of::<f64>();
        4 * self.rows.len() + self.sizes.neurons.len() * per_neuron + self.cuts.len() * size_of::<(Kind, f64)>()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { free: self.sizes.neurons.len(), inputs: self.sizes.input_shares.len() }
    }

    /// That of a case below, before any work on it; none where its form takes more than so many bytes, or no neuron is free in it.
    pub(super) fn within(&self, case: &SlopeNetwork, memory: usize) -> Option<Self> {
        let free = QuadraticForm::within(case, memory as f64)?.free_neurons();
        let own = |neuron: &Neuron| free.binary_search(&(neuron.layer, neuron.index)).is_ok();
        let kept: Vec<usize> = (0..self.sizes.neurons.len()).filter(|j| own(&self.sizes.neurons[*j])).collect();
        if kept.is_empty() {
            return None;
        }
        let of = |values: &[f64]| kept.iter().map(|j| values[*j]).collect::<Vec<f64>>();
        let sizes = Sizes {
            neurons: kept.iter().map(|j| self.sizes.neurons[*j]).collect(),
            neuron_shares: of(&self.sizes.neuron_shares),
            link_weights: of(&self.sizes.link_weights),
            ..self.sizes.clone()
        };
        let (k, before) = (self.k, self.layout());
        let row = |at: usize| &self.rows[at * k..(at + 1) * k];
        let mut rows = self.rows[..before.inputs * k].to_vec();
        for first in [before.inputs, before.inputs + before.free] {
            kept.iter().for_each(|j| rows.extend_from_slice(row(first + j)));
        }
        Some(Self {
            sizes,
            k,
            rows,
            kappa: of(&self.kappa),
            nu: of(&self.nu),
            cuts: carried(&self.cuts, &self.becoming(case, &kept)),
        })
    }

    /// What every variable becomes.
    fn becoming(&self, case: &SlopeNetwork, kept: &[usize]) -> Vec<Becomes> {
        let mut becoming = vec![Becomes::Variable(0)];
        let mut next = 1;
        for (j, neuron) in self.sizes.neurons.iter().enumerate() {
            let slope = case.slopes()[neuron.layer][neuron.index];
            becoming.push(if kept.binary_search(&j).is_ok() {
                next += 1;
                Becomes::Variable(next - 1)
            } else if !slope.is_fixed() {
                Becomes::Nothing
            } else if slope.lower - neuron.lower > neuron.upper - slope.lower {
                Becomes::Constant(1)
            } else {
                Becomes::Constant(-1)
            });
        }
        becoming.extend((next..).take(self.layout().inputs).map(Becomes::Variable));
        becoming
    }

    /// The cuts, with what they are made of.
    pub(super) fn cuts(&self, shares: &Shares) -> Vec<Cut> {
        let layout = self.layout();
        self.cuts.iter().map(|(kind, mu)| Cut { mu: *mu, ..Cut::new(*kind, layout, shares) }).collect()
    }
}

/// The cuts of a case below; triangles that become the same are one.
fn carried(cuts: &[(Kind, f64)], becoming: &[Becomes]) -> Vec<(Kind, f64)> {
    let mut carried: Vec<(Kind, f64)> = Vec::with_capacity(cuts.len());
    let mut known: HashMap<([u32; 3], [i8; 3]), usize> = HashMap::new();
    for (kind, mu) in cuts {
        match kind {
            Kind::Triangle(variables, signs) => {
                let Some((variables, signs)) = triangle(variables.map(|v| becoming[v as usize]), *signs) else {
                    continue;
                };
                let at = *known.entry((variables, signs)).or_insert(carried.len());
                match carried.get_mut(at) {
                    Some((_, known)) => *known += mu,
                    None => carried.push((Kind::Triangle(variables, signs), *mu)),
                }
            }
            Kind::Vertex(variables, coefficients) => {
                if let [Becomes::Variable(a), Becomes::Variable(b)] = variables.map(|v| becoming[v as usize]) {
                    carried.push((Kind::Vertex([a, b], *coefficients), *mu));
                }
            }
            // cases have no groups
            Kind::Apart(..) | Kind::Whole(..) => {}
        }
    }
    carried
}

/// A triangle with one variable replaced by ±e at most; none where it holds by itself.
fn triangle(variables: [Becomes; 3], [ab, ac, bc]: [i8; 3]) -> Option<([u32; 3], [i8; 3])> {
    match variables {
        [Becomes::Variable(a), Becomes::Variable(b), Becomes::Variable(c)] => Some(([a, b, c], [ab, ac, bc])),
        // variables are in ascending order, and e is the first
        [Becomes::Constant(s), Becomes::Variable(b), Becomes::Variable(c)] => Some(([0, b, c], [s * ab, s * ac, bc])),
        [Becomes::Variable(a), Becomes::Constant(s), Becomes::Variable(c)] if a > 0 => {
            Some(([0, a, c], [s * ab, s * bc, ac]))
        }
        [Becomes::Variable(a), Becomes::Variable(b), Becomes::Constant(s)] if a > 0 => {
            Some(([0, a, b], [s * ac, s * bc, ab]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At all signs: what is carried holds where the original does, with the fixed variable's sign put in.
    #[test]
    fn triangles_with_a_sign_put_in_say_the_same() {
        let value = |[x, y, z]: [i32; 3], [a, b, c]: [i8; 3]| {
            i32::from(a) * x * y + i32::from(b) * x * z + i32::from(c) * y * z
        };
        let sign = |bits: u32, at: u32| if bits >> at & 1 == 1 { 1 } else { -1 };
        for (signs, fixed, s) in [[-1, 1, 1], [1, -1, 1], [1, 1, -1], [-1, -1, -1]]
            .into_iter()
            .flat_map(|signs| (0..3).flat_map(move |fixed| [(signs, fixed, 1_i8), (signs, fixed, -1)]))
        {
            let becoming = |v: usize| match v == fixed {
                true => Becomes::Constant(s),
                false => Becomes::Variable(v as u32 + 1),
            };
            let (variables, turned) = triangle([0, 1, 2].map(becoming), signs).expect("two signs are left");
            assert_eq!(variables[0], 0);
            for bits in 0..4_u32 {
                let mut at = 0;
                let original = [0, 1, 2].map(|v| {
                    if v == fixed {
                        return i32::from(s);
                    }
                    at += 1;
                    sign(bits, at - 1)
                });
                let of = |variable: u32| if variable == 0 { 1 } else { original[variable as usize - 1] };
                assert_eq!(value(original, signs), value(variables.map(of), turned));
            }
            // with e in it, nothing is left
            let with_e = [Becomes::Variable(0), becoming(1), becoming(2)];
            assert!(fixed == 0 || triangle(with_e, signs).is_none());
        }
    }
}
