//! Every option, once: the command line's defaults and `--help` are made from this table, the Python package's signatures and
//! documentation are compared with it by `python/tests/test_options.py`, and [the page](CHOICES) below is written from it.
//!
//! What a value of an option means is not said here: [`super::Options`], [`super::RadiusOptions`] and
//! [`crate::import::ImportOptions`] hold what was chosen.

pub use super::choice::{Choice, Default, Kind};
use super::{Options, RadiusOptions};
use crate::proof::CheckOptions;
use Kind::{Limit, Manner};

/// Bytes.
const GIB: f64 = (1 << 30) as f64;

const ALL: &[&str] = &["bound", "check", "compare", "radius", "info", "export"];
const BOUND: &[&str] = &["bound"];
const CHECK: &[&str] = &["check"];
const COMPARE: &[&str] = &["compare"];
const RADIUS: &[&str] = &["radius"];
const BOUND_COMPARE: &[&str] = &["bound", "compare"];
const BOUND_RADIUS: &[&str] = &["bound", "radius"];
const NOBODY: &[&str] = &[];
const LOAD: &[&str] = &["load"];
/// What searches by branch and bound.
const SEARCH: &[&str] = &["exact", "true", "split"];

#[doc = include_str!("table.md")]
pub const CHOICES: &[Choice] = &[
    // how a network file is read
    Choice::of(ALL, "activation", "Activation between the layers of a weight list, which does not name it itself")
        .functions(LOAD)
        .value("NAME")
        .default(|| Default::Nothing("relu")),
    Choice::of(ALL, "transposed", "Read the matrices of a weight list as in x out; `=false`: as out x in")
        .functions(LOAD)
        .value("true|false")
        .default(|| Default::Nothing("as out x in; a .mat file that fits both ways is refused"))
        .python("Whether the matrices of a weight list are in × out"),
    Choice::of(
        ALL,
        "prefix",
        "Read only the arrays of a weight list whose names begin with NAME, and take all of them as one network; \
         `--prefix ''` takes the whole file as one",
    )
    .functions(LOAD)
    .value("NAME")
    .default(|| Default::Nothing("a file that may hold two networks is refused"))
    .python(
        "Read only the arrays of a weight list whose names begin with this, and take all of them as one network; \
         ``\"\"`` takes the whole file as one",
    ),
    Choice::of(ALL, "input", "Bound the response to this input of an ONNX file only, with the others fixed")
        .functions(LOAD)
        .value("NAME")
        .default(|| Default::Nothing("all inputs, as one vector")),
    Choice::of(ALL, "output_name", "Bound this output of an ONNX file")
        .functions(LOAD)
        .value("NAME")
        .default(|| Default::Nothing("the first")),
    Choice::of(
        ALL,
        "until",
        "Bound an ONNX file only up to this inner tensor (or node), such as the logits before a softmax",
    )
    .functions(LOAD)
    .value("NAME"),
    // the question
    Choice::of(
        BOUND,
        "norm",
        "Norm of input changes: linf (largest entry), l2 (Euclidean), l1, a number p of at least 2, or all (linf, l2 \
         and l1 side by side)",
    )
    .value("NORM")
    .default(|| Default::Text(Options::default().norm.to_string()))
    .range("linf, l2, l1, p >= 2, all")
    .python(
        "Norm of input changes: ``\"linf\"`` (largest entry), ``\"l2\"`` (Euclidean), ``\"l1\"``, a number p of at \
         least 2, or ``\"all\"`` (linf, l2 and l1)",
    ),
    Choice::of(
        COMPARE,
        "norm",
        "Norm of input changes: linf (largest entry), l2 (Euclidean), l1, or a number p of at least 2",
    )
    .value("NORM")
    .default(|| Default::Text(Options::default().norm.to_string()))
    .range("linf, l2, l1, p >= 2")
    .python(
        "Norm of input changes: ``\"linf\"`` (largest entry), ``\"l2\"`` (Euclidean), ``\"l1\"``, or a number p of at \
         least 2",
    ),
    Choice::of(RADIUS, "norm", "The norm in which inputs move: linf or l2")
        .value("NORM")
        .default(|| Default::Text(RadiusOptions::default().norm.to_string()))
        .range("linf, l2")
        .python("The norm in which inputs move: ``\"linf\"`` or ``\"l2\"``"),
    Choice::of(
        BOUND,
        "unit",
        "Units of the inputs, for sensors of different scales or some inputs of many: a file with one number per input \
         (.npy, .csv or text). The norm is that of input changes divided by these, entry by entry; an input whose unit is \
         0 does not change. A --radius is measured in them, too",
    )
    .value("FILE")
    .default(|| Default::Nothing("ones"))
    .range(">= 0, not all 0")
    .python(
        "Units of the inputs, for sensors of different scales or some inputs of many: an array of shape (inputs,), or a \
         file with one number per input (.npy, .csv or text). The norm is that of input changes divided by these, entry by \
         entry; an input whose unit is 0 does not change. A --radius is measured in them, too",
    ),
    Choice::of(
        COMPARE,
        "unit",
        "Units of the inputs: a file with one number per input (.npy, .csv or text). The norm is that of input changes \
         divided by these, entry by entry; an input whose unit is 0 does not change",
    )
    .value("FILE")
    .default(|| Default::Nothing("ones"))
    .range(">= 0, not all 0")
    .python(
        "Units of the inputs: an array of shape (inputs,), or a file with one number per input (.npy, .csv or text). The \
         norm is that of input changes divided by these, entry by entry; an input whose unit is 0 does not change",
    ),
    Choice::of(
        RADIUS,
        "unit",
        "Units of the inputs: a file with one number per input (.npy, .csv or text). How far an input moves is measured \
         after dividing by these, entry by entry; an input whose unit is 0 does not move",
    )
    .value("FILE")
    .default(|| Default::Nothing("ones"))
    .range(">= 0, not all 0")
    .python(
        "Units of the inputs: an array of shape (inputs,), or a file with one number per input (.npy, .csv or text). How \
         far an input moves is measured after dividing by these, entry by entry; an input whose unit is 0 does not move",
    ),
    Choice::of(
        BOUND,
        "output",
        "What to bound: each output, one output I (from 0), a margin I-J, all pairs, the largest output (linf) or \
         another norm of the whole output (l2, l1), or a vector u of numbers in a file (.npy or .txt), for u'y",
    )
    .value("OUTPUT")
    .default(|| Default::Text(Options::default().outputs.to_string()))
    .python(
        "What to bound: ``\"each\"`` output, one output I (from 0), a margin ``\"I-J\"`` or (I, J), all ``\"pairs\"``, \
         the largest output (``\"linf\"``) or another norm of the whole output (``\"l2\"``, ``\"l1\"``), or a vector u \
         of shape (outputs,) or in a file (.npy or .txt), for uᵀy",
    ),
    Choice::of(
        COMPARE,
        "output",
        "What to bound: each output, one output I (from 0), a margin I-J, all pairs, a norm of the whole output (linf, \
         l2, l1: not every method has one), or a vector in a file (.npy or .txt); the table shows the largest value",
    )
    .value("OUTPUT")
    .default(|| Default::Text(Options::default().outputs.to_string()))
    .python(
        "What to bound, as for :func:`geolip.bound`; not every method has norms of the whole output, and the table \
         shows the largest value",
    ),
    // where it is asked
    Choice::of(
        BOUND,
        "center",
        "Bound the network near this input only: a file with one number per input (.npy, .csv or text), or with many \
         inputs, from which --row chooses one",
    )
    .value("FILE")
    .needs(&["radius"])
    .python(
        "Bound the network near this input only: an array of shape (inputs,); many, shape (count, inputs), for a list \
         of reports; or a file with one number per input (.npy, .csv or text), or with many inputs, from which `row` \
         chooses one",
    ),
    Choice::of(
        RADIUS,
        "center",
        "The input, or a data file with one per row (.npy, .csv or text); rows with one number more than inputs begin \
         with a label (see --label-column)",
    )
    .value("FILE")
    .python(
        "The input, an array of shape (inputs,), or many, shape (count, inputs); or a data file with one per row \
         (.npy, .csv or text). Rows with one number more than inputs begin with a label (see --label-column)",
    ),
    Choice::of(BOUND, "radius", "How far from the centre the region reaches").value("R").range(">= 0").needs(&["center"]),
    Choice::of(BOUND, "region_norm", "The norm of that distance: linf (a box) or l2 (a ball), whatever --norm is")
        .value("NORM")
        .default(|| Default::Text(crate::place::RegionNorm::Linf.to_string()))
        .range("linf, l2")
        .needs(&["center"])
        .python("The norm of that distance: ``\"linf\"`` (a box) or ``\"l2\"`` (a ball), whatever `norm` is"),
    Choice::of(BOUND, "clip", "Restrict the region to inputs with all entries between LO and HI")
        .value("LO HI")
        .range("LO <= HI")
        .needs(&["center"])
        .python("Restrict the region to inputs with all entries between these two, (LO, HI)"),
    Choice::of(RADIUS, "clip", "Consider only inputs with all entries between LO and HI")
        .value("LO HI")
        .range("LO <= HI")
        .python("Consider only inputs with all entries between these two, (LO, HI)"),
    Choice::of(BOUND_RADIUS, "row", "The row of the file with the centre, counted from 0")
        .value("N")
        .default(|| Default::Nothing("the only one"))
        .needs(&["center"])
        .python("Which of several centres, counted from 0 [all of them]"),
    Choice::of(
        BOUND_RADIUS,
        "scale",
        "Multiply the numbers of that file by this, such as 0.00392156862745098 (1/255) for pixels",
    )
    .value("FACTOR")
    .default(|| Default::Number(1.0))
    .needs(&["center"])
    .python("Multiply the numbers of `center` by this, such as 1/255 for pixels"),
    Choice::of(BOUND_RADIUS, "header", "Take the first line of that file as a heading; `=false`: as data")
        .value("true|false")
        .default(|| Default::Nothing("a line without any number is a heading"))
        .needs(&["center"])
        .python("Whether the first line of that file is a heading"),
    Choice::of(
        BOUND_RADIUS,
        "label_column",
        "The column of that file with the labels: its number from 0, its name in the heading, last, or none",
    )
    .value("COLUMN")
    .default(|| {
        Default::Nothing("the first, if there is one column more than inputs; refused if it might be another")
    })
    .needs(&["center"])
    .python(
        "The column with the labels: its number from 0, its name in the heading, ``\"last\"`` or ``\"none\"``",
    ),
    Choice::of(RADIUS, "label", "The output that has to stay the largest, for a single input")
        .value("L")
        .default(|| Default::Nothing("the prediction"))
        .range("an output")
        .python("The output that has to stay the largest; for many inputs an array of them, shape (count,) [the label \
             of the row, or the prediction]"),
    Choice::of(
        BOUND,
        "box",
        "Bound the network on this box only: a file with two rows, lower and upper ends (.npy, .csv or text), or a \
         VNN-LIB property (.vnnlib), of which only the input box is read",
    )
    .value("FILE")
    .python(
        "Bound the network on this box only: an array of shape (2, inputs), lower and upper ends; a file of these \
         (.npy, .csv or text); or a VNN-LIB property (.vnnlib), of which only the input box is read",
    ),
    // how it is answered
    Choice::of(
        BOUND,
        "split",
        "Branch and bound for this long, or until the bounds from both sides agree to the tolerance: a box of at most 24 \
         inputs is cut into parts, elsewhere slopes are fixed as by --exact; with --exact, in such parts, too",
    )
    .value("SECONDS")
    .range("> 0")
    .python(
        "Branch and bound for this many seconds, or until the bounds from both sides agree to the tolerance: a box of at \
         most 24 inputs is cut into parts, elsewhere slopes are fixed as by --exact; with --exact, in such parts, too",
    ),
    Choice::of(BOUND, "tol", "Relative gap between the certified bound and the relaxation at which work on an output ends")
        .value("TOL")
        .default(|| Default::Number(Options::default().tol))
        .range("> 0, < 1"),
    Choice::of(RADIUS, "tol", "Relative width of the bracket at which the search for a radius ends")
        .value("TOL")
        .default(|| Default::Number(RadiusOptions::default().tol))
        .range("> 0"),
    Choice::of(
        RADIUS,
        "linear_bounds_only",
        "Do without local Lipschitz constants: faster, and radii are rarely smaller",
    )
    .flag(),
    Choice::of(
        BOUND,
        "cuts",
        "Tighten the relaxation by cuts, at any depth: a smaller bound, in seconds to a minute for up to some hundred neurons (linf, l2 and lp)",
    )
    .flag(),
    Choice::of(
        BOUND,
        "relaxation_only",
        "Stop at the semidefinite relaxation: without the few cuts and the closed forms that better it in about the same time",
    )
    .flag(),
    Choice::of(
        BOUND,
        "exact",
        "Search for the formal Lipschitz constant itself (FGL) by branch and bound on slopes, until the bound and the \
         best pattern agree to the tolerance; what is found before the time limit (or Ctrl-C) is certified all the same",
    )
    .flag()
    .python(
        "Search for the formal Lipschitz constant itself (FGL) by branch and bound on slopes, until the bound and the \
         best pattern agree to the tolerance; what is found before the time limit is certified all the same",
    ),
    Choice::of(
        BOUND,
        "true",
        "Search for the Lipschitz constant itself, until the bound and the gradient of a real input agree to the tolerance: over all \
         inputs by branch and bound on sides of neurons, on a box of at most 24 inputs as by --split; what is found before the \
         time limit (or Ctrl-C) is certified all the same",
    )
    .flag()
    .python(
        "Search for the Lipschitz constant itself, until the bound and the gradient of a real input agree to the tolerance: over all \
         inputs by branch and bound on sides of neurons, on a box of at most 24 inputs as by --split; what is found before the \
         time limit is certified all the same",
    ),
    Choice::of(
        BOUND,
        "checkpoint",
        "Save that search to this file, and resume it from there if the file exists; it must be of the same question \
         and version",
    )
    .value("FILE")
    .needs(SEARCH)
    .kind(Manner),
    Choice::of(BOUND, "case_limit", "Stop that search after this many cases per output")
        .value("N")
        .default(|| Default::Count(Options::default().case_limit as u64))
        .range(">= 1")
        .needs(SEARCH)
        .kind(Limit),
    Choice::of(BOUND, "time_limit", "Stop improving bounds after this long; certifying what was found takes extra time")
        .value("SECONDS")
        .range("> 0")
        .kind(Limit)
        .python("Stop improving bounds after this many seconds; certifying what was found takes extra time"),
    Choice::of(COMPARE, "time_limit", "Stop each method after this long, and show what it has by then")
        .value("SECONDS")
        .range("> 0")
        .kind(Limit)
        .python("Stop each method after this many seconds, and show what it has by then"),
    Choice::of(
        BOUND,
        "memory_limit",
        "Memory that a proof may take, in GiB. Networks that need more, or minutes for one proof, get probabilistic \
         certificates, with gaps of 1e-3 or more; those that need less than 256 MiB always get a proof",
    )
    .value("GIB")
    .default(|| Default::Number(Options::default().memory_limit as f64 / GIB))
    .range("> 0")
    .kind(Limit),
    Choice::of(COMPARE, "memory_limit", "Memory that a proof may take, in GiB")
        .value("GIB")
        .default(|| Default::Number(Options::default().memory_limit as f64 / GIB))
        .range("> 0")
        .kind(Limit),
    Choice::of(
        CHECK,
        "memory_limit",
        "Memory that the forms behind proofs may take, in GiB; a certificate that needs more is refused",
    )
    .value("GIB")
    .default(|| Default::Number(CheckOptions::default().memory_limit as f64 / GIB))
    .range("> 0")
    .kind(Limit),
    Choice::of(
        BOUND,
        "effort",
        "Work on the lower bounds, as a multiple of the usual; 10 takes up to 10 times as long",
    )
    .value("FACTOR")
    .default(|| Default::Number(Options::default().effort))
    .range(">= 0"),
    Choice::of(BOUND_COMPARE, "threads", "Number of worker threads; results do not depend on it")
        .value("N")
        .default(|| Default::Nothing("one per core"))
        .range(">= 1")
        .kind(Manner),
    Choice::of(BOUND_COMPARE, "seed", "Seed for everything random; the same seed gives the same numbers, to the last bit")
        .value("N")
        .default(|| Default::Count(Options::default().seed)),
    Choice::of(
        CHECK,
        "entropy",
        "Draw the numbers of random tests from the operating system (the default), so that nobody could know them \
         beforehand",
    )
    .functions(NOBODY)
    .flag(),
    Choice::of(
        CHECK,
        "seed",
        "Draw them from this seed instead, to repeat a check; a test then means something only if the seed was chosen \
         after the certificate",
    )
    .value("N")
    .python(
        "Draw the numbers of random tests from this seed instead of the operating system, to repeat a check; a test \
         then means something only if the seed was chosen after the certificate",
    ),
    // how it is shown and kept
    Choice::of(BOUND, "certificate", "Write the certificates to this file, for `geolip check`")
        .functions(NOBODY)
        .value("FILE")
        .kind(Manner),
    Choice::of(
        BOUND,
        "witness",
        "Write the inputs with the steepest gradients found to this file (.npy, one row per bound, in the order of the \
         table)",
    )
    .functions(NOBODY)
    .value("FILE")
    .kind(Manner),
    Choice::of(
        BOUND,
        "pattern",
        "Write the steepest activation patterns found to this file (JSON: slopes per layer, output weights, input \
         direction)",
    )
    .functions(NOBODY)
    .value("FILE")
    .kind(Manner),
    Choice::of(BOUND, "report", "Write one HTML page to this file: tables, a picture, and how to check the bounds again")
        .functions(NOBODY)
        .value("FILE")
        .kind(Manner),
    Choice::of(RADIUS, "radii", "Radii at which to report the certified accuracy")
        .functions(NOBODY)
        .value("R,…")
        .range(">= 0")
        .kind(Manner),
    Choice::of(
        RADIUS,
        "results",
        "Write one line of JSON per sample to this file, and resume from there if the file exists; it must be of the \
         same network, data, options and version",
    )
    .functions(NOBODY)
    .value("FILE")
    .kind(Manner),
    Choice::of(&["bound", "compare", "radius", "info"], "json", "Print one JSON object instead of a table")
        .functions(NOBODY)
        .flag()
        .kind(Manner),
    Choice::of(CHECK, "json", "Print one JSON object with every claim in full").functions(NOBODY).flag().kind(Manner),
    Choice::of(
        NOBODY,
        "progress",
        "Show a tqdm bar (True), or tell a function what happens",
    )
    .functions(&["bound", "compare", "radius"])
    .flag()
    .kind(Manner),
];

