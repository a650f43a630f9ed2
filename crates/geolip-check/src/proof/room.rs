//! The memory that checking may take.

use super::file::Claim;
use super::rejection::Rejection;
use crate::form::QuadraticForm;
use crate::form::written_out;
use crate::slopes::SlopeNetwork;
use rayon::prelude::*;

/// So many bytes for the forms that are made at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    bytes: f64,
    /// Whether others check side by side with whoever has it, each with as much: then nothing is done side by side within.
    shared: bool,
}

/// How many leaves of a tree, or inputs, are checked side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideBySide(usize);

/// Bytes per entry of a node and row of a functional: centre and radius, what is in the making, and passes over absolute values.
const BYTES_PER_GRADIENT: f64 = 48.0;
/// Leaves per thread that are made ready at a time, where memory does not matter.
const AHEAD: usize = 4;

impl Room {
    pub fn new(bytes: usize) -> Self {
        Self { bytes: bytes as f64, shared: false }
    }

    /// The form of a network, if it and its elimination for so many rows fit.
    pub fn form<'a>(
        self,
        network: &'a SlopeNetwork,
        rows: usize,
        claim: &Claim,
    ) -> Result<QuadraticForm<'a>, Rejection> {
        self.writes_out(network, claim)?;
        let form = QuadraticForm::within(network, self.bytes).ok_or_else(|| self.exceeded(claim))?;
        self.holds(&form, rows, claim)?;
        Ok(form)
    }

    /// For one of several that check side by side.
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// The bytes there are.
    pub fn bytes(self) -> f64 {
        self.bytes
    }

    /// That a form does not fit, however much it would need.
    pub fn exceeded(self, claim: &Claim) -> Rejection {
        Rejection::Form { output: claim.output.to_string(), limit: self.bytes }
    }

    /// Whether intervals for the gradients of so many rows at every node fit.
    pub fn gradients(self, network: &SlopeNetwork, rows: usize, claim: &Claim) -> Result<(), Rejection> {
        let entries = network.nodes().iter().map(|node| node.len as f64).sum::<f64>();
        self.fits(BYTES_PER_GRADIENT * entries * rows as f64, claim)
    }

    /// Whether the maps of a network fit, written out.
    pub fn writes_out(self, network: &SlopeNetwork, claim: &Claim) -> Result<(), Rejection> {
        self.fits(written_out(network), claim)
    }

    /// Whether the elimination of a form fits.
    pub fn holds(self, form: &QuadraticForm<'_>, rows: usize, claim: &Claim) -> Result<(), Rejection> {
        self.fits(form.cost_with(rows).1, claim)
    }

    /// How many forms like that of this network, and of at least so many bytes each, fit side by side.
    pub fn forms(
        self,
        network: &SlopeNetwork,
        (rows, least): (usize, f64),
        claim: &Claim,
    ) -> Result<SideBySide, Rejection> {
        if self.shared {
            return Ok(SideBySide::ONE);
        }
        let form = self.form(network, rows, claim)?;
        let one = form.cost_with(rows).1.max(written_out(network)).max(least).max(1.0);
        let threads = rayon::current_num_threads();
        // (a float beyond the range of integers becomes the largest of them)
        let most = (self.bytes / one) as usize;
        Ok(SideBySide(most.clamp(1, threads * AHEAD)))
    }

    /// Leaves without forms.
    pub fn leaves(self) -> SideBySide {
        if self.shared { SideBySide::ONE } else { SideBySide(rayon::current_num_threads() * AHEAD) }
    }

    /// Whether so many bytes do.
    pub fn fits(self, needed: f64, claim: &Claim) -> Result<(), Rejection> {
        match needed <= self.bytes {
            true => Ok(()),
            false => Err(Rejection::Memory { output: claim.output.to_string(), needed, limit: self.bytes }),
        }
    }
}

impl SideBySide {
    /// One after the other.
    pub const ONE: Self = Self(1);

    /// f of everything, so many at a time.
    pub fn map<T: Send, R: Send>(self, mut all: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        if self.0 >= rayon::current_num_threads() {
            return all.into_par_iter().map(f).collect();
        }
        let mut results = Vec::with_capacity(all.len());
        while !all.is_empty() {
            let few: Vec<T> = all.drain(..self.0.min(all.len())).collect();
            results.extend(few.into_par_iter().map(&f).collect::<Vec<R>>());
        }
        results
    }

    /// Checks everything that `next` gives, or finds the first of a few at a time that fails.
    pub fn all<T: Send>(
        self,
        mut next: impl FnMut() -> Result<Option<T>, Rejection>,
        check: impl Fn(T) -> Result<(), Rejection> + Sync + Send,
    ) -> Result<(), Rejection> {
        loop {
            let mut few = Vec::with_capacity(self.0);
            while few.len() < self.0 {
                match next()? {
                    Some(one) => few.push(one),
                    None => break,
                }
            }
            if few.is_empty() {
                return Ok(());
            }
            if let Some(rejection) = few.into_par_iter().find_map_first(|one| check(one).err()) {
                return Err(rejection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::network::{Activation, LinearMap, NetworkBuilder};
    use crate::problem::Functional;
    use crate::proof::{Branch, FormProof, Proof};

    /// Several leaves side by side, each with several forms side by side, would take the limit once for every pair.
    #[test]
    fn what_is_inside_one_of_several_is_done_one_after_the_other() {
        let mut b = NetworkBuilder::new(2).expect("inputs");
        let h = b.affine("h", vec![(b.input(), LinearMap::Dense(Matrix::identity(2)))], None).expect("shapes");
        let z = b.activate("z", h, Activation::Relu).expect("relu");
        let network = SlopeNetwork::everywhere(&b.finish(z)).expect("bounded slopes");
        let claim = Claim { output: Functional::output(0), upper: 1.0, proof: Proof::Intervals };
        let room = Room::new(1 << 30);
        let forms = |room: Room| room.forms(&network, (1, 0.0), &claim);
        let (outer, inner) = (forms(room), forms(room.shared()));
        assert!(outer.expect("fits").0 > 1 && inner.expect("fits").0 == 1);
        assert!(room.leaves().0 > 1 && room.shared().leaves().0 == 1);
    }

    #[test]
    fn forms_are_seen_at_every_depth() {
        let form = FormProof { zeta: vec![], gamma: vec![], lambda: vec![], random_test: None };
        let tree = |proof: Proof| Proof::Tree(vec![Branch::Leaf(Box::new(proof))]);
        let of_output = |proof| Proof::Outputs(vec![Claim { output: Functional::output(0), upper: 1.0, proof }]);
        assert!(tree(of_output(tree(Proof::Multipliers(form)))).rests_on_forms());
        assert!(!tree(of_output(tree(Proof::Intervals))).rests_on_forms());
        assert!(!tree(Proof::Inputs(vec![])).rests_on_forms());
    }
}
