//! ℓ1, input by input: intervals for all inputs, the relaxation for those that may still be the largest.
//!
//! The unit ball of ℓ1 is the hull of ±eᵢ, so the FGL is the largest over i of that of the network with input i alone, which
//! the vector network relaxes like any other. Intervals ([`crate::proof::intervals`]) bound every input at once, and
//! are mostly exact for one hidden layer and a linear functional; elsewhere the inputs of the largest intervals are solved first,
//! and what they reach decides how good a bound the others need: most get it after a few sweeps. Networks for which this
//! would take too long get the better of their intervals and their bound in ℓ2, whose unit ball is larger.

use super::{Question, relax};
use crate::dual::{Budget, Form, Recovery, Repair};
use crate::error::BoundError;
use crate::form::Draws;
use crate::lower::{GradientBound, InputRules, Realiser, pattern_inside, search_inputs};
use crate::matrix::Matrix;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::problem::{Functional, InputNorm};
use crate::proof::{
    Certificate, Claim, FormProof, InputProof, Proof, check_inputs, intervals::are_exact, intervals::input_bounds,
};
use crate::relaxation::{Ascent, Pattern, PatternRules, Point, VectorNetwork, search_patterns};
use crate::report::{Bound, Method, Stop};
use crate::slopes::SlopeNetwork;
use crate::solve::{Context, Outcome};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

/// Inputs solved first, per functional.
const LEADERS: usize = 4;
/// Sweeps after which an input's multipliers are tried against the bound it needs.
const TRIALS: [usize; 8] = [4, 8, 12, 20, 32, 48, 72, 100];
/// Features of these trials.
const TRIAL_RANK: usize = 8;
/// Multiply–adds that all solutions together may take: minutes. Beyond, intervals are all there is.
const MOST_WORK: f64 = 4e11;
/// Multiply–adds of solving one input, as a multiple of one evaluation of its network.
const EVALUATIONS: f64 = 1e3;

/// What one functional knows.
struct Track {
    functional: Functional,
    /// Intervals: at least the FGL of every input alone.
    intervals: Vec<f64>,
    /// Whether they are attained.
    exact: bool,
    /// What the forms of single inputs prove.
    proofs: BTreeMap<usize, (f64, FormProof)>,
    /// The input of the largest relaxation, its value (or interval, where that is smaller) and solution.
    best: Option<(usize, f64, Point)>,
    /// The bound in ℓ2, where it is what there is; its certificate says ℓ1.
    by_l2: Option<Bound>,
    iterations: usize,
    rank: usize,
    stop: Stop,
}

impl Track {
    fn new(network: &SlopeNetwork, functional: &Functional) -> Self {
        let (intervals, functional) = (input_bounds(network, functional), functional.clone());
        let (exact, proofs, best) = (are_exact(network, &functional), BTreeMap::new(), None);
        Self { functional, intervals, exact, proofs, best, by_l2: None, iterations: 0, rank: 1, stop: Stop::Converged }
    }

    /// The best relaxation's value so far.
    fn value(&self) -> f64 {
        self.best.as_ref().map_or(0.0, |best| best.1)
    }

    /// The bound of one input.
    fn bound(&self, input: usize) -> f64 {
        self.proofs.get(&input).map_or(f64::INFINITY, |proof| proof.0).min(self.intervals[input])
    }

    fn upper(&self) -> f64 {
        (0..self.intervals.len()).map(|input| self.bound(input)).fold(0.0, f64::max)
    }

    /// What is to be checked: the largest bound, and the forms of the inputs whose intervals exceed it.
    fn claim(&mut self) -> Claim {
        let upper = self.upper();
        let proofs = std::mem::take(&mut self.proofs).into_iter();
        let needed = proofs.filter(|(input, _)| self.intervals[*input] > upper);
        let inputs = needed.map(|(input, (_, multipliers))| InputProof { input, multipliers }).collect();
        Claim { output: self.functional.clone(), upper, proof: Proof::Inputs(inputs) }
    }

    /// The inputs whose bound exceeds `limit`, the largest first.
    fn above(&self, limit: f64) -> Vec<usize> {
        let mut inputs: Vec<usize> = (0..self.intervals.len()).filter(|i| self.bound(*i) > limit).collect();
        inputs.sort_by(|a, b| self.intervals[*b].total_cmp(&self.intervals[*a]).then(a.cmp(b)));
        inputs
    }
}

