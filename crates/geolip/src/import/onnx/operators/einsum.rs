//! Einsum of constants and at most one tensor that depends on the input: a linear map of it.
//!
//! The constants are multiplied into one. Labels then are of four kinds: those of both factors and the result (a batch of
//! products), those of both that are summed over, and those of one factor that the result has. Arranged in that order, the factors are
//! stacks of matrices, and the rest is MatMul's.

use super::linear::times_constant;
use super::places::{Places, bounded, gathered};
use crate::import::Quoted;
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::{LARGEST_EXPANSION, Tensor, elements};
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An axis: a letter, or its number among those that an ellipsis stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Letter(char),
    Ellipsis(usize),
}

pub(super) fn einsum(call: &mut Call<'_>) -> NodeOutputs {
    let equation = call.attributes.text("equation", "")?;
    let values = (0..call.inputs.len()).map(|index| call.take(index)).collect::<Result<Vec<_>, _>>()?;
    let ranks: Vec<usize> = values.iter().map(|value| value.shape().len()).collect();
    let (operands, output) = parsed(&equation, &ranks)
        .ok_or_else(|| format!("has the equation {}, which is not understood for its inputs", Quoted(&equation)))?;
    let sizes = sizes(&operands, &values)?;
    let (mut moving, mut constants) = (None, vec![]);
    for (index, (labels, value)) in operands.into_iter().zip(values).enumerate() {
        match value {
            Value::Constant(tensor) => {
                call.weights(index, &tensor)?;
                constants.push((labels, tensor));
            }
            Value::Variable(x) if moving.is_none() => moving = Some((labels, x)),
            Value::Variable(_) => {
                return Err("multiplies tensors that depend on the input, which has no Lipschitz constant".to_owned());
            }
        }
    }
    match moving {
        Some((labels, x)) => linear(call, (labels, x), &constants, &output, &sizes),
        None => {
            let summed = sizes.iter().any(|(label, &size)| !output.contains(label) && size > 1);
            call.rough |= summed || constants.len() > 2;
            let (shape, data) = contracted(&constants, &output, &sizes)?;
            Ok(vec![Tensor::floats(shape, data).into()])
        }
    }
}

