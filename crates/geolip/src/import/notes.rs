//! What a reader of results has to know about the network behind them: what was chosen of the file, fixed, left out, or not
//! tested. One list of sentences, for every way on which results go out.

use super::{Format, Imported, Plain, Reference, SelfCheck};

/// Arrays of `.mat` files that are known to be no part of the network: the scaler in front of it.
pub(crate) const SCALER: [&str; 3] = ["input_mean", "input_scale", "input_std"];

impl Imported {
    /// Sentences about what was chosen of the file, fixed, left out or not tested; none for most files. They belong beside
    /// every result about the network.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let inputs = || listed(self.inputs.iter().map(|port| &port.name));
        if let [_, _, ..] = self.inputs.as_slice() {
            notes.push(format!("inputs {} as one vector; choose one with --input", inputs()));
        }
        if !self.fixed.is_empty() {
            let fixed = listed(self.fixed.iter().map(|port| &port.name));
            notes.push(format!(
                "input {} moves; {fixed} fixed at 0: lower bounds and local bounds hold only there, global upper bounds whatever the fixed values are",
                inputs()
            ));
        }
        if !self.other_outputs.is_empty() {
            let (output, others) = (Plain(&self.output.name), listed(self.other_outputs.iter()));
            notes.push(format!("output {output}; choose another with --output-name: {others}"));
        }
        if !self.labels.is_empty() {
            notes.push(format!(
                "left out: {}, labels, or maps of them, which have no slopes",
                listed(self.labels.iter())
            ));
        }
        notes.extend(self.left_out_notes());
        match &self.self_check {
            SelfCheck::NotRun { reason } if matches!(self.format, Format::Onnx { .. }) => {
                notes.push(format!("not compared with another implementation: {}", Plain(reason)));
            }
            SelfCheck::Agrees { with: with @ Reference::Interpreter { because }, .. } => {
                notes.push(format!("compared only with {with}: {}", Plain(because)));
            }
            SelfCheck::NotRun { .. } | SelfCheck::Agrees { .. } => {}
        }
        notes
    }

    /// What the file holds besides the network.
    fn left_out_notes(&self) -> Vec<String> {
        let is_list = matches!(self.format, Format::Mat);
        let (scaler, rest): (Vec<&String>, Vec<&String>) =
            self.left_out.iter().partition(|name| is_list && SCALER.contains(&name.as_str()));
        let scaler = (!scaler.is_empty()).then(|| {
            let names = listed(scaler.into_iter());
            format!("left out: {names}, a scaler; the network begins after it, and its inputs, distances and radii are scaled")
        });
        let rest = (!rest.is_empty()).then(|| {
            let what = match self.format {
                Format::Onnx { .. } => "which cannot reach the output",
                _ => "which are not part of the network that is bounded",
            };
            format!("left out: {}, {what}", listed(rest.into_iter()))
        });
        scaler.into_iter().chain(rest).collect()
    }
}

/// The first names of a list, on one line.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.take(SHOWN).map(|name| Plain(name).to_string()).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
