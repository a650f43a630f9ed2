//! How numbers are shown: a bound from above is rounded up, a bound from below is rounded down, also on the screen.

/// Significant digits shown.
const DIGITS: i32 = 7;

/// `v` in a few digits, not smaller than `v`.
pub fn up(v: f64) -> String {
    outward(v, 1.0, |shown, v| shown >= v)
}

/// `v` in a few digits, not larger than `v`.
pub fn down(v: f64) -> String {
    outward(v, -1.0, |shown, v| shown <= v)
}

/// A fraction as a percentage.
pub fn percent(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    if percent == 0.0 || percent >= 0.1 { format!("{percent:.1} %") } else { format!("{percent:.0e} %") }
}

/// Seconds, to a sensible number of digits.
pub fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

/// The first of `v`, and `v` moved by half units of the last digit shown in `direction`, whose text holds.
fn outward(v: f64, direction: f64, holds: fn(f64, f64) -> bool) -> String {
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    let magnitude = v.abs().log10().floor() as i32;
    let print = |w: f64| {
        if (-4..DIGITS).contains(&magnitude) {
            format!("{w:.*}", (DIGITS - 1 - magnitude).max(0) as usize)
        } else {
            format!("{w:.*e}", (DIGITS - 1) as usize)
        }
    };
    let unit = 10f64.powi(magnitude - DIGITS + 1);
    [0.0, 0.5, 1.0, 1.5]
        .iter()
        .map(|shift| print(v + direction * shift * unit))
        .find(|text| text.parse().is_ok_and(|shown| holds(shown, v)))
        .unwrap_or_else(|| v.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_bounds_stay_on_their_side() {
        for v in [1.0, 0.1, 123.456_789_123, 9_999_999.999, 1e-9, 3.3e15, 0.000_123_456_789_9, 2.0_f64.sqrt(), 1e300] {
            let (above, below): (f64, f64) = (up(v).parse().expect("a number"), down(v).parse().expect("a number"));
            assert!(below <= v && v <= above, "{below} {v} {above}");
            assert!((above - below) / v < 3e-6, "{v} is shown as {above}, {below}");
        }
        assert_eq!((up(0.0), down(0.0)), ("0".to_owned(), "0".to_owned()));
        assert_eq!(up(187.5), "187.5000");
    }
}
