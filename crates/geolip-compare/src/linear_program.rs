//! The linear relaxation of degree two of one hidden layer: LiPopt's first level, for ℓ∞.
//!
//! With signs x of the input and t of the neurons ([`geolip_check::proof::one_hidden`]), the FGL is the largest value of the polynomial
//! Σ lᵢxᵢ + Σ Aᵢⱼ xᵢtⱼ on a box. Krivine's certificates of degree two for the box |xᵢ|, |tⱼ| ≤ 1 multiply its constraints in
//! pairs; dually, every product becomes a variable of its own, with a linear constraint from each pair.
//!
//! **Claim.** That linear program has the value
//!
//! > max over |xᵢ|, |tⱼ| ≤ 1 of Σ lᵢxᵢ + Σ |Aᵢⱼ| (1 − |xᵢ − sgn(Aᵢⱼ) tⱼ|).
//!
//! *Proof.* The pairs (1 ± xᵢ)(1 ± tⱼ) ≥ 0 say |xᵢ + tⱼ| − 1 ≤ wᵢⱼ ≤ 1 − |xᵢ − tⱼ| for the variable wᵢⱼ of xᵢtⱼ, and the
//! objective puts w at the end that the sign of Aᵢⱼ asks for. All other pairs (x with x, t with t, a constraint with
//! itself) bound variables that the objective does not have, by an interval of the same kind, |a + b| − 1 ≤ w ≤ 1 − |a − b|
//! (2|a| − 1 ≤ w ≤ 1 for a square), which is never empty; and products with the constant 1 are sums of those above. So they
//! add nothing. ∎
//!
//! **The proof of a bound.** By weak duality, for any |fᵢⱼ| ≤ |Aᵢⱼ| the value is at most
//! Σ|Aᵢⱼ| + Σᵢ |lᵢ − Σⱼ fᵢⱼ| + Σⱼ |Σᵢ sgn(Aᵢⱼ) fᵢⱼ|. That dual program in f, a flow between inputs and
//! neurons, is what is solved; the solver's f, clipped, is such an f, and the sums are **rounded** up. Its status proves nothing and is not used.
//!
//! **Source.** Latorre, Rolland, Cevher, *Lipschitz constant estimation of neural networks via sparse polynomial
//! optimization*, ICLR 2020. Solved by Clarabel's interior-point method; eliminating f leaves a bipartite system whose
//! factorisation costs n₀n².

use crate::question::Clock;
use crate::{Estimate, Guarantee, NotApplicable, Question, entries, one_hidden};
use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use geolip_check::matrix::Matrix;
use geolip_check::problem::InputNorm;
use geolip_check::rounding::{add_up, gamma_up, sum_up};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Products of an input and a neuron.
const LARGEST: usize = 1 << 20;
/// The solver's relative accuracy: the value shown is proved whatever it is.
const ACCURACY: f64 = 1e-8;
/// How often the wish to stop is passed on to the solver.
const POLL: Duration = Duration::from_millis(20);

pub(crate) fn run(question: &Question<'_>, clock: Clock<'_>) -> Result<Estimate, NotApplicable> {
    let network = one_hidden(question)?;
    let (inputs, neurons) = (question.network.inputs(), question.network.neurons());
    let size = inputs.saturating_mul(neurons);
    // (the second limit keeps sums of node numbers in the solver's ordering within 32 bits)
    let limit = LARGEST.min((1 << 31) / inputs.max(neurons));
    if size > limit {
        return Err(NotApplicable::Size { what: "products of an input and a neuron", size, limit });
    }
    let found = question.each(|functional| {
        let program = network.program(&entries(functional)?, network.slopes());
        let last = program.matrix.cols() - 1;
        let (bound, ended) = solve(&program.matrix.columns(0..last), &program.matrix.column(last), clock)?;
        Ok((add_up(bound, program.slack), ended))
    })?;
    let mut note = match question.options.norm {
        InputNorm::Linf => "linear program by Clarabel, its solution proved",
        InputNorm::L2 | InputNorm::L1 | InputNorm::Lp(_) => {
            "its linf bound, as |x|_inf <= |x|_p for all p: the method has no other"
        }
    }
    .to_owned();
    if found.iter().any(|(_, ended)| !ended) {
        note.push_str("; stopped early");
    }
    let values = found.into_iter().map(|(value, _)| value).collect();
    Ok(Question::estimate(values, Guarantee::Certified, Some(note)))
}

