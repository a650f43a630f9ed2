//! q as a form of the variables and the pre-activations: a sum of products of short linear functions, with an error bound for every entry.
//!
//! # Rounding
//!
//! Every coefficient and every product is a [`Ball`], so an entry's error bound covers all roundings and underflows behind it.

use super::shape::{Shape, Variable};
use super::{Apart, CutProof, Sign, Triangle, VertexCut, Whole};
use crate::form::coefficients::{LayerForm, Parts};
use crate::function::Slope;
use crate::matrix::Matrix;
use crate::problem::InputNorm;
use crate::rounding::Ball;

/// q. Entry (i, j), i ≥ j, of its symmetric matrix; products of two different inputs do not occur.
pub(super) struct Atoms {
    inputs: usize,
    /// Rows of atoms that are no inputs.
    pub values: Matrix,
    /// What these may be off by.
    pub errors: Matrix,
    /// The squares of inputs.
    pub squares: Vec<Ball>,
}

/// A linear function: (atom, coefficient).
type Function = Vec<(usize, Ball)>;

impl Atoms {
    /// All terms of q. `rows` are those of the output's functional.
    pub fn new(
        shape: &Shape,
        (norm, proof): (InputNorm, &CutProof),
        (layers, output): (&[LayerForm<'_>], &Parts<'_>),
        rows: &[Vec<(usize, f64)>],
    ) -> Result<Self, String> {
        let (inputs, others) = (shape.inputs, shape.atoms() - shape.inputs);
        let (values, errors) = (Matrix::zeros(others, shape.atoms()), Matrix::zeros(others, shape.atoms()));
        let mut form = Self { inputs, values, errors, squares: vec![Ball::exact(0.0); inputs] };
        let terms = Terms { shape, layers, proof };
        terms.squares(&mut form);
        terms.output(&mut form, output, rows);
        terms.links(&mut form);
        proof.triangles.iter().try_for_each(|cut| terms.triangle(&mut form, norm, cut))?;
        proof.vertices.iter().try_for_each(|cut| terms.vertex(&mut form, norm, cut))?;
        proof.apart.iter().try_for_each(|apart| terms.apart(&mut form, apart))?;
        proof.whole.iter().try_for_each(|whole| terms.whole(&mut form, whole))?;
        Ok(form)
    }

    /// Adds to entry (i, j).
    fn add(&mut self, i: usize, j: usize, value: Ball) {
        let (row, col) = (i.max(j), i.min(j));
        if row < self.inputs {
            assert!(row == col, "products of two inputs are refused before");
            self.squares[row] = self.squares[row].plus(value);
            return;
        }
        let row = row - self.inputs;
        let sum = Ball { value: self.values.at(row, col), error: self.errors.at(row, col) }.plus(value);
        (*self.values.at_mut(row, col), *self.errors.at_mut(row, col)) = (sum.value, sum.error);
    }

    /// Adds weight·f·g.
    fn add_product(&mut self, weight: f64, f: &Function, g: &Function) {
        let whole = Ball::exact(weight);
        let half = whole.times(Ball::exact(0.5));
        for (i, a) in f {
            for (j, b) in g {
                // off the diagonal the entry stands twice
                let weight = if i == j { whole } else { half };
                self.add(*i, *j, weight.times(*a).times(*b));
            }
        }
    }
}

/// What terms are made of.
struct Terms<'a> {
    shape: &'a Shape,
    layers: &'a [LayerForm<'a>],
    proof: &'a CutProof,
}

/// The two ψ of one side of a vertex cut.
struct Side {
    plus: Function,
    minus: Function,
}

