//! Largest singular values of matrices of up to four rows and columns.

/// The largest singular value of a matrix, with its left and right vectors: Jacobi's rotations on MᵀM.
pub(super) fn largest(m: &[[f64; 4]; 4]) -> (f64, [f64; 4], [f64; 4]) {
    let mut g = [[0.0; 4]; 4];
    for (i, row) in g.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry = m.iter().map(|row| row[i] * row[j]).sum();
        }
    }
    let mut v = [[0.0; 4]; 4];
    (0..4).for_each(|i| v[i][i] = 1.0);
    for _ in 0..SWEEPS {
        let off: f64 = (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| g[i][j] * g[i][j]).sum();
        if off < OFF {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            rotate(&mut g, &mut v, p, q);
        }
    }
    let top = (0..4).max_by(|a, b| g[*a][*a].total_cmp(&g[*b][*b])).unwrap_or(0);
    let right = v.map(|row| row[top]);
    let sigma = g[top][top].max(0.0).sqrt();
    let image = |row: &[f64; 4]| row.iter().zip(&right).map(|(m, r)| m * r).sum::<f64>();
    let left = if sigma > 0.0 { [0, 1, 2, 3].map(|i| image(&m[i]) / sigma) } else { [0.0; 4] };
    (sigma, left, right)
}

/// The same for up to four rows of two numbers, by the eigenvalue of MᵀM in closed form; left vectors have zeros for rows that are not there.
pub(super) fn largest_of_two(rows: &[[f64; 2]]) -> (f64, [f64; 4], [f64; 2]) {
    let sum = |f: fn(&[f64; 2]) -> f64| rows.iter().map(f).sum::<f64>();
    let (xx, yy, xy) = (sum(|r| r[0] * r[0]), sum(|r| r[1] * r[1]), sum(|r| r[0] * r[1]));
    let (mean, difference) = (0.5 * (xx + yy), 0.5 * (xx - yy));
    let root = (difference * difference + xy * xy).sqrt();
    let sigma = (mean + root).sqrt();
    let (x, y) = match (xy, mean + root - xx) {
        (x, y) if x.hypot(y) > 1e-12 => (x / x.hypot(y), y / x.hypot(y)),
        _ if xx >= yy => (1.0, 0.0),
        _ => (0.0, 1.0),
    };
    let mut left = [0.0; 4];
    if sigma > 0.0 {
        left.iter_mut().zip(rows).for_each(|(l, r)| *l = (r[0] * x + r[1] * y) / sigma);
    }
    (sigma, left, [x, y])
}

/// Sweeps at most, and the sum of squares off the diagonal that ends them.
const SWEEPS: usize = 8;
const OFF: f64 = 1e-24;

/// The rotation that makes entry (p, q) of g zero.
fn rotate(g: &mut [[f64; 4]; 4], v: &mut [[f64; 4]; 4], p: usize, q: usize) {
    if g[p][q] == 0.0 {
        return;
    }
    let theta = (g[q][q] - g[p][p]) / (2.0 * g[p][q]);
    let t = if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt()) };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in g.iter_mut().chain(v.iter_mut()) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    let (first, second) = (g[p], g[q]);
    g[p] = [0, 1, 2, 3].map(|i| c * first[i] - s * second[i]);
    g[q] = [0, 1, 2, 3].map(|i| s * first[i] + c * second[i]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_belong_to_the_largest_value() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        for _ in 0..200 {
            let m = [[0; 4]; 4].map(|row| row.map(|_: i32| next()));
            let (sigma, left, right) = largest(&m);
            let through: f64 = (0..4).map(|i| (0..4).map(|j| left[i] * m[i][j] * right[j]).sum::<f64>()).sum();
            let length = |v: [f64; 4]| v.iter().map(|x| x * x).sum::<f64>();
            assert!((through - sigma).abs() < 1e-12 && (length(left) - 1.0).abs() < 1e-10);
            // no other direction does better
            for _ in 0..50 {
                let w = [0; 4].map(|_: i32| next());
                let image: f64 = (0..4).map(|i| (0..4).map(|j| m[i][j] * w[j]).sum::<f64>().powi(2)).sum();
                assert!(image <= sigma * sigma * length(w) * (1.0 + 1e-12));
            }
        }
        assert_eq!(largest(&[[0.0; 4]; 4]).0, 0.0);
    }
}
