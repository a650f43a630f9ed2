//! Elementwise activations: value, derivative, and the slope interval that a Lipschitz bound rests on.
//!
//! # Slope intervals
//!
//! **Claim.** For every activation φ here and all s ≠ t, α ≤ (φ(s) − φ(t)) / (s − t) ≤ β with
//! [α, β] = [`Activation::slope`]. Every φ here is absolutely continuous, so by the mean value theorem it is enough that
//! φ' ∈ [α, β] wherever φ' exists. **Rounded** outwards: α down, β up.
//!
//! Piecewise-linear and monotone cases are immediate. The others, whose extreme derivatives are not round numbers:
//!
//! | φ | extreme derivatives | where |
//! | --- | --- | --- |
//! | GELU x·Φ(x) | Φ(√2) + √2·ϕ(√2) = 1.12890414518515…, and 1 minus that | ±√2, the zeros of φ'' = (2 − x²)ϕ |
//! | GELU (tanh form) | 1.12899306865877…, and 1 minus that | ±1.41850400879… |
//! | SiLU x·σ(x) | 1.09983932012886…, and 1 minus that | ±2.39935728052… |
//! | Mish x·tanh(log(1+eˣ)) | 1.08849816125172…, −0.11252612238946… | 1.49057117949…, −2.25637639636… |
//!
//! (found with 40 digits, φ'' = 0; the first three have φ'(x) + φ'(−x) = 1). A test samples every derivative densely.

use std::fmt;

/// A closed interval that holds every secant slope of one neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// α, the smallest slope.
    pub lower: f64,
    /// β, the largest slope.
    pub upper: f64,
}

impl Slope {
    /// The interval [lower, upper].
    pub const fn new(lower: f64, upper: f64) -> Self {
        Self { lower, upper }
    }

    /// The hull of two slopes, in either order.
    fn hull(a: f64, b: f64) -> Self {
        Self { lower: a.min(b), upper: a.max(b) }
    }

    /// c = (α + β)/2, rounded to nearest.
    pub fn centre(self) -> f64 {
        0.5 * (self.lower + self.upper)
    }

    /// r = (β − α)/2, rounded to nearest.
    pub fn radius(self) -> f64 {
        0.5 * (self.upper - self.lower)
    }

    /// max(|α|, |β|).
    pub fn magnitude(self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }

    /// Whether the slope is one fixed number, so that the neuron is linear.
    pub fn is_fixed(self) -> bool {
        self.lower == self.upper
    }
}

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
}

const GELU: Slope = Slope::new(-0.128_904_145_185_155, 1.128_904_145_185_155);
/// One part in 10⁸ wider than needed: exporters write its constants in float32, which moves the extremes by 10⁻⁹.
const GELU_TANH: Slope = Slope::new(-0.128_993_08, 1.128_993_08);
const SILU: Slope = Slope::new(-0.099_839_320_128_87, 1.099_839_320_128_87);
const MISH: Slope = Slope::new(-0.112_526_122_389_463, 1.088_498_161_251_73);

pub(super) const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
pub(super) const GELU_CUBIC: f64 = 0.044_715;

impl Activation {
    /// The slope interval of neuron `index` over the whole real line (see the module for the claim).
    pub fn slope(&self, index: usize) -> Slope {
        match self {
            Self::Relu | Self::Tanh | Self::Softsign | Self::Softplus | Self::Celu { .. } | Self::Clip { .. } => {
                Slope::new(0.0, 1.0)
            }
            Self::LeakyRelu { slope } => Slope::hull(*slope, 1.0),
            Self::PRelu { slopes } => Slope::hull(slopes[index], 1.0),
            Self::Sigmoid => Slope::new(0.0, 0.25),
            Self::Elu { alpha } => Slope::new(alpha.min(0.0), alpha.max(1.0)),
            Self::Selu { alpha, gamma } => {
                let steepest = alpha * gamma; // the one rounded product: one step outwards covers it
                let ends = [0.0, *gamma, steepest.next_down(), steepest.next_up()];
                Slope::new(
                    ends.iter().copied().fold(f64::INFINITY, f64::min).min(0.0),
                    ends.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                )
            }
            Self::HardSigmoid { slope, .. } => Slope::hull(0.0, *slope),
            Self::Abs | Self::Sin | Self::Cos => Slope::new(-1.0, 1.0),
            Self::Silu => SILU,
            Self::Gelu => GELU,
            Self::GeluTanh => GELU_TANH,
            Self::HardSwish => Slope::new(-0.5, 1.5),
            Self::Mish => MISH,
        }
    }

    /// The slope intervals of a layer of `neurons` neurons.
    pub fn slopes(&self, neurons: usize) -> Vec<Slope> {
        (0..neurons).map(|index| self.slope(index)).collect()
    }

