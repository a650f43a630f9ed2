//! One case: a network, a question, and everything that is checked of the answer.

use crate::dice::Dice;
use crate::exact::{Dyadic, Number, times_power};
use crate::graph::Graph;
use crate::networks::{self, Draft};
use crate::plan::Plan;
use crate::questions::Question;
use crate::truth::{Truth, curved_at, is_slope};
use crate::{certificates, radius, size};
use geolip::place::{Region, RegionNorm};
use geolip::proof::CertificateFile;
use geolip::{Bound, BoundError, Functional, InputNorm, Network, OutputNorm, Silent, bound};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a case looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Bounds everywhere.
    Bounds,
    /// Bounds on regions.
    Regions,
    /// Certificates that are spoilt or forged.
    Certificates,
    /// Certified radii.
    Radii,
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// The number.
    pub number: u64,
    /// What is looked at.
    pub kind: Kind,
    /// What kind of network it is.
    pub family: &'static str,
    /// The network.
    pub plan: Plan,
    /// Inputs of ordinary size are multiples of 2 to this power.
    pub unit: i64,
    /// The input at which something is close, if there is one.
    pub home: Option<Vec<f64>>,
    /// The question.
    pub question: Question,
}

/// Something that is false.
#[derive(Clone, Debug)]
pub struct Find {
    /// What kind of falsehood.
    pub check: &'static str,
    /// By what it came about: a method, a proof, a change of a certificate.
    pub by: String,
    /// The numbers.
    pub detail: String,
    /// The certificate that says so, if one does.
    pub certificate: Option<String>,
    /// The input at which it shows, if there is one.
    pub input: Option<Vec<f64>>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Networks built.
    pub networks: u64,
    /// Questions that were answered with an error.
    pub errors: u64,
    /// Bounds everywhere.
    pub bounds: u64,
    /// Bounds on regions.
    pub regions: u64,
    /// Spoilt certificates, and those of them that were accepted.
    pub mutants: u64,
    /// Accepted ones.
    pub accepted: u64,
    /// Certified radii.
    pub radii: u64,
}

impl Counts {
    /// Adds.
    pub fn add(&mut self, other: &Self) {
        let Self { networks, errors, bounds, regions, mutants, accepted, radii } = other;
        self.networks += networks;
        self.errors += errors;
        self.bounds += bounds;
        self.regions += regions;
        self.mutants += mutants;
        self.accepted += accepted;
        self.radii += radii;
    }
}

/// What a case came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is false.
    pub finds: Vec<Find>,
    /// What was looked at.
    pub counts: Counts,
}

impl Outcome {
    /// Adds something false.
    pub fn find(&mut self, check: &'static str, by: impl Into<String>, detail: String) -> &mut Find {
        self.finds.push(Find { check, by: by.into(), detail, certificate: None, input: None });
        self.finds.last_mut().expect("just added")
    }
}

impl Case {
    /// The case of a seed and a number, always the same; of any kind, or of one.
    pub fn new(seed: u64, number: u64, kind: Option<Kind>) -> Self {
        let mut dice = Dice::new(seed, number);
        let own = match dice.below(10) {
            0..=2 => Kind::Bounds,
            3..=6 => Kind::Regions,
            7 | 8 => Kind::Certificates,
            _ => Kind::Radii,
        };
        let kind = kind.unwrap_or(own);
        let Draft { family, plan, unit, home } = networks::random(&mut dice);
        let local = kind == Kind::Regions || kind == Kind::Certificates && dice.chance(0.3);
        let mut question = Question::random(plan.inputs, plan.len(plan.output()), unit, local, &mut dice);
        if let Some(home) = home.as_ref().filter(|_| question.region.is_some() && dice.chance(0.7)) {
            let radius = times_power(*dice.pick(&[0.0, 0.0, 1e-60, 1e-30, 1e-18]), unit);
            question.region = Region::around(home, radius, RegionNorm::Linf, None).ok();
        }
        // certificates are changed and compared with formal constants
        question.real &= kind == Kind::Bounds && wide(plan.inputs, unit).is_some();
        Self { seed, number, kind, family, plan, unit, home, question }
    }

