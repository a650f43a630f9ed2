//! Activations spelt out in several nodes: every way in which exporters write them, and what only looks like them.

use super::value;
use crate::import::onnx::proto::{ModelProto, NodeProto};
use crate::import::onnx::testing::{
    attribute_float, attribute_int, attribute_tensor, floats, import, integers, model, node, refusal, with,
};
use crate::network::{Activation, LinearMap, Network, Op};

/// Nodes written as `y = Mul a b`, one a line, with numbers for constants.
fn spelt(lines: &str) -> ModelProto {
    let mut stored = Vec::new();
    let mut nodes = Vec::new();
    for line in lines.split(';').map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [output, "=", operator, inputs @ ..] = words.as_slice() else { panic!("{line}") };
        for word in inputs {
            if let Ok(number) = word.parse::<f32>() {
                stored.push(floats(word, &[], &[number]));
            }
        }
        nodes.push(node(operator, inputs, output));
    }
    stored.sort_by(|a, b| a.name.cmp(&b.name));
    stored.dedup_by(|a, b| a.name == b.name);
    model(17, &[1, 4], nodes, stored)
}

/// The activations of a network, and the product of the scales around them.
fn activations(network: &Network) -> (Vec<Activation>, f64) {
    let mut factor = 1.0;
    for node in network.nodes() {
        if let Op::Affine { terms, .. } = &node.op {
            match terms[0].map.as_ref() {
                LinearMap::Scale(scales) => factor *= scales[0],
                other => panic!("a {}", other.name()),
            }
        }
    }
    (network.activations().map(|(_, _, activation)| activation.clone()).collect(), factor)
}

/// That the nodes are one activation of slope one, stretched by what float32 makes of its constants at most, and that tract
/// agrees.
fn is(lines: &str, expected: &Activation) {
    let model = spelt(lines);
    value(&model, &[-2.0, -0.5, 0.5, 2.0]);
    let network = import(&model).unwrap_or_else(|error| panic!("{error}")).network;
    let (found, product) = activations(&network);
    assert_eq!(found, std::slice::from_ref(expected), "{lines}");
    assert!((product - 1.0).abs() <= 1e-15, "{lines}: {product}");
}

/// That the nodes are one activation between two factors whose product is given, and that tract agrees.
fn is_scaled(lines: &str, expected: &Activation, factor: f64) {
    let model = spelt(lines);
    let x = [-2.0, -0.5, 0.5, 2.0];
    value(&model, &x);
    let network = import(&model).unwrap_or_else(|error| panic!("{error}")).network;
    let (found, product) = activations(&network);
    assert_eq!(found, std::slice::from_ref(expected), "{lines}");
    assert!(product.abs() >= factor.abs() && (product - factor).abs() <= 1e-15 * factor.abs(), "{lines}: {product}");
}

fn is_refused(lines: &str, expected: &str) {
    let text = refusal(&spelt(lines));
    assert!(text.contains(expected), "{lines}: {text}");
}

/// That the nodes are taken for a product of two tensors, not for one activation; and that tract agrees.
fn is_a_product(lines: &str) {
    let network = import(&spelt(lines)).unwrap_or_else(|error| panic!("{lines}: {error}")).network;
    let products = network.nodes().iter().filter(|node| matches!(node.op, Op::Combine { .. })).count();
    assert_eq!(products, 1, "{lines}");
    value(&spelt(lines), &vec![0.7; network.inputs()]);
}

/// The nodes are read one by one, and no activation stands for several of them.
fn stands_for_itself(lines: &str) {
    let network = import(&spelt(lines)).unwrap_or_else(|error| panic!("{lines}: {error}")).network;
    let functions = lines.split(';').filter(|line| {
        ["Erf", "Tanh", "Pow", "Exp", "Log", "Div x d", "Abs"].iter().any(|name| line.contains(name))
            && !line.contains("1.4142135")
    });
    let found = network.nodes().iter().filter(|node| matches!(node.op, Op::Activate { .. })).count();
    assert_eq!(found, functions.count(), "{lines}");
    value(&spelt(lines), &vec![0.7; network.inputs()]);
}

