//! Makes a case smaller as long as the same thing is false.

use crate::case::{Case, Find};
use crate::plan::{Map, Plan, Step};
use geolip::place::{Region, RegionNorm};
use geolip::{InputNorm, Options, Outputs};
use std::time::{Duration, Instant};

/// Cases tried at most, and for how long.
const TRIES: usize = 400;
const PATIENCE: Duration = Duration::from_secs(20);

/// A smaller case with the same check failing, and what fails there.
pub fn shrink(case: &Case, find: &Find) -> (Case, Find) {
    let fails = |case: &Case| case.run().finds.into_iter().find(|found| found.check == find.check);
    shrink_while(case.clone(), find.clone(), &fails)
}

/// The same for any way to fail.
fn shrink_while<F>(case: Case, find: F, fails: &dyn Fn(&Case) -> Option<F>) -> (Case, F) {
    let (mut case, mut find, begun, mut tries) = (case, find, Instant::now(), 0);
    'again: loop {
        for smaller in candidates(&case) {
            if tries >= TRIES || begun.elapsed() > PATIENCE {
                break 'again;
            }
            tries += 1;
            if smaller.plan.build().is_none() {
                continue;
            }
            if let Some(found) = fails(&smaller) {
                (case, find) = (smaller, found);
                continue 'again;
            }
        }
        break;
    }
    (case, find)
}

/// Cases that are a little smaller, the largest steps first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let mut with = |plan: Option<Plan>| found.extend(plan.map(|plan| Case { plan, ..case.clone() }));
    let plan = &case.plan;
    for node in (1..=plan.output()).rev() {
        with(without_node(plan, node));
    }
    for node in (0..=plan.output()).rev() {
        if plan.len(node) > 16 && is_first(plan, node) {
            let half = (0..plan.len(node) / 2).rev().try_fold(plan.clone(), |p, entry| without_entry(&p, node, entry));
            with(half);
        }
        for entry in 0..plan.len(node) {
            if plan.len(node) > 1 && is_first(plan, node) && node > 0 {
                with(without_entry(plan, node, entry));
            }
        }
    }
    if plan.inputs > 1 {
        found.extend((0..plan.inputs).filter_map(|input| without_input(case, input)));
    }
    let mut with = |plan: Option<Plan>| found.extend(plan.map(|plan| Case { plan, ..case.clone() }));
    for (at, step) in plan.steps.iter().enumerate() {
        let Step::Affine { terms, bias } = step else { continue };
        if terms.len() > 1 {
            (0..terms.len()).for_each(|term| with(changed(plan, at, |terms, _| drop(terms.remove(term)))));
        }
        if bias.is_some() {
            with(changed(plan, at, |_, bias| *bias = None));
        }
    }
    found.extend(simpler_questions(case));
    let mut with = |plan: Option<Plan>| found.extend(plan.map(|plan| Case { plan, ..case.clone() }));
    for round in [0.0, 1.0] {
        for (at, step) in plan.steps.iter().enumerate() {
            let Step::Affine { terms, bias } = step else { continue };
            for (term, (_, map)) in terms.iter().enumerate() {
                let weights = map.clone().weights_mut().map_or(0, |w| w.len());
                for w in 0..weights.min(40) {
                    with(simpler(plan, at, round, &|terms, _| terms[term].1.weights_mut().map(|all| &mut all[w])));
                }
            }
            for b in 0..bias.as_ref().map_or(0, Vec::len).min(20) {
                with(simpler(plan, at, round, &|_, bias| bias.as_mut().map(|all| &mut all[b])));
            }
        }
    }
    found
}

type Terms = Vec<(usize, Map)>;
/// Which number of an affine node.
type Which<'b> = &'b dyn for<'a> Fn(&'a mut Terms, &'a mut Option<Vec<f64>>) -> Option<&'a mut f64>;

fn changed(plan: &Plan, at: usize, change: impl FnOnce(&mut Terms, &mut Option<Vec<f64>>)) -> Option<Plan> {
    let mut plan = plan.clone();
    let Step::Affine { terms, bias } = &mut plan.steps[at] else { return None };
    change(terms, bias);
    Some(plan)
}

/// A number replaced by 0, or by the power of two next to it; none where it is that.
fn simpler(plan: &Plan, at: usize, round: f64, number: Which<'_>) -> Option<Plan> {
    let mut plan = plan.clone();
    let Step::Affine { terms, bias } = &mut plan.steps[at] else { return None };
    let number = number(terms, bias)?;
    // the bits of the fraction away: towards zero
    let power = if number.is_normal() { f64::from_bits(number.to_bits() & !((1 << 52) - 1)) } else { *number };
    let to = round * power;
    if to == *number {
        return None;
    }
    *number = to;
    Some(plan)
}

fn simpler_questions(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let question = &case.question;
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut case = case.clone();
        change(&mut case);
        all.push(case);
    };
    if question.real {
        with(&|case| case.question.real = false);
    }
    if question.exact {
        with(&|case| case.question.exact = false);
    }
    if question.cuts {
        with(&|case| case.question.cuts = false);
    }
    if question.split {
        with(&|case| case.question.split = false);
    }
    if question.starved {
        with(&|case| case.question.starved = false);
    }
    if question.region.is_some() && !question.split {
        with(&|case| case.question.region = None);
    }
    if question.effort != 0.0 {
        with(&|case| case.question.effort = 0.0);
    }
    if question.tol != Options::default().tol {
        with(&|case| case.question.tol = Options::default().tol);
    }
    if question.outputs != Outputs::Each && question.outputs != Outputs::One(0) {
        with(&|case| case.question.outputs = Outputs::Each);
        with(&|case| case.question.outputs = Outputs::One(0));
    }
    if question.norm != InputNorm::Linf {
        with(&|case| case.question.norm = InputNorm::Linf);
    }
    all
}

