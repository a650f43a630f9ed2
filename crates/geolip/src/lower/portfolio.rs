//! The search for inputs with steep gradients: strategies in turn, each with its share of the work.
//!
//! [`PORTFOLIO`] is the table of them. What each one finds and costs on the networks of this repository is in docs/lower.md, as
//! the bench `lower-portfolio` writes it; what earns nothing there is to be deleted. Nothing here is rigorous: every strategy
//! offers inputs to [`Best`], which proves what they are worth.

use super::best::Best;
use super::climb::Space;
use super::domain::Domain;
use super::first_layer::FirstLayer;
use super::gradient::GradientBound;
use super::realise::Realiser;
use super::tuning::{LEAST_ON_REGION, LEAST_SHARED};
use super::witness::Witness;
use super::{ascend, climb, perturb, pieces, program, realise, sample, walk};
use crate::problem::{Functional, InputNorm};
use crate::relaxation::Pattern;
use crate::slopes::SlopeNetwork;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// How steep inputs are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Networks with one input and piecewise linear activations: one point inside every linear piece.
    Pieces,
    /// Random inputs; of a region its centre, vertices and points inside.
    Sample,
    /// Inputs that have the patterns' slopes, where every pattern can be had.
    Realise,
    /// Ascent on a smoothed network, partly guided by the patterns.
    Ascend,
    /// Inputs that have as much of the patterns' slopes as pays, by a linear program: where `Climb` starts from, too.
    Program,
    /// Moves along coordinates.
    Climb,
    /// A walk from cell to cell, where activations have one kink.
    Walk,
    /// Random steps from the best inputs.
    Perturb,
}

/// What of the work a strategy gets in a domain.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Share {
    /// It does not run there.
    None,
    /// What it takes is small, whatever the work.
    Free,
    /// As `Free`, but not where there is too little work for all.
    Spare,
    /// This part of the work.
    Part(f64),
    /// This part once more, on top of all the work: what runs on small networks alone, and takes nothing from the others.
    Beside(f64),
}

/// A strategy, and its share everywhere and on a region.
struct Row(Strategy, Share, Share);

/// The strategies in the order in which they run.
const PORTFOLIO: [Row; 8] = [
    Row(Strategy::Pieces, Share::Free, Share::None),
    Row(Strategy::Sample, Share::Free, Share::Free),
    Row(Strategy::Realise, Share::Free, Share::None),
    Row(Strategy::Ascend, Share::Part(0.25), Share::Part(0.5)),
    Row(Strategy::Program, Share::Spare, Share::None),
    Row(Strategy::Climb, Share::Part(0.75), Share::None),
    Row(Strategy::Walk, Share::Beside(0.4), Share::None),
    Row(Strategy::Perturb, Share::None, Share::Part(0.5)),
];

impl Strategy {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; PORTFOLIO.len()] = {
        let mut all = [Self::Pieces; PORTFOLIO.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = PORTFOLIO[i].0;
            i += 1;
        }
        all
    };

    /// Looks for steep inputs with `passes` passes through the network per functional.
    fn run(self, search: &mut Search<'_>, passes: f64) -> Progress {
        match self {
            Self::Pieces => return pieces::run(search),
            Self::Realise => return realise::run(search),
            Self::Sample => sample::run(search),
            Self::Ascend => ascend::run(search, passes),
            Self::Program => program::run(search),
            Self::Climb => climb::run(search, passes),
            Self::Walk => walk::run(search, passes),
            Self::Perturb => perturb::run(search, passes),
        }
        Progress::Open
    }
}

/// Whether more may be found.
pub(super) enum Progress {
    /// It may.
    Open,
    /// The patterns are attained.
    Attained,
    /// These are the steepest of all linear pieces.
    Visited(Vec<Witness>),
}

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub struct InputRules {
    /// Multiply–adds per functional, roughly: some evaluations are made in any case.
    pub work: f64,
    /// Seed of the samples.
    pub seed: u64,
}

/// What is to be searched: steep gradients of the functionals of one network.
#[derive(Clone, Copy, Debug)]
pub struct InputSearch<'a> {
    /// The network; on a region, inputs are searched there.
    pub network: &'a SlopeNetwork,
    /// Of the input.
    pub norm: InputNorm,
    /// What evaluates gradients, of the same network and norm.
    pub exact: &'a GradientBound<'a>,
    /// What is to change steeply.
    pub functionals: &'a [Functional],
    /// One per functional: where steep gradients may be.
    pub patterns: &'a [Pattern],
    /// What gives inputs for patterns, where there is such a thing.
    pub realiser: Option<&'a Realiser>,
    /// How hard to search.
    pub rules: InputRules,
}