    /// Looks at it.
    pub fn run(&self) -> Outcome {
        let Some(network) = self.plan.build() else { return Outcome::default() };
        let run = catch_unwind(AssertUnwindSafe(|| {
            let mut outcome = Outcome::default();
            match self.kind {
                Kind::Radii => radius::attack(self, &network, &mut outcome),
                Kind::Bounds | Kind::Regions | Kind::Certificates => self.bounds(&network, &mut outcome),
            }
            outcome
        }));
        let mut outcome = match run {
            Ok(found) => found,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                let mut outcome = Outcome::default();
                outcome.find("panic", format!("{:?}", self.kind), text.unwrap_or_default());
                outcome
            }
        };
        outcome.counts.networks = 1;
        outcome.finds.iter_mut().for_each(|find| find.by = format!("{}, {}", self.family, find.by));
        outcome
    }

    /// Random choices of what is checked, the same for the same case.
    pub fn dice(&self) -> Dice {
        Dice::new(self.seed ^ 0x5eed, self.number)
    }

    fn bounds(&self, network: &Network, outcome: &mut Outcome) {
        let (question, graph) = (&self.question, Graph::new(network));
        let report = bound(network, &question.options(), &Silent);
        let mut dice = self.dice();
        let truth = match &question.region {
            Some(region) => Truth::on(&graph, region, &mut dice),
            None if question.real => match wide(graph.inputs(), self.unit) {
                Some(region) => Truth::on(&graph, &region, &mut dice),
                None => return,
            },
            None => Truth::everywhere(&graph, &mut dice),
        };
        if let Err(error @ BoundError::Broken { .. }) = &report {
            outcome.find("result that contradicts itself, withheld", "report", error.to_string());
            return;
        }
        let Ok(report) = report else {
            outcome.counts.errors += 1;
            if self.kind == Kind::Certificates {
                certificates::attack(self, (network, &graph), None, &truth, outcome);
            }
            return;
        };
        let file = report.certificate_file(network);
        let text = file.to_json();
        let finds = outcome.finds.len();
        for bound in &report.bounds {
            match question.region {
                Some(_) => outcome.counts.regions += 1,
                None => outcome.counts.bounds += 1,
            }
            upper(question.norm, bound, &truth, outcome);
            attained(question, bound, &graph, outcome);
        }
        match CertificateFile::from_json(text.as_bytes()) {
            Ok(read) if read == file => {
                if let Err(rejection) = certificates::check(network, &read) {
                    outcome.find("certificate not accepted again", kind_of(&text), rejection.to_string());
                }
            }
            Ok(_) => drop(outcome.find("certificate changes when written and read", "json", String::new())),
            Err(error) => drop(outcome.find("certificate unreadable", "json", error.to_string())),
        }
        outcome.finds[finds..].iter_mut().for_each(|find| find.certificate = Some(text.clone()));
        if self.kind == Kind::Certificates && outcome.finds.is_empty() {
            certificates::attack(self, (network, &graph), Some(&report), &truth, outcome);
        }
    }
}

/// A box that stands for the whole space, where gradients are looked at.
fn wide(inputs: usize, unit: i64) -> Option<Region> {
    let far = times_power(16.0, unit);
    Region::new_box(vec![-far; inputs], vec![far; inputs]).ok()
}

/// The kinds of proof in a file.
pub fn kind_of(json: &str) -> String {
    let names = [
        "random_test",
        "triangles",
        "signs",
        "cases",
        "parts",
        "inputs",
        "outputs",
        "intervals",
        "patterns",
        "multipliers",
    ];
    let found = names.iter().find(|name| json.contains(&format!("\"{name}\"")));
    found.map_or_else(String::new, |name| if *name == "triangles" { "cuts".to_owned() } else { (*name).to_owned() })
}

/// The method by its first words.
fn method(bound: &Bound) -> String {
    let probabilistic = if bound.certificate.failure_probability() > 0.0 { ", random test" } else { "" };
    let text = bound.method.to_string();
    format!("{}{probabilistic}", text.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().trim())
}

fn upper(norm: InputNorm, bound: &Bound, truth: &Truth<'_>, outcome: &mut Outcome) {
    let (upper, functional) = (bound.upper(), &bound.functional);
    if !(0.0..f64::INFINITY).contains(&upper) {
        outcome.find("upper bound is no number", method(bound), format!("{functional}: {upper}"));
    } else if let Some(size) = truth.size(norm, functional).filter(|size| size.exceeds(upper)) {
        let detail = format!("{norm}, output {functional}: upper {upper:e}, truth at least {}", size.near());
        outcome.find("upper bound below the truth", method(bound), detail);
    }
    for (what, lower) in [("lower", bound.witness.lower), ("pattern_lower", bound.pattern_lower)] {
        if !(0.0..=upper).contains(&lower) {
            let detail = format!("{norm}, output {functional}: {what} {lower:e}, upper {upper:e}");
            outcome.find("lower bound above upper bound", method(bound), detail);
        }
    }
}

