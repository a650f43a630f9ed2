//! The canonical network file: what is written is read back as the same network, and what is no such file is one error line.

mod support;

use geolip::import::{Format, ImportOptions, from_bytes};
use geolip::network::{Activation, Convolution, ConvolutionShape, Gather, LinearMap, Network, NetworkBuilder};
use geolip::{Matrix, import};
use proptest::prelude::*;
use std::path::Path;
use support::files::root;
use support::{activations, config, network};

fn file(network: &Network) -> String {
    let mut bytes = Vec::new();
    network.export(&mut bytes).expect("written to memory");
    String::from_utf8(bytes).expect("text")
}

fn read(text: &str) -> Result<Network, String> {
    let name = "net.json";
    match from_bytes(text.as_bytes(), Path::new(name), &ImportOptions::default()) {
        Ok(imported) => {
            assert_eq!(imported.format, Format::Canonical);
            Ok(imported.network)
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with(name) && text.lines().count() == 1 && text.len() < 600, "{text:?}");
            Err(text)
        }
    }
}

/// Nodes are equal up to names, and so are the hash and the file itself.
fn comes_back(network: &Network) {
    let written = file(network);
    let again = read(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    let ops = |network: &Network| network.nodes().iter().map(|n| (n.len, n.op.clone())).collect::<Vec<_>>();
    assert_eq!(ops(&again), ops(network));
    assert_eq!((again.hash(), again.output()), (network.hash(), network.output()));
    assert_eq!(file(&again), written);
    assert_eq!(written.lines().count(), network.nodes().len() + 2, "one line per node");
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn random_networks_come_back(network in network()) {
        comes_back(&network);
    }

    #[test]
    fn every_double_comes_back(bits in any::<u64>()) {
        let weight = f64::from_bits(bits);
        if weight.is_finite() {
            let mut b = NetworkBuilder::new(1).expect("one input");
            let y = b.affine("y", vec![(b.input(), LinearMap::Scale(vec![weight]))], None).expect("shapes fit");
            comes_back(&b.finish(y));
        }
    }
}

#[test]
fn the_models_come_back() {
    let files = std::fs::read_dir(root().join("models")).expect("models are part of the project");
    let paths = files.map(|entry| entry.expect("a folder entry").path());
    let networks = paths.filter(|path| path.extension().is_some_and(|e| e == "onnx" || e == "npz"));
    let count =
        networks.map(|path| comes_back(&import::load(&path, &ImportOptions::default()).expect("a model").network));
    assert!(count.count() >= 5);
}

/// A convolution with every field different from its default.
fn convolution() -> Convolution {
    let shape = ConvolutionShape {
        in_channels: 4,
        out_channels: 2,
        groups: 2,
        input: [1, 4, 5],
        output: [1, 3, 3],
        kernel: [1, 2, 3],
        stride: [1, 1, 2],
        dilation: [1, 2, 1],
        pad: [0, 1, 0],
    };
    Convolution::new(shape, (0..24).map(|i| f64::from(i) / 7.0 - 1.0).collect()).expect("shapes fit")
}

#[test]
fn every_kind_of_map_comes_back() {
    let inputs = 4 * 4 * 5;
    let mut b = NetworkBuilder::new(inputs).expect("inputs");
    let kernel = convolution();
    let h = b.affine("conv", vec![(b.input(), LinearMap::Convolution(kernel.clone()))], None).expect("shapes fit");
    let turned = LinearMap::Transpose(Box::new(LinearMap::Convolution(kernel)));
    let x = b.affine("deconv", vec![(h, turned), (b.input(), LinearMap::Identity(inputs))], None).expect("shapes fit");
    let gather = Gather::new(inputs, [Some(7), None, Some(7), Some(0)]).expect("sources exist");
    let back = LinearMap::Transpose(Box::new(LinearMap::Transpose(Box::new(LinearMap::Gather(gather.clone())))));
    let sum = LinearMap::Transpose(Box::new(LinearMap::Gather(gather)));
    let g = b.affine("gather", vec![(x, back)], Some(vec![0.1, -0.0, f64::MIN_POSITIVE, 5e-324])).expect("shapes fit");
    let z = b.activate("clip", g, Activation::Clip { min: f64::NEG_INFINITY, max: 6.0 }).expect("parameters fit");
    let dense = LinearMap::Dense(Matrix::from_fn(4, 4, |i, j| 1.0 / (1.0 + i as f64 + 3.0 * j as f64)));
    let d = b.affine("dense", vec![(z, dense), (z, LinearMap::Scale(vec![1e300, -1e-300, 0.0, 3.0]))], None);
    let y = b.affine("sum", vec![(d.expect("shapes fit"), sum)], None).expect("shapes fit");
    comes_back(&b.finish(y));
}

#[test]
fn every_activation_comes_back() {
    let mut all = activations();
    all.push(Activation::PRelu { slopes: vec![0.1, -0.0, 3.0] });
    all.push(Activation::Clip { min: f64::NEG_INFINITY, max: f64::INFINITY });
    all.push(Activation::Celu { alpha: 0.3 });
    for activation in all {
        let mut b = NetworkBuilder::new(3).expect("inputs");
        let z = b.activate("z", b.input(), activation).expect("parameters fit");
        comes_back(&b.finish(z));
    }
}

/// What the builder would fuse, had it not been finished before: a bias after a node that an unused node read.
#[test]
fn nothing_is_fused_on_the_way_back() {
    let mut b = NetworkBuilder::new(2).expect("inputs");
    let h = b.affine("h", vec![(b.input(), LinearMap::Scale(vec![2.0, 3.0]))], None).expect("shapes fit");
    b.activate("unused", h, Activation::Relu).expect("relu");
    let y = b.affine("y", vec![(h, LinearMap::Identity(2))], Some(vec![1.0, 2.0])).expect("shapes fit");
    let network = b.finish(y);
    assert_eq!(network.nodes().len(), 3);
    comes_back(&network);
}

/// A file of these nodes.
fn of(nodes: &[&str], output: usize) -> String {
    format!("{{\"format\":\"geolip-network\",\"version\":1,\"nodes\":[{}],\"output\":{output}}}", nodes.join(","))
}

#[test]
fn fields_come_in_any_order_but_once_and_no_others() {
    let plain =
        of(&["{\"input\":1}", "{\"affine\":{\"terms\":[{\"parent\":0,\"map\":{\"identity\":1}}],\"bias\":null}}"], 1);
    let turned = "{\"nodes\":[{\"input\":1},{\"affine\":{\"bias\":null,\"terms\":[{\"map\":{\"identity\":1},\"parent\":0}]}}],\n \"output\":1,\"version\":1,\"format\":\"geolip-network\"} \n";
    assert_eq!(read(&plain).expect("a network").hash(), read(turned).expect("a network").hash());
    let relu = "{\"activate\":{\"parent\":0,\"function\":\"relu\",\"parameters\":[]}}";
    let whole = of(&["{\"input\":2}", relu], 1);
    assert!(read(&whole).is_ok());
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":1.0"),
        ("\"version\":1", "\"version\":1,\"version\":1"),
        ("\"version\":1", "\"version\":1,\"comment\":1"),
        ("\"version\":1,", ""),
        ("geolip-network", "geolip-certificate"),
        ("\"output\":1", "\"output\":2"),
        ("\"output\":1", "\"output\":-1"),
        ("\"output\":1", "\"output\":1.0"),
        ("\"output\":1", "\"output\":0"), // node 1 is for nothing
        ("\"output\":1}", "\"output\":1}x"),
        ("\"output\":1}", "\"output\":1}{}"),
        ("\"output\":1}", "\"output\":1"),
        ("{\"input\":2}", "{\"input\":0}"),
        ("{\"input\":2}", "{\"input\":-2}"),
        ("{\"input\":2}", "{\"input\":1000000000000}"),
        ("{\"input\":2}", "{\"input\":2,\"input\":2}"),
        ("{\"input\":2}", "[2]"),
        ("{\"input\":2}", "{\"input\":2},{\"input\":2}"),
        ("{\"input\":2}", relu),
        ("\"parent\":0", "\"parent\":1"),
        ("\"parent\":0", "\"parent\":9"),
        ("\"parent\":0", "\"parent\":0,\"parent\":0"),
        ("{\"parent\":0,\"function\":\"relu\",\"parameters\":[]}", "[0,\"relu\",[]]"), // derived readers would take it
        ("relu", "relu6"),
        ("relu", "Relu"),
        ("\"parameters\":[]", "\"parameters\":[1]"),
        ("\"parameters\":[]", "\"parameters\":[1],\"x\":0"),
        ("\"relu\",\"parameters\":[]", "\"leaky-relu\",\"parameters\":[\"inf\"]"),
        ("\"relu\",\"parameters\":[]", "\"leaky-relu\",\"parameters\":[NaN]"),
        ("\"relu\",\"parameters\":[]", "\"leaky-relu\",\"parameters\":[1e400]"),
        ("\"relu\",\"parameters\":[]", "\"clip\",\"parameters\":[1,0]"),
        ("\"relu\",\"parameters\":[]", "\"clip\",\"parameters\":[\"nan\",0]"),
        ("\"relu\",\"parameters\":[]", "\"prelu\",\"parameters\":[1]"),
        ("\"relu\",\"parameters\":[]", "\"celu\",\"parameters\":[0]"),
    ] {
        let spoilt = whole.replacen(from, to, 1);
        assert_ne!(spoilt, whole, "{from}");
        assert!(read(&spoilt).is_err(), "{spoilt}");
    }
    let clip = whole.replace("\"relu\",\"parameters\":[]", "\"clip\",\"parameters\":[\"-inf\",\"inf\"]");
    assert!(read(&clip).is_ok());
}