/// Bounds every functional in ℓ1.
pub(super) fn solve(question: Question<'_>, functionals: &[Functional]) -> Result<Vec<Bound>, BoundError> {
    let Question { network, observer, .. } = question;
    let solver = Solver(question);
    let mut tracks: Vec<Track> = functionals.par_iter().map(|f| Track::new(network, f)).collect();
    if let Some(track) = tracks.iter().find(|track| !track.upper().is_finite()) {
        return Err(BoundError::Overflow { output: track.functional.to_string() });
    }
    let open: Vec<usize> = (0..tracks.len()).filter(|f| !tracks[*f].exact).collect();
    if !open.is_empty() && solver.can_afford(&tracks) {
        let first = jobs(&open, |f| tracks[f].above(0.0).into_iter().take(LEADERS).collect());
        solver.work(&first, &mut tracks, false);
        let second = jobs(&open, |f| tracks[f].above(solver.limit(&tracks[f])));
        solver.work(&second, &mut tracks, true);
    } else if !open.is_empty() {
        solver.bound_by_l2(&open, &mut tracks);
    }
    let (exact, realiser) = (GradientBound::new(network, InputNorm::L1), Realiser::new(network));
    let claims: Vec<Claim> = tracks.iter_mut().map(Track::claim).collect();
    let certificates = check_inputs(network, InputNorm::L1, &claims.iter().collect::<Vec<_>>());
    let all: Vec<_> = tracks.into_iter().zip(certificates).enumerate().collect();
    let bounds = all.into_par_iter().map(|(index, (track, certificate))| {
        let certificate = track.by_l2.as_ref().map_or(certificate, |by_l2| Ok(by_l2.certificate.clone()));
        let name = || track.functional.to_string();
        let certificate =
            certificate.map_err(|_| BoundError::NotCertified { output: name(), relaxation: track.value() })?;
        observer.event(Event::Finished { index });
        Ok(solver.complete(track, certificate, &exact, realiser.as_ref()))
    });
    bounds.collect()
}

/// The inputs to be solved, each with the functionals (by index) that need it.
fn jobs(open: &[usize], inputs: impl Fn(usize) -> Vec<usize>) -> Vec<(usize, Vec<usize>)> {
    let mut jobs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &f in open {
        inputs(f).into_iter().for_each(|input| jobs.entry(input).or_default().push(f));
    }
    jobs.into_iter().collect()
}

struct Solver<'a>(Question<'a>);

/// What came of one input and one functional.
enum Found {
    /// Its bound is small enough not to matter.
    Small {
        functional: usize,
        upper: f64,
        proof: FormProof,
        sweeps: usize,
    },
    Solved {
        functional: usize,
        outcome: Box<Outcome>,
    },
}

