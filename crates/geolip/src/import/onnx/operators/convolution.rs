//! Conv and ConvTranspose with constant kernels, over one to three axes.
//!
//! Tensors are batch × channels × axes. A [`Convolution`] knows no batch: a batch of one is left out, a larger one becomes
//! an axis of its own, behind the channels, that the kernel does not extend over.

use super::places::{Places, bounded, gathered};
use super::windows::{AutoPad, Moves, Window, list};
use crate::import::onnx::call::Call;
use crate::import::onnx::tensor::Tensor;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::{Convolution, ConvolutionShape, LinearMap};
use std::rc::Rc;

/// The number of axes a [`Convolution`] has.
pub(super) const AXES: usize = 3;

pub(super) fn conv(call: &mut Call<'_>) -> NodeOutputs {
    let (x, kernel) = operands(call)?;
    let sizes = &x.shape[2..];
    let groups = groups(call)?;
    let moves = Moves::read(call, sizes.len(), true)?;
    let windows = moves.windows(sizes, &kernel.shape[2..], false)?;
    let (channels, filters) = (x.shape[1], kernel.shape[0]);
    if kernel.shape[1].checked_mul(groups) != Some(channels) || !filters.is_multiple_of(groups) {
        return Err(misfit(&x, &kernel, groups));
    }
    let shape = shape(x.shape[0], (channels, filters, groups), &windows)?;
    let outputs: Vec<usize> = windows.iter().map(|window| window.output).collect();
    let map = LinearMap::Convolution(convolution(shape, call.weights(1, &kernel)?.to_vec())?);
    let bias = bias(call, filters)?;
    apply(call, x, map, filters, &outputs, bias)
}

/// The adjoint of the convolution that leads back from the output to the input.
pub(super) fn conv_transpose(call: &mut Call<'_>) -> NodeOutputs {
    let (x, kernel) = operands(call)?;
    let groups = groups(call)?;
    let windows = backward(call, &x.shape[2..], &kernel.shape[2..])?;
    let (channels, filters) = (x.shape[1], kernel.shape[1].saturating_mul(groups));
    if kernel.shape[0] != channels || !channels.is_multiple_of(groups) {
        return Err(misfit(&x, &kernel, groups));
    }
    let shape = shape(x.shape[0], (filters, channels, groups), &windows)?;
    let outputs: Vec<usize> = windows.iter().map(|window| window.input).collect();
    let back = LinearMap::Convolution(convolution(shape, call.weights(1, &kernel)?.to_vec())?);
    let bias = bias(call, filters)?;
    apply(call, x, LinearMap::Transpose(Box::new(back)), filters, &outputs, bias)
}

/// The tensor from the network, and a constant kernel of the same rank.
fn operands(call: &mut Call<'_>) -> Result<(Variable, Rc<Tensor>), Reason> {
    let (x, kernel) = match (call.take(0)?, call.take(1)?) {
        (Value::Variable(x), Value::Constant(kernel)) => (x, kernel),
        (Value::Variable(_), Value::Variable(_)) => {
            return Err("convolves two tensors that depend on the input, which has no Lipschitz constant".to_owned());
        }
        _ => return Err("convolves a constant; only a constant kernel is supported".to_owned()),
    };
    if !(3..=2 + AXES).contains(&x.shape.len()) || kernel.shape.len() != x.shape.len() {
        let (x, kernel) = (&x.shape, &kernel.shape);
        return Err(format!("convolves the shape {x:?} with {kernel:?}; one to three spatial axes are supported"));
    }
    if let Some(given) = list(call, "kernel_shape", x.shape.len() - 2, 1)?
        && given != kernel.shape[2..]
    {
        return Err(format!("has kernel_shape = {given:?}, but a kernel of shape {:?}", kernel.shape));
    }
    if kernel.shape.contains(&0) || x.shape.contains(&0) {
        return Err("works on a tensor without entries".to_owned());
    }
    Ok((x, kernel))
}

fn groups(call: &mut Call<'_>) -> Result<usize, Reason> {
    let groups = call.attributes.integer("group", 1)?;
    usize::try_from(groups).ok().filter(|groups| *groups > 0).ok_or_else(|| format!("has group = {groups}"))
}

fn misfit(x: &Variable, kernel: &Tensor, groups: usize) -> Reason {
    format!("cannot apply a kernel of shape {:?} in {groups} groups to the shape {:?}", kernel.shape, x.shape)
}

/// One number for each channel of the output, if there is a bias.
fn bias(call: &mut Call<'_>, filters: usize) -> Result<Option<Vec<f64>>, Reason> {
    let Some(bias) = call.take_constant(2)? else { return Ok(None) };
    let numbers = call.weights(2, &bias)?;
    if bias.shape != [filters] {
        return Err(format!("has a bias of shape {:?} for {filters} channels", bias.shape));
    }
    Ok(Some(numbers.to_vec()))
}

