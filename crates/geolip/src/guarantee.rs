//! What is known beforehand about how far an upper bound can be from the FGL.
//!
//! A one-hidden-layer network (every path from input to output passes one activation at most) has, for a linear functional,
//!
//! > uᵀJ(v)x = Σⱼ u'ⱼ (cⱼ + rⱼsⱼ)(W₁x)ⱼ + aᵀx = tᵀBx,  B = \[diag(r∘u')W₁; u'ᵀdiag(c)W₁ + aᵀ\],  t = (s, 1),
//!
//! with v = c + r∘s, s ∈ \[−1, 1\], u' = W₂ᵀu, and a what bypasses the layer. Signs of t may be flipped together with x, so
//! FGL = ‖B‖_{p→1}: a bilinear form, *for any slope intervals, one per neuron, and any linear functional*. The vector network
//! gives every tⱼ and xᵢ a vector instead, which is Grothendieck's relaxation of that form:
//!
//! * **ℓ∞:** at most K_G·FGL with Grothendieck's real constant K_G ≤ π/(2 ln(1+√2)) < 1.7823 (J.-L. Krivine, *Constantes de
//!   Grothendieck et fonctions de type positif sur les sphères*, Adv. Math. 31, 1979; the inequality is strict: M. Braverman,
//!   K. Makarychev, Y. Makarychev, A. Naor, Forum Math. Pi 1, 2013).
//! * **ℓp, p > 2:** the same. In an optimum let ρᵢ = ‖xᵢ‖, Σρᵢ^p = 1; with ρ fixed it is an optimum of Grothendieck's
//!   relaxation of B·diag(ρ), and signs t, x' attain 1/K_G of it, with the input ρ∘x' of unit length.
//! * **ℓ2:** ‖B‖_{2→1}² = max tᵀBBᵀt over signs, and relaxing a positive semidefinite form loses at most π/2 (R. E. Rietz,
//!   *A proof of the Grothendieck inequality*, Israel J. Math. 19, 1974; Yu. Nesterov, Optim. Methods Softw. 9, 1998): at
//!   most √(π/2)·FGL < 1.2534·FGL.
//! * **ℓ1:** exact: x is one number at a time ([`crate::proof::intervals`], or the relaxation itself).
//!
//! The ℓ∞ norm of the output is the largest of m functionals. An ℓ1 or ℓ2 norm of the output adds a block of variables: the
//! form is then bilinear for networks without activations, B = A with u in the place of t, and for one hidden layer in ℓ1,
//! where x is one number: K_G for the ℓ1 norm of the output (√(π/2) from ℓ2), √(π/2) for the ℓ2 norm (1 from ℓ2 without
//! activations, by the singular value decomposition). For everything else no constant is known.

use crate::problem::{Functional, InputNorm, OutputNorm};
use crate::slopes::SlopeNetwork;

/// π/(2 ln(1+√2)) = 1.78221397…, rounded up.
pub(crate) const GROTHENDIECK: f64 = 1.782_214;
/// √(π/2) = 1.25331413…, rounded up.
pub(crate) const LITTLE_GROTHENDIECK: f64 = 1.253_315;

/// K with (value of the relaxation) ≤ K·FGL for every network of this depth, norm and output; none where none is known.
pub(crate) fn factor(network: &SlopeNetwork, norm: InputNorm, functional: &Functional) -> Option<f64> {
    let depth = network.depths()[network.output().index()];
    match (functional, depth) {
        (
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) | Functional::Norm(OutputNorm::Linf),
            0,
        ) => Some(1.0),
        (
            Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) | Functional::Norm(OutputNorm::Linf),
            1,
        ) => Some(match norm {
            InputNorm::Linf | InputNorm::Lp(_) => GROTHENDIECK,
            InputNorm::L2 => LITTLE_GROTHENDIECK,
            InputNorm::L1 => 1.0,
        }),
        (Functional::Norm(OutputNorm::L1), 0) => Some(match norm {
            InputNorm::Linf | InputNorm::Lp(_) => GROTHENDIECK,
            InputNorm::L2 => LITTLE_GROTHENDIECK,
            InputNorm::L1 => 1.0,
        }),
        (Functional::Norm(OutputNorm::L2), 0) => Some(match norm {
            InputNorm::Linf | InputNorm::Lp(_) => LITTLE_GROTHENDIECK,
            InputNorm::L2 | InputNorm::L1 => 1.0,
        }),
        (Functional::Norm(norm_out @ (OutputNorm::L1 | OutputNorm::L2)), 1) => match norm {
            InputNorm::L1 if *norm_out == OutputNorm::L1 => Some(GROTHENDIECK),
            InputNorm::L1 => Some(LITTLE_GROTHENDIECK),
            InputNorm::Linf | InputNorm::Lp(_) | InputNorm::L2 => None,
        },
        (Functional::Output(_) | Functional::Margin(..) | Functional::Vector(_) | Functional::Norm(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_rounded_up() {
        let grothendieck = std::f64::consts::PI / (2.0 * (1.0 + std::f64::consts::SQRT_2).ln());
        assert!(GROTHENDIECK > grothendieck && GROTHENDIECK < 1.7823 && GROTHENDIECK - grothendieck < 1e-6);
        let little = std::f64::consts::FRAC_PI_2.sqrt();
        assert!(LITTLE_GROTHENDIECK > little && LITTLE_GROTHENDIECK < 1.2534 && LITTLE_GROTHENDIECK - little < 1e-6);
    }
}
