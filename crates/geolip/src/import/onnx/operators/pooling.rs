//! AveragePool and MaxPool, and both over whole images.
//!
//! Averages are convolutions of a single channel: batch and channels are an axis that the kernel does not extend over.
//! Maxima are trees ([`super::trees`]).

use super::convolution::{AXES, convolution, of_windows, still};
use super::maximum::largest;
use super::places::{LARGEST_TENSOR, Places, bounded, gathered};
use super::reduction::mean;
use super::trees::Groups;
use super::windows::{AutoPad, Moves, Window, kernel};
use crate::import::onnx::call::Call;
use crate::import::onnx::value::{Value, Variable};
use crate::import::onnx::{NodeOutputs, Reason};
use crate::network::LinearMap;

pub(super) fn average_pool(call: &mut Call<'_>) -> NodeOutputs {
    let x = image(call)?;
    let padding_counts = call.attributes.flag("count_include_pad")?;
    let windows = windows(call, &x, 19)?;
    let counts: Vec<Vec<usize>> = windows
        .iter()
        .map(|window| {
            let count = |stop| if padding_counts { window.seen_with_padding(stop) } else { window.seen(stop).count() };
            (0..window.output).map(count).collect()
        })
        .collect();
    if counts.iter().flatten().any(|count| *count == 0) {
        return Err(ONLY_PADDING.to_owned());
    }
    let shape = pooled(&x, &windows);
    bounded(&shape)?;
    match counts.iter().map(|counts| uniform(counts)).collect::<Option<Vec<usize>>>() {
        Some(counts) => Ok(vec![Value::Variable(summed(call, x, &windows, 1.0 / product(&counts))?)]),
        None => {
            let sums = summed(call, x, &windows, 1.0)?;
            let factors = factors(&counts);
            let copies = sums.len() / factors.len();
            let factors = (0..copies).flat_map(|_| factors.iter().copied()).collect();
            call.affine(vec![(sums.id, LinearMap::Scale(factors))], None, shape)
        }
    }
}

const ONLY_PADDING: &str = "has a window that sees nothing but padding";

/// Batch × channels × one axis or more.
fn image(call: &mut Call<'_>) -> Result<Variable, Reason> {
    let x = call.take_variable(0)?;
    if x.shape.len() < 3 || x.shape.contains(&0) {
        return Err(format!("works on images, but has an input of shape {:?}", x.shape));
    }
    Ok(x)
}

/// The windows of a pool, which has dilations from operator set `dilated` on.
fn windows(call: &mut Call<'_>, x: &Variable, dilated: i64) -> Result<Vec<Window>, Reason> {
    let sizes = &x.shape[2..];
    let kernel = kernel(call, sizes.len())?;
    let moves = Moves::read(call, sizes.len(), call.opset >= dilated)?;
    let ceil = call.opset >= 10 && call.attributes.flag("ceil_mode")?;
    if ceil && moves.auto_pad != AutoPad::NotSet {
        return Err("has both ceil_mode and auto_pad".to_owned());
    }
    if matches!(moves.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) && moves.dilations.iter().any(|d| *d != 1) {
        return Err("has both dilations and auto_pad, about which implementations differ".to_owned());
    }
    let windows = moves.windows(sizes, &kernel, ceil)?;
    let seen = |window: &Window| window.output.saturating_mul(window.kernel);
    if windows.iter().any(|window| seen(window) > LARGEST_TENSOR) {
        return Err(format!(
            "moves a window of {kernel:?}, which sees too much; {LARGEST_TENSOR} numbers are supported"
        ));
    }
    Ok(windows)
}

fn pooled(x: &Variable, windows: &[Window]) -> Vec<usize> {
    x.shape[..2].iter().copied().chain(windows.iter().map(|window| window.output)).collect()
}

/// The one number in a list.
fn uniform(numbers: &[usize]) -> Option<usize> {
    let (&first, rest) = numbers.split_first()?;
    rest.iter().all(|n| *n == first).then_some(first)
}

fn product(counts: &[usize]) -> f64 {
    counts.iter().map(|count| *count as f64).product()
}

/// 1 / the number of entries seen at every stop.
fn factors(counts: &[Vec<usize>]) -> Vec<f64> {
    let mut seen = vec![1.0];
    for counts in counts {
        seen = seen.iter().flat_map(|s| counts.iter().map(move |count| s * *count as f64)).collect();
    }
    seen.into_iter().map(|seen: f64| 1.0 / seen).collect()
}

