//! The elementwise activations by name, and where the facts about each are.
//!
//! # Slope intervals
//!
//! **Claim.** For every activation φ here and all s ≠ t, α ≤ (φ(s) − φ(t)) / (s − t) ≤ β with
//! [α, β] = [`Activation::slope`], which is infinite for some. Every φ here is absolutely continuous, so by the mean value theorem it is enough that
//! φ' ∈ [α, β] wherever φ' exists. **Rounded** outwards: α down, β up. Where the numbers come from is at the head of each
//! family's file. A test samples every derivative densely.

use super::scalar::{Interval, NATIVE, Shape};
use super::{Pieces, Slope, exponential, gated, leaky, power, ramps, sigmoid, wave};
use std::fmt;

/// An elementwise activation function, with its parameters as the file states them.
#[derive(Clone, Debug, PartialEq)]
pub enum Activation {
    /// max(0, s)
    Relu,
    /// s for s ≥ 0, `slope`·s below.
    LeakyRelu {
        /// The slope below zero (any finite number).
        slope: f64,
    },
    /// LeakyReLU with a slope per neuron.
    PRelu {
        /// The slopes below zero, one per neuron.
        slopes: Vec<f64>,
    },
    /// 1 / (1 + e⁻ˢ)
    Sigmoid,
    /// tanh(s)
    Tanh,
    /// s / (1 + |s|)
    Softsign,
    /// log(1 + eˢ)
    Softplus,
    /// s for s ≥ 0, `alpha`·(eˢ − 1) below.
    Elu {
        /// The factor below zero.
        alpha: f64,
    },
    /// max(0, s) + min(0, `alpha`·(e^{s/alpha} − 1))
    Celu {
        /// The positive scale.
        alpha: f64,
    },
    /// `gamma`·s for s ≥ 0, `gamma`·`alpha`·(eˢ − 1) below.
    Selu {
        /// The factor below zero.
        alpha: f64,
        /// The overall factor.
        gamma: f64,
    },
    /// max(0, min(1, `slope`·s + `offset`))
    HardSigmoid {
        /// The slope of the ramp.
        slope: f64,
        /// The value at zero.
        offset: f64,
    },
    /// max(`min`, min(`max`, s)); ReLU6 is Clip(0, 6). The ends may be infinite.
    Clip {
        /// The smallest value.
        min: f64,
        /// The largest value.
        max: f64,
    },
    /// |s|
    Abs,
    /// s·σ(s), also called swish.
    Silu,
    /// s·Φ(s) with the normal distribution function Φ.
    Gelu,
    /// s/2·(1 + tanh(√(2/π)·(s + 0.044715·s³))), the usual approximation of GELU.
    GeluTanh,
    /// s·max(0, min(1, s/6 + 1/2))
    HardSwish,
    /// s·tanh(log(1 + eˢ))
    Mish,
    /// sin(s)
    Sin,
    /// cos(s)
    Cos,
    /// The error function.
    Erf,
    /// The arc tangent.
    Atan,
    /// The inverse hyperbolic sine.
    Asinh,
    /// eˢ
    Exp,
    /// log(s), of positive numbers.
    Log,
    /// s to a power: of all numbers, of those that are not zero, or of positive ones, depending on the power.
    Power {
        /// The power, neither 0 nor 1, and at most 2⁵² in size.
        exponent: f64,
    },
}