impl Solver<'_> {
    /// Bounds up to this need no improvement.
    fn limit(&self, track: &Track) -> f64 {
        track.value() * (1.0 + 0.5 * self.0.options.tol)
    }

    /// Whether solving all inputs takes minutes at most.
    fn can_afford(&self, tracks: &[Track]) -> bool {
        let alone = self.0.network.with_input_alone(0);
        let rows = tracks.iter().map(|t| t.functional.row_count(self.0.network.outputs())).max().unwrap_or(1);
        match Form::choose(&alone, (self.0.options.memory_limit, self.0.options.affordable), rows) {
            Form::MatrixFree(_) => false,
            Form::Eliminated(form) => {
                let one = form.cost_with(rows).0 + EVALUATIONS * alone.multiply_adds() as f64;
                one * (self.0.network.inputs() * tracks.len()) as f64 <= MOST_WORK
            }
        }
    }

    /// Gives functionals their bounds in ℓ2, where these are better than intervals.
    fn bound_by_l2(&self, open: &[usize], tracks: &mut [Track]) {
        let functionals: Vec<Functional> = open.iter().map(|f| tracks[*f].functional.clone()).collect();
        let options = Options { norm: InputNorm::L2, ..self.0.options.clone() };
        let bounds =
            relax::solve(Question { options: &options, observer: &Quiet(self.0.observer), ..self.0 }, &functionals);
        // where there is none, intervals are what there is
        for (f, bound) in open.iter().zip(bounds.into_iter().flatten()) {
            let track = &mut tracks[*f];
            if bound.upper() < track.upper()
                && let Some(certificate) = bound.certificate.clone().of_l2_in_l1()
            {
                (track.iterations, track.rank, track.stop) = (bound.iterations, bound.rank, bound.stop);
                track.by_l2 = Some(Bound { certificate, ..bound });
            }
        }
    }

    /// Why to stop, if so.
    fn stopped(&self) -> Option<Stop> {
        if self.0.observer.cancelled() {
            Some(Stop::Interrupted)
        } else {
            self.0.options.time_limit.filter(|limit| self.0.started.elapsed() >= *limit).map(|_| Stop::TimeLimit)
        }
    }

    /// Works on all inputs side by side and adds what came of them; with `trials`, those that stay small are not solved.
    fn work(&self, jobs: &[(usize, Vec<usize>)], tracks: &mut [Track], trials: bool) {
        let known: &[Track] = tracks;
        let found: Vec<(usize, Result<Vec<Found>, Stop>)> = jobs
            .par_iter()
            .map(|(input, functionals)| match self.stopped() {
                Some(stop) => (*input, Err(stop)),
                None => (*input, Ok(self.one_input(*input, functionals, known, trials))),
            })
            .collect();
        for ((input, found), (_, functionals)) in found.into_iter().zip(jobs) {
            match found {
                Err(stop) => functionals.iter().for_each(|f| tracks[*f].stop = stop),
                Ok(found) => found.into_iter().for_each(|found| record(tracks, input, found)),
            }
        }
    }

    /// All that `functionals` need of one input.
    fn one_input(&self, input: usize, functionals: &[usize], tracks: &[Track], trials: bool) -> Vec<Found> {
        let alone = self.0.network.with_input_alone(input);
        let network = VectorNetwork::new(&alone, InputNorm::Linf); // with one input, all norms are the same
        let rows = functionals.iter().map(|f| tracks[*f].functional.row_count(alone.outputs())).max().unwrap_or(1);
        let form = Form::choose(&alone, (self.0.options.memory_limit, self.0.options.affordable), rows);
        let wanted: Vec<Functional> = functionals.iter().map(|f| tracks[*f].functional.clone()).collect();
        let recovery = Recovery::new(&network, &wanted);
        let limits: Vec<f64> = functionals.iter().map(|f| self.limit(&tracks[*f])).collect();
        let mut found = Vec::new();
        let mut left: Vec<usize> = (0..wanted.len()).collect();
        if trials {
            let small = self.small_ones(&network, &form, &recovery, &wanted, &limits);
            left.retain(|p| !small.iter().any(|(q, ..)| p == q));
            found.extend(small.into_iter().map(|(p, upper, proof, sweeps)| {
                let functional = functionals[p];
                Found::Small { functional, upper, proof, sweeps }
            }));
        }
        let quiet = Quiet(self.0.observer);
        let context = Context {
            network: &network,
            form: &form,
            recovery: &recovery,
            options: self.0.options,
            draws: Draws::of_maker(self.0.options.seed),
            budget: Budget::of(&alone),
            observer: &quiet,
            started: self.0.started,
            batches: 1,
            begun: AtomicUsize::new(0),
        };
        let problems: Vec<(usize, Functional)> = left.iter().map(|p| (*p, wanted[*p].clone())).collect();
        if !problems.is_empty() {
            let mut outcomes = context.solve(&problems);
            outcomes.sort_by_key(|(p, _)| *p);
            found.extend(outcomes.into_iter().map(|(p, outcome)| {
                let functional = functionals[p];
                Found::Solved { functional, outcome: Box::new(outcome) }
            }));
        }
        found
    }

    /// (problem, bound, proof, sweeps) of the functionals whose bound of this input gets below their limit in a few sweeps.
    fn small_ones(
        &self,
        network: &VectorNetwork<'_>,
        form: &Form<'_>,
        recovery: &Recovery<'_>,
        functionals: &[Functional],
        limits: &[f64],
    ) -> Vec<(usize, f64, FormProof, usize)> {
        let Form::Eliminated(form) = form else { return Vec::new() }; // a random test costs more than it saves
        let point = |p: usize| Point::random(network, TRIAL_RANK, self.0.options.seed, p as u64);
        let starts: Vec<Point> = (0..functionals.len()).map(point).collect();
        let start = Point::concat(&starts.iter().collect::<Vec<_>>());
        let mut ascent = Ascent::new(network, functionals.to_vec(), start);
        let mut at: Vec<usize> = (0..functionals.len()).collect();
        let mut small = Vec::new();
        for sweep in 1..=TRIALS[TRIALS.len() - 1] {
            ascent.step();
            if !TRIALS.contains(&sweep) {
                continue;
            }
            let mut kept = Vec::new();
            for (p, &index) in at.iter().enumerate() {
                if ascent.value(p) >= limits[index] {
                    continue; // it has to be solved
                }
                let (_, work) = ascent.settle(p);
                let (value, functional) = (work.value[0], &functionals[index]);
                let multipliers = recovery.multipliers(index, functional, &work);
                let repair = Repair::new(form, InputNorm::Linf, functional.clone(), multipliers);
                let repaired = match limits[index] / value - 1.0 {
                    gap if gap > 0.0 && gap.is_finite() => repair.within(gap, value),
                    _ => None,
                };
                match repaired.map(|repaired| repaired.claim(functional)) {
                    Some(Claim { upper, proof: Proof::Multipliers(proof), .. }) => {
                        small.push((index, upper, proof, sweep));
                    }
                    _ => kept.push(p),
                }
            }
            at = kept.iter().map(|p| at[*p]).collect();
            if at.is_empty() {
                break;
            }
            ascent.keep(&kept);
        }
        small
    }

    /// Adds what is known from below.
    fn complete(
        &self,
        track: Track,
        certificate: Certificate,
        exact: &GradientBound<'_>,
        realiser: Option<&Realiser>,
    ) -> Bound {
        let (upper, time, functional) = (certificate.upper(), self.0.started.elapsed(), track.functional.clone());
        let (method, relaxation) = match (&track.by_l2, &track.best) {
            (Some(by_l2), _) => (Method::RelaxationOfL2, by_l2.relaxation),
            (None, Some(best)) => (Method::InputByInput { inputs: proved_inputs(certificate.proof()) }, best.1),
            (None, None) => (Method::ClosedForm { exact: track.exact }, upper),
        };
        let gap = upper - relaxation;
        let stop = match track.stop {
            Stop::Converged if gap > self.0.options.tol * upper => Stop::Stalled,
            stop => stop,
        };
        let pattern = self.pattern(&track);
        let own = std::slice::from_ref(&functional);
        let patterns = std::slice::from_ref(&pattern);
        let work = self.0.options.effort * PatternRules::DEFAULT.work;
        let rules = InputRules { work: 2.0 * work, seed: self.0.options.seed };
        let mut witnesses = search_inputs(self.0.network, InputNorm::L1, exact, own, patterns, realiser, rules);
        let witness = witnesses.pop().expect("one witness per functional");
        let pattern = pattern_inside(self.0.network, exact, &functional, pattern);
        Bound {
            certificate,
            relaxation,
            pattern_lower: pattern.value.max(witness.lower),
            pattern,
            witness,
            method,
            stop,
            iterations: track.iterations,
            rank: track.rank,
            time,
            lip_is_fgl: realiser.is_some(),
            functional,
        }
    }

    /// The best pattern of the input that matters most.
    fn pattern(&self, track: &Track) -> Pattern {
        let input = match &track.best {
            Some(best) => best.0,
            None => track.above(-1.0)[0],
        };
        let alone = self.0.network.with_input_alone(input);
        let network = VectorNetwork::new(&alone, InputNorm::Linf);
        let random = Point::random(&network, TRIAL_RANK, self.0.options.seed, 0);
        let solution = track.best.as_ref().map_or(&random, |best| &best.2);
        let work = self.0.options.effort * PatternRules::DEFAULT.work;
        let rules = PatternRules { seed: self.0.options.seed, work, ..PatternRules::DEFAULT };
        let own = std::slice::from_ref(&track.functional);
        let pattern = search_patterns(&network, own, &[solution], &[f64::INFINITY], rules)
            .pop()
            .expect("one pattern per functional");
        let unit = Matrix::from_fn(self.0.network.inputs(), 1, |i, _| if i == input { 1.0 } else { 0.0 });
        Pattern { direction: unit.column(0), ..pattern }
    }
}

