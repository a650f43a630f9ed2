//! The one recursion over proofs: what a claim rests on, in a place, down to forms, programs and intervals.
//!
//! Each kind of proof is a theorem in a file of its own; this one knows their names, what they share (forms of the same slope
//! network), and where a random test may stand.

use super::certificate::{Certificate, check_output, unfit};
use super::file::{Branch, Claim, FormProof, Proof};
use super::multipliers::{check, check_probabilistic};
use super::one_hidden::OneHidden;
use super::rejection::Rejection;
use super::room::{Room, SideBySide};
use super::thin::HalfSpaces;
use super::tree::{Leaf, Leaves, twins_of};
use super::{closed_form, cuts, largest_input, signs};
use crate::form::{Affordable, Draws, MatrixFreeForm, QuadraticForm, Randomness};
use crate::place::Place;
use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::slopes::SlopeNetwork;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Where random tests are accepted, and from whom.
#[derive(Debug)]
pub(super) struct Tests {
    randomness: Randomness,
    /// Up to which cost an elimination is asked for in the place of a test.
    affordable: Affordable,
    draws: OnceLock<Result<Draws, String>>,
    next: AtomicU64,
}

impl Tests {
    pub fn new(randomness: Randomness, affordable: Affordable) -> Self {
        Self { randomness, affordable, draws: OnceLock::new(), next: AtomicU64::new(0) }
    }
}

/// What proofs are checked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prover<'a> {
    pub norm: InputNorm,
    pub room: Room,
    /// None where a claim has to be proved outright.
    pub tests: Option<&'a Tests>,
}

/// A slope network, and what several proofs about it share: made when the first asks for it.
#[derive(Debug)]
pub(super) struct Site<'a> {
    network: &'a SlopeNetwork,
    form: OnceLock<Option<QuadraticForm<'a>>>,
    operator: OnceLock<MatrixFreeForm<'a>>,
    /// The form, if an elimination for one row, which asks for least, is affordable.
    affordable: OnceLock<Option<QuadraticForm<'a>>>,
    /// Of the graph: shared with the leaves of a tree.
    hidden: OnceLock<Option<Arc<OneHidden>>>,
}

impl<'a> Site<'a> {
    pub fn new(network: &'a SlopeNetwork) -> Self {
        let (form, operator, affordable, hidden) = (OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { network, form, operator, affordable, hidden }
    }

    /// One whose slope network has the same graph as that of another: its hidden layer is the same.
    fn beside(network: &'a SlopeNetwork, other: &Site<'_>) -> Self {
        let hidden = other.hidden.get().map_or_else(OnceLock::new, |hidden| OnceLock::from(hidden.clone()));
        Self { hidden, ..Self::new(network) }
    }

    fn hidden(&self) -> Option<&OneHidden> {
        self.hidden.get_or_init(|| OneHidden::new(self.network).ok().map(Arc::new)).as_deref()
    }
}

const NOT_ONE_LAYER: &str = "a proof on signs works only for a network with one hidden layer of moderate size";

/// Checks a claim in the place of a slope network, outright: without random tests. Forms may take so many bytes.
///
/// # Errors
/// [`Rejection`]: why it is not proved.
pub fn prove(
    network: &SlopeNetwork,
    norm: InputNorm,
    claim: &Claim,
    memory_limit: usize,
) -> Result<Certificate, Rejection> {
    Prover { norm, room: Room::new(memory_limit), tests: None }.prove(&Site::new(network), claim)
}

impl Prover<'_> {
    /// Checks claims about one slope network, a verdict for each.
    pub fn prove_all(self, site: &Site<'_>, claims: &[&Claim]) -> Vec<Result<Certificate, Rejection>> {
        // proofs input by input share the forms of the inputs, so they are checked side by side
        let by_input: Vec<&Claim> =
            claims.iter().copied().filter(|claim| matches!(claim.proof, Proof::Inputs(_))).collect();
        let mut by_input = largest_input::check_within(site.network, self.norm, (&by_input, self.room)).into_iter();
        let verdict = |claim: &&Claim| match claim.proof {
            Proof::Inputs(_) => by_input.next().expect("one verdict per claim, in their order"),
            Proof::Multipliers(_)
            | Proof::Outputs(_)
            | Proof::Signs(_)
            | Proof::Cuts(_)
            | Proof::Tree(_)
            | Proof::Intervals
            | Proof::Patterns => self.prove(site, claim),
        };
        claims.iter().map(verdict).collect()
    }

    /// Checks one claim about a slope network.
    pub fn prove(self, site: &Site<'_>, claim: &Claim) -> Result<Certificate, Rejection> {
        let (network, norm) = (site.network, self.norm);
        match &claim.proof {
            Proof::Multipliers(FormProof { random_test: None, .. }) => check(self.form(site, claim)?, norm, claim),
            Proof::Multipliers(FormProof { random_test: Some(_), .. }) => self.test(site, claim),
            Proof::Signs(_) => match site.hidden() {
                Some(hidden) => signs::check(hidden, network, norm, claim),
                None => Err(unfit(claim, NOT_ONE_LAYER)),
            },
            Proof::Cuts(_) => cuts::check(network, norm, claim, self.room),
            Proof::Intervals | Proof::Patterns => closed_form::check_within(network, norm, (claim, self.room)),
            Proof::Inputs(_) => self.prove_all(site, &[claim]).pop().expect("one verdict per claim"),
            Proof::Outputs(outputs) => {
                if claim.output != Functional::Norm(OutputNorm::Linf) {
                    return Err(unfit(claim, "a claim for each output proves only the largest output"));
                }
                let outputs = self.prove_all(site, &outputs.iter().collect::<Vec<_>>());
                let outputs = outputs.into_iter().collect::<Result<Vec<Certificate>, Rejection>>()?;
                let largest = Certificate::of_largest_output(network, &outputs);
                let largest =
                    largest.ok_or_else(|| unfit(claim, "it needs a claim for each output, in their order"))?;
                let tested = largest.tested_by();
                Ok(Certificate::accept(network, norm, claim, largest.upper())?.tested(tested))
            }
            Proof::Tree(tree) => self.prove_tree(site, claim, tree),
        }
    }

