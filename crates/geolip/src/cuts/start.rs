//! Where the ascent starts: the relaxation's solution, with signs that have no violated link, and the sizes that it tells.
//!
//! With n = (h − ‖h‖s)/2, the reflection t = e − 2⟨e, n⟩n/‖n‖² of the constant has ⟨n, t + e⟩ = 0, and ⟨p, t − e⟩ = 0 since p and n are orthogonal.

use super::Question;
use crate::dual::{Recovery, Repair};
use crate::form::{Multipliers, QuadraticForm};
use crate::relaxation::{Ascent, Point};
use crate::slopes::SlopeNetwork;
use std::sync::Arc;
use std::time::Instant;

/// Features of the relaxation's solution, the sweeps it gets, and the relative gain that ends them.
const RANK: usize = 16;
const SWEEPS: usize = 1500;
const GAIN: f64 = 1e-12;
/// The tilt of the relaxation's multipliers that makes its form definite, and what more the constant and the inputs get.
const TILT: f64 = 0.2;
const ROOM: (f64, f64) = (1.3, 1.1);
/// Shares of the objective count as at least this part of their layer's mean, lengths as this part of the largest.
const LEAST_SHARE: f64 = 1e-2;
const LEAST_LENGTH: f64 = 1e-3;

/// A free neuron.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neuron {
    pub layer: usize,
    pub index: usize,
    /// The ends of its slope.
    pub lower: f64,
    pub upper: f64,
}

impl Neuron {
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }
}

/// The free neurons of a group, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The number of the first.
    pub first: usize,
    pub count: usize,
    /// Whether there are no others.
    pub whole: bool,
}

impl Group {
    /// Of these neurons, in ascending order as the free ones are.
    fn new(neurons: &[(usize, usize)], free: &[(usize, usize)]) -> Self {
        let first = neurons.first().map_or(0, |first| free.partition_point(|neuron| neuron < first));
        let count = neurons.iter().filter(|neuron| free.binary_search(neuron).is_ok()).count();
        Self { first, count, whole: count == neurons.len() }
    }
}

/// What everything is measured by, of the whole network; of a case, for the neurons that are free in it.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// The relaxation's value: the Lagrangian is divided by it.
    pub value: f64,
    pub neurons: Vec<Neuron>,
    /// The groups, of which none are fixed.
    pub groups: Arc<[Group]>,
    /// What the multipliers of squares are about: ‖G‖‖h‖(β − α) of neurons, γ of inputs.
    pub neuron_shares: Vec<f64>,
    pub input_shares: Arc<[f64]>,
    /// ‖G‖(β − α)/‖h‖: penalties of links.
    pub link_weights: Vec<f64>,
    /// Multipliers with a form that is positive definite: where slopes are fixed, too, for z = vh on its arguments then.
    pub definite: Arc<Multipliers>,
}

/// The relaxation's solution.
pub(super) struct Start {
    pub sizes: Sizes,
    /// Rows of so many numbers: inputs, unit vectors, signs.
    pub k: usize,
    pub rows: Vec<f64>,
}

impl Start {
    /// By an ascent of its own; none where the relaxation has no finite value, or its form does not fit.
    pub fn new(question: Question<'_>) -> Option<Self> {
        let (vectors, functional) = (question.vectors, question.functional);
        let form = QuadraticForm::within(vectors.network(), question.memory as f64)?;
        let first = Point::random(vectors, RANK, question.seed, 0);
        let mut ascent = Ascent::new(vectors, vec![functional.clone()], first);
        let late = || question.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        while ascent.sweeps(0) < SWEEPS && !(question.cancelled)() && !late() {
            ascent.step();
            if ascent.sweeps(0) > 20 && ascent.recent_gain(0) < GAIN {
                break;
            }
        }
        Self::of(question, &form, &ascent)
    }

    /// From a solution that is known.
    pub fn at(question: Question<'_>, form: &QuadraticForm<'_>, solution: &Point) -> Option<Self> {
        Self::of(question, form, &Ascent::new(question.vectors, vec![question.functional.clone()], solution.clone()))
    }

