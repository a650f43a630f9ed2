//! Random questions: norms, outputs, regions and options of [`geolip::bound()`].

use crate::dice::Dice;
use crate::exact::times_power;
use geolip::form::Affordable;
use geolip::place::{Region, RegionNorm};
use geolip::{InputNorm, Options, OutputNorm, Outputs, Weights};
use std::time::Duration;

/// A question about a network.
#[derive(Clone, Debug)]
pub struct Question {
    /// The norm of input changes.
    pub norm: InputNorm,
    /// What is measured of the output.
    pub outputs: Outputs,
    /// Where; none for everywhere.
    pub region: Option<Region>,
    /// Whether branch and bound is asked for.
    pub exact: bool,
    /// Whether cuts are.
    pub cuts: bool,
    /// Whether the Lipschitz constant itself is searched for, over the whole space.
    pub real: bool,
    /// Whether the region is cut into parts.
    pub split: bool,
    /// Work on lower bounds.
    pub effort: f64,
    /// The tolerance.
    pub tol: f64,
    /// Whether there is no memory for an elimination, so that random tests have to do.
    pub starved: bool,
    /// The seed of the library's own choices.
    pub seed: u64,
}

/// For how long a region is cut.
const SPLIT: Duration = Duration::from_millis(15);

impl Question {
    /// For a network with so many inputs and outputs, whose inputs are multiples of 2ᵉ.
    pub fn random(inputs: usize, outputs: usize, unit: i64, local: bool, dice: &mut Dice) -> Self {
        let norm = match dice.below(10) {
            0..=3 => InputNorm::Linf,
            4..=6 => InputNorm::L2,
            7 | 8 => InputNorm::L1,
            _ => InputNorm::from_exponent(*dice.pick(&[3.0, 2.5, 4.0, 100.0])).expect("an exponent above 2"),
        };
        let region = if local { region(inputs, unit, dice) } else { None };
        let boxed = region.as_ref().is_some_and(|region| region.ball().is_none());
        let kind = dice.below(10);
        Self {
            norm,
            outputs: random_outputs(outputs, dice),
            exact: kind == 0 && norm != InputNorm::L1,
            cuts: matches!(kind, 1 | 2) && norm != InputNorm::L1,
            split: boxed && matches!(kind, 3..=5),
            real: matches!(kind, 7 | 8) && region.is_none() && norm != InputNorm::L1,
            region,
            effort: *dice.pick(&[0.0, 0.0, 0.01, 0.1, 1.0]),
            tol: *dice.pick(&[1e-6, 1e-6, 1e-9, 1e-3]),
            starved: kind == 6,
            seed: dice.seed(),
        }
    }

    /// The options that ask it.
    pub fn options(&self) -> Options {
        Options {
            norm: self.norm,
            outputs: self.outputs.clone(),
            region: self.region.clone(),
            split: self.split.then_some(SPLIT),
            tol: self.tol,
            time_limit: Some(Duration::from_secs(4)),
            memory_limit: if self.starved { 0 } else { Options::default().memory_limit },
            affordable: if self.starved { Affordable::NONE } else { Affordable::default() },
            effort: self.effort,
            seed: self.seed,
            sweep_limit: 2000,
            cuts: self.cuts,
            exact: self.exact,
            real: self.real,
            case_limit: 40,
            ..Options::default()
        }
    }

    /// What the command line is told, files aside.
    pub fn flags(&self) -> String {
        let mut flags =
            format!("--norm {} --output {} --tol {} --seed {}", self.norm, self.outputs, self.tol, self.seed);
        let switches = [
            (self.exact, " --exact"),
            (self.cuts, " --cuts"),
            (self.real, " --true"),
            (self.starved, " --memory-limit 1e-9 # random tests of small networks: by the library alone"),
        ];
        switches.iter().filter(|(on, _)| *on).for_each(|(_, flag)| flags += flag);
        if self.split {
            flags += " --split 0.1";
        }
        flags
    }
}

/// What to bound of so many outputs.
fn random_outputs(outputs: usize, dice: &mut Dice) -> Outputs {
    match dice.below(10) {
        0..=3 => Outputs::Each,
        4 if outputs > 1 => Outputs::Pairs,
        5 if outputs > 1 => Outputs::Margin(0, outputs - 1),
        6 => {
            let u: Vec<f64> = (0..outputs).map(|_| dice.normal()).collect();
            Weights::new(&u).map_or(Outputs::Each, Outputs::Vector)
        }
        7 => Outputs::Norm(OutputNorm::L1),
        8 => Outputs::Norm(OutputNorm::L2),
        9 => Outputs::Norm(OutputNorm::Linf),
        _ => Outputs::One(outputs - 1),
    }
}

/// A region of inputs that are multiples of 2ᵉ; now and then a huge one, a flat one, a point, a ball.
pub fn region(inputs: usize, unit: i64, dice: &mut Dice) -> Option<Region> {
    let scale = |v: f64| times_power(v, unit);
    if dice.chance(0.08) {
        let far = *dice.pick(&[1e6, 1e20, 1e100, 1e200, 1e300, f64::MAX]);
        let low = *dice.pick(&[-far, 0.0, 1.0, -1.0]);
        return Region::new_box(vec![low; inputs], vec![far; inputs]).ok();
    }
    let centre: Vec<f64> = match dice.below(4) {
        0 => vec![1.0; inputs],
        1 => vec![0.0; inputs],
        _ => (0..inputs).map(|_| scale(dice.whole(-64, 64) as f64 / 16.0)).collect(),
    };
    let radius = scale(*dice.pick(&[0.0, 2f64.powi(-40), 1.0 / 1024.0, 0.0625, 0.25, 1.0, 2.0, 8.0, 64.0]));
    let clip = dice.chance(0.2).then(|| (scale(-2.0), scale(2.0)));
    match dice.below(6) {
        0 => Region::around(&centre, radius, RegionNorm::L2, clip).ok(),
        1 => Region::around(&centre, radius, RegionNorm::Linf, clip).ok(),
        _ => {
            let flat: Vec<bool> = (0..inputs).map(|_| dice.chance(0.15)).collect();
            let half = |i: usize| if flat[i] { 0.0 } else { radius };
            let lower = centre.iter().enumerate().map(|(i, c)| c - half(i)).collect();
            let upper = centre.iter().enumerate().map(|(i, c)| c + half(i)).collect();
            Region::new_box(lower, upper).ok()
        }
    }
}
