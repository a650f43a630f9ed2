//! Every number that steers the search for steep inputs and is no part of a claim: change one, run the bench `lower-portfolio`.
//! Which part of the work each strategy gets stands in the table of strategies (`portfolio.rs`).

/// Relative distance to a pattern's value at which that counts as met.
pub(super) const MET: f64 = 1e-10;
/// What counts as few inputs.
pub(super) const FEW_INPUTS: usize = 64;
/// Numbers (inputs and neurons, for all columns) evaluated at once, roughly.
pub(super) const LARGEST_BATCH: usize = 1 << 23;
/// Passes through the network per functional below which the first strategy that takes a share of the work gets all of it.
pub(super) const LEAST_SHARED: f64 = 500.0;
/// Passes per functional on a region, at least: regions are asked about with little work.
pub(super) const LEAST_ON_REGION: f64 = 600.0;

/// `sample.rs`.
pub(super) mod sample {
    /// Inputs sampled for all functionals together.
    pub const SAMPLES: usize = 64;
}

/// `pieces.rs`.
pub(super) mod pieces {
    /// Most pieces, and most multiply–adds of one pass over all.
    pub const MOST_PIECES: usize = 1 << 16;
    pub const MOST_WORK: usize = 1 << 34;
    /// Pieces whose slopes are proved, at most.
    pub const MOST_PROVED: usize = 1000;
}

/// `first_layer.rs`.
pub(super) mod first_layer {
    /// Most rows of W₁.
    pub const MOST_ROWS: usize = 1024;
    /// The ridge, in units of the mean diagonal entry of W₁W₁ᵀ, and the least pivot with which the rank counts as full.
    pub const RIDGE: f64 = 1e-9;
    pub const LEAST_PIVOT: f64 = 1e-6;
}

/// `ascend.rs` and `smoothed.rs`.
pub(super) mod ascend {
    /// Passes through the network of one step.
    pub const PASSES_OF_STEP: f64 = 6.0;
    /// Everywhere: passes per functional at least and at most, inputs side by side per functional at most, and how many steps
    /// each should have before there are more.
    pub const PASSES: (f64, f64) = (150.0, 40_000.0);
    pub const CLIMBERS: usize = 8;
    pub const STEPS_OF_ONE: f64 = 60.0;
    /// On a region: inputs side by side per functional; steps at least and at most.
    pub const CLIMBERS_ON_REGION: usize = 4;
    pub const STEPS_ON_REGION: (usize, usize) = (8, 400);
    /// Where patterns are followed from: the size of every first pre-activation, and of the step along a pattern's direction.
    pub const START: f64 = 10.0;
    /// Far to the right of every kink.
    pub const FAR: f64 = 1e3;
    /// Width of the smoothing in units of a layer's root mean square, at first and at last.
    pub const WIDTH: (f64, f64) = (2.0, 0.02);
    /// The widths of every other pair of columns are smaller by this.
    pub const NARROW: f64 = 0.25;
    /// Step length in units of the input's length, likewise.
    pub const STEP: (f64, f64) = (0.3, 0.01);
    /// The part of the steps that follows the pattern, and their step length.
    pub const FOLLOWING: f64 = 0.2;
    pub const FOLLOWING_STEP: (f64, f64) = (0.5, 0.02);
    /// Distance from zero, in units of the layer's root mean square, that neurons are pushed to.
    pub const MARGIN: f64 = 0.1;
}

/// `realise.rs`.
pub(super) mod realise {
    /// Most neurons for which the proof is tried: it takes their square times the number of inputs, and their cube.
    pub const MOST_NEURONS: usize = 2048;
}

/// `constant.rs`.
pub(super) mod constant {
    /// Products that exact arithmetic is worth.
    pub const MOST_WORK: usize = 1 << 22;
}

/// `program.rs`.
pub(super) mod program {
    /// The margin is the largest bias, or 1; neurons that read the variable keep this part of it, and stay within so many of it.
    pub const HELD: (f64, f64) = (0.01, 100.0);
    /// Steps of the solver, each of which costs about the cube of the variables and their square times the neurons.
    pub const STEPS: u32 = 25;
    pub const ACCURACY: f64 = 1e-5;
}

/// `climb.rs`.
pub(super) mod climb {
    /// Lengths of moves, in units of the root mean square of the coordinates, and how widely they vary (a factor e to this
    /// times a normal number).
    pub const LENGTHS: [f64; 8] = [-3.0, -1.0, -0.3, -0.1, 0.1, 0.3, 1.0, 3.0];
    pub const SPREAD: f64 = 0.7;
    /// Moves per coordinate: the lengths and the reflection.
    pub const MOVES: usize = LENGTHS.len() + 1;
    /// Coordinates tried side by side, at most.
    pub const BLOCK: usize = 16;
    /// Moves tried together, at most.
    pub const TOGETHER: usize = 8;
    /// The gain of a round below which it counts as none, and so many of which in a row end a climb.
    pub const GAIN: f64 = 1e-4;
    pub const STILL: usize = 4;
    /// Random inputs that every other climb starts from the best of, where there are few inputs.
    pub const FRESH: usize = 32;
    /// Relative loss below which a move counts as neutral.
    pub const NEUTRAL: f64 = 1e-12;
    /// Passes through the network that one value takes.
    pub const PASSES_OF_VALUE: f64 = 2.0;
}

/// `perturb.rs`.
pub(super) mod perturb {
    /// Random steps tried at once, and the rounds of them at least and at most.
    pub const TRIALS: usize = 16;
    pub const ROUNDS: (usize, usize) = (4, 200);
    /// Step lengths, in units of the region.
    pub const STEPS: [f64; 5] = [1.0, 0.3, 0.1, 0.03, 0.01];
    /// Parts of the entries that move.
    pub const MOVING: [f64; 3] = [1.0, 0.3, 0.05];
}

/// `cells.rs`.
pub(super) mod cells {
    /// What keeps cells without bound in check: the ridge in units of the input's mean square, whose least is the second; it is
    /// the least part of a length that counts, too.
    pub const RIDGE: f64 = 1e-4;
    pub const LEAST: f64 = 1e-6;
    /// The ridge against rounding, in units of the largest diagonal entry.
    pub const OWN: f64 = 1e-13;
    /// The part of the way out that a step to the middle may take.
    pub const PART: f64 = 0.7;
    /// How far a line may be followed in the next cell, in units of its length in the last one.
    pub const FAR: f64 = 4.0;
    /// Length of a random step that does not come to a kink, in units of H.
    pub const SPREAD: f64 = 3.0;
}

/// `walk.rs`.
pub(super) mod walk {
    /// Steps from cell to cell that there must be work for.
    pub const LEAST_STEPS: f64 = 100.0;
    /// Neurons looked at in a cell, from walk to walk.
    pub const LOOKS: [usize; 4] = [4, 1, 2, 1];
    /// Random points in a cell from which a way out is looked for.
    pub const TRIES: usize = 2;
    /// Cells in a row without a new maximum of the walk that end it.
    pub const STILL: usize = 100;
    /// Random inputs that a walk starts from the best of, and the powers of ten that they are scaled by.
    pub const FRESH: usize = 16;
    pub const SCALES: (f64, f64) = (-1.5, 1.5);
    /// Inputs that are offered, at most, and the steps to the middle of their cell before that.
    pub const KEPT: usize = 4;
    pub const TO_MIDDLE: usize = 3;
}
