//! The row operations inside a sweep. Each works on chunks of k numbers (one neuron of one problem), and is compiled for
//! the usual k so that the inner loops unroll; any other k takes the same code with k read at run time.

use crate::matrix::Matrix;
use crate::network::Slope;

/// Calls `$function::<K>($args…)` with K = k where k is one of the usual sizes, and K = 0 ("ask `k`") otherwise.
macro_rules! by_features {
    ($k:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $k {
            1 => $function::<1>($($argument),*),
            4 => $function::<4>($($argument),*),
            8 => $function::<8>($($argument),*),
            16 => $function::<16>($($argument),*),
            32 => $function::<32>($($argument),*),
            _ => $function::<0>($($argument),*),
        }
    };
}

#[inline(always)]
fn features<const K: usize>(k: usize) -> usize {
    if K == 0 { k } else { K }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// z = c h + r ‖h‖ s, and ‖h‖ per (neuron, problem).
pub(super) fn activate(k: usize, slopes: &[Slope], h: &Matrix, s: &Matrix, z: &mut Matrix, norms: &mut Matrix) {
    by_features!(k, activate_k(k, slopes, h, s, z, norms));
}

fn activate_k<const K: usize>(k: usize, slopes: &[Slope], h: &Matrix, s: &Matrix, z: &mut Matrix, norms: &mut Matrix) {
    let k = features::<K>(k);
    for (i, slope) in slopes.iter().enumerate() {
        let (c, r) = (slope.centre(), slope.radius());
        let chunks = h.row(i).chunks_exact(k).zip(s.row(i).chunks_exact(k));
        for (((h, s), z), norm) in chunks.zip(z.row_mut(i).chunks_exact_mut(k)).zip(norms.row_mut(i)) {
            *norm = dot(h, h).sqrt();
            let t = r * *norm;
            for ((z, h), s) in z.iter_mut().zip(h).zip(s) {
                *z = c * h + t * s;
            }
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
    by_features!(k, deactivate_k(k, slopes, h, h_norms, g, g_norms, s, fallback));
}

#[expect(clippy::too_many_arguments, reason = "one fused pass over memory; the public face above groups them")]
fn deactivate_k<const K: usize>(
    k: usize,
    slopes: &[Slope],
    h: &Matrix,
    h_norms: &Matrix,
    g: &mut Matrix,
    g_norms: &mut Matrix,
    s: &mut Matrix,
    fallback: &Matrix,
) {
    let k = features::<K>(k);
    for (i, slope) in slopes.iter().enumerate() {
        let (c, r) = (slope.centre(), slope.radius());
        let rows = h.row(i).chunks_exact(k).zip(h_norms.row(i)).zip(fallback.row(i).chunks_exact(k));
        let targets = g.row_mut(i).chunks_exact_mut(k).zip(s.row_mut(i).chunks_exact_mut(k)).zip(g_norms.row_mut(i));
        for (((h, h_norm), old), ((g, s), g_norm)) in rows.zip(targets) {
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
}

/// x = g/‖g‖ per (row, problem), with `fallback` where g = 0; ‖g‖ into `norms`.
pub(super) fn unit(k: usize, g: &Matrix, norms: &mut Matrix, x: &mut Matrix, fallback: &Matrix) {
    by_features!(k, unit_k(k, g, norms, x, fallback));
}

fn unit_k<const K: usize>(k: usize, g: &Matrix, norms: &mut Matrix, x: &mut Matrix, fallback: &Matrix) {
    let k = features::<K>(k);
    for i in 0..g.rows() {
        let rows = g.row(i).chunks_exact(k).zip(fallback.row(i).chunks_exact(k));
        for (((g, old), x), norm) in rows.zip(x.row_mut(i).chunks_exact_mut(k)).zip(norms.row_mut(i)) {
            *norm = dot(g, g).sqrt();
            if *norm > 0.0 {
                let inverse = 1.0 / *norm;
                x.iter_mut().zip(g).for_each(|(x, g)| *x = inverse * g);
            } else {
                x.copy_from_slice(old);
            }
        }
    }
}

/// Scales every (row, problem) chunk to unit length; zero chunks stay zero.
pub(super) fn normalise(m: &mut Matrix, k: usize) {
    by_features!(k, normalise_k(k, m));
}

fn normalise_k<const K: usize>(k: usize, m: &mut Matrix) {
    let k = features::<K>(k);
    for chunk in m.data_mut().chunks_exact_mut(k) {
        let square = dot(chunk, chunk);
        if square > 0.0 {
            let inverse = 1.0 / square.sqrt();
            chunk.iter_mut().for_each(|v| *v *= inverse);
        }
    }
}

/// y = new + b·(new − old) with one b per problem; where b is NaN (a restart), y = old and `new` is not used.
pub(super) fn extrapolate(k: usize, momentum: &[f64], old: &Matrix, new: &Matrix, y: &mut Matrix) {
    by_features!(k, extrapolate_k(k, momentum, old, new, y));
}

fn extrapolate_k<const K: usize>(k: usize, momentum: &[f64], old: &Matrix, new: &Matrix, y: &mut Matrix) {
    let k = features::<K>(k);
    for i in 0..old.rows() {
        let rows = old.row(i).chunks_exact(k).zip(new.row(i).chunks_exact(k));
        for (((old, new), y), b) in rows.zip(y.row_mut(i).chunks_exact_mut(k)).zip(momentum) {
            if b.is_nan() {
                y.copy_from_slice(old);
            } else {
                y.iter_mut().zip(new).zip(old).for_each(|((y, n), o)| *y = n + b * (n - o));
            }
        }
    }
}

/// old ← new for the problems that are not restarting (see [`extrapolate`]).
pub(super) fn accept(k: usize, momentum: &[f64], old: &mut Matrix, new: &Matrix) {
    if momentum.iter().all(|b| !b.is_nan()) {
        old.data_mut().copy_from_slice(new.data());
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

/// sums[p] += Σ w ⟨a − b, b − c⟩ over the rows of problem p.
pub(super) fn add_turn(k: usize, weights: &Matrix, points: (&Matrix, &Matrix, &Matrix), sums: &mut [f64]) {
    by_features!(k, add_turn_k(k, weights, points, sums));
}

fn add_turn_k<const K: usize>(k: usize, weights: &Matrix, (a, b, c): (&Matrix, &Matrix, &Matrix), sums: &mut [f64]) {
    let k = features::<K>(k);
    for i in 0..a.rows() {
        let rows = a.row(i).chunks_exact(k).zip(b.row(i).chunks_exact(k)).zip(c.row(i).chunks_exact(k));
        for ((((a, b), c), w), sum) in rows.zip(weights.row(i)).zip(sums.iter_mut()) {
            let turn: f64 = a.iter().zip(b).zip(c).map(|((a, b), c)| (a - b) * (b - c)).sum();
            *sum += w * turn;
        }
    }
}
