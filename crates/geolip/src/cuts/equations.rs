//! What holds of the neurons of one group, of which exactly one is on ([`crate::proof::cuts`]).
//!
//! Without that the sum of a group is as long as if all were on, and no solution of the relaxation is near a vertex. So all of it is there from the start.

use super::cut::{Cut, Kind, Shares};
use super::layout::Layout;
use super::start::{Group, Sizes};

/// All equations, without multipliers.
pub(super) fn equations(sizes: &Sizes, layout: Layout, shares: &Shares) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (number, Group { first, count, whole }) in sizes.groups.iter().enumerate() {
        let own = *first..first + count;
        for (i, j) in own.clone().flat_map(|i| (i + 1..own.end).map(move |j| (i, j))) {
            for which in 0..4 {
                let mut cut = Cut::new(Kind::Apart([i, j].map(|j| 1 + j as u32), which), layout, shares);
                // P is as long as h
                let lengths = [(i, which & 2), (j, which & 1)].into_iter().filter(|(_, on)| *on == 0);
                cut.sigma *= lengths.map(|(j, _)| sizes.link_weights[j] / sizes.neuron_shares[j]).product::<f64>();
                cuts.push(cut);
            }
        }
        if *whole {
            cuts.push(Cut::new(Kind::Whole(number as u32, 1 + *first as u32, *count as u32), layout, shares));
        }
    }
    cuts
}