#[test]
fn gelu_by_erf_in_every_order() {
    for lines in [
        // torch: Div, Erf, Add, Mul, Mul
        "a = Div x 1.4142135; b = Erf a; c = Add b 1; d = Mul x c; y = Mul d 0.5",
        // torch, the constant first
        "h = Mul x 0.5; a = Div x 1.4142135; b = Erf a; c = Add b 1; y = Mul h c",
        // torch.export
        "a = Mul x 0.70710677; b = Erf a; c = Add 1 b; h = Mul 0.5 x; y = Mul c h",
        // tensorflow
        "a = Mul 0.70710677 x; b = Erf a; c = Add b 1; d = Mul c 0.5; y = Mul d x",
        "q = Sqrt 2; a = Div x q; b = Erf a; c = Add 1 b; d = Mul 0.5 c; y = Mul x d",
        // multiplied out
        "a = Div x 1.4142135; b = Erf a; c = Mul b 0.5; d = Add c 0.5; y = Mul x d",
        "h = Mul x 0.5; a = Div x 1.4142135; b = Erf a; c = Mul h b; y = Add h c",
        // with a sign moved
        "n = Neg x; a = Div n 1.4142135; b = Erf a; c = Sub 1 b; d = Mul x c; y = Mul d 0.5",
        "a = Div x 1.4142135; b = Erf a; c = Add b 1; d = Mul x c; y = Div d 2",
    ] {
        is(lines, &Activation::Gelu);
    }
}

#[test]
fn gelu_by_tanh_in_every_order() {
    for lines in [
        // GPT-2
        "p = Pow x 3; a = Mul p 0.044715; b = Add x a; c = Mul b 0.7978846; d = Tanh c; e = Add d 1; h = Mul x 0.5; y = Mul h e",
        "s = Mul x x; p = Mul s x; a = Mul 0.044715 p; b = Add x a; c = Mul 0.7978846 b; d = Tanh c; e = Add 1 d; h = Mul x e; y = Mul 0.5 h",
        // the cube distributed
        "s = Mul x x; a = Mul s 0.044715; b = Add a 1; c = Mul x b; k = Mul c 0.7978846; d = Tanh k; e = Add d 1; f = Mul e 0.5; y = Mul f x",
        "s = Pow x 2; a = Mul s 0.035677407; b = Add a 0.7978846; c = Mul x b; d = Tanh c; e = Mul d 0.5; f = Add e 0.5; y = Mul x f",
    ] {
        is(lines, &Activation::GeluTanh);
    }
}

#[test]
fn constants_near_the_standard_ones_are_not_taken_for_them() {
    // √2 and 1/6 in float32 are off by 2·10⁻⁸: the bound would be that of another function
    let gelu = spelt("a = Div x 1.4142135; b = Erf a; c = Add b 1; d = Mul x c; y = Mul d 0.5");
    let swish = spelt("a = Mul x 0.16666667; b = Add a 0.5; c = Clip b 0 1; y = Mul x c");
    let (root, sixth) = (f64::from(std::f32::consts::SQRT_2), f64::from(1.0_f32 / 6.0));
    let functions: [(ModelProto, &dyn Fn(f64) -> f64); 2] =
        [(gelu, &|x| 0.5 * x * libm::erfc(-x / root)), (swish, &|x| x * (sixth * x + 0.5).clamp(0.0, 1.0))];
    for (model, function) in functions {
        let x = [-2.999_999_9, -0.5, 0.7, 2.999_999_99];
        for (found, x) in value(&model, &x).into_iter().zip(x) {
            assert!((found - function(x)).abs() <= 4e-16 * (1.0 + x.abs()), "{found} at {x}");
        }
    }
}

#[test]
fn silu_mish_and_hardswish_in_every_form() {
    for lines in [
        "s = Sigmoid x; y = Mul x s",
        "s = Sigmoid x; y = Mul s x",
        "n = Neg x; e = Exp n; d = Add e 1; y = Div x d",
        "n = Neg x; e = Exp n; d = Add 1 e; r = Reciprocal d; y = Mul x r",
        "h = Mul x 0.5; t = Tanh h; u = Add t 1; v = Mul x u; y = Mul v 0.5",
        "i = Identity x; s = Sigmoid i; y = Mul x s",
    ] {
        is(lines, &Activation::Silu);
    }
    for lines in
        ["p = Softplus x; t = Tanh p; y = Mul x t", "e = Exp x; o = Add e 1; p = Log o; t = Tanh p; y = Mul t x"]
    {
        is(lines, &Activation::Mish);
    }
    for lines in [
        "a = Add x 3; c = Clip a 0 6; d = Mul x c; y = Div d 6",
        "a = Add x 3; c = Clip a 0 6; d = Div c 6; y = Mul x d",
        "a = Add 3 x; r = Relu a; c = Min r 6; d = Div c 6; y = Mul d x",
        "a = Div x 6; b = Add a 0.5; c = Clip b 0 1; y = Mul x c",
    ] {
        is(lines, &Activation::HardSwish);
    }
    let nodes = vec![
        with(node("HardSigmoid", &["x"], "s"), vec![attribute_float("alpha", 1.0 / 6.0), attribute_float("beta", 0.5)]),
        node("Mul", &["x", "s"], "y"),
    ];
    let network = import(&model(17, &[1, 4], nodes, vec![])).unwrap_or_else(|error| panic!("{error}")).network;
    let (found, product) = activations(&network);
    assert!(found == [Activation::HardSwish] && (product - 1.0).abs() <= 1e-15, "{product}");
}

