//! What certificates claim, in words and in full: for whoever prints them.

use crate::form::{Randomness, Tester};
use crate::place::Region;
use crate::problem::{Functional, Units};
use crate::proof::Certificate;
use sha2::{Digest, Sha256};

/// Lists up to this length are shown whole; of longer ones, so many numbers and a hash.
const WHOLE: usize = 16;
const FIRST: usize = 8;

/// By whom a random test was run, with which numbers, and what it says; empty for a proof.
pub fn test(certificate: &Certificate) -> String {
    let p = certificate.failure_probability();
    let passes = format!("a false bound passes with probability {p:.0e} at most");
    match certificate.tested_by() {
        None => String::new(),
        Some(Tester::Maker) => format!("random test by its maker: {passes}"),
        Some(Tester::Checker(source @ Randomness::System)) => {
            format!("random test by this checker, {source}: {passes}")
        }
        Some(Tester::Checker(source @ Randomness::Seed(_))) => {
            format!("random test by this checker, {source}: {passes}, if the seed was chosen after the certificate")
        }
    }
}

/// Which constant is bounded: the formal one, or, where a proof is about inputs and not about all slopes, the Lipschitz constant there.
pub fn constant(certificate: &Certificate) -> &'static str {
    match (certificate.region(), certificate.takes_sides()) {
        (Some(_), _) => "local Lip",
        (None, true) => "Lip",
        (None, false) => "FGL",
    }
}

/// A list of numbers as text: whole where it is short, else its first numbers, how many there are, and the SHA-256 of all of
/// them as little-endian doubles.
///
/// ```
/// assert_eq!(geolip::words::numbers(&[1.0, -0.5]), "[1, -0.5]");
/// let many = geolip::words::numbers(&[0.25; 17]);
/// assert!(many.starts_with("[0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, …] (17 numbers, SHA-256 "));
/// ```
pub fn numbers(list: &[f64]) -> String {
    let text = |part: &[f64]| part.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    if list.len() <= WHOLE {
        return format!("[{}]", text(list));
    }
    let mut hash = Sha256::new();
    list.iter().for_each(|v| hash.update(v.to_le_bytes()));
    let hash = crate::text::hex(hash.finalize());
    format!("[{}, …] ({} numbers, SHA-256 {hash})", text(&list[..FIRST]), list.len())
}

/// What the name of a functional does not say: the numbers of a vector.
pub fn functional(functional: &Functional) -> Option<String> {
    match functional {
        Functional::Vector(u) => Some(format!("u = {}", numbers(u.numbers()))),
        Functional::Output(_) | Functional::Margin(..) | Functional::Norm(_) => None,
    }
}

/// What units make of a norm, in one line.
pub fn units(units: &Units) -> String {
    let held = match units.fixed() {
        0 => String::new(),
        1 => "; the input whose unit is 0 does not change".to_owned(),
        n => format!("; the {n} inputs whose unit is 0 do not change"),
    };
    format!("input changes are divided by their units, unit = {}{held}", numbers(units.numbers()))
}

/// Where a bound holds, in a line each: the ends of a box, the centre and radius of a ball.
pub fn region(region: &Region) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(ball) = region.ball() {
        lines.push(format!("centre = {}", numbers(&ball.centre)));
        lines.push(format!("radius = {} in l2", ball.radius));
        lines.extend(ball.unit.as_ref().map(|unit| format!("unit of the radius = {}", numbers(unit.numbers()))));
    }
    lines.push(format!("lower = {}", numbers(region.lower())));
    lines.push(format!("upper = {}", numbers(region.upper())));
    lines
}
