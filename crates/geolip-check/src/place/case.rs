//! Cases: neurons whose slopes are single numbers.

/// A neuron with one slope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixing {
    /// The layer of neurons, in topological order.
    pub layer: usize,
    /// The neuron in its layer.
    pub neuron: usize,
    /// Its slope.
    pub slope: f64,
}
