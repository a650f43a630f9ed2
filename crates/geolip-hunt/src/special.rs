//! Networks in which rounding matters: where large numbers cancel, small ones are absorbed, products leave the range.

use crate::dice::Dice;
use crate::networks::power;
use crate::plan::{Map, Plan, Step};
use geolip::network::Activation;

fn dense(rows: usize, cols: usize, weights: Vec<f64>) -> Map {
    Map::Dense(rows, cols, weights)
}

fn affine(parent: usize, map: Map, bias: Option<Vec<f64>>) -> Step {
    Step::Affine { terms: vec![(parent, map)], bias }
}

fn whole(n: usize, most: i64, dice: &mut Dice) -> Vec<f64> {
    (0..n).map(|_| dice.whole(-most, most) as f64).collect()
}

/// A large bias in the first layer that the second one takes away again.
pub fn cancelling(dice: &mut Dice) -> Plan {
    let (inputs, first, second) = (1 + dice.below(2), 1 + dice.below(3), 1 + dice.below(3));
    let large = 2f64.powi(dice.whole(20, 60) as i32);
    let bias: Vec<f64> = (0..first).map(|_| large * dice.whole(0, 3) as f64).collect();
    let inner = whole(second * first, 2, dice);
    let back = (0..second).map(|i| {
        let sum: f64 = (0..first).map(|j| inner[i * first + j] * bias[j]).sum();
        dice.whole(-8, 8) as f64 / 2.0 - sum
    });
    let back: Vec<f64> = back.collect();
    let steps = vec![
        affine(0, dense(first, inputs, whole(first * inputs, 2, dice)), Some(bias)),
        Step::Activate { parent: 1, activation: Activation::Relu },
        affine(2, dense(second, first, inner), Some(back)),
        Step::Activate { parent: 3, activation: dice.pick(&[Activation::Relu, Activation::Abs]).clone() },
        affine(4, dense(1, second, whole(second, 2, dice)), None),
    ];
    Plan { inputs, steps }
}

/// y = 0 at every input: two neurons that are the same function, by different ways, one of them through large numbers.
pub fn zero(dice: &mut Dice) -> Plan {
    let (low, high) = (2f64.powi(dice.whole(20, 54) as i32), 2f64.powi(-(dice.whole(20, 54) as i32)));
    let shift = dice.whole(1, 8) as f64;
    let kink = shift + dice.whole(-3, 3) as f64 * high + if dice.chance(0.3) { 0.25 } else { 0.0 };
    // h₁ = (x + low) − (low − shift) where that is positive, h₂ = high·relu(x/high + shift/high)
    let steps = vec![
        affine(0, dense(2, 2, vec![1.0, 0.0, 1.0 / high, 0.0]), Some(vec![low, shift / high])),
        Step::Activate { parent: 1, activation: Activation::Relu },
        affine(2, dense(2, 2, vec![1.0, 0.0, 0.0, high]), Some(vec![shift - low, 0.0])),
        Step::Activate { parent: 3, activation: Activation::Relu },
        affine(4, dense(2, 2, vec![1.0, 0.0, 0.0, 1.0]), Some(vec![-kink, -kink])),
        Step::Activate { parent: 5, activation: Activation::Relu },
        affine(6, dense(1, 2, vec![1.0, -1.0]), None),
    ];
    Plan { inputs: 2, steps }
}

