//! `geolip export`: what is bounded, as a canonical network file.

use crate::arguments::ExportArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::ports;
use geolip::import::load;
use geolip::network::CanonicalError;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Runs the command.
pub fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let network = &imported.network;
    let mut file = BufWriter::new(File::create(path).map_err(Failure::write(path))?);
    network.export(&mut file).map_err(|error| match error {
        CanonicalError::Write(source) => Failure::write(path)(source),
        other => Failure::Canonical(other),
    })?;
    file.flush().map_err(Failure::write(path))?;
    print(&format!("network hash {}{}", network.hash(), ports::notes(&imported)));
    Ok(())
}
