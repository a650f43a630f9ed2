//! Synthetic networks with random weights, and the time of their sweeps.

use geolip::matrix::Matrix;
use geolip::network::{Activation, Convolution, ConvolutionShape, LinearMap, Network, NetworkBuilder};
use geolip::relaxation::{Ascent, Point, VectorNetwork};
use geolip::{Functional, InputNorm};
use std::time::Instant;

/// Uniform random numbers with mean 0 and variance 1 (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) as f64 / u64::MAX as f64 - 0.5) * 12_f64.sqrt()
    }

    /// Weights of one layer of ReLUs, scaled as He et al. (2015) do: variance 2/fan-in.
    pub fn weights(&mut self, count: usize, fan_in: usize) -> Vec<f64> {
        let scale = (2.0 / fan_in as f64).sqrt();
        (0..count).map(|_| scale * self.number()).collect()
    }
}

/// Four 3×3 convolutions on feature maps of `size` × `size` × `channels`, a ReLU after each, and one dense output. The
/// input has `inputs` channels.
pub fn chain(size: usize, channels: usize, inputs: usize) -> Network {
    let mut random = Random(1);
    let shape = |in_channels| ConvolutionShape {
        in_channels,
        out_channels: channels,
        groups: 1,
        input: [1, size, size],
        output: [1, size, size],
        kernel: [1, 3, 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad: [0, 1, 1],
    };
    let len = channels * size * size;
    let mut b = NetworkBuilder::new(inputs * size * size).expect("there are inputs");
    let (mut at, mut from) = (b.input(), inputs);
    for layer in 1..=4 {
        let weights = random.weights(channels * from * 9, from * 9);
        let map = LinearMap::Convolution(Convolution::new(shape(from), weights).expect("the weights fit the shape"));
        let h = b.affine(&format!("conv{layer}"), vec![(at, map)], None).expect("the lengths agree");
        at = b.activate(&format!("relu{layer}"), h, Activation::Relu).expect("ReLU has no parameters");
        from = channels;
    }
    let output = LinearMap::Dense(Matrix::from_vec(1, len, random.weights(len, 2 * len)));
    let y = b.affine("fc", vec![(at, output)], None).expect("the lengths agree");
    b.finish(y)
}

/// Features of the sweeps that are timed.
pub const COLUMNS: usize = 8;

/// Sweeps of one network, one output, input norm ℓ2, [`COLUMNS`] features, to be timed one by one.
#[derive(Debug)]
pub struct Sweeps<'a> {
    ascent: Ascent<'a>,
    multiply_adds: f64,
    seconds: Vec<f64>,
}

impl<'a> Sweeps<'a> {
    /// Prepares.
    pub fn new(network: &'a VectorNetwork<'a>) -> Self {
        let start = Point::random(network, COLUMNS, 0, 0);
        let ascent = Ascent::new(network, vec![Functional::output(0)], start);
        let multiply_adds = 2.0 * COLUMNS as f64 * network.network().multiply_adds() as f64;
        Self { ascent, multiply_adds, seconds: Vec::new() }
    }

    /// One sweep, its time kept.
    pub fn time(&mut self) {
        let started = Instant::now();
        self.ascent.step();
        self.seconds.push(started.elapsed().as_secs_f64());
    }

    /// The median of the times kept, without the first: it touches fresh memory.
    pub fn median(&self) -> f64 {
        let mut seconds = self.seconds[1..].to_vec();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    /// The shortest time.
    pub fn best(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The multiply–adds of one sweep: each affine map once forward and once backward. A network's last affine map has no
    /// forward product, which is counted all the same: it is small.
    pub fn multiply_adds(&self) -> f64 {
        self.multiply_adds
    }
}

/// The vector network whose sweeps are timed.
pub fn vector_network(network: &geolip::slopes::SlopeNetwork) -> VectorNetwork<'_> {
    VectorNetwork::new(network, InputNorm::L2)
}

/// The slope of the straight line through the points (ln x, ln y) with the smallest sum of squares.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |f: fn(&(f64, f64)) -> f64| logs.iter().map(f).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let products: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let squares: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    products / squares
}
