//! Convolutions and pools over any number of axes.

use super::array::{Array, indices};
use super::node::Node;
use super::{Outputs, Reason};

pub(super) fn apply(node: &Node<'_>) -> Option<Outputs> {
    let one = |made: Result<Array, Reason>| made.map(|array| vec![array]);
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let most = |all: &[f64]| all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(match node.operator() {
        "Conv" => one(conv(node)),
        "ConvTranspose" => one(conv_transpose(node)),
        "AveragePool" | "MaxPool" => one(pool(node)),
        "GlobalAveragePool" => one(global(node, mean)),
        "GlobalMaxPool" => one(global(node, most)),
        _ => return None,
    })
}

/// How a window moves over the axes of an image.
struct Window {
    kernel: Vec<usize>,
    stride: Vec<i64>,
    dilation: Vec<i64>,
    before: Vec<i64>,
    after: Vec<i64>,
}

impl Window {
    fn of(node: &Node<'_>, kernel: Vec<usize>, sizes: &[usize]) -> Self {
        let axes = sizes.len();
        let list = |name: &str| node.ints(name).unwrap_or_else(|| vec![1; axes]);
        let (stride, dilation) = (list("strides"), list("dilations"));
        let pads = node.ints("pads").unwrap_or_else(|| vec![0; 2 * axes]);
        let (mut before, mut after) = (pads[..axes].to_vec(), pads[axes..].to_vec());
        let auto = node.text("auto_pad", "NOTSET");
        for a in 0..axes {
            if auto == "VALID" {
                (before[a], after[a]) = (0, 0);
            } else if auto.starts_with("SAME") {
                let (size, reach) = (sizes[a] as i64, (kernel[a] as i64 - 1) * dilation[a] + 1);
                let count = (size + stride[a] - 1) / stride[a];
                let total = ((count - 1) * stride[a] + reach - size).max(0);
                let less = total / 2;
                (before[a], after[a]) = if auto == "SAME_LOWER" { (total - less, less) } else { (less, total - less) };
            }
        }
        Self { kernel, stride, dilation, before, after }
    }

    /// How many places the window has on an axis.
    fn places(&self, a: usize, size: usize, ceil: bool) -> usize {
        let reach = (self.kernel[a] as i64 - 1) * self.dilation[a] + 1;
        let room = size as i64 + self.before[a] + self.after[a] - reach;
        if room < 0 {
            return 0;
        }
        let mut count = room / self.stride[a] + 1;
        if ceil && room % self.stride[a] != 0 && count * self.stride[a] < size as i64 + self.before[a] {
            count += 1; // a last window that begins inside
        }
        count as usize
    }

    /// Where an entry of the window at a place lies on an axis, counted from the image's first.
    fn at(&self, a: usize, place: usize, entry: usize) -> i64 {
        place as i64 * self.stride[a] - self.before[a] + entry as i64 * self.dilation[a]
    }
}

/// The entry of an image, or none beyond its ends.
fn pixel(x: &Array, n: usize, channel: usize, place: &[i64]) -> Option<f64> {
    let mut index = vec![n, channel];
    for (a, &at) in place.iter().enumerate() {
        index.push(usize::try_from(at).ok().filter(|&at| at < x.shape[2 + a])?);
    }
    Some(x.at(&index))
}

pub(super) fn conv(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, w) = (node.input(0)?, node.input(1)?);
    let (&[n, _, ref sizes @ ..], &[out, per_group, ref kernel @ ..]) = (x.shape.as_slice(), w.shape.as_slice()) else {
        return Err("no image".to_owned());
    };
    let groups = node.int("group", 1) as usize;
    let window = Window::of(node, kernel.to_vec(), sizes);
    let places = (0..sizes.len()).map(|a| window.places(a, sizes[a], false));
    let shape: Vec<usize> = [n, out].into_iter().chain(places).collect();
    let entries: Vec<Vec<usize>> = indices(kernel).collect();
    Ok(Array::filled(shape, x.kind, |index| {
        let first = index[1] / (out / groups) * per_group;
        let mut sum = node.optional(2).map_or(0.0, |bias| bias.data[index[1]]);
        for entry in &entries {
            let place: Vec<i64> = (0..kernel.len()).map(|a| window.at(a, index[2 + a], entry[a])).collect();
            for c in 0..per_group {
                let weight = w.at(&[&[index[1], c], &entry[..]].concat());
                sum += weight * pixel(x, index[0], first + c, &place).unwrap_or(0.0);
            }
        }
        sum
    }))
}

