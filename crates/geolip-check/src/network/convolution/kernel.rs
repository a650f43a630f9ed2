//! The product behind a convolution and its adjoint: both gather, so both are one kernel.
//!
//! Every entry of the target is a sum over source channels and taps. Along each axis the targets fall into *phases* (one
//! for a convolution, as many as its stride for the adjoint), within which the same taps are used and the source moves by a
//! fixed step. For a band of target rows and each phase, the sources are laid out as a matrix, one row per (source channel,
//! tap) and the batch's columns of all positions side by side, and multiplied by the phase's weights. Bands are disjoint
//! parts of the target, so they run in parallel; their size depends on shapes alone, and so does the result.

use super::{AXES, ConvolutionShape};
use crate::matrix::{Matrix, Store, View, multiply_rows};
use rayon::prelude::*;
use std::cell::Cell;

/// Columns of a band's product at least, where the target has as many.
const COLUMNS: usize = 256;
/// Entries of a layout, roughly: source channels are taken a few at a time, so that it stays in the cache.
const LAYOUT: usize = 1 << 17;

/// One direction of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    groups: usize,
    target: Grid,
    source: Grid,
    axes: [Axis; AXES],
    /// Per phase (row-major over the axes' phases): target channels × (source channels per group · taps of the phase).
    weights: Vec<Matrix>,
}

/// Channels and spatial size of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    channels: usize,
    size: [usize; AXES],
}

impl Grid {
    fn positions(&self) -> usize {
        self.size.iter().product()
    }

    /// Rows of positions along the last axis, per channel.
    fn lines(&self) -> usize {
        self.size[0] * self.size[1]
    }
}

/// How targets read sources along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axis {
    /// The source's step from one target of a phase to the next; targets of a phase are `phases.len()` apart.
    step: usize,
    phases: Vec<Vec<Tap>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tap {
    /// The place in the kernel.
    place: usize,
    /// The source of the phase's first target; may lie outside.
    base: isize,
}

impl Axis {
    fn forward(shape: &ConvolutionShape, axis: usize) -> Self {
        let base = |t: usize| (t * shape.dilation[axis]) as isize - shape.pad[axis] as isize;
        let taps = (0..shape.kernel[axis]).map(|place| Tap { place, base: base(place) }).collect();
        Self { step: shape.stride[axis], phases: vec![taps] }
    }

    /// Entry i of the argument meets entry (i + pad − t·dilation)/stride of the result, where that is whole.
    fn adjoint(shape: &ConvolutionShape, axis: usize) -> Self {
        let stride = shape.stride[axis] as isize;
        let phase = |p: usize| {
            let distance = |t: usize| (p + shape.pad[axis]) as isize - (t * shape.dilation[axis]) as isize;
            let whole = (0..shape.kernel[axis]).filter(|t| distance(*t) % stride == 0);
            whole.map(|place| Tap { place, base: distance(place) / stride }).collect()
        };
        Self { step: 1, phases: (0..shape.stride[axis].min(shape.input[axis])).map(phase).collect() }
    }

    fn period(&self) -> usize {
        self.phases.len()
    }
}

/// One phase along the last two axes and the first, within a band.
struct Phase<'a> {
    weights: &'a Matrix,
    taps: [&'a [Tap]; AXES],
    /// The target lines of the band in this phase: (place in the band, place along axis 0 / period, along axis 1 / period).
    lines: Vec<(usize, usize, usize)>,
    /// The first target along the last axis, and how many there are.
    first: usize,
    count: usize,
}

impl Phase<'_> {
    fn columns(&self, k: usize) -> usize {
        self.lines.len() * self.count * k
    }
}

thread_local! {
    /// Memory to lay out sources and products in, kept between calls.
    static SOURCES: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
    static PRODUCT: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
}

/// Takes a thread's memory, of the given length at least and with anything in it.
fn take(memory: &'static std::thread::LocalKey<Cell<Vec<f64>>>, len: usize) -> Vec<f64> {
    let mut taken = memory.take();
    if taken.len() < len {
        taken.resize(len, 0.0);
    }
    taken
}

impl Kernel {
    /// The convolution itself.
    pub fn forward(shape: &ConvolutionShape, weights: Matrix) -> Self {
        Self {
            groups: shape.groups,
            target: Grid { channels: shape.out_channels, size: shape.output },
            source: Grid { channels: shape.in_channels, size: shape.input },
            axes: [0, 1, 2].map(|axis| Axis::forward(shape, axis)),
            weights: vec![weights],
        }
    }

    /// Its adjoint.
    pub fn adjoint(shape: &ConvolutionShape, weights: &Matrix) -> Self {
        let axes = [0, 1, 2].map(|axis| Axis::adjoint(shape, axis));
        let mut phases = Vec::new();
        for z in &axes[0].phases {
            for y in &axes[1].phases {
                for x in &axes[2].phases {
                    phases.push(turned(shape, weights, [z, y, x]));
                }
            }
        }
        Self {
            groups: shape.groups,
            target: Grid { channels: shape.in_channels, size: shape.input },
            source: Grid { channels: shape.out_channels, size: shape.output },
            axes,
            weights: phases,
        }
    }

