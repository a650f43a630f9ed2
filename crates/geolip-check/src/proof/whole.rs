//! All claims of a certificate file, and what whoever checks them can choose.

use super::certificate::{Certificate, unfit};
use super::file::{CertificateFile, Proof};
use super::prove::{Prover, Site, Tests};
use super::rejection::Rejection;
use super::room::Room;
use crate::form::{Affordable, Randomness};
use crate::network::Network;
use crate::place::Place;
use crate::slopes::SlopeNetwork;

/// The options of [`check_file_with`].
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `randomness` | the system | where the numbers of random tests come from |
/// | `affordable` | 5·10¹¹ multiply–adds, 256 MiB | up to there an elimination is asked for in the place of a random test |
/// | `memory_limit` | 4 GiB | bytes for the forms that are made at once; a file that needs more is refused |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// Where the random numbers of tests come from.
    pub randomness: Randomness,
    /// Which eliminations are so cheap that a random test in their place is refused.
    pub affordable: Affordable,
    /// Bytes that the forms behind proofs may take.
    pub memory_limit: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { randomness: Randomness::System, affordable: Affordable::default(), memory_limit: 4 << 30 }
    }
}

/// Checks every claim of a file against a network; all of them hold, or the first that does not is named.
///
/// By default random tests draw their numbers from the operating system, and are refused where an elimination is affordable.
pub fn check_file(network: &Network, file: &CertificateFile) -> Result<Vec<Certificate>, Rejection> {
    check_file_with(network, file, &CheckOptions::default())
}

/// As [`check_file`], with other options.
pub fn check_file_with(
    network: &Network,
    file: &CertificateFile,
    options: &CheckOptions,
) -> Result<Vec<Certificate>, Rejection> {
    if file.format != CertificateFile::FORMAT || !CertificateFile::VERSIONS_READ.contains(&file.version) {
        return Err(Rejection::Format { format: file.format.clone(), version: file.version });
    }
    let has_groups = |proof: &Proof| matches!(proof, Proof::Cuts(cuts) if cuts.has_groups());
    if let Some(claim) = file.bounds.iter().find(|claim| file.version < 6 && claim.proof.rests_on(&has_groups)) {
        return Err(unfit(
            claim,
            &format!("it has groups, which version {} of the format does not know", file.version),
        ));
    }
    let found = network.hash();
    if file.network != found {
        return Err(Rejection::Network { expected: file.network.clone(), found });
    }
    if file.bounds.is_empty() {
        return Err(Rejection::Nothing);
    }
    let place = file.region.clone().map_or_else(Place::everywhere, Place::from);
    let network = SlopeNetwork::in_units(network, place, file.unit.as_ref())?;
    let tests = Tests::new(options.randomness, options.affordable);
    let prover = Prover { norm: file.norm, room: Room::new(options.memory_limit), tests: Some(&tests) };
    prover.prove_all(&Site::new(&network), &file.bounds.iter().collect::<Vec<_>>()).into_iter().collect()
}
