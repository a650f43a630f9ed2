//! `geolip compare`: every method side by side, as a table or JSON.

use crate::arguments::CompareArguments;
use crate::failure::Failure;
use crate::files::{Named, described};
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::{interrupt, numbers, ports, table};
use geolip::import::{Imported, load};
use geolip::{BoundError, Functional, Outputs, json, text, words};
use geolip_compare::{Comparison, Estimate, Method, Row, compare};
use std::path::Path;

/// Runs the command.
pub fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    let path = &arguments.network.network;
    let imported = load(path, &arguments.network.options())?;
    let options = arguments.question(&imported.network)?;
    let read: Vec<Named<'_>> = [
        Some(("network", path.as_path())),
        arguments.unit.as_deref().map(|path| ("--unit", path)),
        arguments.output.file(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let files = described(&read);
    let progress = Progress::start("methods");
    let comparison = compare(&imported.network, &options, &progress);
    progress.finish();
    let comparison = comparison?;
    match arguments.json {
        true => {
            let network = json::network(Some(&path.display().to_string()), &imported);
            let mut value = geolip_compare::json::comparison(network, &comparison);
            value["files"] = files;
            print_json(&value);
        }
        false => print(&to_table(path, &imported, &options.outputs, &comparison)),
    }
    let proved = |row: &Row| row.outcome.as_ref().is_ok_and(|estimate| estimate.guarantee.is_upper());
    if comparison.rows.iter().any(proved) {
        Ok(())
    } else if interrupt::asked() {
        Err(Failure::Interrupted)
    } else {
        let output = comparison.functionals.first().map_or_else(String::new, Functional::to_string);
        Err(BoundError::Overflow { output }.into())
    }
}

fn to_table(path: &Path, imported: &Imported, outputs: &Outputs, comparison: &Comparison) -> String {
    let network = &imported.network;
    let geolip = comparison.of(Method::Geolip).map(Estimate::largest).filter(|v| *v > 0.0);
    let rows = comparison.rows.iter().map(|row| match &row.outcome {
        Ok(estimate) => {
            let value = estimate.largest();
            vec![
                row.method.to_string(),
                if estimate.guarantee.is_upper() { numbers::up(value) } else { numbers::down(value) },
                geolip.map_or_else(String::new, |geolip| ratio(value / geolip)),
                numbers::seconds(estimate.time.as_secs_f64()),
                estimate.guarantee.to_string(),
            ]
        }
        Err(_) => {
            let none = || "-".to_owned();
            vec![row.method.to_string(), none(), none(), none(), "not applicable, see below".to_owned()]
        }
    });
    let notes = comparison.rows.iter().filter_map(|row| match &row.outcome {
        Ok(estimate) => Some(format!("\n{}: {}", row.method, estimate.note.as_ref()?)),
        Err(reason) => Some(format!("\n{}: {reason}", row.method)),
    });
    let units = comparison.unit.as_ref().map_or_else(String::new, |unit| format!("\n{}", words::units(unit)));
    let choices = ports::notes(imported) + &units;
    let what = match outputs {
        Outputs::Each => format!("the largest of {} outputs", comparison.functionals.len()),
        Outputs::Pairs => format!("the largest of {} margins", comparison.functionals.len()),
        Outputs::One(_) | Outputs::Margin(..) => format!("output {outputs}"),
        Outputs::Vector(_) => "the outputs weighted by a vector".to_owned(),
        Outputs::Norm(norm) => format!("{norm} norm of the output"),
    };
    format!(
        "{}: {} inputs, {} outputs, {} neurons; input norm {}; {what}{choices}\n\n{}\n{}",
        text::path(path),
        network.inputs(),
        network.outputs(),
        network.neurons(),
        comparison.norm,
        table::aligned(&["method", "value", "/ geolip", "time", "what it is"], 1..4, rows),
        notes.collect::<String>(),
    )
}

/// How much larger or smaller than geolip's bound.
fn ratio(ratio: f64) -> String {
    if ratio == 0.0 || (0.001..1e4).contains(&ratio) { format!("{ratio:.3}") } else { format!("{ratio:.1e}") }
}
