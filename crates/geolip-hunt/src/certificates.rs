//! Certificates that are spoilt or forged: whatever the checker accepts below the truth is false.

use crate::case::{Case, Find, Outcome, kind_of};
use crate::dice::Dice;
use crate::graph::Graph;
use crate::questions::Question;
use crate::size::Size;
use crate::truth::Truth;
use crate::{forge, mutate};
use geolip::form::{Affordable, Randomness};
use geolip::place::Region;
use geolip::proof::{Certificate, CertificateFile, CheckOptions, Rejection, check_file_with};
use geolip::{Functional, InputNorm, Network, Report};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Spoilt certificates per report.
const MUTANTS: usize = 60;

/// The checker, with random numbers that repeat, and random tests where it would ask for an elimination: these networks are all small.
pub fn check(network: &Network, file: &CertificateFile) -> Result<Vec<Certificate>, Rejection> {
    let (randomness, affordable) = (Randomness::Seed(SEED), Affordable::NONE);
    check_file_with(network, file, &CheckOptions { randomness, affordable, ..CheckOptions::default() })
}

/// Of the checker's random numbers; claims do not know it.
const SEED: u64 = 0x0063_6865_636b_6572;

/// What knows whether an accepted certificate is true.
pub struct Judge<'a> {
    network: &'a Network,
    graph: &'a Graph,
    /// Of the question's own region.
    truth: &'a Truth<'a>,
    region: Option<Region>,
    everywhere: Option<Truth<'a>>,
    known: HashMap<String, Option<Size>>,
    dice: Dice,
}

/// What the checker says, and what is true.
pub enum Verdict {
    /// No certificate file.
    Unread,
    /// Rejected.
    Rejected,
    /// Accepted, and not known to be false.
    Accepted,
    /// Accepted below the truth, which is this.
    False(String),
}

impl<'a> Judge<'a> {
    /// Checks a certificate.
    pub fn judge(&mut self, json: &Value) -> Verdict {
        let Ok(file) = CertificateFile::from_json(json.to_string().as_bytes()) else { return Verdict::Unread };
        let Ok(certificates) = check(self.network, &file) else { return Verdict::Rejected };
        for certificate in &certificates {
            let (norm, functional) = (certificate.norm(), certificate.functional());
            let upper = certificate.upper();
            if let Some(size) = self.size(norm, functional, file.region.as_ref()).filter(|size| size.exceeds(upper)) {
                let truth = size.near();
                return Verdict::False(format!(
                    "{norm}, output {functional}: accepted {upper:e}, truth at least {truth}"
                ));
            }
        }
        Verdict::Accepted
    }

    /// Whether the checker accepts it.
    pub fn accepts(&self, json: &Value) -> bool {
        let file = CertificateFile::from_json(json.to_string().as_bytes());
        file.is_ok_and(|file| check(self.network, &file).is_ok())
    }

    fn size(&mut self, norm: InputNorm, functional: &Functional, region: Option<&Region>) -> Option<Size> {
        let key = format!("{norm} {functional:?} {region:?}");
        if let Some(size) = self.known.get(&key) {
            return size.clone();
        }
        let size = if region == self.region.as_ref() {
            self.truth.size(norm, functional)
        } else if let Some(region) = region {
            Truth::on(self.graph, region, &mut self.dice).size(norm, functional)
        } else {
            let everywhere = self.everywhere.get_or_insert_with(|| Truth::everywhere(self.graph, &mut self.dice));
            everywhere.size(norm, functional)
        };
        self.known.insert(key, size.clone());
        size
    }
}

/// Spoils the certificates of a report in many ways, forges others, and checks what is accepted. Without a report, forges.
pub fn attack(
    case: &Case,
    (network, graph): (&Network, &Graph),
    report: Option<&Report>,
    truth: &Truth<'_>,
    outcome: &mut Outcome,
) {
    let mut dice = case.dice();
    let question = &case.question;
    let Ok(functionals) = question.outputs.functionals(network) else { return };
    let honest = match report {
        Some(report) => serde_json::from_str::<Value>(&report.certificate_file(network).to_json()).ok(),
        None => blank(question, network, &functionals, truth),
    };
    let Some(honest) = honest else { return };
    let mut judge = Judge {
        network,
        graph,
        truth,
        region: question.region.clone(),
        everywhere: None,
        known: HashMap::new(),
        dice: case.dice(),
    };
    let mut by: Vec<(&'static str, Value)> = Vec::new();
    for _ in 0..if report.is_some() { MUTANTS } else { 0 } {
        by.push(mutate::random(&honest, graph, &mut dice));
    }
    by.extend(forge::from_nothing(&honest, graph, network, &mut dice));
    for (name, json) in by {
        outcome.counts.mutants += 1;
        take(judge.judge(&json), name, &json, outcome);
    }
    for (name, json) in forge::by_descent(&honest, graph, &functionals, question.norm, &judge, &mut dice) {
        outcome.counts.mutants += 1;
        take(judge.judge(&json), name, &json, outcome);
    }
}

/// A file of claims with no proof to speak of.
fn blank(question: &Question, network: &Network, functionals: &[Functional], truth: &Truth<'_>) -> Option<Value> {
    let claim = |output: &Functional| {
        let upper = truth.size(question.norm, output).map_or(1.0, |size| size.near().near());
        json!({"output": output, "upper": upper, "proof": "intervals"})
    };
    let file = json!({
        "format": CertificateFile::FORMAT,
        "version": CertificateFile::VERSION,
        "network": network.hash(),
        "norm": question.norm,
        "region": question.region,
        "bounds": functionals.iter().map(claim).collect::<Vec<_>>(),
    });
    (!functionals.is_empty()).then_some(file)
}

fn take(verdict: Verdict, name: &str, json: &Value, outcome: &mut Outcome) {
    match verdict {
        Verdict::Unread | Verdict::Rejected => {}
        Verdict::Accepted => outcome.counts.accepted += 1,
        Verdict::False(detail) => {
            outcome.counts.accepted += 1;
            let text = json.to_string();
            let by = format!("{}, {name}", kind_of(&text));
            let same = |find: &Find| find.by == by;
            if !outcome.finds.iter().any(same) {
                outcome.find("certificate accepted below the truth", by, detail).certificate = Some(text);
            }
        }
    }
}
