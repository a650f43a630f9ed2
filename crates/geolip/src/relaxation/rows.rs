//! The row operations inside a sweep. Each works on chunks of k numbers (one neuron of one problem), and is compiled for
//! the usual k so that the inner loops unroll; any other k takes the same code with k read at run time. Rows are
//! independent, so large matrices are cut into blocks of rows for several threads.

use crate::matrix::Matrix;
use crate::network::Slope;
use rayon::prelude::*;

/// Calls `$function::<K>($args…)` with K = k where k is one of the usual sizes, and K = 0 ("ask `k`") otherwise.
macro_rules! by_features {
    ($k:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $k {
            1 => $function::<1>($($argument),*),
            4 => $function::<4>($($argument),*),
            8 => $function::<8>($($argument),*),
            16 => $function::<16>($($argument),*),
            24 => $function::<24>($($argument),*),
            32 => $function::<32>($($argument),*),
            40 => $function::<40>($($argument),*),
            _ => $function::<0>($($argument),*),
        }
    };
}

/// Numbers in a matrix from which on its rows are shared out between threads, and in one block of rows, roughly.
const PARALLEL: usize = 1 << 18;
const BLOCK: usize = 1 << 15;

/// How many rows of a matrix make one block.
fn block_rows(m: &Matrix) -> usize {
    if m.data().len() < PARALLEL { m.rows().max(1) } else { BLOCK.div_ceil(m.cols()) }
}

#[inline(always)]
fn features<const K: usize>(k: usize) -> usize {
    if K == 0 { k } else { K }
}

/// Σ aᵢ bᵢ, in eight running sums where there is a multiple of eight numbers.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    if !a.len().is_multiple_of(8) {
        return a.iter().zip(b).map(|(a, b)| a * b).sum();
    }
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    (sums[0] + sums[4]) + (sums[1] + sums[5]) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}

/// z = c h + r ‖h‖ s, and ‖h‖ per (neuron, problem).
pub(super) fn activate(k: usize, slopes: &[Slope], h: &Matrix, s: &Matrix, z: &mut Matrix, norms: &mut Matrix) {
    let (rows, cols, problems) = (block_rows(h), h.cols(), norms.cols());
    let sources = h.data().par_chunks(rows * cols).zip(s.data().par_chunks(rows * cols)).zip(slopes.par_chunks(rows));
    let targets = z.data_mut().par_chunks_mut(rows * cols).zip(norms.data_mut().par_chunks_mut(rows * problems));
    sources.zip(targets).for_each(|(((h, s), slopes), (z, norms))| {
        by_features!(k, activate_k(k, slopes, h, s, z, norms));
    });
}

fn activate_k<const K: usize>(k: usize, slopes: &[Slope], h: &[f64], s: &[f64], z: &mut [f64], norms: &mut [f64]) {
    let (k, problems) = (features::<K>(k), norms.len() / slopes.len());
    let chunks = h.chunks_exact(k).zip(s.chunks_exact(k)).zip(z.chunks_exact_mut(k)).zip(norms);
    for ((((h, s), z), norm), slope) in chunks.zip(slopes.iter().flat_map(|slope| std::iter::repeat_n(slope, problems)))
    {
        *norm = dot(h, h).sqrt();
        let (c, t) = (slope.centre(), slope.radius() * *norm);
        for ((z, h), s) in z.iter_mut().zip(h).zip(s) {
            *z = c * h + t * s;
        }
    }
}