    fn of(question: Question<'_>, form: &QuadraticForm<'_>, ascent: &Ascent<'_>) -> Option<Self> {
        let (vectors, functional) = (question.vectors, question.functional);
        let network = vectors.network();
        let at = ascent.point(0);
        let (point, sweep) = ascent.settle(0);
        let value = sweep.value[0];
        if !value.is_finite() || value <= 0.0 {
            return None;
        }
        let recovery = Recovery::new(vectors, std::slice::from_ref(functional));
        let multipliers = recovery.multipliers(0, functional, &sweep);
        // a single one in ℓ2
        let gamma = |i: usize| multipliers.gamma.get(i).unwrap_or(&multipliers.gamma[0]) / value;
        let inputs: Vec<f64> = (0..network.inputs()).map(gamma).collect();
        let repair = Repair::new(form, vectors.norm(), functional.clone(), multipliers);
        let mut definite = repair.with_tilt(TILT)?.multipliers;
        definite.zeta.iter_mut().for_each(|z| *z *= ROOM.0);
        definite.gamma.iter_mut().for_each(|g| *g *= ROOM.1);

        let free = form.free_neurons();
        let mut sizes = Sizes {
            value,
            neurons: Vec::new(),
            groups: question
                .groups
                .map_or(&[][..], |groups| groups.grouped.groups())
                .iter()
                .map(|own| Group::new(own, &free))
                .collect(),
            neuron_shares: Vec::new(),
            input_shares: at_least(&inputs, LEAST_SHARE * mean(&inputs)).into(),
            link_weights: Vec::new(),
            definite: Arc::new(definite),
        };
        let (mut rows, mut signs) = (point.x.data().to_vec(), Vec::new());
        for (layer, slopes) in network.slopes().iter().enumerate() {
            let own: Vec<usize> = free.iter().filter(|(a, _)| *a == layer).map(|(_, j)| *j).collect();
            let width = |j: usize| slopes[j].upper - slopes[j].lower;
            let h_length = |j: usize| sweep.h_norms[layer].at(j, 0);
            let g_length = |j: usize| sweep.g_norms[layer].at(j, 0);
            let shares: Vec<f64> = own.iter().map(|j| width(*j) * h_length(*j) * g_length(*j) / value).collect();
            sizes.neuron_shares.extend(at_least(&shares, (LEAST_SHARE * mean(&shares)).max(f64::MIN_POSITIVE)));
            let largest = |f: &dyn Fn(usize) -> f64| own.iter().map(|j| f(*j)).fold(f64::MIN_POSITIVE, f64::max);
            let (least_h, least_g) = (LEAST_LENGTH * largest(&h_length), LEAST_LENGTH * largest(&g_length));
            let h = sweep.pre_activation(vectors, layer);
            for j in own {
                sizes.neurons.push(Neuron { layer, index: j, lower: slopes[j].lower, upper: slopes[j].upper });
                sizes.link_weights.push(width(j) * g_length(j).max(least_g) / (h_length(j).max(least_h) * value));
                rows.extend_from_slice(point.s[layer].row(j));
                let n: Vec<f64> = h.row(j).iter().zip(at.s[layer].row(j)).map(|(h, s)| h - h_length(j) * s).collect();
                let square: f64 = n.iter().map(|v| v * v).sum();
                let mut t = vec![0.0; at.k];
                t[0] = 1.0;
                if square > 0.0 {
                    t.iter_mut().zip(&n).for_each(|(t, v)| *t -= 2.0 * n[0] * v / square);
                }
                signs.extend(t);
            }
        }
        rows.extend(signs);
        Some(Self { sizes, k: at.k, rows })
    }
}

impl Sizes {
    /// Per layer and neuron, its number among the free ones.
    pub fn numbers(&self, network: &SlopeNetwork) -> Vec<Vec<Option<usize>>> {
        let mut numbers: Vec<Vec<Option<usize>>> = network.slopes().iter().map(|own| vec![None; own.len()]).collect();
        self.neurons.iter().enumerate().for_each(|(at, neuron)| numbers[neuron.layer][neuron.index] = Some(at));
        numbers
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn at_least(values: &[f64], least: f64) -> Vec<f64> {
    values.iter().map(|v| v.max(least)).collect()
}