#[test]
fn small_files_cannot_ask_for_much_memory() {
    let affine = |map: &str| format!("{{\"affine\":{{\"terms\":[{{\"parent\":0,\"map\":{map}}}],\"bias\":null}}}}");
    let conv = |input: &str, output: &str, stride: &str, pad: &str| {
        format!(
            "{{\"convolution\":{{\"in_channels\":1,\"out_channels\":1,\"groups\":1,\"input\":[1,1,{input}],\"output\":[1,1,{output}],\"kernel\":[1,1,1],\"stride\":[1,1,{stride}],\"dilation\":[1,1,1],\"pad\":[0,0,{pad}],\"weights\":[1]}}}}"
        )
    };
    let fits = of(&["{\"input\":1}", &affine(&conv("1", "9", "2", "3"))], 1);
    assert!(read(&fits).is_ok());
    let huge = "1000000000000";
    for map in [
        format!("{{\"identity\":{huge}}}"),
        format!("{{\"transpose\":{{\"identity\":{huge}}}}}"),
        format!("{{\"dense\":{{\"rows\":{huge},\"cols\":0,\"weights\":[]}}}}"),
        "{\"dense\":{\"rows\":4294967296,\"cols\":4294967296,\"weights\":[]}}".to_owned(),
        format!("{{\"gather\":{{\"cols\":{huge},\"sources\":[0]}}}}"),
        format!("{{\"transpose\":{{\"gather\":{{\"cols\":{huge},\"sources\":[0]}}}}}}"),
        "{\"transpose\":{\"gather\":{\"cols\":4000000000,\"sources\":[0]}}}".to_owned(),
        conv(huge, "1", "1", "0"),
        conv("1", huge, "1", "0"),
        conv("1", "1", "1", "18446744073709551615"),
        conv("1", "1", "18446744073709551615", "0"),
        format!("{{\"transpose\":{}}}", conv("16777216", "1", "16777216", "0")),
        "{\"transpose\":".repeat(100_000),
    ] {
        assert!(read(&of(&["{\"input\":1}", &affine(&map)], 1)).is_err(), "{}", &map[..map.len().min(200)]);
    }
    let wide = "{\"input\":16777216}".to_owned();
    let again = (1..5).map(|parent| {
        format!(
            "{{\"affine\":{{\"terms\":[{{\"parent\":{},\"map\":{{\"identity\":16777216}}}}],\"bias\":null}}}}",
            parent - 1
        )
    });
    let nodes: Vec<String> = std::iter::once(wide).chain(again).collect();
    let text = of(&nodes.iter().map(String::as_str).collect::<Vec<_>>(), 4);
    assert!(read(&text).expect_err("too much together").contains("at most 67108864"));
}

