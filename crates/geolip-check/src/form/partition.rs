//! Which variables are eliminated together, and in which order.
//!
//! Nothing here can make a proof wrong: any partition of the variables into tiles, in any order, gives a matrix that is
//! positive definite if and only if every other one is. It decides how much work the elimination is.
//!
//! Variables of convolutional layers have a place in the picture, found by following the maps. They are cut into strips
//! along the picture's height; a strip of one layer meets the same strip and its neighbours of the others, so eliminating
//! strip after strip keeps the fill-in to a front of a few strips. How fine, and in what order, is decided by counting: for
//! each fineness, the natural order and a greedy one (least work next) are simulated on the tiles, and the least work wins.

use crate::form::coefficients::{LayerForm, Parts};
use crate::network::LinearMap;
use crate::slopes::{SlopeNetwork, SlopeOp};
use std::collections::BTreeSet;

/// The partition: where every variable stands in the block matrix.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// Per block of variables (x, z_1, …, z_d, w).
    blocks: Vec<Placement>,
    /// The number of variables per tile, in order of elimination; the last is one for w.
    sizes: Vec<usize>,
    /// The variable (block, index) at each place of each tile.
    variables: Vec<Vec<(usize, usize)>>,
    cost: Cost,
}

#[derive(Clone, Debug)]
enum Placement {
    /// All of the block is one tile, in its own order.
    Whole(usize),
    /// (tile, place) per variable.
    Cut(Vec<(usize, usize)>),
}

/// The finest cut tried: strips per layer, as a power of two.
const FINEST: u32 = 5;
/// Strips of fewer variables are not worth their overhead.
const LEAST_STRIP: usize = 32;
/// The natural order is left only for this fraction of its work.
const WORTH: f64 = 0.8;

impl Partition {
    /// The partition with the least work among those tried.
    pub fn new(network: &SlopeNetwork, layers: &[LayerForm<'_>], output: &Parts<'_>) -> Self {
        let lengths: Vec<usize> =
            std::iter::once(network.inputs()).chain(layers.iter().map(|l| l.free.len())).collect();
        let heights = block_heights(network);
        let cuts: Vec<Cut> = lengths.iter().zip(&heights).map(|(n, h)| Cut::new(*n, h.as_deref())).collect();
        let finest = Pattern::of(layers, output, &cuts);
        let mut best: Option<(Cost, Vec<usize>, Pattern, u32)> = None;
        for fineness in 0..=cuts.iter().map(|cut| cut.fineness).max().unwrap_or(0) {
            let pattern = finest.coarsened(fineness);
            let natural: Vec<usize> = (0..pattern.tiles.len()).collect();
            let greedy = pattern.greedy_order();
            for (order, worth) in [(natural, 1.0), (greedy, WORTH)] {
                let cost = pattern.simulate(&order);
                if best.as_ref().is_none_or(|(least, ..)| cost.work < worth * least.work) {
                    best = Some((cost, order, pattern.clone(), fineness));
                }
            }
        }
        let (cost, order, pattern, fineness) = best.expect("at least the whole blocks were tried");
        Self::from(cost, &order, &pattern, fineness, &cuts)
    }

    fn from(cost: Cost, order: &[usize], pattern: &Pattern, fineness: u32, cuts: &[Cut]) -> Self {
        let mut place_of_tile = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, tile)| place_of_tile[*tile] = place);
        let mut variables: Vec<Vec<(usize, usize)>> = vec![Vec::new(); order.len() + 1];
        let mut blocks = Vec::new();
        for (block, cut) in cuts.iter().enumerate() {
            let placed = (0..cut.strips.len()).map(|index| {
                let tile = place_of_tile[pattern.tile(block, cut.strip(index, fineness))];
                variables[tile].push((block, index));
                (tile, variables[tile].len() - 1)
            });
            let placed: Vec<_> = placed.collect();
            let whole = placed.iter().all(|(tile, _)| *tile == placed[0].0);
            blocks.push(if whole { Placement::Whole(placed[0].0) } else { Placement::Cut(placed) });
        }
        blocks.push(Placement::Whole(order.len()));
        variables[order.len()].push((cuts.len(), 0));
        Self { blocks, sizes: variables.iter().map(Vec::len).collect(), variables, cost }
    }

    /// The number of variables per tile, in order of elimination; the last is one for w, where there may be more.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The (tile, place) of a variable.
    pub fn place(&self, block: usize, index: usize) -> (usize, usize) {
        match &self.blocks[block] {
            Placement::Whole(tile) => (*tile, index),
            Placement::Cut(places) => places[index],
        }
    }

    /// The tile of a block that is not cut: its variables stand there in their own order.
    pub fn whole(&self, block: usize) -> Option<usize> {
        match &self.blocks[block] {
            Placement::Whole(tile) => Some(*tile),
            Placement::Cut(_) => None,
        }
    }

    /// The variable (block, index) at a place; the last tile is the last block, however many variables it has.
    pub fn variable(&self, tile: usize, place: usize) -> (usize, usize) {
        if tile + 1 == self.sizes.len() { (self.blocks.len() - 1, place) } else { self.variables[tile][place] }
    }

    /// Multiply–adds of an elimination.
    pub fn work(&self) -> f64 {
        self.cost.work
    }

    /// The most bytes an elimination holds at once.
    pub fn memory(&self) -> f64 {
        8.0 * self.cost.memory
    }
}

