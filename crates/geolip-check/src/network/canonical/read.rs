//! A canonical file to its network; shapes and numbers are checked by [`NetworkBuilder`], sizes before it is asked.

use super::{
    ActivateData, AffineData, CanonicalError, CombineData, ConvolutionData, DenseData, FORMAT, FileData, GatherData,
    LONGEST, LONGEST_TOTAL, MapData, NodeData, Object, Parameter, TermData, VERSION, within_limits,
};
use crate::matrix::Matrix;
use crate::network::{
    Activation, Combination, Convolution, ConvolutionShape, Gather, LinearMap, Network, NetworkBuilder, NetworkError,
    NodeId,
};

/// How every file that [`Network::export`] writes begins.
pub fn looks_canonical(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"format\":\"geolip-network\"")
}

/// The network of a canonical file.
pub fn read(bytes: &[u8]) -> Result<Network, CanonicalError> {
    parse(bytes).and_then(build).map_err(|reason| CanonicalError::Malformed { reason })
}

fn parse(bytes: &[u8]) -> Result<FileData, String> {
    let Object(file): Object<FileData> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.format != FORMAT {
        let found = shown(&file.format);
        return Err(format!("its format is '{found}', not '{FORMAT}'"));
    }
    match file.version {
        VERSION => Ok(file),
        found => Err(format!("it is of version {found}; version {VERSION} is read")),
    }
}

fn build(file: FileData) -> Result<Network, String> {
    let count = file.nodes.len();
    if file.output >= count {
        return Err(format!("the output is node {}, but there are {count} nodes", file.output));
    }
    if let Some(unread) = first_unread(&file) {
        return Err(format!("node {unread} does not reach the output; leave it out"));
    }
    let mut nodes = file.nodes.into_iter();
    let Some(NodeData::Input(inputs)) = nodes.next() else { return Err("node 0 is not the input".to_owned()) };
    let mut total = length(inputs).map_err(|reason| format!("node 0: {reason}"))?;
    let mut b = NetworkBuilder::new(inputs).map_err(|error| error.to_string())?;
    for (index, node) in (1..).zip(nodes) {
        let at = |reason: String| format!("node {index}: {reason}");
        let id = match node {
            NodeData::Input(_) => Err(at("there is one input, node 0".to_owned())),
            NodeData::Affine(Object(affine)) => add_affine(&mut b, index, affine).map_err(at)?.map_err(named),
            NodeData::Activate(Object(activate)) => add_activation(&mut b, index, activate).map_err(at)?.map_err(named),
            NodeData::Combine(Object(combine)) => add_combination(&mut b, index, combine).map_err(at)?.map_err(named),
        }?;
        total += length(b.len_of(id)).map_err(at)?;
        if total > LONGEST_TOTAL {
            return Err(at(format!("the nodes up to here hold {total} numbers; at most {LONGEST_TOTAL} are read")));
        }
    }
    Ok(b.finish_as_it_is(NodeId(file.output)))
}

/// The builder's errors name the node themselves.
fn named(error: NetworkError) -> String {
    error.to_string()
}

type Built = Result<NodeId, NetworkError>;

fn add_affine(b: &mut NetworkBuilder, index: usize, affine: AffineData) -> Result<Built, String> {
    let mut terms = Vec::with_capacity(affine.terms.len());
    for Object(TermData { parent, map }) in affine.terms {
        terms.push((earlier(parent, index)?, linear(map)?));
    }
    Ok(b.affine(&index.to_string(), terms, affine.bias))
}

fn add_activation(b: &mut NetworkBuilder, index: usize, activate: ActivateData) -> Result<Built, String> {
    let parent = earlier(activate.parent, index)?;
    let parameters: Vec<f64> = activate.parameters.into_iter().map(|Parameter(p)| p).collect();
    Ok(b.activate(&index.to_string(), parent, activation(&activate.function, parameters)?))
}

fn add_combination(b: &mut NetworkBuilder, index: usize, combine: CombineData) -> Result<Built, String> {
    let [p, q] = combine.parents;
    let combination = Combination::from_name(&combine.function);
    let combination =
        combination.ok_or_else(|| format!("no function '{}' of several numbers is known", shown(&combine.function)))?;
    Ok(b.combine(&index.to_string(), [earlier(p, index)?, earlier(q, index)?], combination))
}

/// A text of the file, short and printable.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_default).collect()
}

fn earlier(parent: usize, index: usize) -> Result<NodeId, String> {
    match parent < index {
        true => Ok(NodeId(parent)),
        false => Err(format!("it reads node {parent}, which does not come before it")),
    }
}