    /// φ(s) of neuron `index`, in ordinary floating point.
    pub fn value(&self, index: usize, s: f64) -> f64 {
        let leaky = |slope: f64| if s >= 0.0 { s } else { slope * s };
        match self {
            Self::Relu => s.max(0.0),
            Self::LeakyRelu { slope } => leaky(*slope),
            Self::PRelu { slopes } => leaky(slopes[index]),
            Self::Sigmoid => sigmoid(s),
            Self::Tanh => s.tanh(),
            Self::Softsign => s / (1.0 + s.abs()),
            Self::Softplus => softplus(s),
            Self::Elu { alpha } => {
                if s >= 0.0 {
                    s
                } else {
                    alpha * s.exp_m1()
                }
            }
            Self::Celu { alpha } => s.max(0.0) + (alpha * (s / alpha).exp_m1()).min(0.0),
            Self::Selu { alpha, gamma } => gamma * if s >= 0.0 { s } else { alpha * s.exp_m1() },
            Self::HardSigmoid { slope, offset } => (slope * s + offset).clamp(0.0, 1.0),
            Self::Clip { min, max } => s.clamp(*min, *max),
            Self::Abs => s.abs(),
            Self::Silu => s * sigmoid(s),
            Self::Gelu => s * normal_cdf(s),
            Self::GeluTanh => 0.5 * s * (1.0 + gelu_inner(s).tanh()),
            Self::HardSwish => s * (s / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Mish => s * softplus(s).tanh(),
            Self::Sin => s.sin(),
            Self::Cos => s.cos(),
        }
    }

    /// φ'(s) of neuron `index`, in ordinary floating point; at a kink, the derivative from the right.
    pub fn derivative(&self, index: usize, s: f64) -> f64 {
        let leaky = |slope: f64| if s >= 0.0 { 1.0 } else { slope };
        match self {
            Self::Relu => leaky(0.0),
            Self::LeakyRelu { slope } => leaky(*slope),
            Self::PRelu { slopes } => leaky(slopes[index]),
            Self::Sigmoid => sigmoid(s) * sigmoid(-s),
            Self::Tanh => sech_squared(s),
            Self::Softsign => (1.0 + s.abs()).powi(-2),
            Self::Softplus => sigmoid(s),
            Self::Elu { alpha } => {
                if s >= 0.0 {
                    1.0
                } else {
                    alpha * s.exp()
                }
            }
            Self::Celu { alpha } => {
                if s >= 0.0 {
                    1.0
                } else {
                    (s / alpha).exp()
                }
            }
            Self::Selu { alpha, gamma } => gamma * if s >= 0.0 { 1.0 } else { alpha * s.exp() },
            Self::HardSigmoid { slope, offset } => {
                let ramp = slope * s + offset;
                if (0.0..1.0).contains(&ramp) { *slope } else { 0.0 }
            }
            Self::Clip { min, max } => {
                if (*min..*max).contains(&s) {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Abs => leaky(-1.0),
            Self::Silu => sigmoid(s) * (1.0 + s * sigmoid(-s)),
            Self::Gelu => normal_cdf(s) + s * normal_density(s),
            Self::GeluTanh => {
                let inner = gelu_inner(s);
                let inner_derivative = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * s * s);
                0.5 * (1.0 + inner.tanh()) + 0.5 * s * sech_squared(inner) * inner_derivative
            }
            Self::HardSwish => {
                if s < -3.0 {
                    0.0
                } else if s < 3.0 {
                    s / 3.0 + 0.5
                } else {
                    1.0
                }
            }
            Self::Mish => softplus(s).tanh() + s * sech_squared(softplus(s)) * sigmoid(s),
            Self::Sin => s.cos(),
            Self::Cos => -s.sin(),
        }
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
        match self {
            Self::LeakyRelu { slope } => vec![*slope],
            Self::PRelu { slopes } => slopes.clone(),
            Self::Elu { alpha } | Self::Celu { alpha } => vec![*alpha],
            Self::Selu { alpha, gamma } => vec![*alpha, *gamma],
            Self::HardSigmoid { slope, offset } => vec![*slope, *offset],
            Self::Clip { min, max } => vec![*min, *max],
            Self::Relu
            | Self::Sigmoid
            | Self::Tanh
            | Self::Softsign
            | Self::Softplus
            | Self::Abs
            | Self::Silu
            | Self::Gelu
            | Self::GeluTanh
            | Self::HardSwish
            | Self::Mish
            | Self::Sin
            | Self::Cos => Vec::new(),
        }
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
            other => other
                .parameters()
                .iter()
                .find(|p| !p.is_finite())
                .map(|p| format!("{self} has the parameter {p}; it must be finite")),
        }
    }

    /// The name under which the field, and `--activation`, know this activation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky-relu",
            Self::PRelu { .. } => "prelu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softsign => "softsign",
            Self::Softplus => "softplus",
            Self::Elu { .. } => "elu",
            Self::Celu { .. } => "celu",
            Self::Selu { .. } => "selu",
            Self::HardSigmoid { .. } => "hard-sigmoid",
            Self::Clip { .. } => "clip",
            Self::Abs => "abs",
            Self::Silu => "silu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu-tanh",
            Self::HardSwish => "hard-swish",
            Self::Mish => "mish",
            Self::Sin => "sin",
            Self::Cos => "cos",
        }
    }

    /// The activation of a name, with the parameters its defaults have in PyTorch. `relu6` is Clip(0, 6).
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "relu" => Self::Relu,
            "leaky-relu" => Self::LeakyRelu { slope: 0.01 },
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "softsign" => Self::Softsign,
            "softplus" => Self::Softplus,
            "elu" => Self::Elu { alpha: 1.0 },
            "celu" => Self::Celu { alpha: 1.0 },
            "selu" => Self::selu(),
            "hard-sigmoid" => Self::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 },
            "relu6" => Self::Clip { min: 0.0, max: 6.0 },
            "abs" => Self::Abs,
            "silu" => Self::Silu,
            "gelu" => Self::Gelu,
            "gelu-tanh" => Self::GeluTanh,
            "hard-swish" => Self::HardSwish,
            "mish" => Self::Mish,
            "sin" => Self::Sin,
            "cos" => Self::Cos,
            _ => return None,
        })
    }

    /// The names [`Activation::from_name`] knows.
    pub const NAMES: [&'static str; 19] = [
        "relu",
        "leaky-relu",
        "relu6",
        "elu",
        "celu",
        "selu",
        "gelu",
        "gelu-tanh",
        "silu",
        "mish",
        "softplus",
        "softsign",
        "tanh",
        "sigmoid",
        "hard-sigmoid",
        "hard-swish",
        "abs",
        "sin",
        "cos",
    ];

    /// SELU with the constants of its paper, as ONNX and PyTorch store them (float32).
    pub fn selu() -> Self {
        Self::Selu { alpha: f64::from(1.673_263_2_f32), gamma: f64::from(1.050_701_f32) }
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

fn sigmoid(s: f64) -> f64 {
    if s >= 0.0 {
        1.0 / (1.0 + (-s).exp())
    } else {
        let e = s.exp();
        e / (1.0 + e)
    }
}

fn softplus(s: f64) -> f64 {
    s.max(0.0) + (-s.abs()).exp().ln_1p()
}

fn sech_squared(s: f64) -> f64 {
    // 1 − tanh² cancels for large |s|; 4e/(1+e)² with e = exp(−2|s|) does not
    let e = (-2.0 * s.abs()).exp();
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

fn normal_cdf(s: f64) -> f64 {
    0.5 * libm::erfc(-s * std::f64::consts::FRAC_1_SQRT_2)
}

fn normal_density(s: f64) -> f64 {
    0.5 * SQRT_2_OVER_PI * (-0.5 * s * s).exp()
}

pub(super) fn gelu_inner(s: f64) -> f64 {
    SQRT_2_OVER_PI * (s + GELU_CUBIC * s * s * s)
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
            for s in samples() {
                let d = activation.derivative(0, s);
                least = least.min(d);
                most = most.max(d);
            }
            assert!(slope.lower <= least && most <= slope.upper, "{activation}: {least}..{most} against {slope:?}");
            assert!(least - slope.lower < 1e-3 && slope.upper - most < 1e-3, "{activation}: {slope:?} is loose");
        }
    }

    #[test]
    fn constants_of_smooth_activations_are_tight_and_outward() {
        for (activation, least, most, width) in [
            (Activation::Gelu, -2f64.sqrt(), 2f64.sqrt(), 1e-14),
            (Activation::GeluTanh, -1.418_504_008_790_829, 1.418_504_008_790_829, 2e-8),
            (Activation::Silu, -2.399_357_280_515_468, 2.399_357_280_515_468, 1e-14),
            (Activation::Mish, -2.256_376_396_360_793, 1.490_571_179_485_428, 1e-14),
        ] {
            let slope = activation.slope(0);
            let (below, above) =
                (activation.derivative(0, least) - slope.lower, slope.upper - activation.derivative(0, most));
            assert!(
                (-1e-15..width).contains(&below) && (-1e-15..width).contains(&above),
                "{activation}: {below} {above}"
            );
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