#[test]
fn spoilt_bytes_do_no_harm() {
    let network = {
        let mut b = NetworkBuilder::new(4 * 4 * 5).expect("inputs");
        let h = b.affine("conv", vec![(b.input(), LinearMap::Convolution(convolution()))], None).expect("shapes fit");
        let z = b.activate("relu", h, Activation::Relu).expect("relu");
        let gather = Gather::new(18, [Some(1), None, Some(17)]).expect("sources exist");
        let y = b.affine("y", vec![(z, LinearMap::Gather(gather))], Some(vec![0.5; 3])).expect("shapes fit");
        b.finish(y)
    };
    let whole = file(&network).into_bytes();
    for place in 0..whole.len() {
        for byte in [whole[place] ^ 0x01, whole[place] ^ 0x08, whole[place] ^ 0x80, b'9', b'"'] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            if let Ok(imported) = from_bytes(&bytes, Path::new("net.json"), &ImportOptions::default()) {
                comes_back(&imported.network);
            }
        }
        assert!(
            from_bytes(&whole[..place.min(whole.len() - 2)], Path::new("net.json"), &ImportOptions::default()).is_err()
        );
    }
}

#[test]
fn import_options_are_for_the_export() {
    let text = of(&["{\"input\":1}", "{\"activate\":{\"parent\":0,\"function\":\"relu\",\"parameters\":[]}}"], 1);
    let choices = [
        ImportOptions { activation: Some(Activation::Tanh), ..ImportOptions::default() },
        ImportOptions { transposed: Some(false), ..ImportOptions::default() },
        ImportOptions { until: Some("relu".to_owned()), ..ImportOptions::default() },
    ];
    for options in choices {
        let error = from_bytes(text.as_bytes(), Path::new("net"), &options).expect_err("no options").to_string();
        assert_eq!(error, "net: a canonical network is read as it is; give import options when it is exported");
    }
}
