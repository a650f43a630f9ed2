//! Checkpoints that were spoilt, at random, with their hashes as they were and with hashes worked out anew: refused, with every
//! byte still there, or gone on with to the same bound. Nothing read from them is believed.

mod support;

use geolip::network::{Activation, LinearMap, NetworkBuilder};
use geolip::proof::check_file;
use geolip::results::ResultsError;
use geolip::{BoundError, Network, Options, Outputs, Report, bound};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use support::patience::Patience;
use support::random;

/// A fully connected network of ReLUs of these widths.
fn connected(widths: &[usize], seed: u64) -> Network {
    let mut b = NetworkBuilder::new(widths[0]).expect("inputs");
    let mut at = b.input();
    for (layer, pair) in widths.windows(2).enumerate() {
        let w = random(pair[1], pair[0], seed + layer as u64);
        at = b.affine("affine", vec![(at, LinearMap::Dense(w))], None).expect("shapes");
        if layer + 2 < widths.len() {
            at = b.activate("relu", at, Activation::Relu).expect("activation");
        }
    }
    b.finish(at)
}

struct Search {
    network: Network,
    path: PathBuf,
    /// A checkpoint in the middle of the search.
    bytes: Vec<u8>,
    /// What the whole search finds.
    whole: Report,
}

impl Search {
    fn new(name: &str) -> Self {
        let network = connected(&[5, 8, 8, 2], 11);
        let path = std::env::temp_dir().join(format!("geolip-checkpoint-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let whole = bound(&network, &Self::options(None), &Patience::of(1000)).expect("bounded");
        assert!(whole.is_exact(&whole.bounds[0]));
        let patience = Patience::of(2);
        let part = bound(&network, &Self::options(Some(&path)), &patience).expect("bounded");
        assert!(!part.is_exact(&part.bounds[0]), "it was interrupted");
        let bytes = fs::read(&path).expect("a checkpoint");
        Self { network, path, bytes, whole }
    }

    fn options(checkpoint: Option<&Path>) -> Options {
        let outputs = Outputs::One(0);
        Options {
            exact: true,
            checkpoint: checkpoint.map(Path::to_owned),
            outputs,
            threads: Some(1),
            ..Options::default()
        }
    }

    /// Whether a checkpoint is gone on with, to the same bound; else it is as it was.
    fn goes_on(&self, bytes: &[u8]) -> bool {
        fs::write(&self.path, bytes).expect("writable");
        match bound(&self.network, &Self::options(Some(&self.path)), &Patience::of(1000)) {
            Ok(report) => {
                let (found, truth) = (report.upper(), self.whole.upper());
                assert!((found / truth - 1.0).abs() < 2e-6, "{found} for {truth}");
                assert!(check_file(&self.network, &report.certificate_file(&self.network)).is_ok());
                true
            }
            Err(BoundError::Checkpoint(error)) => {
                let kept = fs::read(&self.path).expect("never lost");
                assert!(kept == bytes, "what is refused stays as it is: {error}");
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                assert!(!matches!(error, ResultsError::Unusable { .. } | ResultsError::Busy { .. }), "{error}");
                false
            }
            Err(other) => panic!("{other}"),
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Lines with hashes, as the format says: each of all lines up to it, without their hashes.
fn sealed<'a>(objects: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut chain = [0; 32];
    let line = |object: &str| {
        chain = Sha256::new().chain_update(chain).chain_update(object).finalize().into();
        let digits: String = chain[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{},\"hash\":\"{digits}\"}}\n", object.strip_suffix('}').unwrap_or(object)).into_bytes()
    };
    objects.flat_map(line).collect()
}

/// The objects of a file's lines.
fn objects(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).expect("text");
    text.lines().map(|line| format!("{}}}", line.rsplit_once(",\"hash\":").expect("a hash").0)).collect()
}

fn changed(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = rng.random_range(0..changed.len());
    match rng.random_range(0..6) {
        0 => changed[at] ^= 1 << rng.random_range(0..7),
        1 => changed.truncate(at),
        2 => drop(changed.drain(at..(at + rng.random_range(0..60)).min(bytes.len()))),
        3 => changed.splice(at..at, bytes[at..].iter().copied().take(50)).for_each(drop),
        4 => {
            // another digit, so that it stays JSON
            let digits: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
            changed[digits[rng.random_range(0..digits.len())]] = b'0' + rng.random_range(0..10);
        }
        _ => changed[at] = b"0123456789-.,:{}[]\"e\n"[rng.random_range(0..21)],
    }
    changed
}

/// How many of so many spoilt checkpoints were gone on with: as they are, and sealed again.
fn stress(name: &str, seed: u64, count: usize) -> [usize; 2] {
    let search = Search::new(name);
    let honest = objects(&search.bytes);
    assert_eq!(sealed(honest.iter().map(String::as_str)), search.bytes, "the format is what it is said to be");
    assert!(search.goes_on(&search.bytes));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = [0; 2];
    for _ in 0..count {
        counts[0] += usize::from(search.goes_on(&changed(&mut rng, &search.bytes)));
        let forged = changed(&mut rng, honest[1].as_bytes());
        if let Ok(forged) = String::from_utf8(forged) {
            let forged = forged.replace('\n', " ");
            counts[1] += usize::from(search.goes_on(&sealed([honest[0].as_str(), &forged].into_iter())));
        }
    }
    counts
}

#[test]
fn spoilt_checkpoints_are_refused_or_come_to_the_same_bound() {
    let [plain, forged] = stress("few", 1, 150);
    assert!(plain > 0 && forged > 0, "{plain} {forged}");
}

#[test]
#[ignore = "many minutes: run by hand"]
fn many_spoilt_checkpoints_are_refused_or_come_to_the_same_bound() {
    let [plain, forged] = stress("many", 2, 10_000);
    println!("10000 spoilt checkpoints and as many with hashes worked out anew: {plain} and {forged} gone on with");
}