/// The first node but the input that the output does not need, if any. (Parents out of order are an error later on.)
fn first_unread(file: &FileData) -> Option<usize> {
    let mut needed = vec![false; file.nodes.len()];
    needed[0] = true; // a network that ignores its input is still a function of it
    needed[file.output] = true;
    let mark = |needed: &mut Vec<bool>, parent: usize| needed.get_mut(parent).into_iter().for_each(|n| *n = true);
    for (index, node) in file.nodes.iter().enumerate().rev().filter(|(index, _)| *index > 0) {
        match node {
            _ if !needed[index] => return Some(index),
            NodeData::Input(_) => {}
            NodeData::Affine(Object(affine)) => {
                affine.terms.iter().for_each(|Object(term)| mark(&mut needed, term.parent))
            }
            NodeData::Activate(Object(activate)) => mark(&mut needed, activate.parent),
            NodeData::Combine(Object(combine)) => combine.parents.iter().for_each(|p| mark(&mut needed, *p)),
        }
    }
    None
}

fn length(n: usize) -> Result<usize, String> {
    match n {
        n if n <= LONGEST => Ok(n),
        n => Err(format!("it holds {n} numbers; at most {LONGEST} are read")),
    }
}

fn linear(map: MapData) -> Result<LinearMap, String> {
    let map = match map {
        MapData::Identity(n) => LinearMap::Identity(n),
        MapData::Scale(s) => LinearMap::Scale(s),
        MapData::Dense(Object(DenseData { rows, cols, weights })) => {
            if rows.checked_mul(cols) != Some(weights.len()) {
                return Err(format!("a dense map of {rows} rows and {cols} columns has {} weights", weights.len()));
            }
            LinearMap::Dense(Matrix::from_vec(rows, cols, weights))
        }
        MapData::Convolution(Object(data)) => convolution(data)?,
        MapData::Gather(Object(GatherData { cols, sources })) => {
            length(cols)?; // it counts its columns
            let gather = Gather::new(cols, sources);
            LinearMap::Gather(gather.ok_or_else(|| format!("a gather reads beyond its {cols} columns"))?)
        }
        MapData::Transpose(inner) => LinearMap::Transpose(Box::new(linear(*inner)?)),
    };
    length(map.rows())?;
    length(map.cols())?;
    Ok(map)
}

fn convolution(data: ConvolutionData) -> Result<LinearMap, String> {
    let ConvolutionData { in_channels, out_channels, groups, input, output, kernel, stride, dilation, pad, weights } =
        data;
    let shape = ConvolutionShape { in_channels, out_channels, groups, input, output, kernel, stride, dilation, pad };
    if !within_limits(&shape) {
        return Err(
            "a convolution's strides, or these times its kernel, are beyond the limits of the format".to_owned()
        );
    }
    let given = weights.len();
    let unfit = || format!("a convolution's sizes, groups and {given} weights do not fit together");
    Convolution::new(shape, weights).map(LinearMap::Convolution).ok_or_else(unfit)
}

/// The activation of [`Activation::name`] and [`Activation::parameters`].
fn activation(name: &str, parameters: Vec<f64>) -> Result<Activation, String> {
    let shown = shown(name);
    if name != "clip" && parameters.iter().any(|p| !p.is_finite()) {
        return Err(format!("an infinite parameter of '{shown}'; only those of 'clip' may be"));
    }
    Ok(match (name, parameters.as_slice()) {
        ("prelu", _) => Activation::PRelu { slopes: parameters },
        ("leaky-relu", [slope]) => Activation::LeakyRelu { slope: *slope },
        ("elu", [alpha]) => Activation::Elu { alpha: *alpha },
        ("celu", [alpha]) => Activation::Celu { alpha: *alpha },
        ("selu", [alpha, gamma]) => Activation::Selu { alpha: *alpha, gamma: *gamma },
        ("hard-sigmoid", [slope, offset]) => Activation::HardSigmoid { slope: *slope, offset: *offset },
        ("exp", []) => Activation::Exp,
        ("log", []) => Activation::Log,
        ("power", [exponent]) => Activation::Power { exponent: *exponent },
        ("clip", [min, max]) => Activation::Clip { min: *min, max: *max },
        _ => {
            let plain = Activation::from_name(name).filter(|a| parameters.is_empty() && a.parameters().is_empty());
            let unknown = || format!("no function '{shown}' with {} parameters is known", parameters.len());
            return plain.ok_or_else(unknown);
        }
    })
}