impl Terms<'_> {
    fn slope(&self, neuron: usize) -> Slope {
        let (layer, index) = self.shape.neurons[neuron];
        self.layers[layer].slopes[index]
    }

    /// factor·P.
    fn upper_part(&self, neuron: usize, factor: f64) -> Function {
        let lower = Ball::exact(-factor).times(Ball::exact(self.slope(neuron).lower));
        vec![(self.shape.neuron(neuron), Ball::exact(factor)), (self.shape.pre_activation(neuron), lower)]
    }

    /// factor·N.
    fn lower_part(&self, neuron: usize, factor: f64) -> Function {
        let upper = Ball::exact(factor).times(Ball::exact(self.slope(neuron).upper));
        vec![(self.shape.pre_activation(neuron), upper), (self.shape.neuron(neuron), Ball::exact(-factor))]
    }

    /// factor·(e + sign·t) for an atom t.
    fn beside(&self, atom: usize, factor: f64, sign: f64) -> Function {
        vec![(self.shape.constant(), Ball::exact(factor)), (atom, Ball::exact(sign * factor))]
    }

    /// ε, ζ, γ, τ and λ.
    fn squares(&self, form: &mut Atoms) {
        let (shape, proof) = (self.shape, self.proof);
        form.add(shape.constant(), shape.constant(), Ball::exact(proof.constant));
        for i in 0..shape.rows {
            let zeta = if proof.zeta.len() == 1 { proof.zeta[0] } else { proof.zeta[i] };
            form.add(shape.row(i), shape.row(i), Ball::exact(zeta));
        }
        for i in 0..shape.inputs {
            let gamma = if proof.gamma.len() == 1 { proof.gamma[0] } else { proof.gamma[i] };
            form.add(i, i, Ball::exact(gamma));
        }
        for (at, Sign(_, _, tau, _, _)) in proof.signs.iter().enumerate() {
            form.add(shape.sign(at), shape.sign(at), Ball::exact(*tau));
        }
        for (neuron, (layer, index)) in shape.neurons.iter().enumerate() {
            let lambda = proof.lambda[*layer][*index];
            form.add_product(-lambda, &self.upper_part(neuron, 1.0), &self.lower_part(neuron, 1.0));
        }
    }

    /// −2 e uᵀy, or −2 wᵀy.
    fn output(&self, form: &mut Atoms, output: &Parts<'_>, rows: &[Vec<(usize, f64)>]) {
        let shape = self.shape;
        for (at, entries) in rows.iter().enumerate() {
            let own = if shape.rows == 0 { shape.constant() } else { shape.row(at) };
            for part in output {
                for (i, weight) in entries {
                    part.visit_row(*i, |j, value, error| {
                        let atom = match part.block.checked_sub(1) {
                            None => Some(j),
                            Some(layer) => self.neuron_at(layer, j),
                        };
                        let atom = atom.expect("what stands is a free neuron");
                        form.add(own, atom, Ball { value, error }.times(Ball::exact(-weight)));
                    });
                }
            }
        }
    }

    fn neuron_at(&self, layer: usize, index: usize) -> Option<usize> {
        self.shape.neurons.binary_search(&(layer, index)).ok().map(|at| self.shape.neuron(at))
    }

    /// −2 κ P(t − e) − 2 ν N(t + e).
    fn links(&self, form: &mut Atoms) {
        for (at, Sign(_, _, _, kappa, nu)) in self.proof.signs.iter().enumerate() {
            let (neuron, sign) = (self.shape.signs[at], self.shape.sign(at));
            // P(e − t)·2κ
            form.add_product(2.0, &self.upper_part(neuron, *kappa), &self.beside(sign, 1.0, -1.0));
            form.add_product(-2.0, &self.lower_part(neuron, *nu), &self.beside(sign, 1.0, 1.0));
        }
    }

    /// The atom of a cut's variable.
    fn atom(&self, norm: InputNorm, variable: Variable) -> Result<usize, String> {
        match variable {
            Variable::Constant => Ok(self.shape.constant()),
            Variable::Sign(at) => Ok(self.shape.sign(at)),
            Variable::Input(i) if norm == InputNorm::Linf => Ok(i),
            Variable::Input(i) => Err(format!("a cut has input {i}, which is a sign in linf alone")),
        }
    }

    fn triangle(
        &self,
        form: &mut Atoms,
        norm: InputNorm,
        Triangle(variables, signs, weight): &Triangle,
    ) -> Result<(), String> {
        let mut atoms = [0; 3];
        for (atom, variable) in atoms.iter_mut().zip(variables) {
            *atom = self.atom(norm, self.shape.variable(*variable)?)?;
        }
        let [a, b, c] = atoms;
        if a == b || a == c || b == c {
            return Err("a triangle has a variable twice".to_owned());
        }
        if atoms.iter().filter(|atom| **atom < self.shape.inputs).count() > 1 {
            return Err("a triangle has two inputs".to_owned());
        }
        if signs.iter().any(|s| !matches!(s, -1 | 1)) || signs.iter().filter(|s| **s < 0).count() % 2 == 0 {
            return Err("a triangle needs three signs 1 and -1 whose product is -1".to_owned());
        }
        for ((i, j), sign) in [(a, b), (a, c), (b, c)].into_iter().zip(signs) {
            // 2 μ s ij stands in two entries
            form.add(i, j, Ball::exact(f64::from(*sign) * weight));
        }
        Ok(())
    }

    /// Two neurons of a group, of which one at most is on.
    fn apart(&self, form: &mut Atoms, Apart(a, b, multipliers): &Apart) -> Result<(), String> {
        let (Variable::Sign(a), Variable::Sign(b)) = (self.shape.variable(*a)?, self.shape.variable(*b)?) else {
            return Err("a variable that is apart from another is no sign".to_owned());
        };
        let of = &self.shape.group_of;
        if a == b || of[a].is_none() || of[a] != of[b] {
            return Err("two signs that are apart are not of one group".to_owned());
        }
        let side = |sign: usize| {
            let beside = self.beside(self.shape.sign(sign), 1.0, 1.0);
            [self.upper_part(self.shape.signs[sign], 1.0), beside]
        };
        let ([p, on], [other_p, other_on]) = (side(a), side(b));
        let pairs = [(&p, &other_p), (&p, &other_on), (&on, &other_p), (&on, &other_on)];
        for ((f, g), multiplier) in pairs.into_iter().zip(multipliers) {
            form.add_product(2.0 * multiplier, f, g);
        }
        Ok(())
    }

    /// All neurons of a group, of which exactly one is on.
    fn whole(&self, form: &mut Atoms, Whole(group, multiplier): &Whole) -> Result<(), String> {
        let group = self.shape.groups.get(*group).ok_or_else(|| format!("there is no group {group}"))?;
        let signs: Option<Vec<usize>> = group.iter().copied().collect();
        let signs = signs.ok_or("a neuron of a group that is to be whole has no sign")?;
        let constant = self.shape.constant();
        // 2 multiplier·e(Σ t + (k − 2) e), with k − 2 exact
        form.add(constant, constant, Ball::exact(2.0 * multiplier).times(Ball::exact(signs.len() as f64 - 2.0)));
        for sign in signs {
            form.add(constant, self.shape.sign(sign), Ball::exact(*multiplier));
        }
        Ok(())
    }

    fn side(&self, norm: InputNorm, variable: usize, coefficients: &[f64]) -> Result<Side, String> {
        let variable = self.shape.variable(variable)?;
        let atom = self.atom(norm, variable)?;
        match (variable, coefficients) {
            (Variable::Sign(at), [a, b, c, d]) => {
                let neuron = self.shape.signs[at];
                let join = |part: Function, other: Function| part.into_iter().chain(other).collect();
                Ok(Side {
                    plus: join(self.upper_part(neuron, *a), self.beside(atom, *b, 1.0)),
                    minus: join(self.lower_part(neuron, *c), self.beside(atom, *d, -1.0)),
                })
            }
            (Variable::Input(_), [c, d]) => {
                Ok(Side { plus: self.beside(atom, *c, 1.0), minus: self.beside(atom, *d, -1.0) })
            }
            _ => Err("a vertex cut has a sign or an input on either side, with four coefficients or two".to_owned()),
        }
    }

    fn vertex(
        &self,
        form: &mut Atoms,
        norm: InputNorm,
        VertexCut(a, b, coefficients): &VertexCut,
    ) -> Result<(), String> {
        let count = |variable: usize| match self.shape.variable(variable)? {
            Variable::Input(_) => Ok::<usize, String>(2),
            Variable::Sign(_) | Variable::Constant => Ok(4),
        };
        let (first, second) = (count(*a)?, count(*b)?);
        if a == b || first + second == 4 {
            return Err("a vertex cut has two variables, at most one of them an input".to_owned());
        }
        if coefficients.len() != first + second {
            return Err(format!("a vertex cut has {} coefficients, but needs {}", coefficients.len(), first + second));
        }
        let (of_a, of_b) = coefficients.split_at(first);
        let (a, b) = (self.side(norm, *a, of_a)?, self.side(norm, *b, of_b)?);
        for psi in [&a.plus, &a.minus, &b.plus, &b.minus] {
            form.add_product(-2.0, psi, psi);
        }
        for (psi, phi, sign) in
            [(&a.plus, &b.plus, 1.0), (&a.plus, &b.minus, 1.0), (&a.minus, &b.plus, 1.0), (&a.minus, &b.minus, -1.0)]
        {
            form.add_product(4.0 * sign, psi, phi);
        }
        Ok(())
    }
}
