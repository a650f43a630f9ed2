//! `geolip export`: what is bounded, as a canonical network file.

use crate::arguments::ExportArguments;
use crate::failure::{Failure, Unwritten};
use crate::files::distinct;
use crate::output::print;
use crate::ports;
use geolip::files::Destination;
use geolip::import::load;
use geolip::network::CanonicalError;

/// Runs the command.
pub fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let path = &arguments.file;
    distinct(&[("the network", &arguments.network.network)], &[("the export", path)])?;
    let destination = Destination::open(path).map_err(Failure::write(path))?;
    let imported = load(&arguments.network.network, &arguments.network.options())?;
    let network = &imported.network;
    destination.write_with(|mut out| network.export(&mut out)).map_err(|error| match error {
        CanonicalError::Write(source) => Unwritten::of(path, &source).into(),
        other => Failure::Canonical(other),
    })?;
    print(&format!("network hash {}{}", network.hash(), ports::notes(&imported)));
    Ok(())
}