/// The number of inputs that a proof lists.
fn proved_inputs(proof: &Proof) -> usize {
    match proof {
        Proof::Inputs(inputs) => inputs.len(),
        Proof::Multipliers(_)
        | Proof::Outputs(_)
        | Proof::Signs(_)
        | Proof::Cuts(_)
        | Proof::Tree(_)
        | Proof::Intervals
        | Proof::Patterns => 0,
    }
}

/// Adds what came of one input.
fn record(tracks: &mut [Track], input: usize, found: Found) {
    match found {
        Found::Small { functional, upper, proof, sweeps } => {
            let track = &mut tracks[functional];
            track.iterations += sweeps;
            track.rank = track.rank.max(TRIAL_RANK);
            track.proofs.insert(input, (upper, proof));
        }
        Found::Solved { functional, outcome } => {
            let track = &mut tracks[functional];
            track.iterations += outcome.iterations;
            track.rank = track.rank.max(outcome.solution.k);
            match outcome.stop {
                Stop::Converged => {}
                stop => track.stop = stop,
            }
            if let Some(Claim { upper, proof: Proof::Multipliers(proof), .. }) =
                outcome.certificate.as_ref().map(|certificate| certificate.claim())
            {
                track.proofs.insert(input, (upper, proof));
            }
            // an interval may be the better bound of the two
            let value = outcome.relaxation.min(track.intervals[input]);
            if outcome.relaxation.is_finite() && (track.best.is_none() || value > track.value()) {
                track.best = Some((input, value, outcome.solution));
            }
        }
    }
}