/// The windows of the convolution whose adjoint a ConvTranspose is: from its output (`input`) to its input (`output`).
fn backward(call: &mut Call<'_>, sizes: &[usize], kernel: &[usize]) -> Result<Vec<Window>, Reason> {
    let rank = sizes.len();
    let moves = Moves::read(call, rank, true)?;
    let extra = list(call, "output_padding", rank, 0)?.unwrap_or_else(|| vec![0; rank]);
    let wanted = list(call, "output_shape", rank, 1)?;
    let mut windows = Vec::with_capacity(rank);
    for axis in 0..rank {
        let (before, after) = moves.pads[axis];
        let (stride, dilation) = (moves.strides[axis], moves.dilations[axis]);
        let window = Window { input: 0, output: sizes[axis], kernel: kernel[axis], stride, dilation, before, after };
        let whole = (sizes[axis] - 1) * stride + window.reach() + extra[axis];
        let wanted = match (&wanted, moves.auto_pad) {
            (Some(wanted), _) => Some(wanted[axis]),
            (None, AutoPad::SameUpper | AutoPad::SameLower) => Some(sizes[axis] * stride),
            (None, AutoPad::NotSet | AutoPad::Valid) => None,
        };
        windows.push(match wanted {
            Some(input) => {
                // beyond the kernel's reach there is nothing but the bias, and behind the rest
                let beyond = input.saturating_sub(whole);
                if beyond >= stride.max(1) || (beyond > 0 && moves.auto_pad == AutoPad::SameUpper) {
                    return Err(format!(
                        "asks for an output of {input} along an axis where the kernel reaches {whole}, which \
                         implementations do differently"
                    ));
                }
                let (before, after) = moves.auto_pad.halves(whole.saturating_sub(input));
                Window { input, before, after, ..window }
            }
            None => {
                let input = whole.checked_sub(before + after).filter(|input| *input > 0);
                let input = input.ok_or_else(|| format!("cuts {before} and {after} off an axis of {whole}"))?;
                Window { input, ..window }
            }
        });
    }
    Ok(windows)
}

/// The shape of a convolution of a batch; `channels` are those before, those after, and the groups.
fn shape(batch: usize, channels: (usize, usize, usize), windows: &[Window]) -> Result<ConvolutionShape, Reason> {
    let mut windows = windows.to_vec();
    if batch > 1 {
        windows.insert(0, still(batch));
    }
    of_windows(channels, &windows).ok_or_else(|| {
        format!("convolves a batch of {batch} over three axes, which is not supported; export with a batch of 1")
    })
}

/// An axis that the window does not extend over.
pub(super) fn still(size: usize) -> Window {
    Window { input: size, output: size, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 }
}

/// The shape of a convolution over at most three axes.
pub(super) fn of_windows(
    (in_channels, out_channels, groups): (usize, usize, usize),
    windows: &[Window],
) -> Option<ConvolutionShape> {
    let unused = AXES.checked_sub(windows.len())?;
    let spread = |field: fn(&Window) -> usize, unused_value| {
        let mut values = [unused_value; AXES];
        values[unused..].iter_mut().zip(windows).for_each(|(value, window)| *value = field(window));
        values
    };
    Some(ConvolutionShape {
        in_channels,
        out_channels,
        groups,
        input: spread(|w| w.input, 1),
        output: spread(|w| w.output, 1),
        kernel: spread(|w| w.kernel, 1),
        stride: spread(|w| w.stride, 1),
        dilation: spread(|w| w.dilation, 1),
        pad: spread(|w| w.before, 0),
    })
}

/// The convolution of a shape, which must not be too large.
pub(super) fn convolution(shape: ConvolutionShape, weights: Vec<f64>) -> Result<Convolution, Reason> {
    let side = |channels: usize, sizes: [usize; AXES]| bounded(&[&[channels], &sizes[..]].concat());
    side(shape.in_channels, shape.input)?;
    side(shape.out_channels, shape.output)?;
    Convolution::new(shape, weights).ok_or_else(|| "works on a tensor without entries, or one too large".to_owned())
}

/// The result of a map that knows batches as an axis behind the channels.
fn apply(
    call: &mut Call<'_>,
    x: Variable,
    map: LinearMap,
    filters: usize,
    sizes: &[usize],
    bias: Option<Vec<f64>>,
) -> NodeOutputs {
    let batch = x.shape[0];
    let x = swapped(call, x)?;
    let shape = [&[filters, batch], sizes].concat();
    let per_filter = bounded(&shape)? / filters;
    let bias = bias.map(|bias| bias.iter().flat_map(|&b| std::iter::repeat_n(b, per_filter)).collect());
    let y = call.linear(vec![(x.id, map)], bias, shape)?;
    Ok(vec![Value::Variable(swapped(call, y)?)])
}

/// The first two axes in the other order.
fn swapped(call: &mut Call<'_>, x: Variable) -> Result<Variable, Reason> {
    let axes: Vec<usize> = [1, 0].into_iter().chain(2..x.shape.len()).collect();
    if x.shape[0] == 1 || x.shape[1] == 1 {
        let shape = axes.iter().map(|&axis| x.shape[axis]).collect();
        return Ok(Variable { shape, ..x });
    }
    let places = Places::of(&x.shape)?.transposed(&axes);
    gathered(call, x, places)
}
