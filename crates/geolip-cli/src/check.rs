//! `geolip check`: the trusted checker, run on a certificate file and a network file.

use crate::arguments::CheckArguments;
use crate::failure::Failure;
use crate::numbers;
use crate::output::print;
use geolip::certificate::{CertificateFile, check_file};
use geolip::import::load;

/// Runs the command.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let path = &arguments.certificate;
    let bytes = std::fs::read(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
    let file =
        CertificateFile::from_json(&bytes).map_err(|source| Failure::Certificate { path: path.clone(), source })?;
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let certificates = check_file(&imported.network, &file)?;
    let constant = if file.region.is_some() { "local Lip" } else { "FGL" };
    for certificate in &certificates {
        let (output, norm) = (certificate.functional(), certificate.norm());
        let kind = match certificate.failure_probability() {
            0.0 => String::new(),
            p => format!(" (random test: a false bound passes with probability {p:.0e} at most)"),
        };
        print(&format!("output {output}: {constant} <= {} in {norm}{kind}", numbers::up(certificate.upper())));
    }
    if let Some(region) = &file.region {
        print(&format!("local: on a {region}; its slope intervals were worked out here"));
    }
    let count = match certificates.len() {
        1 => "1 bound is".to_owned(),
        n => format!("{n} bounds are"),
    };
    print(&match certificates.iter().all(|c| c.failure_probability() == 0.0) {
        true => format!("accepted: {count} proved for this network"),
        false => format!("accepted: {count} proved for this network, up to the probabilities of the random tests"),
    });
    Ok(())
}
