//! Looks for false bounds by itself.
//!
//! ```text
//! cargo run --release -p geolip-hunt -- --seconds 600
//! cargo run --release -p geolip-hunt -- --cases 3000 --seed 1
//! cargo run --release -p geolip-hunt -- --seed 1 --case 17
//! ```
//!
//! Every case is a random network, a question about it, and checks of everything that the library says:
//!
//! * an upper bound is at least every Jacobian that some pattern of slopes has, or, on a region, that some input of it has;
//!   a lower bound at most the gradient norm at its witness, a pattern's value at most the norm of its Jacobian. All this is
//!   compared in exact arithmetic (`exact.rs`), without slack, where activations are piecewise linear;
//! * a certificate is accepted again from its file, and no spoilt or forged one is accepted below the truth;
//! * no input within a certified radius has another class;
//! * nothing panics, and no number that is none is printed. Errors are fine.
//!
//! The networks (`networks.rs`, `special.rs`) have every kind of layer and function that the library's builder takes; half
//! of them are the same function in numbers of another size (`rescale.rs`), up to the ends of the range of doubles.
//!
//! Case i of a seed is always the same case; which are looked at does not depend on the number of threads. (An answer may depend
//! on the clock where a region is cut into parts, or where a question takes longer than four seconds.) What is found is made
//! smaller (`shrink.rs`) and written with the commands that show it (`write.rs`). The exit code is 0 if nothing was.
//!
//! Nothing here shares a pass through the network with the library: `graph.rs` evaluates and differentiates from a list of
//! entries. Shared are its data types, φ and φ' of curved functions in plain numbers, which are compared with slack, and
//! `InputNorm::dual`, which chooses what is looked at exactly (and with slack, ℓp norms).

mod case;
mod certificates;
mod dice;
mod exact;
mod forge;
mod graph;
mod mutate;
mod networks;
mod plan;
mod questions;
mod radius;
mod rescale;
mod shrink;
mod size;
mod special;
mod truth;
mod write;

use case::{Case, Counts, Find, Kind};
use clap::Parser;
use rayon::ThreadPoolBuilder;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Looks for false bounds: random networks, questions and certificates against exact arithmetic
#[derive(Parser)]
#[command(name = "geolip-hunt")]
struct Arguments {
    /// Stop after so many seconds
    #[arg(long)]
    seconds: Option<f64>,
    /// Stop after so many cases
    #[arg(long)]
    cases: Option<u64>,
    /// The seed of all cases
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Look at this case alone
    #[arg(long)]
    case: Option<u64>,
    /// Begin with this case
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Look at cases of one kind
    #[arg(long)]
    kind: Option<Kind>,
    /// Where to write what is found
    #[arg(long, default_value = "target/hunt")]
    output: PathBuf,
    /// Print every case before it is looked at
    #[arg(long)]
    verbose: bool,
}

/// Finds of one kind that are shrunk and written; the others are counted.
const WRITTEN: usize = 1;

/// By check and by what it came about: how many, and when the first came.
type Found = BTreeMap<(&'static str, String), (usize, Duration)>;

struct Hunt {
    arguments: Arguments,
    begun: Instant,
    found: Mutex<Found>,
    counts: Mutex<Counts>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|_| {})); // a panic is a find like any other
    let hunt = Hunt {
        arguments,
        begun: Instant::now(),
        found: Mutex::new(BTreeMap::new()),
        counts: Mutex::new(Counts::default()),
    };
    let cases = hunt.all();
    hunt.summary(cases)
}

impl Hunt {
    /// Looks at all cases that are asked for; how many these were. Every core has cases of its own, one at a time: what the
    /// library does side by side stays on that core, so that no case waits for another.
    fn all(&self) -> u64 {
        let arguments = &self.arguments;
        if let Some(number) = arguments.case {
            self.one(number);
            return 1;
        }
        let end = arguments.cases.map_or(u64::MAX, |cases| arguments.from.saturating_add(cases));
        let (next, done) = (AtomicU64::new(arguments.from), AtomicU64::new(0));
        let work = || loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end || self.is_over() {
                break;
            }
            self.one(number);
            done.fetch_add(1, Ordering::Relaxed);
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let pool = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
                    pool.install(work);
                });
            }
        });
        done.into_inner()
    }

    fn is_over(&self) -> bool {
        self.arguments.seconds.is_some_and(|seconds| self.begun.elapsed().as_secs_f64() >= seconds)
    }

    fn one(&self, number: u64) {
        let case = Case::new(self.arguments.seed, number, self.arguments.kind);
        if self.arguments.verbose {
            println!("case {number}: {:?} {:?} {:?}", case.kind, case.question, case.plan);
        }
        let outcome = case.run();
        self.counts.lock().expect("no panic while it is held").add(&outcome.counts);
        for find in &outcome.finds {
            self.take(&case, find);
        }
    }

    fn take(&self, case: &Case, find: &Find) {
        let when = self.begun.elapsed();
        let count = {
            let mut found = self.found.lock().expect("no panic while it is held");
            let entry = found.entry((find.check, find.by.clone())).or_insert((0, when));
            entry.0 += 1;
            entry.0
        };
        if count > WRITTEN {
            return;
        }
        let (seed, number) = (case.seed, case.number);
        println!("{:.0} s: {} (by {})", when.as_secs_f64(), find.check, find.by);
        println!("    seed {seed}, case {number}: {}", find.detail);
        let (small, smaller) = shrink::shrink(case, find);
        match write::write(&self.arguments.output, case, &small, &smaller) {
            Ok(path) => println!("    shrunk: {}\n    {}", smaller.detail, path.display()),
            Err(error) => println!("    cannot write {}: {error}", self.arguments.output.display()),
        }
    }

    fn summary(&self, cases: u64) -> ExitCode {
        let found = self.found.lock().expect("no panic while it is held");
        for ((check, by), (count, when)) in found.iter() {
            println!("{count:>6} × {check}, by {by}: first after {:.1} s", when.as_secs_f64());
        }
        let Counts { networks, errors, bounds, regions, mutants, accepted, radii } =
            *self.counts.lock().expect("no panic while it is held");
        println!(
            "seed {}, {cases} cases in {:.0} s: {networks} networks, {bounds} bounds, {regions} on regions, \
             {mutants} spoilt certificates ({accepted} accepted), {radii} radii, {errors} errors: {}",
            self.arguments.seed,
            self.begun.elapsed().as_secs_f64(),
            match found.len() {
                0 => "nothing false".to_owned(),
                kinds => format!("{kinds} KINDS OF FALSEHOOD"),
            }
        );
        if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