/// Linear maps one after another, of very different size; and perhaps one activation.
pub fn chain(dice: &mut Dice) -> Plan {
    let n = 1 + dice.below(2);
    let most = *dice.pick(&[100, 300, 600, 1000]);
    let mut plan = Plan { inputs: n, steps: Vec::new() };
    if dice.chance(0.5) {
        // factors that fall below the smallest number and rise again: diagonal, so that products stay so
        let (first, second) = (dice.whole(450, 700) as i32, dice.whole(450, 700) as i32);
        for exponent in [-first, -second, first, second + dice.whole(-20, 20) as i32] {
            let terms = vec![(plan.output(), Map::Scale(vec![2f64.powi(exponent); n]))];
            plan.steps.push(Step::Affine { terms, bias: None });
        }
        if dice.chance(0.5) {
            plan.steps.push(Step::Activate { parent: plan.output(), activation: Activation::Relu });
        }
        return plan;
    }
    for at in 0..2 + dice.below(4) {
        let map = match dice.below(4) {
            0 => dense(n, n, (0..n * n).map(|_| power(most, dice) * dice.whole(0, 1) as f64).collect()),
            1 if at > 0 => Map::Identity(n),
            _ => Map::Scale((0..n).map(|_| power(most, dice)).collect()),
        };
        let mut terms = vec![(plan.output(), map)];
        if dice.chance(0.2) {
            terms.push((dice.below(plan.output() + 1), Map::Scale((0..n).map(|_| power(most, dice)).collect())));
        }
        plan.steps.push(Step::Affine { terms, bias: dice.chance(0.3).then(|| vec![1.0; n]) });
        if dice.chance(0.2) {
            plan.steps.push(Step::Activate { parent: plan.output(), activation: Activation::Relu });
        }
    }
    plan
}

/// A large number to which many copies of a small one are added, each below the last place of the sum: close at (1, 1).
pub fn copies(dice: &mut Dice) -> Plan {
    let most = *dice.pick(&[100, 200, 400]);
    let count = 40 + dice.below(most);
    let large = 1.25 * 2f64.powi(dice.whole(0, 60) as i32);
    let small = large * 2f64.powi(-53) * (0.3 + 0.45 * dice.unit());
    let part = count as f64 * (0.02 + 0.96 * dice.unit());
    let sign = if dice.chance(0.5) { 1.0 } else { -1.0 };
    let sum = Map::Transpose(Box::new(Map::Gather(1, vec![Some(0); count])));
    // x₀ is the large number's, x₁ the small one's factor
    let steps = vec![
        affine(0, Map::Gather(2, vec![Some(0)]), None),
        affine(0, dense(1, 2, vec![0.0, sign * small]), None),
        affine(2, Map::Gather(1, vec![Some(0); count]), None),
        Step::Affine {
            terms: vec![(1, Map::Scale(vec![large])), (3, sum)],
            bias: Some(vec![-(large + sign * part * small)]),
        },
        Step::Activate { parent: 4, activation: Activation::Relu },
        affine(5, Map::Scale(vec![*dice.pick(&[1.0, 1.0 / large])]), None),
    ];
    Plan { inputs: 2, steps }
}

/// A few neurons in several layers, to be rescaled as far as can be.
pub fn descent(dice: &mut Dice) -> Plan {
    let n = 1 + dice.below(2);
    let mut plan = Plan { inputs: n, steps: Vec::new() };
    for _ in 0..2 + dice.below(2) {
        let weights = (0..n * n).map(|_| dice.whole(0, 2) as f64 * *dice.pick(&[1.0, 1.0, -1.0])).collect();
        plan.steps.push(affine(plan.output(), dense(n, n, weights), Some(whole(n, 2, dice))));
        let activation = dice.pick(&[Activation::Relu, Activation::Relu, Activation::Abs]).clone();
        plan.steps.push(Step::Activate { parent: plan.output(), activation });
    }
    let outputs = 1 + dice.below(2);
    plan.steps.push(affine(
        plan.output(),
        dense(outputs, n, whole(outputs * n, 2, dice)),
        Some(whole(outputs, 2, dice)),
    ));
    plan
}