#[test]
fn written_out_activations_are_themselves() {
    is("a = Abs x; d = Add a 1; y = Div x d", &Activation::Softsign);
    is_scaled("n = Neg x; e = Exp n; d = Add e 1; y = Div 1 d", &Activation::Sigmoid, 1.0);
    is("e = Exp x; o = Add 1 e; y = Log o", &Activation::Softplus);
    is_scaled("s = Sigmoid x; y = Log s", &Activation::Softplus, 1.0);
    is("a = Mul x 0.25; y = Max x a", &Activation::LeakyRelu { slope: 0.25 });
    is("a = Mul -0.5 x; y = Max a x", &Activation::LeakyRelu { slope: -0.5 });
    is("a = Mul x 3; y = Min x a", &Activation::LeakyRelu { slope: 3.0 });
    is("a = Mul x 0.25; c = Greater x 0; y = Where c x a", &Activation::LeakyRelu { slope: 0.25 });
    is("a = Mul x 0.25; c = Less x 0; y = Where c a x", &Activation::LeakyRelu { slope: 0.25 });
    is("a = Mul x 0.25; c = Less 0 x; y = Where c x a", &Activation::LeakyRelu { slope: 0.25 });
    is("a = Max x 0; y = Min a 6", &Activation::Clip { min: 0.0, max: 6.0 });
    is("a = Min 6 x; y = Max 0 a", &Activation::Clip { min: 0.0, max: 6.0 });
    is("a = Relu x; y = Min a 6", &Activation::Clip { min: 0.0, max: 6.0 });
    is("y = Max x -1", &Activation::Clip { min: -1.0, max: f64::INFINITY });
}

#[test]
fn other_constants_stretch_and_lose_no_slope() {
    let f = |v: f32| f64::from(v);
    is_scaled("s = Mul x 1.702; t = Sigmoid s; y = Mul x t", &Activation::Silu, 1.0);
    is_scaled("s = Mul x 3; t = Sigmoid s; u = Mul t x; y = Mul u 0.7", &Activation::Silu, f(0.7));
    is_scaled("a = Div x 1.5; b = Erf a; c = Add b 1; d = Mul x c; y = Mul d 0.5", &Activation::Gelu, 1.0);
    is_scaled(
        "a = Div x 1.4142135; b = Erf a; c = Add b 1; d = Mul x c; y = Mul d 0.3",
        &Activation::Gelu,
        2.0 * f(0.3),
    );
    // 1/6 in float32 is larger than 1/6
    let sixth = f(1.0 / 6.0);
    is_scaled("a = Add x 3; c = Clip a 0 6; d = Mul x c; y = Mul d 0.16666667", &Activation::HardSwish, 6.0 * sixth);
    is_scaled("s = Mul x 2; p = Softplus s; t = Tanh p; y = Mul x t", &Activation::Mish, 1.0);
    is_scaled("s = Mul x -2; a = Abs s; d = Add a 4; y = Div x d", &Activation::Softsign, 0.25);
    // float16 constants
    is_scaled("a = Mul x 0.70703125; b = Erf a; c = Add b 1; h = Mul 0.5 x; y = Mul c h", &Activation::Gelu, 1.0);
}

