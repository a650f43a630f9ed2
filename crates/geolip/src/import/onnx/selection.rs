//! Which part of a graph is meant: up to which tensor, and from which input.

use super::Reason;
use super::graph::Graph;
use super::tensor::is_float;
use crate::import::onnx::proto::tensor_proto::DataType;
use crate::import::onnx::proto::{GraphProto, ValueInfoProto, type_proto};
use crate::import::{ImportOptions, Quoted};
use std::collections::HashSet;

/// What the user chose, in the terms of the graph.
#[derive(Debug)]
pub(super) struct Selection {
    /// The tensor that is bounded; none in a graph without outputs.
    pub(super) target: Option<String>,
    /// The input that alone moves, where one was chosen.
    pub(super) input: Option<String>,
    /// The outputs that were not chosen. Empty when the target is an inner tensor.
    pub(super) other_outputs: Vec<String>,
    /// Outputs that are labels, or maps of them: nothing to bound, and not chosen unless by name.
    pub(super) labels: Vec<String>,
}

impl Selection {
    /// What `options` choose in `graph`: the first output where they choose none.
    pub(super) fn of(graph: &GraphProto, options: &ImportOptions) -> Result<Self, Reason> {
        let input = options.input.as_deref().map(|name| chosen_input(graph, name)).transpose()?;
        let outputs = || graph.output.iter().map(|output| output.name.as_str());
        let target = match (options.output.as_deref(), options.until.as_deref()) {
            (Some(_), Some(_)) => return Err("an output and an inner tensor are both chosen; choose one".to_owned()),
            (Some(name), None) => Some(chosen_output(graph, name)?),
            (None, Some(name)) => Some(inner(graph, name)?),
            (None, None) => first_of_numbers(graph).or_else(|| outputs().next()).map(str::to_owned),
        };
        let is_label = |name: &str| graph.output.iter().any(|output| output.name == name && is_label(graph, output));
        let others = |target: &String| outputs().filter(|name| name != target).map(str::to_owned).collect();
        let others: Vec<String> = target.as_ref().filter(|_| options.until.is_none()).map(others).unwrap_or_default();
        let (labels, other_outputs) = others.into_iter().partition(|name| is_label(name));
        Ok(Self { target, input, other_outputs, labels })
    }

    /// What else there is to choose, as the end of a sentence.
    pub(super) fn other_choices(&self) -> String {
        match self.other_outputs.as_slice() {
            [] => String::new(),
            others => {
                format!("; choose another output with --output-name: {}", listed(others.iter().map(String::as_str)))
            }
        }
    }

    /// An error where the chosen input cannot reach the target.
    pub(super) fn expect_reaching(&self, graph: &Graph<'_>) -> Result<(), Reason> {
        let (Some(input), Some(target)) = (&self.input, &self.target) else { return Ok(()) };
        let reaching = || graph.inputs.iter().map(|input| input.name.as_str());
        if reaching().any(|name| name == input) {
            return Ok(());
        }
        Err(format!(
            "the input {} cannot reach {}; the inputs that do are {}",
            Quoted(input),
            Quoted(target),
            listed(reaching())
        ))
    }
}

/// The first output that holds numbers; or what a map from labels to numbers is made of.
fn first_of_numbers(graph: &GraphProto) -> Option<&str> {
    let numbers = graph.output.iter().find(|output| !is_label(graph, output)).map(|output| output.name.as_str());
    let maps = || {
        let zip = |name: &str| {
            graph.node.iter().find(|node| node.op_type == "ZipMap" && node.output.iter().any(|o| o == name))
        };
        graph.output.iter().find_map(|output| zip(&output.name)?.input.first().map(String::as_str))
    };
    numbers.or_else(maps)
}

/// Whether an output of a classical model is declared to hold something else than floating-point numbers.
fn is_label(graph: &GraphProto, output: &ValueInfoProto) -> bool {
    graph.node.iter().any(|node| node.domain == "ai.onnx.ml") && holds_no_numbers(output)
}

fn holds_no_numbers(output: &ValueInfoProto) -> bool {
    match output.r#type.as_ref().and_then(|declared| declared.value.as_ref()) {
        None => false,
        Some(type_proto::Value::TensorType(tensor)) => {
            let known = DataType::try_from(tensor.elem_type).ok();
            known.is_some_and(|known| known != DataType::Undefined && !is_float(known))
        }
        Some(_) => true,
    }
}

fn chosen_input(graph: &GraphProto, name: &str) -> Result<String, Reason> {
    let stored: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs = || graph.input.iter().map(|input| input.name.as_str()).filter(|name| !stored.contains(name));
    match inputs().find(|input| *input == name) {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!("no input is called {}; the inputs are {}", Quoted(name), listed(inputs()))),
    }
}

fn chosen_output(graph: &GraphProto, name: &str) -> Result<String, Reason> {
    let outputs = || graph.output.iter().map(|output| output.name.as_str());
    if outputs().any(|output| output == name) {
        return Ok(name.to_owned());
    }
    let missing = format!("no output is called {}; the outputs are {}", Quoted(name), listed(outputs()));
    let inner = made(graph).any(|tensor| tensor == name);
    Err(if inner { format!("{missing}; it is an inner tensor: --until {}", Quoted(name)) } else { missing })
}

