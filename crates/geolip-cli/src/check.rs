//! `geolip check`: the trusted checker, run on a certificate file and a network file.

use crate::arguments::CheckArguments;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::{files, numbers};
use geolip::import::load;
use geolip::proof::{CertificateFile, check_file_with};
use geolip::{json, text, words};

/// Runs the command.
pub fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let path = &arguments.certificate;
    let bytes = std::fs::read(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
    let file =
        CertificateFile::from_json(&bytes).map_err(|source| Failure::Certificate { path: path.clone(), source })?;
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let certificates = check_file_with(&imported.network, &file, &arguments.options())?;
    if arguments.json {
        let network = &arguments.network.network;
        let described = json::network(Some(&network.display().to_string()), &imported);
        let mut value = json::checked(described, &file, &certificates);
        value["files"] = files::described(&[("certificate", path), ("network", network)]);
        print_json(&value);
        return Ok(());
    }
    for certificate in &certificates {
        let constant = words::constant(certificate);
        let (output, norm) = (certificate.functional(), certificate.norm());
        let test = words::test(certificate);
        let kind = if test.is_empty() { test } else { format!(" ({test})") };
        print(&format!("output {output}: {constant} <= {} in {norm}{kind}", numbers::up(certificate.upper())));
        if let Some(vector) = words::functional(output) {
            print(&format!("  {vector}"));
        }
    }
    if let Some(unit) = &file.unit {
        print(&words::units(unit));
    }
    if let Some(region) = &file.region {
        print(&format!("local: on a {region}; its slope intervals were computed here"));
        words::region(region).iter().for_each(|line| print(&format!("  {line}")));
    }
    imported.notes().iter().for_each(|note| print(note));
    file.notes.iter().for_each(|note| print(&format!("its maker says: {}", text::plain(note))));
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