/// What is said from below: the witness and the pattern.
fn attained(question: &Question, bound: &Bound, graph: &Graph, outcome: &mut Outcome) {
    let (norm, functional, x) = (question.norm, &bound.functional, &bound.witness.input);
    if x.len() != graph.inputs() || x.iter().any(|v| !v.is_finite()) {
        outcome.find("witness is not finite", method(bound), format!("{x:?}, lower {:e}", bound.witness.lower));
        return;
    }
    if let Some(region) = question.region.as_ref().filter(|region| !holds(region, x)) {
        outcome.find("witness outside the region", method(bound), format!("{x:?} outside {region:?}"));
    }
    let lower = bound.witness.lower;
    if lower > 0.0
        && let Some(most) = steepest(graph, norm, functional, x, lower)
    {
        let detail = format!("{norm}, output {functional}: lower {lower:e}, gradient at {x:?} at most {most}");
        outcome.find("lower bound false at its witness", method(bound), detail).input = Some(x.clone());
    }
    let pattern = &bound.pattern;
    let shaped = pattern.slopes.len() == graph.layers.len()
        && pattern.slopes.iter().zip(&graph.layers).all(|(own, (node, _))| own.len() == graph.lens[*node]);
    if !shaped || pattern.slopes.iter().flatten().any(|v| !v.is_finite()) {
        return;
    }
    let outside = pattern.slopes.iter().enumerate().find_map(|(a, own)| {
        let slope = own.iter().enumerate().find(|(j, v)| !is_slope(graph.activation(a), *j, **v));
        slope.map(|(j, v)| format!("neuron {j} of layer {a}: {v}"))
    });
    if let Some(outside) = outside {
        outcome.find("pattern with a slope outside its interval", method(bound), outside);
    }
    let rows = graph.jacobian::<Dyadic>(&pattern.slopes, false);
    let size = size::of_jacobian(norm, functional, &rows);
    if pattern.value > 0.0
        && let Some(size) = size.filter(|size| size.is_below(slackened(norm, functional, pattern.value)))
    {
        let detail = format!("{norm}, output {functional}: pattern {:e}, its norm {}", pattern.value, size.near());
        outcome.find("pattern bound false at its pattern", method(bound), detail);
    }
}

/// A claim from below, less what our own number may lack.
fn slackened(norm: InputNorm, functional: &Functional, claim: f64) -> f64 {
    let unknown = *functional == Functional::Norm(OutputNorm::L2) && !matches!(norm, InputNorm::L2 | InputNorm::L1);
    match size::is_exact(norm, functional) {
        true => claim,
        false if unknown => 0.0, // the alternation may miss the largest
        false if *functional == Functional::Norm(OutputNorm::L2) => claim * 0.999,
        false => claim * (1.0 - 1e-9),
    }
}

fn holds(region: &Region, x: &[f64]) -> bool {
    let boxed = x.iter().zip(region.lower().iter().zip(region.upper())).all(|(x, (l, u))| l <= x && x <= u);
    // a ball is met up to the rounding of the distance
    boxed && region.ball().is_none_or(|ball| crate::truth::is_within(x, &ball.centre, ball.radius * (1.0 + 1e-9)))
}

/// Kinks whose slopes are all tried.
const KINKS: usize = 8;

/// The largest gradient norm at x, whatever the slopes at kinks, where that is below the claim.
fn steepest(graph: &Graph, norm: InputNorm, functional: &Functional, x: &[f64], claim: f64) -> Option<String> {
    let claim = slackened(norm, functional, claim);
    if graph.is_piecewise_linear() {
        let local = graph.at(x)?;
        if local.kinks.len() > KINKS {
            return None;
        }
        let one = |bits: usize| {
            let mut slopes = local.slopes.clone();
            for (at, (layer, j, other)) in local.kinks.iter().enumerate() {
                if bits >> at & 1 == 1 {
                    slopes[*layer][*j] = *other;
                }
            }
            size::of_jacobian(norm, functional, &graph.jacobian::<Dyadic>(&slopes, false))
        };
        let most = (0..1_usize << local.kinks.len()).filter_map(one).reduce(size::Size::max)?;
        return most.is_below(claim).then(|| most.near().to_string());
    }
    let u = functional.entries()?;
    let at = curved_at(graph, x).filter(|at| at.clear)?;
    let entry = |p: usize| {
        let (value, off) = u
            .iter()
            .fold((0.0, 0.0), |(value, sum), (i, u)| (value + u * at.rows[*i][p], sum + u.abs() * at.off[*i][p]));
        Dyadic::of(f64::abs(value) + 1.01 * off)
    };
    let row: Vec<Vec<Dyadic>> = vec![(0..graph.inputs()).map(entry).collect()];
    let most = size::of_jacobian(norm, &Functional::output(0), &row)?;
    most.is_below(claim).then(|| most.near().to_string())
}