/// What a search has found, and how.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best input per functional.
    pub witnesses: Vec<Witness>,
    /// The strategy that found it, per functional; none where it is the input that the search began with.
    pub winners: Vec<Option<Strategy>>,
    /// The strategies that ran, in order, each with its time.
    pub times: Vec<(Strategy, Duration)>,
}

impl InputSearch<'_> {
    /// The best real input found for every functional, by these of the strategies.
    ///
    /// Deterministic for a seed. A slope that is not proved to be on one side of its kinks counts as unknown.
    pub fn run(&self, strategies: &[Strategy]) -> Found {
        let mut search = Search::new(self);
        let domain = search.domain;
        let passes = self.rules.work / self.network.multiply_adds().max(1) as f64;
        let passes = match domain {
            Domain::Everywhere => passes,
            Domain::Region(_) => passes.max(LEAST_ON_REGION),
        };
        let is_constant = self.network.neurons() == 0 || domain.is_point();
        let mut times = Vec::new();
        let alone = passes <= LEAST_SHARED;
        let mut over = is_constant;
        for Row(strategy, everywhere, region) in &PORTFOLIO {
            let share = match domain {
                Domain::Everywhere => *everywhere,
                Domain::Region(_) => *region,
            };
            let part = match share {
                Share::Free => 0.0,
                Share::Spare if !over => 0.0,
                Share::Part(part) if !over => {
                    if alone {
                        1.0
                    } else {
                        part
                    }
                }
                Share::Beside(part) if !over => part,
                Share::None | Share::Spare | Share::Part(_) | Share::Beside(_) => continue,
            };
            if !strategies.contains(strategy) {
                continue;
            }
            // the first share of too little work leaves nothing for others
            over |= alone && matches!(share, Share::Part(_));
            let started = Instant::now();
            search.best.begin(*strategy);
            let progress = strategy.run(&mut search, part * passes);
            times.push((*strategy, started.elapsed()));
            match progress {
                Progress::Open => {}
                Progress::Attained => break,
                Progress::Visited(witnesses) => {
                    let winners = vec![Some(*strategy); witnesses.len()];
                    return Found { witnesses, winners, times };
                }
            }
        }
        let winners = search.best.winners();
        Found { witnesses: search.best.witnesses(self.functionals), winners, times }
    }
}

/// The best real input found for every functional, its gradient norm evaluated by `exact` (of the same network and norm), by
/// all strategies. `patterns` (one per functional) is where steep gradients may be; `realiser` gives inputs for them, where
/// there is one.
pub fn search_inputs(
    network: &SlopeNetwork,
    norm: InputNorm,
    exact: &GradientBound<'_>,
    functionals: &[Functional],
    patterns: &[Pattern],
    realiser: Option<&Realiser>,
    rules: InputRules,
) -> Vec<Witness> {
    InputSearch { network, norm, exact, functionals, patterns, realiser, rules }.run(&Strategy::ALL).witnesses
}

/// What strategies share.
pub(super) struct Search<'a> {
    pub asked: &'a InputSearch<'a>,
    pub domain: Domain<'a>,
    pub best: Best<'a>,
    pub rng: ChaCha8Rng,
    /// Where climbs start from, per functional, in their variable: where there is nothing, from the best input.
    pub leads: Vec<Vec<Vec<f64>>>,
    /// The first layer as the variable, once it has been looked for.
    pub first: Option<Option<FirstLayer>>,
}

impl<'a> Search<'a> {
    fn new(asked: &'a InputSearch<'a>) -> Self {
        let InputSearch { network, norm, exact, functionals, patterns, .. } = *asked;
        let domain = Domain::of(network);
        let weights = functionals.iter().zip(patterns).map(|(functional, pattern)| {
            functional.entries().unwrap_or_else(|| pattern.weights.iter().copied().enumerate().collect())
        });
        let best = Best::new(network, norm, exact, weights.collect(), &domain.centre(network.inputs()));
        let rng = ChaCha8Rng::seed_from_u64(asked.rules.seed);
        let leads = vec![Vec::new(); best.count()];
        Self { asked, domain, best, rng, leads, first: None }
    }

