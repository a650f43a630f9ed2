//! Convolution without a matrix: one to three spatial axes, groups, strides, dilations, any padding.

mod kernel;

use crate::matrix::{Matrix, Store};
use crate::sparse::Sparse;
use kernel::Kernel;
use std::fmt;

/// The spatial axes handled; convolutions with fewer have leading axes of size 1.
pub const AXES: usize = 3;

/// The shape of a [`Convolution`]. Tensors are vectors in row-major order (channel, axis 0, axis 1, axis 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Channels of the argument.
    pub in_channels: usize,
    /// Channels of the result.
    pub out_channels: usize,
    /// Groups: channels of the result read only their group's share of the argument's channels.
    pub groups: usize,
    /// Spatial size of the argument.
    pub input: [usize; AXES],
    /// Spatial size of the result. Zeros stand wherever it reads beyond the argument's end, so padding at the end needs
    /// no field of its own.
    pub output: [usize; AXES],
    /// Spatial size of the kernel.
    pub kernel: [usize; AXES],
    /// Step of the argument per step of the result.
    pub stride: [usize; AXES],
    /// Step of the argument per step of the kernel.
    pub dilation: [usize; AXES],
    /// Zeros before the argument.
    pub pad: [usize; AXES],
}

impl ConvolutionShape {
    /// An entry of the kernel.
    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Channels of the argument that one channel of the result reads.
    fn in_per_group(&self) -> usize {
        self.in_channels / self.groups
    }

    fn out_per_group(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Whether every number is positive (pads aside), channels divide into groups and no product overflows.
    fn is_sound(&self) -> bool {
        let positive =
            [self.input, self.output, self.kernel, self.stride, self.dilation].iter().flatten().all(|n| *n > 0)
                && self.groups > 0
                && self.in_channels > 0
                && self.out_channels > 0;
        let small = |factors: &[usize]| {
            factors.iter().try_fold(1_usize, |product, n| product.checked_mul(*n)).is_some_and(|n| n < 1 << 40)
        };
        positive
            && self.in_channels.is_multiple_of(self.groups)
            && self.out_channels.is_multiple_of(self.groups)
            && small(&[self.in_channels, self.input[0], self.input[1], self.input[2]])
            && small(&[self.out_channels, self.output[0], self.output[1], self.output[2]])
            && small(&[self.in_channels, self.out_channels, self.taps()])
            && (0..AXES).all(|a| small(&[self.output[a], self.stride[a]]) && small(&[self.kernel[a], self.dilation[a]]))
            && self.pad.iter().all(|p| *p < 1 << 40)
    }
}

/// y = K * x: cross-correlation with zeros beyond the edges, as `Conv` of ONNX without bias.
#[derive(Clone, PartialEq)]
pub struct Convolution {
    shape: Box<ConvolutionShape>,
    /// The convolution itself, whose weights are those given, and its adjoint.
    kernels: Box<[Kernel; 2]>,
}

/// What it does; its kernels follow from that.
impl fmt::Debug for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Convolution").field("shape", &self.shape).field("weights", self.weights()).finish()
    }
}

impl Convolution {
    /// A convolution of the given shape; `weights` is out_channels × in_channels/groups × kernel, row-major. `None` where
    /// shape and weights do not fit together.
    pub fn new(shape: ConvolutionShape, weights: Vec<f64>) -> Option<Self> {
        let per_row = shape.is_sound().then(|| shape.in_per_group() * shape.taps())?;
        let fits = weights.len() == shape.out_channels * per_row;
        fits.then(|| {
            let weights = Matrix::from_vec(shape.out_channels, per_row, weights);
            let adjoint = Kernel::adjoint(&shape, &weights);
            Self { shape: Box::new(shape), kernels: Box::new([Kernel::forward(&shape, weights), adjoint]) }
        })
    }

    /// Its shape.
    pub fn shape(&self) -> &ConvolutionShape {
        &self.shape
    }

    /// out_channels × (in_channels/groups · taps): row-major as ONNX stores it.
    pub fn weights(&self) -> &Matrix {
        self.kernels[0].only_weights()
    }

    /// Length of the result.
    pub fn rows(&self) -> usize {
        self.shape.out_channels * self.shape.output.iter().product::<usize>()
    }

    /// Length of the argument.
    pub fn cols(&self) -> usize {
        self.shape.in_channels * self.shape.input.iter().product::<usize>()
    }

    /// The number of terms in the longest sum behind one entry of the result or of the adjoint's.
    pub(super) fn longest_sum(&self) -> usize {
        self.shape.in_per_group().max(self.shape.out_per_group()) * self.shape.taps()
    }

    /// The matrix, zero weights left out.
    pub(super) fn to_sparse(&self) -> Sparse {
        let s = &self.shape;
        let mut matrix = Sparse::new(self.cols());
        let source = |axis: usize, at: usize, tap: usize| {
            let source = (at * s.stride[axis] + tap * s.dilation[axis]).checked_sub(s.pad[axis])?;
            (source < s.input[axis]).then_some(source)
        };
        let grid = |n: [usize; AXES]| {
            (0..n.iter().product()).map(move |i: usize| [i / n[2] / n[1], i / n[2] % n[1], i % n[2]])
        };
        let positions = s.input.iter().product::<usize>();
        for oc in 0..s.out_channels {
            let first = oc / s.out_per_group() * s.in_per_group();
            let row = self.weights().row(oc);
            for at in grid(s.output) {
                let taps = |channel: usize| {
                    grid(s.kernel).enumerate().filter_map(move |(tap, place)| {
                        let weight = row[channel * s.taps() + tap];
                        let [z, y, x] = [0, 1, 2].map(|axis| source(axis, at[axis], place[axis]));
                        let column = (z? * s.input[1] + y?) * s.input[2] + x?;
                        (weight != 0.0).then_some(((first + channel) * positions + column, weight))
                    })
                };
                matrix.push_row((0..s.in_per_group()).flat_map(taps));
            }
        }
        matrix
    }

    pub(super) fn forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        self.kernels[0].apply(x, into, y);
    }

    pub(super) fn adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        self.kernels[1].apply(y, into, x);
    }

    pub(super) fn abs_forward(&self, x: &Matrix, into: Store, y: &mut Matrix) {
        self.kernels[0].abs().apply(x, into, y);
    }

    pub(super) fn abs_adjoint(&self, y: &Matrix, into: Store, x: &mut Matrix) {
        self.kernels[1].abs().apply(y, into, x);
    }
}