/// `$answer` about an activation's name, its parameters in a fixed order, and (as a closure) the function of neuron `$index`: the
/// one table, as a match, so that nothing is allocated or called through a pointer.
macro_rules! facts {
    ($activation:expr, $index:expr, |$name:ident, $parameters:ident, $f:ident| $answer:expr) => {
        facts! { @ $activation, |$name, $parameters, $f| $answer,
            Activation::Relu => "relu", &[], leaky::relu();
            Activation::LeakyRelu { slope } => "leaky-relu", &[*slope], leaky::leaky_relu(*slope);
            Activation::PRelu { slopes } => "prelu", slopes, leaky::leaky_relu(slopes[$index]);
            Activation::Abs => "abs", &[], leaky::abs();
            Activation::Clip { min, max } => "clip", &[*min, *max], ramps::clip(*min, *max);
            Activation::HardSigmoid { slope, offset } =>
                "hard-sigmoid", &[*slope, *offset], ramps::hard_sigmoid(*slope, *offset);
            Activation::Sigmoid => "sigmoid", &[], sigmoid::sigmoid();
            Activation::Tanh => "tanh", &[], sigmoid::tanh();
            Activation::Softsign => "softsign", &[], sigmoid::softsign();
            Activation::Elu { alpha } => "elu", &[*alpha], exponential::elu(*alpha);
            Activation::Celu { alpha } => "celu", &[*alpha], exponential::celu(*alpha);
            Activation::Selu { alpha, gamma } => "selu", &[*alpha, *gamma], exponential::selu(*alpha, *gamma);
            Activation::Softplus => "softplus", &[], exponential::softplus();
            Activation::Silu => "silu", &[], gated::silu();
            Activation::Gelu => "gelu", &[], gated::gelu();
            Activation::GeluTanh => "gelu-tanh", &[], gated::gelu_tanh();
            Activation::HardSwish => "hard-swish", &[], gated::hard_swish();
            Activation::Mish => "mish", &[], gated::mish();
            Activation::Sin => "sin", &[], wave::sin();
            Activation::Cos => "cos", &[], wave::cos();
            Activation::Erf => "erf", &[], sigmoid::erf();
            Activation::Atan => "atan", &[], sigmoid::atan();
            Activation::Asinh => "asinh", &[], sigmoid::asinh();
            Activation::Exp => "exp", &[], power::exp();
            Activation::Log => "log", &[], power::log();
            Activation::Power { exponent } => "power", &[*exponent], power::power(*exponent);
        }
    };
    (@ $activation:expr, |$name:ident, $parameters:ident, $f:ident| $answer:expr,
        $($variant:pat => $n:expr, $p:expr, $function:expr;)*) => {
        match $activation {
            $($variant => {
                let ($name, $parameters, $f): (&'static str, &[f64], _) = ($n, $p, || $function);
                $answer
            })*
        }
    };
}

/// What an activation is called where its parameters have the defaults of PyTorch. `relu6` is Clip(0, 6).
static NAMED: [(&str, Activation); 22] = [
    ("relu", Activation::Relu),
    ("leaky-relu", Activation::LeakyRelu { slope: 0.01 }),
    ("relu6", Activation::Clip { min: 0.0, max: 6.0 }),
    ("elu", Activation::Elu { alpha: 1.0 }),
    ("celu", Activation::Celu { alpha: 1.0 }),
    ("selu", Activation::selu()),
    ("gelu", Activation::Gelu),
    ("gelu-tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("mish", Activation::Mish),
    ("softplus", Activation::Softplus),
    ("softsign", Activation::Softsign),
    ("tanh", Activation::Tanh),
    ("sigmoid", Activation::Sigmoid),
    ("hard-sigmoid", Activation::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 }),
    ("hard-swish", Activation::HardSwish),
    ("abs", Activation::Abs),
    ("sin", Activation::Sin),
    ("cos", Activation::Cos),
    ("erf", Activation::Erf),
    ("atan", Activation::Atan),
    ("asinh", Activation::Asinh),
];

impl Activation {
    /// The slope interval of neuron `index` over the whole real line (see the module for the claim).
    pub fn slope(&self, index: usize) -> Slope {
        facts!(self, index, |_name, _parameters, f| f().slope)
    }

    /// The slope intervals of a layer of `neurons` neurons.
    pub fn slopes(&self, neurons: usize) -> Vec<Slope> {
        (0..neurons).map(|index| self.slope(index)).collect()
    }

    /// φ(s) of neuron `index`, in ordinary floating point.
    pub fn value(&self, index: usize, s: f64) -> f64 {
        facts!(self, index, |_name, _parameters, f| (f().value)(&NATIVE, s))
    }

    /// φ'(s) of neuron `index`, in ordinary floating point; at a kink, the derivative from the right.
    pub fn derivative(&self, index: usize, s: f64) -> f64 {
        facts!(self, index, |_name, _parameters, f| (f().derivative)(&NATIVE, s))
    }

    /// The pieces of neuron `index`, if its derivative has several formulas or is constant between kinks.
    pub fn pieces(&self, index: usize) -> Option<Pieces> {
        facts!(self, index, |_name, _parameters, f| if let Shape::Pieces(pieces) = f().shape {
            Some(pieces)
        } else {
            None
        })
    }

    /// The pieces of neuron `index`, if it is piecewise linear.
    pub fn linear_pieces(&self, index: usize) -> Option<Pieces> {
        self.pieces(index).filter(Pieces::is_linear)
    }

    /// The slopes (left, right) of neuron `index`, if it is exactly left·s for s ≤ 0 and right·s for s ≥ 0.
    pub fn around_zero(&self, index: usize) -> Option<(f64, f64)> {
        match self {
            Self::Relu => Some((0.0, 1.0)),
            Self::LeakyRelu { slope } => Some((*slope, 1.0)),
            Self::PRelu { slopes } => slopes.get(index).map(|slope| (*slope, 1.0)),
            Self::Abs => Some((-1.0, 1.0)),
            Self::Sigmoid
            | Self::Tanh
            | Self::Softsign
            | Self::Softplus
            | Self::Elu { .. }
            | Self::Celu { .. }
            | Self::Selu { .. }
            | Self::HardSigmoid { .. }
            | Self::Clip { .. }
            | Self::Silu
            | Self::Gelu
            | Self::GeluTanh
            | Self::HardSwish
            | Self::Mish
            | Self::Sin
            | Self::Cos
            | Self::Erf
            | Self::Atan
            | Self::Asinh
            | Self::Exp
            | Self::Log
            | Self::Power { .. } => None,
        }
    }

    /// What an activation of the form c·(eˢ − 1) subtracts near zero, in size: implementations lose what is below a rounding of
    /// it. 0 for others.
    pub fn saturation(&self, index: usize) -> f64 {
        self.pieces(index).map_or(0.0, |pieces| pieces.saturation())
    }

    /// [`Scalar::range`](super::scalar::Scalar::range) of neuron `index`.
    pub(super) fn range(&self, index: usize, on: Interval, outwards: impl Fn(Slope, bool) -> Slope) -> Slope {
        facts!(self, index, |_name, _parameters, f| f().range(on, outwards))
    }

    /// φ(s) of neuron `index`, enclosed.
    pub(super) fn enclose(&self, index: usize, s: f64) -> (f64, f64) {
        facts!(self, index, |_name, _parameters, f| f().enclose(s))
    }

    /// How many neurons the parameters fix, if they do (PReLU has one slope per neuron).
    pub fn neurons(&self) -> Option<usize> {
        match self {
            Self::PRelu { slopes } => Some(slopes.len()),
            _ => None,
        }
    }

    /// The parameters, in a fixed order: for hashing and for checking that they are usable.
    pub fn parameters(&self) -> Vec<f64> {
        facts!(self, 0, |_name, parameters, _f| parameters.to_vec())
    }

    /// Why the parameters make no slope-bounded function, if they do not.
    pub fn defect(&self) -> Option<String> {
        match self {
            Self::Celu { alpha } if alpha.is_nan() || *alpha <= 0.0 => {
                Some(format!("Celu needs a positive alpha, got {alpha}"))
            }
            Self::Clip { min, max } if min.is_nan() || max.is_nan() || min > max => {
                Some(format!("Clip needs min <= max, got {min} and {max}"))
            }
            Self::Clip { min, max } if *min == f64::INFINITY || *max == f64::NEG_INFINITY => {
                Some(format!("Clip to values between {min} and {max} has only infinite values"))
            }
            Self::Clip { .. } => None,
            Self::Power { exponent } if *exponent == 0.0 || *exponent == 1.0 => {
                Some(format!("a power of {exponent} is no function of its own"))
            }
            Self::Power { exponent } if exponent.abs() > power::LARGEST => {
                Some(format!("a power of {exponent} is not supported; powers up to 2^52 in size are"))
            }
            other => other
                .parameters()
                .iter()
                .find(|p| !p.is_finite())
                .map(|p| format!("{self} has the parameter {p}; it must be finite")),
        }
    }

    /// The name under which the field, and `--activation`, know this activation.
    pub fn name(&self) -> &'static str {
        facts!(self, 0, |name, _parameters, _f| name)
    }

    /// The activation of a name, with the parameters its defaults have in PyTorch. `relu6` is Clip(0, 6).
    pub fn from_name(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, activation)| activation.clone())
    }

    /// The names [`Activation::from_name`] knows.
    pub const NAMES: [&'static str; NAMED.len()] = {
        let (mut names, mut i) = ([""; NAMED.len()], 0);
        while i < names.len() {
            names[i] = NAMED[i].0;
            i += 1;
        }
        names
    };

    /// SELU with the constants of its paper, as ONNX and PyTorch store them (float32).
    pub const fn selu() -> Self {
        Self::Selu { alpha: 1.673_263_2_f32 as f64, gamma: 1.050_701_f32 as f64 }
    }
}