    /// Looks for the first layer as the variable, unless that has been done.
    pub fn prepare(&mut self) {
        if self.first.is_none() {
            self.first = Some(match self.domain {
                Domain::Everywhere => FirstLayer::new(self.asked.network, self.asked.rules.work),
                Domain::Region(_) => None, // every input but those of a region is out of reach
            });
        }
    }

    /// The first layer as the variable, where there is such a thing and [`Search::prepare`] has found it.
    pub fn first(&self) -> Option<&FirstLayer> {
        self.first.as_ref().and_then(Option::as_ref)
    }

    /// The variable of climbs.
    pub fn space(&self) -> Space<'_> {
        Space { network: self.asked.network, norm: self.asked.norm, first: self.first() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::place::Region;

    /// Two hidden layers of ReLUs, three inputs.
    fn network() -> SlopeNetwork {
        let w = |m, n, t: f64| LinearMap::Dense(Matrix::from_fn(m, n, |i, j| ((i * 3 + j * 5) as f64 + t).sin()));
        let mut b = NetworkBuilder::new(3).expect("inputs");
        let h = b.affine("h1", vec![(b.input(), w(6, 3, 0.3))], Some(vec![0.1; 6])).expect("shapes");
        let z = b.activate("z1", h, Activation::Relu).expect("relu");
        let h = b.affine("h2", vec![(z, w(6, 6, 0.7))], Some(vec![-0.2; 6])).expect("shapes");
        let z = b.activate("z2", h, Activation::Relu).expect("relu");
        let y = b.affine("y", vec![(z, w(1, 6, 0.1))], None).expect("shapes");
        SlopeNetwork::everywhere(&b.finish(y)).expect("bounded slopes")
    }

    /// What some strategies find; the pattern asks for every neuron to be active.
    fn found(network: &SlopeNetwork, strategies: &[Strategy], work: f64) -> Found {
        let slopes = vec![vec![1.0; 6]; 2];
        let pattern = Pattern { slopes, weights: vec![1.0], direction: vec![1.0; 3], value: f64::INFINITY };
        let exact = GradientBound::new(network, InputNorm::L2);
        let rules = InputRules { work, seed: 1 };
        let (functionals, patterns) = (&[Functional::output(0)], &[pattern]);
        let (norm, exact) = (InputNorm::L2, &exact);
        InputSearch { network, norm, exact, functionals, patterns, realiser: None, rules }.run(strategies)
    }

    fn on_region() -> SlopeNetwork {
        let region = Region::new_box(vec![-0.5; 3], vec![0.5; 3]).expect("a box");
        SlopeNetwork::new(network().network(), region).expect("it fits")
    }

    #[test]
    fn no_domain_gives_more_work_than_there_is() {
        for everywhere in [true, false] {
            let part = |Row(_, all, region): &Row| match if everywhere { *all } else { *region } {
                Share::Part(part) => part,
                Share::None | Share::Free | Share::Spare | Share::Beside(_) => 0.0,
            };
            assert_eq!(PORTFOLIO.iter().map(part).sum::<f64>(), 1.0);
        }
    }

    #[test]
    fn a_strategy_that_is_left_out_neither_runs_nor_wins() {
        for network in [network(), on_region()] {
            for strategy in Strategy::ALL {
                let others: Vec<Strategy> = Strategy::ALL.into_iter().filter(|other| *other != strategy).collect();
                let found = found(&network, &others, 1e6);
                assert!(found.times.iter().all(|(ran, _)| *ran != strategy));
                assert!(found.winners.iter().all(|winner| winner.is_some_and(|winner| winner != strategy)));
            }
        }
    }

    #[test]
    fn all_together_find_no_less_than_samples_alone() {
        for network in [network(), on_region()] {
            let (all, samples) = (found(&network, &Strategy::ALL, 1e6), found(&network, &[Strategy::Sample], 1e6));
            assert!(all.witnesses[0].lower >= samples.witnesses[0].lower);
            assert!(network.region().is_none_or(|region| region.contains(&all.witnesses[0].input)));
        }
    }

    #[test]
    fn little_work_is_not_divided() {
        let ran = found(&network(), &Strategy::ALL, 1.0).times;
        let ran: Vec<Strategy> = ran.into_iter().map(|(strategy, _)| strategy).collect();
        assert!(ran.contains(&Strategy::Ascend) && !ran.contains(&Strategy::Climb), "{ran:?}");
    }
}