    /// The weights of the first phase; the convolution itself has no other.
    pub fn only_weights(&self) -> &Matrix {
        &self.weights[0]
    }

    /// The same with absolute weights.
    pub fn abs(&self) -> Self {
        Self { weights: self.weights.iter().map(Matrix::abs).collect(), axes: self.axes.clone(), ..*self }
    }

    /// target ← \[target +\] kernel ∘ source, columnwise.
    pub fn apply(&self, source: &Matrix, into: Store, target: &mut Matrix) {
        let k = target.cols();
        assert_eq!(source.rows(), self.source.channels * self.source.positions(), "the source has the kernel's size");
        assert_eq!(target.rows(), self.target.channels * self.target.positions(), "the target has the kernel's size");
        assert_eq!(source.cols(), k, "source and target have the same columns");
        if k == 0 {
            return;
        }
        let lines = self.lines_per_band(k);
        let line = self.target.size[2] * k;
        if lines == self.target.lines() && self.reaches_all() {
            // the target's channels, whole and one after the other, are what the product makes
            for phase in self.phases(0..lines) {
                let group = self.target.channels / self.groups;
                for (g, channels) in target.data_mut().chunks_mut(group * lines * line).enumerate() {
                    self.product(&phase, g, source, into, channels);
                }
            }
            return;
        }
        let mut bands: Vec<Vec<&mut [f64]>> = (0..self.target.lines().div_ceil(lines)).map(|_| Vec::new()).collect();
        for channel in target.data_mut().chunks_mut(self.target.lines() * line) {
            channel.chunks_mut(lines * line).zip(&mut bands).for_each(|(part, band)| band.push(part));
        }
        bands.into_par_iter().enumerate().for_each(|(band, mut channels)| {
            let into = match into {
                // entries that no tap reaches are in no phase
                Store::Replace if !self.reaches_all() => {
                    channels.iter_mut().for_each(|part| part.fill(0.0));
                    Store::Add
                }
                _ => into,
            };
            let first = band * lines;
            for phase in self.phases(first..(first + lines).min(self.target.lines())) {
                let group = self.target.channels / self.groups;
                for (g, channels) in channels.chunks_mut(group).enumerate() {
                    let entries = channels.len() * phase.columns(k);
                    let mut product = take(&PRODUCT, entries);
                    self.product(&phase, g, source, Store::Replace, &mut product[..entries]);
                    self.scatter(&phase, k, &product[..entries], into, channels);
                    PRODUCT.set(product);
                }
            }
        });
    }

    /// Whether one phase, with at least one tap, makes all targets.
    fn reaches_all(&self) -> bool {
        self.weights.len() == 1 && self.weights[0].cols() > 0
    }

    /// Target lines per band: enough columns for a fast product, no more than keep a layout in the cache.
    fn lines_per_band(&self, k: usize) -> usize {
        let largest = self.weights.iter().map(Matrix::cols).max().unwrap_or(1).max(1);
        let columns = COLUMNS.max(LAYOUT / largest);
        let period = self.axes[1].period();
        columns.div_ceil(self.target.size[2] * k).next_multiple_of(period).min(self.target.lines())
    }