/// Passes on the wish to stop, but no news: the inputs of one bound are no bounds.
struct Quiet<'a>(&'a dyn Observer);

impl Observer for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use std::time::Instant;

    fn network(layers: &[&[&[f64]]]) -> SlopeNetwork {
        let mut b = NetworkBuilder::new(layers[0][0].len()).expect("inputs");
        let mut at = b.input();
        for (index, rows) in layers.iter().enumerate() {
            let w = Matrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j]);
            at = b.affine("w", vec![(at, LinearMap::Dense(w))], None).expect("shapes");
            if index + 1 < layers.len() {
                at = b.activate("z", at, Activation::Relu).expect("relu");
            }
        }
        SlopeNetwork::everywhere(&b.finish(at)).expect("bounded")
    }

    fn bounds(network: &SlopeNetwork, options: &Options, functionals: &[Functional]) -> Result<Vec<Bound>, BoundError> {
        solve(Question { network, options, observer: &crate::Silent, started: Instant::now() }, functionals)
    }

    fn track(intervals: &[f64]) -> Track {
        let functional = Functional::output(0);
        let mut track = Track::new(&network(&[&[&[1.0, 1.0, 1.0]], &[&[1.0]]]), &functional);
        track.intervals = intervals.to_vec();
        track
    }

    fn proof() -> FormProof {
        let multipliers = crate::form::Multipliers { zeta: vec![1.0], gamma: vec![1.0], lambda: vec![vec![1.0]] };
        FormProof::new(multipliers, None)
    }

    #[test]
    fn inputs_are_taken_by_the_size_of_their_intervals() {
        let mut track = track(&[1.0, 3.0, 2.0]);
        assert_eq!((track.above(0.0), track.above(1.5), track.upper()), (vec![1, 2, 0], vec![1, 2], 3.0));
        track.proofs.insert(1, (0.5, proof()));
        assert_eq!((track.above(0.6), track.upper()), (vec![2, 0], 2.0));
    }

    #[test]
    fn a_claim_lists_the_forms_that_it_needs_and_no_others() {
        let mut track = track(&[1.0, 3.0, 2.0]);
        track.proofs.insert(0, (0.2, proof()));
        track.proofs.insert(1, (0.5, proof()));
        let claim = track.claim();
        let Proof::Inputs(inputs) = claim.proof else { panic!("by inputs") };
        assert_eq!((claim.upper, inputs.len(), inputs[0].input), (2.0, 1, 1));
    }

    #[test]
    fn one_hidden_layer_has_its_exact_bound_without_a_form() {
        // ∂y/∂x₀ is 1 + 2 at most, ∂y/∂x₁ 1 − (−1) at most
        let network = network(&[&[&[1.0, 1.0], &[2.0, -1.0]], &[&[1.0, 1.0]]]);
        let functionals = [Functional::output(0)];
        let options = Options { norm: InputNorm::L1, ..Options::default() };
        let bounds = bounds(&network, &options, &functionals).expect("bounded");
        assert!((bounds[0].upper() - 3.0).abs() < 1e-12, "{}", bounds[0].upper());
        assert_eq!(bounds[0].method, Method::ClosedForm { exact: true });
    }

    #[test]
    fn deeper_networks_get_forms_for_the_inputs_that_matter() {
        // |x₀| written twice over, where intervals count both halves
        let network = network(&[&[&[1.0, 0.1], &[-1.0, 0.1]], &[&[1.0, 1.0], &[1.0, -1.0]], &[&[1.0, -1.0]]]);
        let options = Options { norm: InputNorm::L1, ..Options::default() };
        let bounds = bounds(&network, &options, &[Functional::output(0)]);
        let bound = &bounds.expect("bounded")[0];
        let intervals = input_bounds(&network, &bound.functional).into_iter().fold(0.0, f64::max);
        assert!(bound.witness.lower <= bound.upper() && bound.upper() <= intervals);
        assert!(bound.upper() <= bound.pattern_lower * 1.5, "{} {}", bound.upper(), bound.pattern_lower);
    }
}