/// One product: |A| (1 − |xᵢ − sign·tⱼ|).
struct Edge {
    i: usize,
    j: usize,
    sign: f64,
    size: f64,
}

/// A certified upper bound of the linear program's value, n₀ × n matrix A and l given, and whether it is the best.
fn solve(a: &Matrix, l: &[f64], clock: Clock<'_>) -> Result<(f64, bool), NotApplicable> {
    let largest = a.data().iter().chain(l).fold(0.0, |most: f64, v| most.max(v.abs()));
    if !largest.is_finite() {
        return Err(NotApplicable::Overflow);
    }
    let places = (0..a.rows()).flat_map(|i| (0..a.cols()).map(move |j| (i, j)));
    let edges: Vec<Edge> = places
        .filter(|(i, j)| a.at(*i, *j) != 0.0)
        .map(|(i, j)| Edge { i, j, sign: a.at(i, j).signum(), size: a.at(i, j).abs() })
        .collect();
    let (flow, ended) = if edges.is_empty() || clock.stopped() {
        (vec![0.0; edges.len()], edges.is_empty())
    } else {
        optimal_flow(&edges, a.cols(), l, largest, clock)?
    };
    Ok((proved(&edges, a.cols(), l, &flow), ended))
}

/// The bound that f proves.
fn proved(edges: &[Edge], neurons: usize, l: &[f64], flow: &[f64]) -> f64 {
    let (mut at_input, mut at_neuron) = (l.to_vec(), vec![0.0; neurons]);
    let (mut input_size, mut neuron_size): (Vec<f64>, Vec<f64>) =
        (l.iter().map(|l| l.abs()).collect(), vec![0.0; neurons]);
    for (edge, f) in edges.iter().zip(flow) {
        let f = if f.is_nan() { 0.0 } else { f.clamp(-edge.size, edge.size) };
        at_input[edge.i] -= f;
        input_size[edge.i] += f.abs();
        at_neuron[edge.j] += edge.sign * f;
        neuron_size[edge.j] += f.abs();
    }
    // a sum of m numbers is off by γ_m times the sum of their absolute values
    let gamma = gamma_up(l.len() + neurons + 4) * 1.000_001;
    let charged = |sums: Vec<f64>, sizes: Vec<f64>| {
        sum_up(
            sums.iter()
                .zip(&sizes)
                .map(|(s, size)| if *size == 0.0 { 0.0 } else { (s.abs() + gamma * size).next_up() }),
        )
    };
    let products = sum_up(edges.iter().map(|edge| edge.size));
    add_up(products, add_up(charged(at_input, input_size), charged(at_neuron, neuron_size)))
}