/// From G, the gradient with respect to z: the maximising unit vectors s = G/‖G‖ (`fallback`, the previous s, where
/// G = 0), ‖G‖, and the gradient with respect to h, c G + r ‖G‖ h/‖h‖, written over `g`. At h = 0 the function
/// c⟨G, h⟩ + r‖G‖‖h‖ has many subgradients; (c + r) G is the one that leads away from there along G.
pub(super) fn deactivate(
    k: usize,
    slopes: &[Slope],
    (h, h_norms): (&Matrix, &Matrix),
    g: &mut Matrix,
    g_norms: &mut Matrix,
    s: &mut Matrix,
    fallback: &Matrix,
) {
    let (rows, cols, problems) = (block_rows(h), h.cols(), h_norms.cols());
    let h = h.data().par_chunks(rows * cols).zip(h_norms.data().par_chunks(rows * problems));
    let sources = h.zip(slopes.par_chunks(rows)).zip(fallback.data().par_chunks(rows * cols));
    let g = g.data_mut().par_chunks_mut(rows * cols).zip(g_norms.data_mut().par_chunks_mut(rows * problems));
    sources.zip(g.zip(s.data_mut().par_chunks_mut(rows * cols))).for_each(|(((h, slopes), old), ((g, g_norms), s))| {
        by_features!(k, deactivate_k(k, slopes, h, (g, g_norms), s, old));
    });
}

fn deactivate_k<const K: usize>(
    k: usize,
    slopes: &[Slope],
    (h, h_norms): (&[f64], &[f64]),
    (g, g_norms): (&mut [f64], &mut [f64]),
    s: &mut [f64],
    fallback: &[f64],
) {
    let (k, problems) = (features::<K>(k), h_norms.len() / slopes.len());
    let slopes = slopes.iter().flat_map(|slope| std::iter::repeat_n(slope, problems));
    let rows = h.chunks_exact(k).zip(h_norms).zip(fallback.chunks_exact(k)).zip(slopes);
    let targets = g.chunks_exact_mut(k).zip(s.chunks_exact_mut(k)).zip(g_norms);
    for ((((h, h_norm), old), slope), ((g, s), g_norm)) in rows.zip(targets) {
        let (c, r) = (slope.centre(), slope.radius());
        *g_norm = dot(g, g).sqrt();
        if *g_norm > 0.0 {
            let inverse = 1.0 / *g_norm;
            s.iter_mut().zip(g.iter()).for_each(|(s, g)| *s = inverse * g);
        } else {
            s.copy_from_slice(old);
        }
        if *h_norm > 0.0 {
            let t = r * *g_norm / *h_norm;
            g.iter_mut().zip(h).for_each(|(g, h)| *g = c * *g + t * h);
        } else {
            g.iter_mut().for_each(|g| *g *= c + r);
        }
    }
}

/// x = g/‖g‖ per (row, problem), with `fallback` where g = 0; ‖g‖ into `norms`.
pub(super) fn unit(k: usize, g: &Matrix, norms: &mut Matrix, x: &mut Matrix, fallback: &Matrix) {
    by_features!(k, unit_k(k, g, norms, x, fallback));
}

fn unit_k<const K: usize>(k: usize, g: &Matrix, norms: &mut Matrix, x: &mut Matrix, fallback: &Matrix) {
    let k = features::<K>(k);
    let rows = g.data().chunks_exact(k).zip(fallback.data().chunks_exact(k));
    for (((g, old), x), norm) in rows.zip(x.data_mut().chunks_exact_mut(k)).zip(norms.data_mut()) {
        *norm = dot(g, g).sqrt();
        if *norm > 0.0 {
            let inverse = 1.0 / *norm;
            x.iter_mut().zip(g).for_each(|(x, g)| *x = inverse * g);
        } else {
            x.copy_from_slice(old);
        }
    }
}

/// Scales every (row, problem) chunk to unit length; zero chunks stay zero.
pub(super) fn normalise(m: &mut Matrix, k: usize) {
    by_features!(k, normalise_k(k, m));
}

fn normalise_k<const K: usize>(k: usize, m: &mut Matrix) {
    m.data_mut().chunks_exact_mut(features::<K>(k)).for_each(normalise_chunk);
}

#[inline(always)]
fn normalise_chunk(chunk: &mut [f64]) {
    let square = dot(chunk, chunk);
    if square > 0.0 {
        let inverse = 1.0 / square.sqrt();
        chunk.iter_mut().for_each(|v| *v *= inverse);
    }
}