/// One hidden layer of hard sigmoids or leaky functions whose slopes, and the weights behind them, are tiny, and the weights
/// before them steep; or the other way round.
pub fn ramp(dice: &mut Dice) -> Plan {
    let (inputs, hidden) = (1 + dice.below(2), 1 + dice.below(2));
    let most = *dice.pick(&[200, 700, 1000, 1000]);
    let way = *dice.pick(&[1, 1, -1]);
    let tiny =
        |from: i64, to: i64, dice: &mut Dice| 2f64.powi((way * -dice.whole(most * from / 10, most * to / 10)) as i32);
    let (steep, slope) = (tiny(-10, -3, dice), tiny(1, 9, dice));
    let out = if dice.chance(0.5) { tiny(-2, 10, dice) } else { tiny(9, 10, dice) };
    let activation = match dice.below(3) {
        0 => Activation::PRelu { slopes: vec![slope; hidden] },
        _ => Activation::HardSigmoid { slope, offset: 0.5 },
    };
    let steps = vec![
        affine(0, dense(hidden, inputs, (0..hidden * inputs).map(|_| steep * dice.whole(1, 2) as f64).collect()), None),
        Step::Activate { parent: 1, activation },
        affine(2, dense(1, hidden, (0..hidden).map(|_| out * dice.whole(1, 2) as f64).collect()), None),
    ];
    Plan { inputs, steps }
}

/// relu(s) − relu(s) and relu(s) − relu(−s), with weights near the ends of the range.
pub fn opposite(dice: &mut Dice) -> Plan {
    let most = *dice.pick(&[1, 300, 660, 1000]);
    let (large, sign) = (power(most, dice), if dice.chance(0.7) { -1.0 } else { 1.0 });
    let back = *dice.pick(&[1.0, 1.0 / large]);
    let steps = vec![
        affine(0, dense(2, 1, vec![-large, sign * -large]), None),
        Step::Activate { parent: 1, activation: Activation::Relu },
        affine(2, dense(1, 2, vec![back, -back]), None),
    ];
    Plan { inputs: 1, steps }
}

/// Maxima of three numbers or four, or what is nearly that, in a network of one or two layers.
pub fn maxima(dice: &mut Dice) -> Plan {
    let (inputs, k, groups) = (1 + dice.below(3), 3 + dice.below(2), 1 + dice.below(2));
    let all = k * groups;
    let mut steps = vec![affine(0, dense(all, inputs, whole(all * inputs, 4, dice)), None)];
    if dice.chance(0.4) && groups == 1 {
        steps.push(Step::Activate { parent: 1, activation: Activation::Relu });
    }
    let from = steps.len();
    let picked = |i: usize| Map::Gather(all, (0..groups).map(|group| Some(group * k + i)).collect());
    steps.push(affine(from, picked(0), None));
    for i in 1..k {
        let (largest, negative) = (steps.len(), if dice.chance(0.05) { 1.0 } else { -1.0 });
        let mut next = vec![0.0; groups * all];
        (0..groups).for_each(|group| next[group * all + group * k + i] = negative);
        let terms = vec![(largest, Map::Identity(groups)), (from, dense(groups, all, next))];
        steps.push(Step::Affine { terms, bias: None });
        let nearly = [Activation::Abs, Activation::LeakyRelu { slope: 0.5 }, Activation::Tanh];
        let activation = if dice.chance(0.1) { dice.pick(&nearly).clone() } else { Activation::Relu };
        steps.push(Step::Activate { parent: largest + 1, activation });
        let scale = *dice.pick(&[1.0, 1.0, 1.0, 1.0, 2.0, -1.0]);
        steps.push(Step::Affine {
            terms: vec![(from, picked(i)), (largest + 2, Map::Scale(vec![scale; groups]))],
            bias: None,
        });
    }
    if dice.chance(0.5) {
        let (last, rows) = (steps.len(), 1 + dice.below(2));
        steps.push(affine(last, dense(rows, groups, whole(rows * groups, 3, dice)), None));
        steps.push(Step::Activate { parent: last + 1, activation: Activation::Relu });
        steps.push(affine(last + 2, dense(1, rows, whole(rows, 3, dice)), None));
    } else if dice.chance(0.5) {
        steps.push(affine(steps.len(), dense(1, groups, whole(groups, 3, dice)), None));
    }
    Plan { inputs, steps }
}
