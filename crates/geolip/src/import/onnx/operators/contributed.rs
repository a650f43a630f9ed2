//! Operators outside ONNX's own domain: what onnxruntime's optimiser fuses, and the linear ones of classical models.
//!
//! The optimiser's last level packs images in blocks that suit one processor (`com.microsoft.nchwc`); a file saved so is refused,
//! with the level that can be read.

use super::{Function, fused, learned};
use crate::import::Quoted;
use crate::import::onnx::Reason;
use crate::import::onnx::proto::NodeProto;
use crate::network::Activation;

/// onnxruntime's own domain.
const RUNTIME: &str = "com.microsoft";
/// Classical models.
const LEARNED: &str = "ai.onnx.ml";

const TABLE: [(&str, &str, Function); 12] = [
    (RUNTIME, "BiasAdd", fused::bias_add),
    (RUNTIME, "BiasGelu", |call| fused::with_bias(call, Activation::Gelu)),
    (RUNTIME, "FastGelu", |call| fused::with_bias(call, Activation::GeluTanh)),
    (RUNTIME, "FusedConv", fused::conv),
    (RUNTIME, "FusedGemm", fused::gemm),
    (RUNTIME, "FusedMatMul", fused::matmul),
    (RUNTIME, "Gelu", |call| call.activate(Activation::Gelu)),
    (RUNTIME, "QuickGelu", fused::quick_gelu),
    (LEARNED, "LinearClassifier", learned::linear_classifier),
    (LEARNED, "LinearRegressor", learned::linear_regressor),
    (LEARNED, "SVMRegressor", learned::svm_regressor),
    (LEARNED, "Scaler", learned::scaler),
];

/// The function of a node of another domain than ONNX's own, where it is supported.
pub(in crate::import::onnx) fn find(node: &NodeProto) -> Option<Function> {
    let found = TABLE.iter().find(|(domain, name, _)| node.domain == *domain && *name == node.op_type);
    found.map(|(_, _, function)| *function)
}

/// Why a node of another domain is not supported.
pub(in crate::import::onnx) fn reason(node: &NodeProto) -> Reason {
    match (node.domain.as_str(), node.op_type.as_str()) {
        ("com.microsoft.nchwc", _) => {
            "is packed for one processor by onnxruntime; save the model with at most ORT_ENABLE_EXTENDED".to_owned()
        }
        (LEARNED, "Normalizer") => {
            "divides by a norm of what it normalises, which has no Lipschitz constant near zero".to_owned()
        }
        (LEARNED, "ZipMap" | "LabelEncoder" | "ArrayFeatureExtractor") => {
            "gives labels, not numbers; bound the scores: --output-name or --until".to_owned()
        }
        (LEARNED, "Binarizer" | "TreeEnsemble" | "TreeEnsembleClassifier" | "TreeEnsembleRegressor") => {
            "jumps, so it has no Lipschitz constant".to_owned()
        }
        (domain, _) => {
            format!(
                "belongs to the domain {}; of other domains than ONNX's own, few operators are supported",
                Quoted(domain)
            )
        }
    }
}