/// `weight` times the sum of what every window sees.
fn summed(call: &mut Call<'_>, x: Variable, windows: &[Window], weight: f64) -> Result<Variable, Reason> {
    let shape = pooled(&x, windows);
    let channels = x.shape[0] * x.shape[1];
    let taps = bounded(&windows.iter().map(|window| window.kernel).collect::<Vec<_>>())?;
    let (pool, weights) = if windows.len() < AXES {
        let windows = [&[still(channels)], windows].concat();
        (of_windows((1, 1, 1), &windows), taps)
    } else {
        (of_windows((channels, channels, channels), windows), bounded(&[channels, taps])?)
    };
    let pool = pool.ok_or("pools over more than three axes, which is not supported")?;
    let map = LinearMap::Convolution(convolution(pool, vec![weight; weights])?);
    call.linear(vec![(x.id, map)], None, shape)
}

/// The second output, the places of the maxima, has no meaning here.
pub(super) fn max_pool(call: &mut Call<'_>) -> NodeOutputs {
    let x = image(call)?;
    if call.opset >= 8 {
        call.attributes.flag("storage_order")?; // of the second output only
    }
    let windows = windows(call, &x, 10)?;
    let shape = pooled(&x, &windows);
    let taps = windows.iter().fold(bounded(&shape)?, |all, window| all.saturating_mul(window.kernel));
    if taps > LARGEST_TENSOR {
        return Err(format!("compares {taps} numbers in all; at most {LARGEST_TENSOR} are supported"));
    }
    if windows.iter().any(|window| (0..window.output).any(|stop| window.seen(stop).next().is_none())) {
        return Err(ONLY_PADDING.to_owned());
    }
    // what no window sees is left out first, or it would be compared in vain
    let seen: Vec<Vec<usize>> = windows.iter().map(seen).collect();
    let mut places = Places::of(&x.shape)?;
    for (axis, seen) in seen.iter().enumerate().filter(|(axis, seen)| seen.len() < windows[*axis].input) {
        places = places.picked(axis + 2, seen.len(), |i| seen.get(i).copied())?;
    }
    let mut y = gathered(call, x, places)?;
    // along one axis after another, so that windows that overlap share what they compare
    for (axis, window) in windows.iter().enumerate().rev() {
        let mut shape = y.shape.clone();
        shape[axis + 2] = window.output;
        let taps = bounded(&shape)?.saturating_mul(window.kernel);
        if taps > LARGEST_TENSOR {
            return Err(format!("compares {taps} numbers in all; at most {LARGEST_TENSOR} are supported"));
        }
        let groups = groups(window, &seen[axis], &y.shape, axis + 2);
        y = largest(call, y, groups, shape)?;
    }
    Ok(vec![Value::Variable(y)])
}

/// The places along an axis that some window sees, in order.
fn seen(window: &Window) -> Vec<usize> {
    let mut seen = vec![false; window.input];
    (0..window.output).flat_map(|stop| window.seen(stop)).for_each(|at| seen[at] = true);
    (0..window.input).filter(|at| seen[*at]).collect()
}

/// What a window sees along an axis at every stop, of the places that are there.
fn groups(window: &Window, there: &[usize], shape: &[usize], axis: usize) -> Groups {
    let (outer, inner) = (shape[..axis].iter().product::<usize>(), shape[axis + 1..].iter().product::<usize>());
    let stops = (0..outer).flat_map(|o| (0..window.output).map(move |stop| (o, stop)));
    let all = stops.flat_map(|(o, stop)| (0..inner).map(move |i| (o, stop, i)));
    let entry = |o: usize, at: usize, i: usize| {
        let at = there.binary_search(&at).expect("what a window sees is there");
        (o * there.len() + at) * inner + i
    };
    Groups::of(all.map(|(o, stop, i)| window.seen(stop).map(|at| entry(o, at, i)).collect()))
}

pub(super) fn global_average_pool(call: &mut Call<'_>) -> NodeOutputs {
    let x = image(call)?;
    let axes: Vec<usize> = (2..x.shape.len()).collect();
    Ok(vec![Value::Variable(mean(call, x, &axes)?)])
}

pub(super) fn global_max_pool(call: &mut Call<'_>) -> NodeOutputs {
    let x = image(call)?;
    let channels = x.shape[0] * x.shape[1];
    let size = x.len() / channels;
    let shape: Vec<usize> = x.shape[..2].iter().copied().chain(x.shape[2..].iter().map(|_| 1)).collect();
    let groups = Groups::of_size(size, (0..x.len()).collect());
    Ok(vec![Value::Variable(largest(call, x, groups, shape)?)])
}