/// How a block can be cut: every variable's strip at the finest.
struct Cut {
    fineness: u32,
    strips: Vec<usize>,
}

impl Cut {
    fn new(len: usize, heights: Option<&[f32]>) -> Self {
        let Some(heights) = heights else { return Self { fineness: 0, strips: vec![0; len] } };
        let worth = (len / LEAST_STRIP).max(1).ilog2();
        // no finer than the layer's own lines
        let lines: BTreeSet<u32> = heights.iter().map(|h| h.to_bits()).collect();
        let fineness = worth.min(FINEST).min(lines.len().next_power_of_two().ilog2());
        let count = 1 << fineness;
        let strip = |h: &f32| ((h * count as f32) as usize).min(count - 1);
        Self { fineness, strips: heights.iter().map(strip).collect() }
    }

    /// The strip of a variable when no block is cut finer than 2^`fineness`.
    fn strip(&self, index: usize, fineness: u32) -> usize {
        self.strips[index] >> self.fineness.saturating_sub(fineness)
    }
}

/// The tiles of all blocks but w, and which of them meet in the matrix.
#[derive(Clone)]
struct Pattern {
    /// (block, strip, number of variables), block after block.
    tiles: Vec<(usize, usize, usize)>,
    /// The first tile of every block.
    first: Vec<usize>,
    fineness: Vec<u32>,
    /// Pairs of tiles that meet; (i, i) where the diagonal block is dense.
    meet: BTreeSet<(usize, usize)>,
    /// Whether w meets the tile.
    target: Vec<bool>,
}

/// What an elimination costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Multiply–adds.
    work: f64,
    /// The most numbers stored at once.
    memory: f64,
}

impl Pattern {
    fn tile(&self, block: usize, strip: usize) -> usize {
        self.first[block] + strip
    }

    fn empty(cuts: impl Iterator<Item = (u32, Vec<usize>)>) -> Self {
        let (mut tiles, mut first, mut fineness) = (Vec::new(), Vec::new(), Vec::new());
        for (block, (fine, counts)) in cuts.enumerate() {
            first.push(tiles.len());
            fineness.push(fine);
            tiles.extend(counts.into_iter().enumerate().map(|(strip, count)| (block, strip, count)));
        }
        Self { target: vec![false; tiles.len()], tiles, first, fineness, meet: BTreeSet::new() }
    }