impl fmt::Display for Activation {
    /// The name, with the parameters where there are any: `leaky-relu(0.01)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::PRelu { slopes } = self {
            return write!(f, "({} slopes)", slopes.len());
        }
        let parameters: Vec<String> = self.parameters().iter().map(|p| p.to_string()).collect();
        if parameters.is_empty() { Ok(()) } else { write!(f, "({})", parameters.join(", ")) }
    }
}

/// Every activation, and some with parameters at the edges: what tests sample.
#[cfg(test)]
pub(super) fn examples() -> Vec<Activation> {
    let mut all: Vec<_> = Activation::NAMES.iter().filter_map(|n| Activation::from_name(n)).collect();
    assert_eq!(all.len(), Activation::NAMES.len(), "every listed name is known");
    all.extend([
        Activation::LeakyRelu { slope: -0.3 },
        Activation::LeakyRelu { slope: 1.7 },
        Activation::PRelu { slopes: vec![0.25] },
        Activation::PRelu { slopes: vec![1.25] },
        Activation::Elu { alpha: 2.0 },
        Activation::Elu { alpha: -0.5 },
        Activation::Celu { alpha: 0.3 },
        Activation::Selu { alpha: -1.5, gamma: 0.7 },
        Activation::Selu { alpha: 1.2, gamma: -0.7 },
        Activation::HardSigmoid { slope: -0.2, offset: 0.5 },
        Activation::Clip { min: f64::NEG_INFINITY, max: 2.0 },
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> impl Iterator<Item = f64> {
        (-400_000..=400_000).map(|i| f64::from(i) * 1e-4 + 1.37e-6)
    }

    #[test]
    fn the_slope_interval_holds_every_sampled_derivative_and_is_reached() {
        for activation in examples() {
            let slope = activation.slope(0);
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for s in samples().chain([-1e6, 1e6]) {
                let d = activation.derivative(0, s);
                least = least.min(d);
                most = most.max(d);
            }
            assert!(slope.lower <= least && most <= slope.upper, "{activation}: {least}..{most} against {slope:?}");
            assert!(least - slope.lower < 1e-3 && slope.upper - most < 1e-3, "{activation}: {slope:?} is loose");
        }
    }

    #[test]
    fn derivatives_agree_with_differences_away_from_kinks() {
        for activation in examples() {
            for s in samples().step_by(997).filter(|s| s.abs() < 12.0) {
                let (h, kinks) = (1e-6, [0.0, 3.0, -3.0, 6.0, 2.0, 2.5, -2.5]);
                if kinks.iter().any(|k| (s - k).abs() < 1e-4) {
                    continue;
                }
                let difference = (activation.value(0, s + h) - activation.value(0, s - h)) / (2.0 * h);
                let derivative = activation.derivative(0, s);
                assert!(
                    (difference - derivative).abs() < 1e-7,
                    "{activation} at {s}: {difference} against {derivative}"
                );
            }
        }
    }

    #[test]
    fn a_derivative_jumps_where_no_seam_is() {
        for activation in examples() {
            let pieces = activation.pieces(0);
            let seams = pieces.iter().flat_map(Pieces::seams).copied().collect::<Vec<_>>();
            let steps = samples().zip(samples().skip(1)).filter(|(l, u)| !seams.iter().any(|at| l <= at && at <= u));
            for (l, u) in steps {
                let jump = activation.derivative(0, u) - activation.derivative(0, l);
                assert!(jump.abs() < 1e-3, "{activation}' jumps by {jump} at {l}");
            }
            let curved = activation.linear_pieces(0).is_none();
            assert!(
                !curved || pieces.is_none_or(|pieces| pieces.only_kink().is_none()),
                "{activation} has no kink to cut at"
            );
        }
    }

    #[test]
    fn two_slopes_are_those_of_functions_with_one_kink_at_zero() {
        for activation in examples() {
            let kink = activation.linear_pieces(0).and_then(|pieces| pieces.only_kink());
            let own = activation.around_zero(0);
            assert_eq!(own.is_some(), kink == Some(0.0), "{activation}");
            for (s, c) in own.into_iter().flat_map(|(l, r)| [(-3.0, l), (-0.0, l), (0.0, r), (0.625, r)]) {
                assert_eq!(activation.value(0, s), c * s, "{activation}({s})");
            }
        }
    }

    #[test]
    fn values_stay_finite_far_out() {
        for activation in examples() {
            for s in [-1e4, -750.0, 750.0, 1e4] {
                assert!(activation.value(0, s).is_finite(), "{activation}({s})");
                assert!(activation.derivative(0, s).is_finite(), "{activation}'({s})");
            }
        }
    }

    #[test]
    fn unusable_parameters_are_named() {
        assert!(Activation::Celu { alpha: 0.0 }.defect().is_some());
        assert!(Activation::Clip { min: 1.0, max: 0.0 }.defect().is_some());
        assert!(Activation::LeakyRelu { slope: f64::NAN }.defect().is_some());
        assert!(Activation::Clip { min: f64::NEG_INFINITY, max: 0.0 }.defect().is_none());
    }
}
