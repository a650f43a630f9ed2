//! Where variables and atoms stand.
//!
//! Variables are those of triangles and vertex cuts: the constant e, the signs t of free neurons, the inputs. Atoms are what they are made of: e, t, the parts P
//! and N of every free neuron, the inputs.

/// The numbers of free neurons and of inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    pub free: usize,
    pub inputs: usize,
}

impl Layout {
    /// How many atoms there are.
    pub fn atoms(self) -> usize {
        1 + 3 * self.free + self.inputs
    }

    /// The atom of a variable.
    pub fn atom(self, variable: usize) -> usize {
        if variable <= self.free { variable } else { self.input(variable - 1 - self.free) }
    }

    /// The atom of a neuron's sign.
    pub fn sign(self, j: usize) -> usize {
        1 + j
    }

    /// That of its P.
    pub fn upper(self, j: usize) -> usize {
        1 + self.free + j
    }

    /// That of its N.
    pub fn lower(self, j: usize) -> usize {
        1 + 2 * self.free + j
    }

    /// That of an input.
    pub fn input(self, i: usize) -> usize {
        1 + 3 * self.free + i
    }
}
