//! Where the entries of a resized axis lie on the axis they come from, and how they are made from its entries.
//!
//! Which entry is nearest may hang on the last bit of a position, and implementations compute positions in float32:
//! where rounding could decide, the file is refused.

use crate::import::onnx::Reason;

/// How an entry of the result is placed on the axis it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Entries are as wide as a pixel, and their centres scale.
    HalfPixel,
    /// The same, about the centre of the axis where its scaled size is no whole number.
    HalfPixelSymmetric,
    /// `HalfPixel`, but a single entry is the first.
    TorchHalfPixel,
    /// The first and last entries stay in place.
    AlignCorners,
    /// The first entry stays in place.
    Asymmetric,
    /// Centres scale, but count from the entries' beginnings.
    HalfPixelForNearest,
}

/// Which of its neighbours a position is rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// What the entries of the result are made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Nearest(Nearest),
    Linear,
    /// Four neighbours, with weights from a cubic polynomial; those beyond the ends are left out if `inside`.
    Cubic {
        a: f64,
        inside: bool,
    },
}

impl Mode {
    /// How many entries an entry of the result is made from.
    pub(super) fn taps(self) -> usize {
        match self {
            Self::Nearest(_) => 1,
            Self::Linear => 2,
            Self::Cubic { .. } => 4,
        }
    }
}

/// An axis and its scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) output: usize,
    /// As the file gives it; otherwise the quotient of the sizes.
    pub(super) scale: Option<f64>,
}

/// An entry of the axis and its weight.
pub(super) type Tap = (usize, f64);

impl Axis {
    /// Whether nothing changes along the axis.
    pub(super) fn is_still(&self) -> bool {
        self.input == self.output && self.scale.is_none_or(|scale| scale == 1.0)
    }

    /// The position of entry `index` of the result, every step of the computation rounded by `round`.
    fn position(&self, place: Place, index: usize, round: fn(f64) -> f64) -> f64 {
        let (input, output, index) = (self.input as f64, self.output as f64, index as f64);
        let scale = self.scale.unwrap_or_else(|| round(output / input));
        let centred = || round(round(round(index + 0.5) / scale) - 0.5);
        match place {
            Place::HalfPixel => centred(),
            Place::HalfPixelSymmetric => {
                let adjustment = round(output / round(scale * input));
                round(round(round(input / 2.0) * round(1.0 - adjustment)) + centred())
            }
            Place::TorchHalfPixel if self.output == 1 => 0.0,
            Place::TorchHalfPixel => centred(),
            Place::AlignCorners if self.output == 1 => 0.0,
            Place::AlignCorners => round(round(index * (input - 1.0)) / (output - 1.0)),
            Place::Asymmetric => round(index / scale),
            Place::HalfPixelForNearest => round(round(index + 0.5) / scale),
        }
    }

    /// For every entry of the result, the entries it is made from, [`Mode::taps`] each.
    pub(super) fn taps(&self, place: Place, mode: Mode) -> Result<Vec<Tap>, Reason> {
        let mut taps = Vec::with_capacity(self.output * mode.taps());
        for index in 0..self.output {
            let position = self.position(place, index, |v| v);
            match mode {
                Mode::Nearest(nearest) => {
                    let coarse = self.position(place, index, |v| f64::from(v as f32));
                    taps.push((self.nearest(nearest, position, coarse)?, 1.0));
                }
                Mode::Linear => taps.extend(self.linear(position)),
                Mode::Cubic { a, inside } => taps.extend(self.cubic(position, a, inside)),
            }
        }
        Ok(taps)
    }

    fn clamped(&self, position: f64) -> usize {
        position.clamp(0.0, (self.input - 1) as f64) as usize
    }

    /// The nearest entry, if double and single precision agree on it or at least on the position.
    fn nearest(&self, nearest: Nearest, position: f64, coarse: f64) -> Result<usize, Reason> {
        let rounded = |position: f64| {
            self.clamped(match nearest {
                Nearest::RoundPreferFloor => (position - 0.5).ceil(),
                Nearest::RoundPreferCeil => (position + 0.5).floor(),
                Nearest::Floor => position.floor(),
                Nearest::Ceil => position.ceil(),
            })
        };
        let slack = 1e-6 * (1.0 + position.abs());
        if position == coarse || rounded(position - slack) == rounded(position + slack) {
            return Ok(rounded(position));
        }
        Err(format!("picks an entry near {position} by rounding, which implementations do differently"))
    }

    fn linear(&self, position: f64) -> [Tap; 2] {
        let position = position.clamp(0.0, (self.input - 1) as f64);
        let (low, part) = (self.clamped(position.floor()), position - position.floor());
        [(low, 1.0 - part), (self.clamped(position.floor() + 1.0), part)]
    }

    fn cubic(&self, position: f64, a: f64, inside: bool) -> [Tap; 4] {
        let (first, part) = (position.floor() - 1.0, position - position.floor());
        let near = |t: f64| ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
        let far = |t: f64| ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a;
        let weights = [far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part)];
        let positions = [0.0, 1.0, 2.0, 3.0].map(|step| first + step);
        let beyond = |position: f64| position < 0.0 || position > (self.input - 1) as f64;
        let weight = |tap: usize| if inside && beyond(positions[tap]) { 0.0 } else { weights[tap] };
        let sum: f64 = if inside { (0..4).map(weight).sum() } else { 1.0 };
        [0, 1, 2, 3].map(|tap| (self.clamped(positions[tap]), weight(tap) / sum))
    }
}