/// The labels of each operand, and of the result.
fn parsed(equation: &str, ranks: &[usize]) -> Option<(Vec<Vec<Label>>, Vec<Label>)> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (terms, result) = match equation.split_once("->") {
        Some((terms, result)) => (terms, Some(result)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = terms.split(',').collect();
    if terms.len() != ranks.len() {
        return None;
    }
    let dots = |term: &str, rank: usize| rank.checked_sub(term.replace("...", "").chars().count());
    let mut most = 0;
    let mut operands = Vec::with_capacity(terms.len());
    for (term, &rank) in terms.iter().zip(ranks) {
        let unnamed = dots(term, rank)?;
        if unnamed > 0 && !term.contains("...") {
            return None;
        }
        most = most.max(unnamed);
        operands.push(labels(term, unnamed)?);
    }
    let output = match result {
        Some(result) => labels(result, most)?,
        None => {
            // the ellipsis, and then in order what is there once
            let all: Vec<Label> = operands.concat();
            let mut once: Vec<Label> =
                all.iter().copied().filter(|l| all.iter().filter(|o| *o == l).count() == 1).collect();
            once.retain(|label| matches!(label, Label::Letter(_)));
            once.sort_unstable();
            (0..most).rev().map(Label::Ellipsis).chain(once).collect()
        }
    };
    let known = output.iter().all(|label| operands.iter().flatten().any(|other| other == label));
    let once = output.iter().enumerate().all(|(at, label)| !output[..at].contains(label));
    (known && once).then_some((operands, output))
}

/// The labels of one term, in which an ellipsis stands for so many axes.
fn labels(term: &str, unnamed: usize) -> Option<Vec<Label>> {
    let letters = |text: &str| {
        text.chars().map(|c| c.is_ascii_alphabetic().then_some(Label::Letter(c))).collect::<Option<Vec<Label>>>()
    };
    match term.split_once("...") {
        None => letters(term),
        Some((before, after)) => {
            let dots = (0..unnamed).rev().map(Label::Ellipsis).collect();
            Some([letters(before)?, dots, letters(after)?].concat())
        }
    }
}

type Sizes = BTreeMap<Label, usize>;

/// How many entries each label counts, the same everywhere.
fn sizes(operands: &[Vec<Label>], values: &[Value]) -> Result<Sizes, Reason> {
    let mut sizes = Sizes::new();
    for (labels, value) in operands.iter().zip(values) {
        for (&label, &size) in labels.iter().zip(value.shape()) {
            if *sizes.entry(label).or_insert(size) != size {
                return Err(format!("has axes of one name with {} and {size} entries", sizes[&label]));
            }
        }
    }
    if sizes.values().any(|size| *size == 0) { Err("works on a tensor without entries".to_owned()) } else { Ok(sizes) }
}

/// The result of a tensor that depends on the input, and constants.
fn linear(
    call: &mut Call<'_>,
    (labels, x): (Vec<Label>, Variable),
    constants: &[(Vec<Label>, Rc<Tensor>)],
    output: &[Label],
    sizes: &Sizes,
) -> NodeOutputs {
    let in_constants = |label: &Label| constants.iter().any(|(labels, _)| labels.contains(label));
    let mut own = labels.clone();
    own.sort_unstable();
    own.dedup();
    let kept = |label: &&Label| output.contains(label);
    let batch: Vec<Label> = own.iter().filter(kept).filter(|l| in_constants(l)).copied().collect();
    let free: Vec<Label> = own.iter().filter(kept).filter(|l| !in_constants(l)).copied().collect();
    let summed: Vec<Label> = own.iter().filter(|label| !kept(label)).copied().collect();
    let given: Vec<Label> = output.iter().filter(|label| !own.contains(label)).copied().collect();
    let size = |labels: &[Label]| labels.iter().map(|label| sizes[label]).product::<usize>();

    // labels of x alone that are summed over have weights of one
    let ones: Vec<Label> = summed.iter().filter(|label| !in_constants(label)).copied().collect();
    let shape = ones.iter().map(|label| sizes[label]).collect::<Vec<_>>();
    let ones = (ones, Rc::new(Tensor::floats(shape.clone(), vec![1.0; elements(&shape)?])));
    let constants = [constants, &[ones]].concat();
    let (_, weights) = contracted(&constants, &[&batch[..], &summed, &given].concat(), sizes)?;
    let (count, rows, inner, cols) = (size(&batch), size(&free), size(&summed), size(&given));
    let weights = Tensor::floats(vec![count, inner, cols], weights);

    let arranged = [&batch[..], &free, &summed].concat();
    let places = arranged_places(&labels, &x.shape, &arranged, sizes)?.reshaped(vec![count, rows, inner])?;
    let x = gathered(call, x, places)?;
    let product = times_constant(call, x, &weights)?;
    let Some(Value::Variable(y)) = product.into_iter().next() else { return Err("gives nothing".to_owned()) };
    let found = [&batch[..], &free, &given].concat();
    let places = Places::of(&found.iter().map(|label| sizes[label]).collect::<Vec<_>>())?;
    let order: Vec<usize> = output.iter().filter_map(|label| found.iter().position(|other| other == label)).collect();
    let y = gathered(call, y, places.transposed(&order))?;
    Ok(vec![Value::Variable(y)])
}

/// The places of a tensor's entries with its axes in another order, and diagonals where it has a label twice.
fn arranged_places(labels: &[Label], shape: &[usize], order: &[Label], sizes: &Sizes) -> Result<Places, Reason> {
    let sources: Vec<Option<usize>> = Odometer::over(order, sizes, &[(labels, shape)])?.map(|at| Some(at[0])).collect();
    Ok(Places::listed(bounded(shape)?, sources))
}

/// The sums of products of constants over all labels that the result does not have.
fn contracted(
    constants: &[(Vec<Label>, Rc<Tensor>)],
    output: &[Label],
    sizes: &Sizes,
) -> Result<(Vec<usize>, Vec<f64>), Reason> {
    let inner = constants.iter().flat_map(|(labels, _)| labels).filter(|label| !output.contains(label));
    let mut inner: Vec<Label> = inner.copied().collect();
    inner.sort_unstable();
    inner.dedup();
    let tensors: Vec<(&[Label], &[usize])> =
        constants.iter().map(|(labels, tensor)| (labels.as_slice(), tensor.shape.as_slice())).collect();
    let numbers = constants.iter().map(|(_, tensor)| tensor.as_floats()).collect::<Result<Vec<_>, _>>()?;
    let terms: usize = inner.iter().map(|label| sizes[label]).product();
    let shape: Vec<usize> = output.iter().map(|label| sizes[label]).collect();
    let mut products = Odometer::over(&[output, &inner].concat(), sizes, &tensors)?
        .map(|places| places.iter().zip(&numbers).map(|(&at, numbers)| numbers[at]).product::<f64>());
    let sums = (0..elements(&shape)?).map(|_| products.by_ref().take(terms).sum()).collect();
    Ok((shape, sums))
}

/// All indices of some labels in row-major order, as places in tensors whose axes have such labels.
struct Odometer {
    sizes: Vec<usize>,
    /// By how much each label moves the place in each tensor.
    steps: Vec<Vec<usize>>,
    index: Vec<usize>,
    places: Vec<usize>,
    left: usize,
}

impl Odometer {
    fn over(order: &[Label], sizes: &Sizes, tensors: &[(&[Label], &[usize])]) -> Result<Self, Reason> {
        let step = |label: &Label, (labels, shape): &(&[Label], &[usize])| {
            let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
            labels.iter().enumerate().filter(|(_, other)| *other == label).map(|(axis, _)| stride(axis)).sum()
        };
        let steps = order.iter().map(|label| tensors.iter().map(|tensor| step(label, tensor)).collect()).collect();
        let sizes: Vec<usize> = order.iter().map(|label| sizes[label]).collect();
        let left = elements(&sizes)?;
        if left > LARGEST_EXPANSION {
            return Err(format!("sums over {left} products, which is too many"));
        }
        Ok(Self { index: vec![0; sizes.len()], places: vec![0; tensors.len()], sizes, steps, left })
    }
}

impl Iterator for Odometer {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let found = self.places.clone();
        for axis in (0..self.sizes.len()).rev() {
            self.index[axis] += 1;
            let back = self.index[axis] == self.sizes[axis];
            for (place, step) in self.places.iter_mut().zip(&self.steps[axis]) {
                *place = if back { *place - (self.sizes[axis] - 1) * step } else { *place + step };
            }
            if !back {
                break;
            }
            self.index[axis] = 0;
        }
        Some(found)
    }
}
