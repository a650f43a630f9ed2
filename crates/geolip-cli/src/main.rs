//! The `geolip` command line: what was typed, what is done, how it is shown. All mathematics is in the library.
//!
//! Exit codes: 0 done; others are in `failure.rs` (2 is also what clap uses).

mod arguments;
mod attained;
mod bound;
mod check;
#[cfg(feature = "compare")]
mod compare;
mod export;
mod failure;
mod files;
mod info;
mod interrupt;
mod numbers;
mod options;
mod output;
mod page;
mod ports;
mod progress;
mod radius;
mod region;
mod table;

use arguments::{Arguments, Command};
use clap::FromArgMatches;
use std::process::ExitCode;

fn main() -> ExitCode {
    let typed = options::command().try_get_matches();
    let arguments = match typed.and_then(|typed| Arguments::from_arg_matches(&typed)) {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error),
    };
    interrupt::watch();
    let outcome = match arguments.command {
        Command::Bound(arguments) => bound::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        #[cfg(feature = "compare")]
        Command::Compare(arguments) => compare::run(&arguments),
        #[cfg(not(feature = "compare"))]
        Command::Compare(_) => Err(failure::Failure::NoCompare),
        Command::Radius(arguments) => radius::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    };
    match output::failure() {
        None => code,
        Some(reason) => {
            eprintln!("error: cannot write to standard output: {reason}");
            ExitCode::from(4)
        }
    }
}