/// y = new + b·(new − old) with one b per problem, then scaled to unit length if `unit`; where b is NaN (a restart), y = old
/// and `new` is not used.
pub(super) fn extrapolate(k: usize, momentum: &[f64], old: &Matrix, new: &Matrix, y: &mut Matrix, unit: bool) {
    let size = block_rows(old) * old.cols();
    let sources = old.data().par_chunks(size).zip(new.data().par_chunks(size));
    sources.zip(y.data_mut().par_chunks_mut(size)).for_each(|((old, new), y)| {
        by_features!(k, extrapolate_k(k, momentum, old, new, y, unit));
    });
}

fn extrapolate_k<const K: usize>(k: usize, momentum: &[f64], old: &[f64], new: &[f64], y: &mut [f64], unit: bool) {
    let k = features::<K>(k);
    let chunks = old.chunks_exact(k).zip(new.chunks_exact(k)).zip(y.chunks_exact_mut(k));
    for (((old, new), y), b) in chunks.zip(momentum.iter().cycle()) {
        if b.is_nan() {
            y.copy_from_slice(old);
        } else {
            y.iter_mut().zip(new).zip(old).for_each(|((y, n), o)| *y = n + b * (n - o));
            if unit {
                normalise_chunk(y);
            }
        }
    }
}

/// old ← new for the problems that are not restarting (see [`extrapolate`]); afterwards `new` means nothing.
pub(super) fn accept(k: usize, momentum: &[f64], old: &mut Matrix, new: &mut Matrix) {
    if momentum.iter().all(|b| !b.is_nan()) {
        std::mem::swap(old, new);
        return;
    }
    for i in 0..old.rows() {
        for ((old, new), b) in old.row_mut(i).chunks_exact_mut(k).zip(new.row(i).chunks_exact(k)).zip(momentum) {
            if !b.is_nan() {
                old.copy_from_slice(new);
            }
        }
    }
}

/// sums[p] += Σ v w ⟨a − b, b − c⟩ over the rows of problem p.
pub(super) fn add_turn(k: usize, weights: [&Matrix; 2], points: [&Matrix; 3], sums: &mut [f64]) {
    let (size, count) = (block_rows(points[0]) * points[0].cols(), block_rows(points[0]) * sums.len());
    let [a, b, c] = points.map(|m| m.data().par_chunks(size));
    let [v, w] = weights.map(|m| m.data().par_chunks(count));
    let turns: Vec<Vec<f64>> = a
        .zip(b)
        .zip(c)
        .zip(v.zip(w))
        .map(|(((a, b), c), weights)| {
            let mut turn = vec![0.0; sums.len()];
            by_features!(k, add_turn_k(k, weights, (a, b, c), &mut turn));
            turn
        })
        .collect();
    turns.iter().for_each(|turn| sums.iter_mut().zip(turn).for_each(|(sum, turn)| *sum += turn));
}

fn add_turn_k<const K: usize>(
    k: usize,
    (v, w): (&[f64], &[f64]),
    (a, b, c): (&[f64], &[f64], &[f64]),
    sums: &mut [f64],
) {
    let (k, problems) = (features::<K>(k), sums.len());
    let chunks = a.chunks_exact(k).zip(b.chunks_exact(k)).zip(c.chunks_exact(k)).zip(v.iter().zip(w)).enumerate();
    for (at, (((a, b), c), (v, w))) in chunks {
        let weight = v * w;
        if weight == 0.0 {
            continue;
        }
        // ⟨a − b, b − c⟩ = ⟨a, b⟩ − ⟨a, c⟩ − ⟨b, b⟩ + ⟨b, c⟩ would cancel; the differences are formed
        let mut lanes = [0.0; 4];
        for (at, ((a, b), c)) in a.iter().zip(b).zip(c).enumerate() {
            lanes[at % 4] += (a - b) * (b - c);
        }
        sums[at % problems] += weight * ((lanes[0] + lanes[2]) + (lanes[1] + lanes[3]));
    }
}