/// The solver's f, nearly optimal, and whether the solver came to its end.
///
/// The program in f: minimise Σp over −p ≤ g ≤ p, |fᵢⱼ| ≤ |Aᵢⱼ|, with g the differences at inputs and neurons, everything
/// divided by `scale`. (As a program in x, t and w, the same size, the ordering of Clarabel's factorisation adds up node
/// numbers beyond 32 bits for wide layers.)
fn optimal_flow(
    edges: &[Edge],
    neurons: usize,
    l: &[f64],
    scale: f64,
    clock: Clock<'_>,
) -> Result<(Vec<f64>, bool), NotApplicable> {
    let (inputs, places, products) = (l.len(), l.len() + neurons, edges.len());
    let (rows, columns) = (places + 2 * products + 2 * places, products + 2 * places);
    // columns f, g, p; rows Σf + g = l at every place, then ±f ≤ |A|, then ±g − p ≤ 0
    let pair = |first: usize, m: usize| [(first + 2 * m, 1.0), (first + 2 * m + 1, -1.0)];
    let (boxes, absolutes) = (places, places + 2 * products);
    let mut entries: Vec<Vec<(usize, f64)>> = Vec::with_capacity(columns);
    for (m, edge) in edges.iter().enumerate() {
        let [up, down] = pair(boxes, m);
        entries.push(vec![(edge.i, 1.0), (inputs + edge.j, edge.sign), up, down]);
    }
    for place in 0..places {
        let [up, down] = pair(absolutes, place);
        entries.push(vec![(place, 1.0), up, down]);
    }
    entries.extend((0..places).map(|place| pair(absolutes, place).map(|(row, _)| (row, -1.0)).to_vec()));
    let starts = std::iter::once(0).chain(entries.iter().scan(0, |sum, e| {
        *sum += e.len();
        Some(*sum)
    }));
    let matrix = CscMatrix::new(
        rows,
        columns,
        starts.collect(),
        entries.iter().flatten().map(|e| e.0).collect(),
        entries.iter().flatten().map(|e| e.1).collect(),
    );
    let costs: Vec<f64> = (0..columns).map(|column| if column < products + places { 0.0 } else { 1.0 }).collect();
    let mut limits: Vec<f64> = l.iter().map(|l| l / scale).collect();
    limits.resize(places, 0.0);
    edges.iter().for_each(|edge| limits.extend([edge.size / scale; 2]));
    limits.resize(rows, 0.0);
    let settings = DefaultSettings {
        verbose: false,
        max_threads: 1,
        tol_gap_rel: ACCURACY,
        tol_feas: ACCURACY,
        time_limit: clock.deadline.map_or(f64::INFINITY, |d| d.saturating_duration_since(Instant::now()).as_secs_f64()),
        ..DefaultSettings::default()
    };
    let cones = [SupportedConeT::ZeroConeT(places), SupportedConeT::NonnegativeConeT(rows - places)];
    let nothing = CscMatrix::zeros((columns, columns));
    let mut solver = DefaultSolver::new(&nothing, &costs, &matrix, &limits, &cones, settings)
        .map_err(|error| NotApplicable::Solver { status: error.to_string() })?;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    solver.set_termination_callback(move |_: &_| asked.load(Ordering::Relaxed));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && !clock.observer.cancelled() {
                std::thread::sleep(POLL);
            }
            stop.store(true, Ordering::Relaxed);
        });
        solver.solve();
        done.store(true, Ordering::Relaxed);
    });
    match solver.solution.status {
        // any of these leaves an f; how good it is shows in what it proves
        status @ (SolverStatus::Solved
        | SolverStatus::AlmostSolved
        | SolverStatus::MaxIterations
        | SolverStatus::InsufficientProgress
        | SolverStatus::NumericalError
        | SolverStatus::MaxTime
        | SolverStatus::CallbackTerminated) => {
            let flow = solver.solution.x[..products].iter().map(|f| scale * f).collect();
            Ok((flow, matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved)))
        }
        status @ (SolverStatus::Unsolved
        | SolverStatus::PrimalInfeasible
        | SolverStatus::DualInfeasible
        | SolverStatus::AlmostPrimalInfeasible
        | SolverStatus::AlmostDualInfeasible) => Err(NotApplicable::Solver { status: status.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geolip::Silent;

    #[test]
    fn the_bound_of_one_product_is_its_size_and_of_a_frustrated_cycle_the_sum() {
        let clock = Clock { observer: &Silent, deadline: None };
        let bound = |a: &Matrix, l: &[f64]| solve(a, l, clock).expect("solved").0;
        let one = bound(&Matrix::from_vec(1, 1, vec![-3.0]), &[0.5]);
        assert!((3.5..3.500_001).contains(&one), "{one}");
        // x₁t₁ + x₁t₂ + x₂t₁ − x₂t₂ is at most 2, but all vanish at once in the relaxation: 4
        let cycle = bound(&Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]), &[0.0, 0.0]);
        assert!((4.0..4.000_001).contains(&cycle), "{cycle}");
        // a linear part pulls x₁ and x₂ to 1, where the products cannot all be had
        let pulled = bound(&Matrix::from_vec(2, 2, vec![1.0, 1.0, 1.0, -1.0]), &[5.0, 5.0]);
        assert!((12.0..12.000_01).contains(&pulled), "{pulled}");
    }
}