#[test]
fn what_only_looks_like_an_activation_is_none() {
    is_a_product("s = Sigmoid x; z = Tanh x; y = Mul z s");
    stands_for_itself("a = Div x 1.4142135; b = Erf a; c = Add b 1.1; d = Mul x c; y = Mul d 0.5");
    is_a_product("a = Add x 3; c = Clip a 0 5; d = Mul x c; y = Div d 6");
    is_a_product("a = Add x 3; c = Clip a -1 6; d = Mul x c; y = Div d 6");
    let cubic = "p = Pow x 3; a = Mul p 0.0448; b = Add x a; c = Mul b 0.7978846; d = Tanh c; e = Add d 1; h = Mul x 0.5; y = Mul h e";
    stands_for_itself(cubic);
    is_a_product("s = Add x 1; t = Sigmoid s; y = Mul x t");
    stands_for_itself("e = Exp x; o = Add e 2; y = Log o");
    stands_for_itself("e = Exp x; d = Add e 2; y = Div x d");
    stands_for_itself("a = Abs x; d = Sub 1 a; y = Div x d");
    is_a_product("y = Mul x x");
    is_refused("c = Greater x 1; a = Mul x 0.25; y = Where c x a", "(Where): may jump where its condition changes");
    stands_for_itself("a = Erf x; y = Mul a 2");
}

#[test]
fn an_unread_attribute_hides_a_pattern() {
    let nodes = vec![with(node("Sigmoid", &["x"], "s"), vec![attribute_int("axis", 1)]), node("Mul", &["x", "s"], "y")];
    let text = refusal(&model(17, &[1, 4], nodes, vec![]));
    assert!(text.contains("(Sigmoid): has the attribute 'axis', which is not understood"), "{text}");
}

#[test]
fn constants_may_be_nodes_casts_and_of_any_rank() {
    let constant = |name: &str, value: f32| {
        with(node("Constant", &[], name), vec![attribute_tensor("value", floats("", &[1, 1, 1], &[value]))])
    };
    let cast = |input: &str, output: &str| with(node("Cast", &[input], output), vec![attribute_int("to", 1)]);
    let nodes: Vec<NodeProto> = vec![
        constant("two", std::f32::consts::SQRT_2),
        constant("one", 1.0),
        constant("half", 0.5),
        cast("half", "cast_half"),
        node("Div", &["x", "two"], "a"),
        cast("a", "cast_a"),
        node("Erf", &["cast_a"], "b"),
        node("Add", &["b", "one"], "c"),
        node("Mul", &["x", "c"], "d"),
        node("Mul", &["d", "cast_half"], "y"),
    ];
    let model = model(13, &[1, 4], nodes, vec![]);
    value(&model, &[1.0, 2.0, -1.0, -2.0]);
    let parts = import(&model).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(activations(&parts.network).0, [Activation::Gelu]);
    assert_eq!(parts.output.shape, [1, 1, 4]);
}

#[test]
fn integer_exponents_and_other_readers_are_fine() {
    let mut cube = spelt("s = Sigmoid x; m = Mul x s; y = Add m s");
    value(&cube, &[1.0, 2.0, -1.0, -2.0]);
    let network = import(&cube).unwrap_or_else(|error| panic!("{error}")).network;
    assert_eq!(network.activations().count(), 2, "the sigmoid is read by another node too");
    cube = spelt(
        "p = Pow x n; a = Mul p 0.044715; b = Add x a; c = Mul b 0.7978846; d = Tanh c; e = Add d 1; h = Mul x 0.5; y = Mul h e",
    );
    let mut three = integers("n", &[3]);
    three.dims = vec![];
    cube.graph.as_mut().expect("a graph").initializer.push(three);
    let network = import(&cube).unwrap_or_else(|error| panic!("{error}")).network;
    assert_eq!(activations(&network), (vec![Activation::GeluTanh], 1.0));
}

/// An activation of a scaled tensor is one of that tensor, not a stretched one of what is before it.
#[test]
fn the_nearest_argument_is_taken() {
    let model = spelt("h = Mul x 3; s = Sigmoid h; y = Mul h s");
    value(&model, &[1.0, 2.0, -1.0, -2.0]);
    let network = import(&model).unwrap_or_else(|error| panic!("{error}")).network;
    assert_eq!(activations(&network), (vec![Activation::Silu], 3.0));
}

#[test]
fn deep_products_take_no_time() {
    let mut lines = "a0 = Mul x x".to_owned();
    for i in 0..60 {
        lines += &format!("; a{} = Mul a{i} a{i}", i + 1);
    }
    // whether it is read, beyond the range of any number, is not what this is about
    drop(import(&spelt(&format!("{lines}; s = Sigmoid a60; y = Mul s a60"))));
}