/// The tensor of that name, or the first that the node of that name gives.
fn inner(graph: &GraphProto, name: &str) -> Result<String, Reason> {
    if graph.initializer.iter().any(|tensor| tensor.name == name) {
        return Err(format!("{} is a stored tensor, which does not depend on the input", Quoted(name)));
    }
    if made(graph).any(|tensor| tensor == name) || graph.input.iter().any(|input| input.name == name) {
        return Ok(name.to_owned());
    }
    let mut nodes = graph.node.iter().filter(|node| node.name == name && !name.is_empty());
    match (nodes.next(), nodes.next()) {
        (Some(_), Some(_)) => Err(format!("several nodes are called {}; give the name of a tensor", Quoted(name))),
        (Some(node), None) => node
            .output
            .iter()
            .find(|tensor| !tensor.is_empty())
            .cloned()
            .ok_or_else(|| format!("the node {} gives no tensor", Quoted(name))),
        (None, _) => {
            Err(format!("no tensor or node is called {}; the nearest names are {}", Quoted(name), nearest(graph, name)))
        }
    }
}

/// The tensors that nodes give.
fn made(graph: &GraphProto) -> impl Iterator<Item = &str> {
    graph.node.iter().flat_map(|node| &node.output).map(String::as_str).filter(|name| !name.is_empty())
}

/// The three names that are most like `name`.
fn nearest(graph: &GraphProto, name: &str) -> String {
    const LOOKED_AT: usize = 10_000;
    let names = made(graph).chain(graph.node.iter().map(|node| node.name.as_str()).filter(|name| !name.is_empty()));
    let mut ranked: Vec<(usize, &str)> = names.take(LOOKED_AT).map(|other| (distance(name, other), other)).collect();
    ranked.sort_unstable();
    ranked.dedup();
    listed(ranked.into_iter().take(3).map(|(_, name)| name))
}

/// How many characters have to be inserted, removed or replaced to get from one name to the other, looking only at their
/// first hundred.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 100;
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, p) in a.chars().take(LONGEST).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, q) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(p != *q);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Names in quotes, the first ten of them.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let mut quoted: Vec<String> = names.take(MOST + 1).map(|name| Quoted(name).to_string()).collect();
    if quoted.len() > MOST {
        quoted[MOST] = "…".to_owned();
    }
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::onnx::testing::{declared, floats, node};

    fn graph() -> GraphProto {
        GraphProto {
            node: vec![node("MatMul", &["x", "w"], "hidden"), node("Relu", &["hidden"], "y"), node("Abs", &["z"], "v")],
            input: vec![declared("x", &[1, 2]), declared("z", &[1, 2]), declared("w", &[2, 2])],
            output: vec![declared("y", &[]), declared("v", &[])],
            initializer: vec![floats("w", &[2, 2], &[0.0; 4])],
            ..GraphProto::default()
        }
    }

    fn select(options: ImportOptions) -> Result<(String, Option<String>, Vec<String>), Reason> {
        let found = Selection::of(&graph(), &options)?;
        Ok((found.target.unwrap_or_default(), found.input, found.other_outputs))
    }

    fn until(name: &str) -> Result<(String, Option<String>, Vec<String>), Reason> {
        select(ImportOptions { until: Some(name.to_owned()), ..ImportOptions::default() })
    }

    #[test]
    fn the_first_output_is_meant_where_none_is_chosen() {
        assert_eq!(select(ImportOptions::default()), Ok(("y".to_owned(), None, vec!["v".to_owned()])));
        let second =
            ImportOptions { output: Some("v".to_owned()), input: Some("z".to_owned()), ..ImportOptions::default() };
        assert_eq!(select(second), Ok(("v".to_owned(), Some("z".to_owned()), vec!["y".to_owned()])));
    }

    #[test]
    fn inner_tensors_are_chosen_by_tensor_or_node() {
        for name in ["hidden", "hidden_node"] {
            assert_eq!(until(name), Ok(("hidden".to_owned(), None, vec![])));
        }
    }

    #[test]
    fn mistakes_are_answered_by_what_there_is() {
        let nearest = until("hiden").expect_err("a typing error");
        assert_eq!(nearest, "no tensor or node is called 'hiden'; the nearest names are 'hidden', 'v', 'v_node'");
        let stored = until("w").expect_err("a weight");
        assert_eq!(stored, "'w' is a stored tensor, which does not depend on the input");
        let output = |name: &str| ImportOptions { output: Some(name.to_owned()), ..ImportOptions::default() };
        assert_eq!(
            select(output("hidden")).expect_err("an inner tensor"),
            "no output is called 'hidden'; the outputs are 'y', 'v'; it is an inner tensor: --until 'hidden'"
        );
        assert_eq!(select(output("w")).expect_err("no output"), "no output is called 'w'; the outputs are 'y', 'v'");
        let input = ImportOptions { input: Some("w".to_owned()), ..ImportOptions::default() };
        assert_eq!(select(input).expect_err("a weight"), "no input is called 'w'; the inputs are 'x', 'z'");
        let both = ImportOptions { until: Some("hidden".to_owned()), ..output("y") };
        assert_eq!(select(both).expect_err("two"), "an output and an inner tensor are both chosen; choose one");
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("a", "a")), (3, 3, 0));
    }
}
