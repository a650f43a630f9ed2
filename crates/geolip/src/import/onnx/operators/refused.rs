//! What to say about operators that are not in the table, and about products of what depends on the input. Without an entry
//! here an operator is refused all the same.

use crate::import::onnx::Reason;
use crate::import::onnx::proto::NodeProto;
use crate::import::onnx::value::Value;
use crate::import::{Plain, Quoted};

/// Reasons that recommend to stop before the node, each with the operators it is true of.
const STOP_BEFORE: &[(&str, &str)] = &[
    (
        "is not supported",
        "Attention CumProd Det GridSample LRN MeanVarianceNormalization ReduceProd RoiAlign RotaryEmbedding Scatter",
    ),
    (
        "jumps, so it has no Lipschitz constant",
        "And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Equal Floor Greater GreaterOrEqual Hardmax \
         IsInf IsNaN Less LessOrEqual Mod Not OneHot Or Round Sign Xor",
    ),
    (
        "chooses by numbers that depend on the input, which may jump where the choice changes",
        "Compress NonMaxSuppression NonZero Unique",
    ),
];

/// Other reasons, each with the operators it is true of.
const REASONS: &[(&str, &str)] = &[
    ("is recurrent or control flow, which is not supported; export an unrolled feed-forward graph", CONTROL),
    (
        "belongs to a quantised network, which is not supported; export the floating-point one",
        "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear",
    ),
    (
        "is random; export in inference mode",
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike",
    ),
    ("makes a shape out of what depends on the input; export with fixed shapes", "ConstantOfShape Range"),
];

const CONTROL: &str = "GRU If LSTM Loop RNN Scan SequenceAt SequenceConstruct SequenceMap";

/// Why an operator that is not in the table is refused; `input` is the tensor it reads first.
pub(super) fn reason(operator: &str, input: &str) -> Reason {
    if let Some(reason) = of(STOP_BEFORE, operator) {
        return stop_before(reason, input);
    }
    of(REASONS, operator).unwrap_or("is not supported; the documentation of geolip::import lists what is").to_owned()
}

/// The way around an operator.
const ADVICE: &str = "; bound the tensor before it: --until ";

/// A reason, with the way around it.
fn stop_before(reason: &str, input: &str) -> Reason {
    if input.is_empty() { reason.to_owned() } else { format!("{reason}{}", advice(input)) }
}

/// The advice to stop before a node, after a tensor.
pub(in crate::import::onnx) fn advice(tensor: &str) -> String {
    format!("{ADVICE}{}", Shell(tensor))
}

/// Whether a reason ends in such advice.
pub(in crate::import::onnx) fn has_advice(reason: &str) -> bool {
    reason.contains(ADVICE)
}

/// A reason without the advice to stop before the node: for one that lies behind another obstacle.
pub(in crate::import::onnx) fn without_advice(mut reason: Reason) -> Reason {
    reason.truncate(reason.find(ADVICE).unwrap_or(reason.len()));
    reason
}

/// Why a node is not supported, if it multiplies or divides by tensors that depend on the input, and there are inputs that are `fixed`: they
/// stand in the network as zeros, and what they multiply would have no slope.
pub(in crate::import::onnx) fn product(
    node: &NodeProto,
    inputs: &[(&str, Option<Value>)],
    fixed: bool,
) -> Option<Reason> {
    let variable = |index: usize| match inputs.get(index) {
        Some((name, Some(Value::Variable(_)))) => Some(*name),
        _ => None,
    };
    match (node.op_type.as_str(), variable(0), variable(1)) {
        ("Mul" | "MatMul" | "Gemm" | "Div", Some(a), Some(b)) if fixed => Some(stop_before(
            &format!(
                "multiplies or divides two tensors that depend on the input or on inputs that are fixed, which have no values: {} and {}",
                Quoted(a),
                Quoted(b)
            ),
            a,
        )),
        ("Where", Some(a), _) => {
            Some(stop_before("chooses by numbers that depend on the input, which may jump where the choice changes", a))
        }
        _ => None,
    }
}

/// A name as a shell takes it.
struct Shell<'a>(&'a str);

impl std::fmt::Display for Shell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}'", Plain(&self.0.replace('\'', "'\\''")))
    }
}

fn of(reasons: &[(&'static str, &str)], operator: &str) -> Option<&'static str> {
    reasons.iter().find(|(_, operators)| operators.split(' ').any(|name| name == operator)).map(|(reason, _)| *reason)
}

#[cfg(test)]
pub(super) fn is_listed(operator: &str) -> bool {
    of(STOP_BEFORE, operator).or(of(REASONS, operator)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_would_work() {
        assert_eq!(reason("LRN", "logits"), "is not supported; bound the tensor before it: --until 'logits'");
        assert!(
            reason("ArgMax", "/head/x")
                .ends_with("no Lipschitz constant; bound the tensor before it: --until '/head/x'")
        );
        assert!(reason("LSTM", "x").starts_with("is recurrent"));
        assert!(reason("Frobnicate", "x").starts_with("is not supported"));
        assert!(reason("Floor", "a'b").ends_with(r"--until 'a'\''b'"));
        assert_eq!(reason("Floor", ""), "jumps, so it has no Lipschitz constant");
    }

    #[test]
    fn no_operator_is_refused_for_two_reasons() {
        let mut names: Vec<&str> =
            STOP_BEFORE.iter().chain(REASONS).flat_map(|(_, operators)| operators.split(' ')).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