    /// The phases of a band of target lines.
    fn phases(&self, lines: std::ops::Range<usize>) -> impl Iterator<Item = Phase<'_>> {
        let [periods @ .., period] = [0, 1, 2].map(|axis| self.axes[axis].period());
        let at = move |line: usize| (line / self.target.size[1], line % self.target.size[1]);
        (0..self.weights.len()).filter_map(move |index| {
            let (z, y, x) = (index / period / periods[1], index / period % periods[1], index % period);
            let own = lines.clone().enumerate().filter_map(|(place, line)| {
                let (tz, ty) = at(line);
                (tz % periods[0] == z && ty % periods[1] == y).then(|| (place, tz / periods[0], ty / periods[1]))
            });
            let taps = [&self.axes[0].phases[z], &self.axes[1].phases[y], &self.axes[2].phases[x]].map(Vec::as_slice);
            let lines: Vec<_> = own.collect();
            let phase = Phase {
                weights: &self.weights[index],
                taps,
                lines,
                first: x,
                count: (self.target.size[2] - x).div_ceil(period),
            };
            (!phase.lines.is_empty() && taps.iter().all(|taps| !taps.is_empty())).then_some(phase)
        })
    }

    /// `product` ← \[product +\] the weights of group `g` times the sources of a phase: one row per channel, one column per
    /// line, position and batch column.
    fn product(&self, phase: &Phase<'_>, g: usize, source: &Matrix, into: Store, product: &mut [f64]) {
        let k = source.cols();
        let (group, inner) =
            (self.source.channels / self.groups, phase.taps.iter().map(|t| t.len()).product::<usize>());
        let (width, columns) = (phase.count * k, phase.columns(k));
        let channels = self.target.channels / self.groups;
        let step = (LAYOUT / (inner * columns)).clamp(1, group);
        let mut layout = take(&SOURCES, step * inner * columns);
        for first in (0..group).step_by(step) {
            let count = step.min(group - first);
            let mut rows = layout.chunks_mut(columns);
            for channel in g * group + first..g * group + first + count {
                for z in phase.taps[0] {
                    for y in phase.taps[1] {
                        for x in phase.taps[2] {
                            let row = rows.next().expect("one row per source channel and tap");
                            for (part, (_, tz, ty)) in row.chunks_mut(width).zip(&phase.lines) {
                                self.lay_out(source, channel, [(*tz, z), (*ty, y)], x, part);
                            }
                        }
                    }
                }
            }
            let weights = phase.weights.block(g * channels, channels, first * inner, count * inner);
            let sources = View::of(&layout[..count * inner * columns], count * inner, columns);
            let into = if first == 0 { into } else { Store::Add };
            multiply_rows(product, columns, columns, into, 1.0, weights, sources);
        }
        SOURCES.set(layout);
    }

    /// Puts a phase's product where its targets are in a band.
    fn scatter(&self, phase: &Phase<'_>, k: usize, product: &[f64], into: Store, channels: &mut [&mut [f64]]) {
        let (period, line, width) = (self.axes[2].period(), self.target.size[2] * k, phase.count * k);
        for (product, target) in product.chunks(phase.columns(k)).zip(channels) {
            for (part, (place, ..)) in product.chunks(width).zip(&phase.lines) {
                let line = &mut target[place * line..(place + 1) * line];
                if period > 1 {
                    let entries = line.chunks_mut(k).skip(phase.first).step_by(period);
                    entries.zip(part.chunks(k)).for_each(|(t, p)| t.iter_mut().zip(p).for_each(|(t, p)| *t += p));
                } else if into == Store::Add {
                    line.iter_mut().zip(part).for_each(|(t, p)| *t += p);
                } else {
                    line.copy_from_slice(part);
                }
            }
        }
    }

    /// The source line that a tap along the first two axes reads, if it is not beyond the edge: its first row.
    fn line(&self, channel: usize, [(tz, z), (ty, y)]: [(usize, &Tap); 2]) -> Option<usize> {
        let along = |axis: usize, t: usize, tap: &Tap| {
            let at = tap.base + (t * self.axes[axis].step) as isize;
            usize::try_from(at).ok().filter(|at| *at < self.source.size[axis])
        };
        let (sz, sy) = (along(0, tz, z)?, along(1, ty, y)?);
        Some(((channel * self.source.size[0] + sz) * self.source.size[1] + sy) * self.source.size[2])
    }

    /// The targets of a phase along the last axis whose source by tap `x` is inside, and the first one's source.
    fn inside(&self, x: &Tap, count: usize) -> (std::ops::Range<usize>, usize) {
        let (step, len) = (self.axes[2].step, self.source.size[2] as isize);
        let steps = |distance: isize| usize::try_from(distance).unwrap_or(0).div_ceil(step);
        let first = steps(-x.base).min(count);
        let end = steps(len - x.base).min(count).max(first);
        (first..end, usize::try_from(x.base + (first * step) as isize).unwrap_or(0))
    }

    /// Writes the sources of one line of targets, zeros beyond the edges.
    fn lay_out(&self, source: &Matrix, channel: usize, taps: [(usize, &Tap); 2], x: &Tap, part: &mut [f64]) {
        let k = source.cols();
        let Some(line) = self.line(channel, taps) else {
            part.fill(0.0);
            return;
        };
        let (inside, start) = self.inside(x, part.len() / k);
        part[..inside.start * k].fill(0.0);
        part[inside.end * k..].fill(0.0);
        if inside.is_empty() {
            return;
        }
        let (part, step, start) = (&mut part[inside.start * k..inside.end * k], self.axes[2].step, (line + start) * k);
        if step == 1 {
            part.copy_from_slice(&source.data()[start..start + part.len()]);
        } else {
            let sources = source.data()[start..].chunks(k).step_by(step);
            part.chunks_mut(k).zip(sources).for_each(|(p, s)| p.copy_from_slice(s));
        }
    }
}

/// The weights of the adjoint for one phase: in_channels × (out_channels per group · taps).
fn turned(shape: &ConvolutionShape, weights: &Matrix, taps: [&[Tap]; AXES]) -> Matrix {
    let (group_in, group_out) = (shape.in_per_group(), shape.out_per_group());
    let [z, y, x] = taps;
    let count = z.len() * y.len() * x.len();
    Matrix::from_fn(shape.in_channels, group_out * count, |ic, column| {
        let (oc, tap) = (ic / group_in * group_out + column / count, column % count);
        let places = [z[tap / (y.len() * x.len())].place, y[tap / x.len() % y.len()].place, x[tap % x.len()].place];
        let place = (places[0] * shape.kernel[1] + places[1]) * shape.kernel[2] + places[2];
        weights.at(oc, ic % group_in * shape.taps() + place)
    })
}