    /// The form of a site, if it and its elimination for a claim fit.
    fn form<'a>(self, site: &'a Site<'_>, claim: &Claim) -> Result<&'a QuadraticForm<'a>, Rejection> {
        self.room.writes_out(site.network, claim)?;
        let form = site.form.get_or_init(|| QuadraticForm::within(site.network, self.room.bytes()));
        let form = form.as_ref().ok_or_else(|| self.room.exceeded(claim))?;
        self.room.holds(form, claim.output.row_count(site.network.outputs()), claim)?;
        Ok(form)
    }

    /// A claim with a random test.
    fn test(self, site: &Site<'_>, claim: &Claim) -> Result<Certificate, Rejection> {
        let tests = self.tests.ok_or_else(|| unfit(claim, "it has to be proved outright, not by a random test"))?;
        let affordable = site.affordable.get_or_init(|| tests.affordable.form(site.network, 1));
        let rows = claim.output.row_count(site.network.outputs());
        if affordable.as_ref().is_some_and(|form| tests.affordable.covers(form, rows)) {
            return Err(Rejection::Affordable { output: claim.output.to_string() });
        }
        let draws = tests.draws.get_or_init(|| Draws::of_checker(tests.randomness));
        let draws = draws.as_ref().map_err(|reason| Rejection::Entropy { reason: reason.clone() })?;
        let operator = site.operator.get_or_init(|| MatrixFreeForm::new(site.network));
        check_probabilistic(operator, self.norm, claim, (draws, tests.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// A claim with a tree: that the tree is whole, and that every leaf proves at most the bound claimed.
    ///
    /// Leaves are taken a few at a time: what a leaf needs besides its proof is made for it and then forgotten, so that memory grows
    /// with the file and the network, not with their product.
    fn prove_tree(self, site: &Site<'_>, claim: &Claim, tree: &[Branch]) -> Result<Certificate, Rejection> {
        let network = site.network;
        check_output(network, claim)?;
        let twins = twins_of(network.network(), tree);
        Leaves::new(network, &twins, tree).count().map_err(|reason| unfit(claim, reason))?;
        let side_by_side = match claim.proof.rests_on_forms() {
            // what does not fit is refused leaf by leaf
            true => {
                let rows = claim.output.row_count(network.outputs());
                let cuts = claim.proof.rests_on(&|proof| matches!(proof, Proof::Cuts(_)));
                let groups =
                    claim.proof.rests_on(&|proof| matches!(proof, Proof::Cuts(cuts) if !cuts.choices.is_empty()));
                let least = if cuts { cuts::most_bytes(network, rows, groups) } else { 0.0 };
                self.room.forms(network, (rows, least), claim).unwrap_or(SideBySide::ONE)
            }
            false => self.room.leaves(),
        };
        if claim.proof.rests_on(&|proof| matches!(proof, Proof::Signs(_))) {
            site.hidden(); // once for all leaves
        }
        let half_spaces = match tree.iter().any(|branch| matches!(branch, Branch::Thin(_))) {
            true => {
                self.room.writes_out(network, claim)?;
                let half_spaces = HalfSpaces::new(network.network());
                Some(half_spaces.ok_or_else(|| unfit(claim, "the network is too large for parts without interior"))?)
            }
            false => None,
        };
        let mut leaves = Leaves::new(network, &twins, tree);
        let next = || match leaves.advance().map_err(|reason| unfit(claim, reason))? {
            Some(Leaf::Bounded(proof)) => {
                let place = leaves.place().map_err(|error| unfit(claim, &error.to_string()))?;
                Ok(Some((Leaf::Bounded(proof), place, Vec::new())))
            }
            Some(Leaf::Thin(named)) => Ok(Some((Leaf::Thin(named), Place::everywhere(), leaves.sides().to_vec()))),
            None => Ok(None),
        };
        let leaf = Prover { tests: None, room: self.room.shared(), ..self };
        side_by_side.all(next, |(end, place, sides)| {
            let proof = match (end, &half_spaces) {
                (Leaf::Bounded(proof), _) => proof,
                (Leaf::Thin(named), Some(half_spaces)) => {
                    return half_spaces.are_thin(&sides, named).map_err(|reason| unfit(claim, reason));
                }
                (Leaf::Thin(_), None) => return Err(unfit(claim, "its tree has an unexpected leaf")),
            };
            let own = network.within(place).map_err(|error| unfit(claim, &error.to_string()))?;
            let own_claim = Claim { output: claim.output.clone(), upper: claim.upper, proof: proof.clone() };
            leaf.prove(&Site::beside(&own, site), &own_claim).map(|_| ())
        })?;
        Ok(Certificate::shown(network, self.norm, claim.clone(), None))
    }
}