    /// The pattern at the finest cut.
    fn of(layers: &[LayerForm<'_>], output: &Parts<'_>, cuts: &[Cut]) -> Self {
        let counts = cuts.iter().map(|cut| {
            let mut counts = vec![0; 1 << cut.fineness];
            cut.strips.iter().for_each(|strip| counts[*strip] += 1);
            (cut.fineness, counts)
        });
        let mut pattern = Self::empty(counts);
        let mut read = Vec::new();
        for (a, layer) in layers.iter().enumerate() {
            let curved = layer.slopes.iter().any(|s| s.lower * s.upper != 0.0);
            let mut seen: BTreeSet<(usize, Vec<usize>)> = BTreeSet::new();
            for j in 0..layer.free.len() {
                read.clear();
                for part in &layer.h {
                    part.visit_row(j, |k, _, _| {
                        let tile = pattern.tile(part.block, cuts[part.block].strips[k]);
                        if read.last() != Some(&tile) {
                            read.push(tile);
                        }
                    });
                }
                read.sort_unstable();
                read.dedup();
                let own = pattern.tile(a + 1, cuts[a + 1].strips[j]);
                if !seen.insert((own, read.clone())) {
                    continue;
                }
                for (at, tile) in read.iter().enumerate() {
                    pattern.meet.insert((own, *tile));
                    if curved {
                        pattern.meet.extend(read[..=at].iter().map(|other| (*tile, *other)));
                    }
                }
            }
        }
        for part in output {
            for i in 0..part.rows() {
                part.visit_row(i, |k, _, _| {
                    let tile = pattern.first[part.block] + cuts[part.block].strips[k];
                    pattern.target[tile] = true;
                });
            }
        }
        pattern
    }

    /// The pattern with no block cut finer than 2^`fineness`.
    fn coarsened(&self, fineness: u32) -> Self {
        let blocks = self.fineness.iter().enumerate().map(|(block, own)| {
            let own = (*own).min(fineness);
            let mut counts = vec![0; 1 << own];
            let strips = self.tiles.iter().filter(|(b, _, _)| *b == block);
            strips
                .for_each(|(_, strip, count)| counts[strip >> self.fineness[block].saturating_sub(fineness)] += count);
            (own, counts)
        });
        let mut coarse = Self::empty(blocks);
        let up: Vec<usize> = self
            .tiles
            .iter()
            .map(|(block, strip, _)| coarse.tile(*block, strip >> self.fineness[*block].saturating_sub(fineness)))
            .collect();
        coarse.meet = self.meet.iter().map(|(a, b)| (up[*a], up[*b])).collect();
        self.target.iter().zip(&up).filter(|(meets, _)| **meets).for_each(|(_, tile)| coarse.target[*tile] = true);
        coarse
    }

    fn size(&self, tile: usize) -> f64 {
        self.tiles[tile].2 as f64
    }

    /// Which tiles meet, before any is eliminated.
    fn graph(&self) -> Graph {
        let mut graph = Graph { meet: vec![vec![false; self.tiles.len()]; self.tiles.len()] };
        for &(a, b) in &self.meet {
            graph.meet[a][b] = true;
            graph.meet[b][a] = true;
        }
        graph
    }

    /// Multiply–adds of eliminating a tile that meets the `others`.
    fn work(&self, tile: usize, graph: &Graph, others: &[usize]) -> f64 {
        let n = self.size(tile);
        let m = 1.0 + others.iter().map(|other| self.size(*other)).sum::<f64>();
        let own = if graph.meet[tile][tile] { n * n * n / 6.0 + m * n * n / 2.0 } else { n * m };
        own + n * m * m / 2.0
    }

    /// Always the tile whose elimination is the least work next.
    fn greedy_order(&self) -> Vec<usize> {
        let mut graph = self.graph();
        let mut left: Vec<usize> = (0..self.tiles.len()).collect();
        let mut works: Vec<f64> = left.iter().map(|tile| self.work(*tile, &graph, &graph.others(*tile))).collect();
        let mut order = Vec::with_capacity(self.tiles.len());
        while let Some(at) = (0..left.len()).min_by(|a, b| works[left[*a]].total_cmp(&works[left[*b]])) {
            let tile = left.remove(at);
            order.push(tile);
            for other in graph.eliminate(tile) {
                works[other] = self.work(other, &graph, &graph.others(other));
            }
        }
        order
    }

    /// The cost of an elimination in this order.
    fn simulate(&self, order: &[usize]) -> Cost {
        let mut graph = self.graph();
        let block = |a: usize, b: usize| self.size(a) * self.size(b);
        let mut stored: f64 = self.meet.iter().map(|(a, b)| block(*a, *b)).sum();
        let mut cost = Cost { work: 0.0, memory: stored };
        for &tile in order {
            let others = graph.others(tile);
            cost.work += self.work(tile, &graph, &others);
            let pairs = others.iter().enumerate().flat_map(|(at, a)| others[..=at].iter().map(move |b| (*a, *b)));
            stored += pairs.filter(|(a, b)| !graph.meet[*a][*b]).map(|(a, b)| block(a, b)).sum::<f64>();
            cost.memory = cost.memory.max(stored);
            stored -= others.iter().map(|other| block(tile, *other)).sum::<f64>();
            stored -= if graph.meet[tile][tile] { block(tile, tile) } else { 0.0 };
            graph.eliminate(tile);
        }
        cost
    }
}

/// Which tiles meet; a tile that meets itself has a dense diagonal block.
struct Graph {
    meet: Vec<Vec<bool>>,
}

impl Graph {
    /// The other tiles that a tile meets.
    fn others(&self, tile: usize) -> Vec<usize> {
        let row = self.meet[tile].iter().enumerate();
        row.filter(|(other, meets)| **meets && *other != tile).map(|(other, _)| other).collect()
    }