/// The option of that name that a command takes.
pub fn of_command(command: &str, name: &str) -> Option<&'static Choice> {
    CHOICES.iter().find(|choice| choice.name == name && choice.commands.contains(&command))
}

/// The options that a Python function takes.
pub fn of_function(function: &str) -> impl Iterator<Item = &'static Choice> {
    CHOICES.iter().filter(move |choice| choice.functions.contains(&function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::fmt::Write;

    /// The table as Markdown, for the documentation.
    fn page() -> String {
        let mut page =
            "Every option. On the command line its name has hyphens and two more before it; Python's functions take it \
             as a keyword.\n\n| name | commands | functions | value | default | range | what it does |\n| --- | --- | \
             --- | --- | --- | --- | --- |\n"
                .to_owned();
        for choice in CHOICES {
            let default = match choice.default_value() {
                Default::Nothing(meaning) => meaning.to_owned(),
                Default::Off => "off".to_owned(),
                Default::Text(text) => text,
                Default::Number(number) => number.to_string(),
                Default::Count(count) => count.to_string(),
            };
            let cells = [
                format!("`{}`", choice.name),
                choice.commands.join(", "),
                choice.functions.join(", "),
                choice.value.to_owned(),
                default,
                choice.range.to_owned(),
                choice.help.to_owned(),
            ];
            let row: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            writeln!(page, "| {} |", row.join(" | ")).expect("a string grows");
        }
        page
    }

    #[test]
    fn the_page_of_options_is_not_what_the_table_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/options/table.md");
        if std::env::var_os("WRITE_OPTIONS").is_some() {
            std::fs::write(file, page()).expect("the file is written");
        }
        let there = std::fs::read_to_string(file).expect("the page is there");
        assert!(there == page(), "run this test again with WRITE_OPTIONS=1: it writes options/table.md");
    }

    #[test]
    fn an_option_is_there_twice_or_needs_one_that_is_not() {
        let mut seen = HashSet::new();
        for choice in CHOICES {
            for taker in choice.commands {
                assert!(seen.insert((*taker, "command", choice.name)), "{} of {taker}", choice.name);
            }
            for taker in choice.functions {
                assert!(seen.insert((*taker, "function", choice.name)), "{} of {taker}", choice.name);
                let needed = choice.needs.iter().all(|name| of_function(taker).any(|other| other.name == *name));
                assert!(needed, "{} of {taker}", choice.name);
            }
            assert!(!choice.help.ends_with('.') && choice.value.is_empty() == (choice.default_value() == Default::Off));
        }
    }

    #[test]
    fn python_reads_of_hyphens() {
        let choice = of_command("radius", "center").expect("radius has a centre");
        assert!(choice.python_text().contains("(see `label_column`)"), "{}", choice.python_text());
        let norm = Choice::of(NOBODY, "x", "Whatever --region-norm, is").python_text();
        assert_eq!(norm, "whatever `region_norm`, is");
    }
}
