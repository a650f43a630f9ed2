//! What to say about operators that are not in the table. Without an entry here an operator is refused all the same.

use crate::import::Quoted;
use crate::onnx::Reason;

const SOON: &str = "is not supported yet: this version reads dense networks";
const JUMPS: &str =
    "jumps: applied to what depends on the input it has no Lipschitz constant; bound the tensor before it";
const STEEP: &str = "has unbounded slopes: applied to what depends on the input it has no Lipschitz constant";
const CONTROL: &str = "is recurrent or control flow, which is not supported; export an unrolled feed-forward graph";
const QUANTISED: &str = "belongs to a quantised network, which is not supported; export the floating-point one";
const RANDOM: &str = "is random; export in inference mode";

/// Reasons, each with the operators it is true of.
const REASONS: &[(&str, &str)] = &[
    (
        SOON,
        "AveragePool BatchNormalization Concat ConstantOfShape Conv ConvTranspose DepthToSpace Erf Expand Gather \
         GlobalAveragePool GlobalMaxPool Max MaxPool Mean Min Pad ReduceMean ReduceSum Resize Shape Size Slice SpaceToDepth \
         Split Sum Upsample",
    ),
    (
        JUMPS,
        "And ArgMax ArgMin Ceil Equal Floor Greater GreaterOrEqual Hardmax IsInf IsNaN Less LessOrEqual Mod \
         NonMaxSuppression NonZero Not OneHot Or Round Sign Unique Xor",
    ),
    (STEEP, "Acos Acosh Asin Atanh Cosh Exp Log Reciprocal Sinh Sqrt Tan"),
    (CONTROL, "GRU If LSTM Loop RNN Scan SequenceAt SequenceConstruct SequenceMap"),
    (
        QUANTISED,
        "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear",
    ),
    (RANDOM, "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"),
];

/// Why an operator that is not in the table is refused; `input` is the tensor it reads first.
pub(super) fn reason(operator: &str, input: &str) -> Reason {
    if matches!(operator, "Softmax" | "LogSoftmax") {
        return format!(
            "is not supported; as a head, cut it off and bound the logits before it, tensor {}",
            Quoted(input)
        );
    }
    known(operator).unwrap_or("is not supported; the documentation of geolip::import lists what is").to_owned()
}

fn known(operator: &str) -> Option<&'static str> {
    REASONS.iter().find(|(_, operators)| operators.split(' ').any(|name| name == operator)).map(|(reason, _)| *reason)
}

#[cfg(test)]
pub(super) fn is_listed(operator: &str) -> bool {
    known(operator).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_would_work() {
        assert!(reason("Softmax", "logits").ends_with("bound the logits before it, tensor 'logits'"));
        assert_eq!(reason("Conv", "x"), SOON);
        assert_eq!(reason("ArgMax", "x"), JUMPS);
        assert!(reason("Frobnicate", "x").starts_with("is not supported"));
    }
}