/// The case without an input of its network, and of its region.
fn without_input(case: &Case, input: usize) -> Option<Case> {
    let mut smaller = Case { plan: without_entry(&case.plan, 0, input)?, ..case.clone() };
    let without = |values: &[f64]| {
        let others = values.iter().enumerate().filter(|(i, _)| *i != input);
        others.map(|(_, v)| *v).collect::<Vec<f64>>()
    };
    smaller.home = case.home.as_deref().map(without);
    if let Some(region) = &case.question.region {
        let region = match region.ball() {
            Some(ball) => Region::around(&without(&ball.centre), ball.radius, RegionNorm::L2, None),
            None => Region::new_box(without(region.lower()), without(region.upper())),
        };
        smaller.question.region = Some(region.ok()?);
    }
    Some(smaller)
}

/// Whether the node's length is its own: activations follow theirs.
fn is_first(plan: &Plan, node: usize) -> bool {
    node == 0 || matches!(plan.steps[node - 1], Step::Affine { .. })
}

/// The network without a node, where its readers can read its parent instead.
fn without_node(plan: &Plan, node: usize) -> Option<Plan> {
    let parent = match &plan.steps[node - 1] {
        Step::Activate { parent, .. } => *parent,
        Step::Affine { terms, .. } => terms.first()?.0,
    };
    if plan.len(parent) != plan.len(node) && node != plan.output() || plan.steps.len() == 1 {
        return None;
    }
    let renamed = |from: usize| match from {
        from if from == node => parent,
        from if from > node => from - 1,
        from => from,
    };
    let mut plan = plan.clone();
    plan.steps.remove(node - 1);
    for step in &mut plan.steps {
        match step {
            Step::Affine { terms, .. } => terms.iter_mut().for_each(|(from, _)| *from = renamed(*from)),
            Step::Activate { parent, .. } => *parent = renamed(*parent),
        }
    }
    Some(plan)
}

/// The network without an entry of a node: without the row that makes it, and the columns that read it.
fn without_entry(plan: &Plan, node: usize, entry: usize) -> Option<Plan> {
    let mut plan = plan.clone();
    // activations that follow lose the entry, too
    let mut gone = vec![node];
    for at in 0..plan.steps.len() {
        if let Step::Activate { parent, activation } = &mut plan.steps[at]
            && gone.contains(parent)
        {
            if let geolip::network::Activation::PRelu { slopes } = activation {
                slopes.remove(entry);
            }
            gone.push(at + 1);
        }
    }
    match node {
        0 => plan.inputs -= 1,
        _ => {
            let Step::Affine { terms, bias } = &mut plan.steps[node - 1] else { return None };
            terms.iter_mut().try_for_each(|(_, map)| {
                *map = without(map, Some(entry), None)?;
                Some(())
            })?;
            if let Some(bias) = bias {
                bias.remove(entry);
            }
        }
    }
    for step in &mut plan.steps {
        if let Step::Affine { terms, .. } = step {
            for (_, map) in terms.iter_mut().filter(|(from, _)| gone.contains(from)) {
                *map = without(map, None, Some(entry))?;
            }
        }
    }
    Some(plan)
}

/// A map without a row or a column.
fn without(map: &Map, row: Option<usize>, col: Option<usize>) -> Option<Map> {
    match map {
        Map::Gather(cols, sources) => {
            let mut sources = sources.clone();
            if let Some(row) = row {
                sources.remove(row);
            }
            let Some(col) = col else { return Some(Map::Gather(*cols, sources)) };
            let moved = |source: Option<usize>| source.filter(|s| *s != col).map(|s| if s > col { s - 1 } else { s });
            Some(Map::Gather(cols - 1, sources.into_iter().map(moved).collect()))
        }
        Map::Transpose(inner) if matches!(**inner, Map::Gather(..)) => {
            Some(Map::Transpose(Box::new(without(inner, col, row)?)))
        }
        other => {
            let Map::Dense(rows, cols, weights) = other.dense() else { return None };
            let kept = |at: usize| Some(at / cols) != row && Some(at % cols) != col;
            let weights = weights.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, w)| *w).collect();
            Some(Map::Dense(rows - usize::from(row.is_some()), cols - usize::from(col.is_some()), weights))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Kind;
    use crate::exact::{Dyadic, Number as _};
    use crate::graph::Graph;

    #[test]
    fn shrinking_ends_at_the_smallest_network_that_fails() {
        // "fails" where some Jacobian with all slopes 1 has an entry above 3
        let fails = |case: &Case| {
            let graph = Graph::new(&case.plan.build()?);
            let slopes: Vec<Vec<f64>> = graph.layers.iter().map(|(node, _)| vec![1.0; graph.lens[*node]]).collect();
            let rows = graph.jacobian::<Dyadic>(&slopes, false);
            rows.iter().flatten().any(|v| v.abs() > Dyadic::of(3.0)).then_some(())
        };
        let mut seen = 0;
        for number in 0..200 {
            let case = Case::new(5, number, Some(Kind::Bounds));
            if case.plan.build().is_none() || fails(&case).is_none() {
                continue;
            }
            let (small, ()) = shrink_while(case, (), &fails);
            assert!(fails(&small).is_some(), "case {number}");
            let numbers = small.plan.steps.iter().map(|step| match step {
                Step::Affine { terms, .. } => terms.iter().map(|(_, map)| map.shape().0 * map.shape().1).sum(),
                Step::Activate { .. } => 1,
            });
            assert!(numbers.sum::<usize>() <= 24, "case {number}");
            seen += 1;
        }
        assert!(seen > 40, "{seen}");
    }
}
