//! What onnxruntime's optimiser makes of several nodes, as those nodes one after the other.

use super::array::Array;
use super::elementwise::{activation, gelu, gelu_by_tanh, sigmoid, zip};
use super::linear::{gemm, matmul};
use super::node::Node;
use super::windows::conv;
use super::{Outputs, Reason};
use std::rc::Rc;

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let with_bias = |f: fn(f64) -> f64| {
        let x = node.input(0)?;
        let sum = match node.optional(1) {
            Some(bias) => zip(x, bias, |v, b| v + b)?,
            None => x.clone(),
        };
        Ok(vec![sum.map(f)])
    };
    Some(match node.operator() {
        "BiasAdd" => bias_add(node).map(|array| vec![array]),
        "Gelu" | "BiasGelu" => with_bias(gelu),
        "FastGelu" => with_bias(gelu_by_tanh),
        "QuickGelu" => {
            let a = node.float("alpha", 1.702);
            node.input(0).map(|x| vec![x.map(|v| v * sigmoid(a * v))])
        }
        "FusedGemm" => fused_gemm(node),
        "FusedConv" => fused_conv(node).map(|array| vec![array]),
        "FusedMatMul" => fused_matmul(node),
        _ => return None,
    })
}

fn bias_add(node: &Node<'_>) -> Result<Array, Reason> {
    let sum = zip(node.input(0)?, node.input(1)?, |v, b| v + b)?;
    zip(&sum, node.input(2)?, |v, b| v + b)
}

fn fused_gemm(node: &Node<'_>) -> Outputs {
    let name = node.text("activation", "");
    let product = gemm(node)?;
    let function = activation(node, &name, "activation_").ok_or("an activation that is not known")?;
    Ok(product.iter().map(|array| array.map(&function)).collect())
}

fn fused_conv(node: &Node<'_>) -> Result<Array, Reason> {
    let mut y = conv(node)?;
    if let Some(added) = node.optional(3) {
        y = zip(&y, added, |v, b| v + b)?;
    }
    let given = node.floats("activation_params").unwrap_or_default();
    Ok(match (node.text("activation", "").as_str(), given.as_slice()) {
        ("", _) => y,
        ("LeakyRelu", [slope]) => y.map(|v| v.max(0.0) + slope * v.min(0.0)),
        ("HardSigmoid", [slope, offset]) => y.map(|v| (slope * v + offset).clamp(0.0, 1.0)),
        ("Clip", [min, max]) => y.map(|v| v.max(*min).min(*max)),
        (name, []) => y.map(activation(node, name, "").ok_or("an activation that is not known")?),
        _ => return Err("an activation that is not known".to_owned()),
    })
}

fn fused_matmul(node: &Node<'_>) -> Outputs {
    let factor = |index: usize, name: &str| -> Result<Option<Rc<Array>>, Reason> {
        let x = node.input(index)?;
        let rank = x.shape.len();
        if node.int(name, 0) == 0 || rank < 2 {
            return Ok(node.inputs[index].clone());
        }
        let mut shape = x.shape.clone();
        shape.swap(rank - 2, rank - 1);
        let turned = Array::filled(shape, x.kind, |index| {
            let mut from = index.to_vec();
            from.swap(rank - 2, rank - 1);
            x.at(&from)
        });
        Ok(Some(Rc::new(Array { constant: x.constant, ..turned })))
    };
    let inputs = vec![factor(0, "transA")?, factor(1, "transB")?];
    let plain = Node { proto: node.proto, opset: node.opset, inputs };
    let alpha = node.float("alpha", 1.0);
    Ok(matmul(&plain)?.iter().map(|array| array.map(|v| alpha * v)).collect())
}
