//! `geolip check`: the trusted checker, run on a certificate file and a network file.

use crate::arguments::CheckArguments;
use crate::failure::Failure;
use crate::numbers;
use crate::output::print;
use geolip::certificate::{CertificateFile, check_file};
use geolip::import::{ImportOptions, load};

/// Runs the command.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let path = &arguments.certificate;
    let bytes = std::fs::read(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
    let file =
        CertificateFile::from_json(&bytes).map_err(|source| Failure::Certificate { path: path.clone(), source })?;
    let options = ImportOptions { activation: arguments.network.activation.clone() };
    let imported = load(&arguments.network.network, &options)?;
    let certificates = check_file(&imported.network, &file)?;
    for certificate in &certificates {
        let (output, norm) = (certificate.functional(), certificate.norm());
        print(&format!("output {output}: FGL <= {} in {norm}", numbers::up(certificate.upper())));
    }
    let count = match certificates.len() {
        1 => "1 bound is".to_owned(),
        n => format!("{n} bounds are"),
    };
    print(&format!("accepted: {count} proved for this network"));
    Ok(())
}