fn conv_transpose(node: &Node<'_>) -> Result<Array, Reason> {
    let (x, w) = (node.input(0)?, node.input(1)?);
    let (&[n, channels, ref sizes @ ..], &[_, per_group, ref kernel @ ..]) = (x.shape.as_slice(), w.shape.as_slice())
    else {
        return Err("no image".to_owned());
    };
    let groups = node.int("group", 1) as usize;
    let axes = sizes.len();
    let mut window = Window::of(node, kernel.to_vec(), sizes);
    let extra = node.ints("output_padding").unwrap_or_else(|| vec![0; axes]);
    let whole = |a: usize| {
        window.stride[a] * (sizes[a] as i64 - 1) + extra[a] + (kernel[a] as i64 - 1) * window.dilation[a] + 1
    };
    let auto = node.text("auto_pad", "NOTSET");
    let given = node.ints("output_shape");
    let mut result = Vec::with_capacity(axes);
    let mut pads = Vec::with_capacity(axes);
    for a in 0..axes {
        let wanted = match &given {
            Some(shape) => Some(shape[a]),
            None if auto.starts_with("SAME") => Some(sizes[a] as i64 * window.stride[a]),
            None => None,
        };
        match wanted {
            Some(size) => {
                let total = whole(a) - size;
                // the odd one comes after for SAME_UPPER and before otherwise
                let less = total.max(0) / 2;
                pads.push(if auto == "SAME_UPPER" { less } else { total.max(0) - less });
                result.push(size);
            }
            None => {
                pads.push(window.before[a]);
                result.push(whole(a) - window.before[a] - window.after[a]);
            }
        }
    }
    window.before = pads;
    let shape: Vec<usize> = [n, per_group * groups].into_iter().chain(result.iter().map(|&d| d as usize)).collect();
    let mut y = Array::filled(shape, x.kind, |index| node.optional(2).map_or(0.0, |bias| bias.data[index[1]]));
    for (index, &v) in indices(&x.shape).zip(&x.data) {
        for entry in indices(kernel) {
            let place: Vec<i64> = (0..axes).map(|a| window.at(a, index[2 + a], entry[a])).collect();
            if place.iter().zip(&result).any(|(&at, &size)| at < 0 || at >= size) {
                continue;
            }
            for c in 0..per_group {
                let channel = index[1] / (channels / groups) * per_group + c;
                let weight = w.at(&[&[index[1], c], &entry[..]].concat());
                let mut at = index[0] * y.shape[1] + channel;
                place.iter().zip(&result).for_each(|(&p, &size)| at = at * size as usize + p as usize);
                y.data[at] += v * weight;
            }
        }
    }
    Ok(y)
}

fn pool(node: &Node<'_>) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let &[n, channels, ref sizes @ ..] = x.shape.as_slice() else { return Err("no image".to_owned()) };
    let kernel: Vec<usize> = node.ints("kernel_shape").ok_or("no kernel")?.iter().map(|&d| d as usize).collect();
    let window = Window::of(node, kernel.clone(), sizes);
    let ceil = node.int("ceil_mode", 0) != 0;
    let places = (0..sizes.len()).map(|a| window.places(a, sizes[a], ceil));
    let shape: Vec<usize> = [n, channels].into_iter().chain(places).collect();
    let (average, padding) = (node.operator() == "AveragePool", node.int("count_include_pad", 0) != 0);
    let entries: Vec<Vec<usize>> = indices(&kernel).collect();
    Ok(Array::filled(shape, x.kind, |index| {
        let (mut sum, mut most, mut count) = (0.0, f64::NEG_INFINITY, 0);
        for entry in &entries {
            let place: Vec<i64> = (0..kernel.len()).map(|a| window.at(a, index[2 + a], entry[a])).collect();
            let inside = |a: usize| place[a] >= -window.before[a] && place[a] < sizes[a] as i64 + window.after[a];
            match pixel(x, index[0], index[1], &place) {
                Some(v) => {
                    sum += v;
                    most = most.max(v);
                    count += 1;
                }
                None => count += usize::from(padding && (0..kernel.len()).all(inside)),
            }
        }
        if average { sum / count as f64 } else { most }
    }))
}

fn global(node: &Node<'_>, of: impl Fn(&[f64]) -> f64) -> Result<Array, Reason> {
    let x = node.input(0)?;
    let &[n, channels, ref sizes @ ..] = x.shape.as_slice() else { return Err("no image".to_owned()) };
    let size: usize = sizes.iter().product();
    let shape = [n, channels].into_iter().chain(sizes.iter().map(|_| 1)).collect();
    Ok(Array::new(shape, x.data.chunks(size.max(1)).map(of).collect(), x.kind))
}