    /// Takes a tile out: the others that it met, returned, meet each other and themselves from now on.
    fn eliminate(&mut self, tile: usize) -> Vec<usize> {
        let others = self.others(tile);
        for &other in &others {
            others.iter().for_each(|third| self.meet[other][*third] = true);
            self.meet[other][tile] = false;
        }
        others
    }
}

/// The height in the picture, 0 to 1, of every variable of each block (x, z_1, …); none for blocks without one.
fn block_heights(network: &SlopeNetwork) -> Vec<Option<Vec<f32>>> {
    let mut heights: Vec<Option<Vec<f32>>> = vec![None; network.nodes().len()];
    let same = LinearMap::Identity(0);
    loop {
        let known = heights.iter().flatten().count();
        for (index, node) in network.nodes().iter().enumerate() {
            let maps: Vec<(usize, &LinearMap)> = match &node.op {
                SlopeOp::Input => Vec::new(),
                SlopeOp::Neurons { parent } => vec![(parent.index(), &same)],
                SlopeOp::Affine { terms } => terms.iter().map(|t| (t.parent.index(), t.map.as_ref())).collect(),
            };
            for (parent, map) in maps {
                if heights[index].is_some() && heights[parent].is_some() {
                    continue;
                }
                let (result, argument) = across(map, heights[parent].as_deref(), heights[index].as_deref());
                heights[index] = heights[index].take().or(result);
                heights[parent] = heights[parent].take().or(argument);
            }
        }
        if heights.iter().flatten().count() == known {
            break;
        }
    }
    let activations = network.layers().map(|(node, _)| node.index());
    std::iter::once(0).chain(activations).map(|index| heights[index].take()).collect()
}

/// The heights of a map's result and argument, as far as they follow from the map and from each other.
fn across(map: &LinearMap, argument: Option<&[f32]>, result: Option<&[f32]>) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let copy = |heights: Option<&[f32]>| heights.map(<[f32]>::to_vec);
    match map {
        LinearMap::Identity(_) | LinearMap::Scale(_) => (copy(argument), copy(result)),
        LinearMap::Dense(_) => (None, None),
        LinearMap::Convolution(c) => {
            let s = c.shape();
            let axis = (0..3).find(|axis| s.input[*axis] > 1).unwrap_or(0);
            let along = |channels: usize, size: [usize; 3]| {
                let place = |i: usize| [i / size[2] / size[1] % size[0], i / size[2] % size[1], i % size[2]][axis];
                let height = |i: usize| (place(i) as f32 + 0.5) / size[axis] as f32;
                (0..channels * size.iter().product::<usize>()).map(height).collect()
            };
            (Some(along(s.out_channels, s.output)), Some(along(s.in_channels, s.input)))
        }
        LinearMap::Gather(g) => {
            let forward = argument.map(|from| g.sources().map(|source| source.map_or(0.0, |j| from[j])).collect());
            let backward = result.map(|to| {
                let mut from = vec![0.0; g.cols()];
                g.sources().zip(to).for_each(|(source, h)| source.into_iter().for_each(|j| from[j] = *h));
                from
            });
            (forward, backward)
        }
        LinearMap::Transpose(map) => {
            let (argument, result) = across(map, result, argument);
            (result, argument)
        }
    }
}
