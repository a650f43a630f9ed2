//! Why a file does not become a network. Every message is one line: what, where, and what would work.

use super::{Format, Reference};
use crate::text;
use std::fmt;
use std::path::PathBuf;

/// Why a file does not become a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read at all.
    #[error("{}: cannot be read: {source}", text::path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The bytes are not what a file of this kind holds.
    #[error("{}: {}", text::path(path), text::plain(reason))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An ONNX file holds things that this version does not support; all of them are listed.
    #[error("{}: {}", text::path(path), Listed(obstacles))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the file says about itself.
        contents: Box<Contents>,
        /// Everything that stands in the way, in the order of the file; at least one.
        obstacles: Vec<Obstacle>,
    },
    /// The input, output or inner tensor that was chosen is not there.
    #[error("{}: {}", text::path(path), text::plain(reason))]
    Choice {
        /// The file.
        path: PathBuf,
        /// What is wrong with the choice, and what there is to choose from.
        reason: String,
    },
    /// The arrays of a weight list make no network.
    #[error("{}: array {} {}", text::path(path), Quoted(key), text::plain(reason))]
    WeightList {
        /// The file.
        path: PathBuf,
        /// The array at fault, by its name in the file.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An activation was given for a file that states its own.
    #[error("{}: an ONNX file states its own activations; leave out the activation '{activation}'", text::path(path))]
    ActivationOfOnnx {
        /// The file.
        path: PathBuf,
        /// The activation given.
        activation: String,
    },
    /// An orientation was given for a file that states its own.
    #[error("{}: an ONNX file states what is transposed; leave out --transposed", text::path(path))]
    OrientationOfOnnx {
        /// The file.
        path: PathBuf,
    },
    /// The imported network and an independent inference of the same file give different outputs: a defect in one of
    /// the two. The entry with the largest difference, relative to what rounding explains, is given.
    #[error(
        "{}: the self-check failed: output {output} differs by {:.3e} from {}'s ({found} against {expected}, while rounding explains {tolerance:.1e}){}; please report this file",
        text::path(path), (found - expected).abs(), reference, First(tensor)
    )]
    Disagrees {
        /// The file.
        path: PathBuf,
        /// The entry of the output vector, counted from 0.
        output: usize,
        /// Its value in the imported network.
        found: f64,
        /// Its value by the other implementation.
        expected: f64,
        /// Which implementation.
        reference: Reference,
        /// The largest difference that rounding explains.
        tolerance: f64,
        /// The first tensor of the file in which the two differ, as far as that was found out.
        tensor: Option<String>,
    },
    /// As [`ImportError::Disagrees`], but already in the number of outputs.
    #[error(
        "{}: the self-check failed: the imported network has {found} outputs, {}'s has {expected}{}; please report this file",
        text::path(path),
        reference,
        First(tensor)
    )]
    DisagreesInLength {
        /// The file.
        path: PathBuf,
        /// The number of outputs of the imported network.
        found: usize,
        /// The number of outputs by the other implementation.
        expected: usize,
        /// Which implementation.
        reference: Reference,
        /// As in [`ImportError::Disagrees`].
        tensor: Option<String>,
    },
}

/// What a file says about itself, whether or not it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What kind of file it is. The operator set is 0 where none is named.
    pub format: Format,
    /// Its inputs: name, shape and element type, as far as they are declared.
    pub inputs: Vec<String>,
    /// Its outputs.
    pub outputs: Vec<String>,
}

/// One thing in a file that keeps it from being read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Obstacle {
    /// Where it is.
    pub place: Place,
    /// What it is and what would work.
    pub reason: String,
}

/// Obstacles as lines to read: what is the same but for names becomes one line, with a count.
pub fn folded(obstacles: &[Obstacle]) -> Vec<String> {
    let kind = |obstacle: &Obstacle| {
        let operator = match &obstacle.place {
            Place::Node { operator, .. } => Some(operator.clone()),
            Place::Model | Place::Input(_) | Place::Output(_) | Place::Initialiser(_) => None,
        };
        let unnamed: Vec<&str> = obstacle.reason.split('\'').step_by(2).collect();
        // the way around an obstacle is given where there is one
        let reason = unnamed.concat();
        let reason = reason.split("; bound the tensor before it").next().unwrap_or_default().to_owned();
        (operator, reason)
    };
    let mut lines: Vec<(&Obstacle, usize)> = Vec::new();
    for obstacle in obstacles {
        match lines.iter_mut().find(|(first, _)| kind(first) == kind(obstacle)) {
            Some((_, count)) => *count += 1,
            None => lines.push((obstacle, 1)),
        }
    }
    let line = |(first, count): (&Obstacle, usize)| match count {
        1 => first.to_string(),
        2 => format!("{first} (and one more like it)"),
        _ => format!("{first} (and {} more like it)", count - 1),
    };
    lines.into_iter().map(line).collect()
}

/// A part of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole.
    Model,
    /// An input of the graph.
    Input(String),
    /// An output of the graph.
    Output(String),
    /// A stored tensor.
    Initialiser(String),
    /// A node.
    Node {
        /// Its name, or `#` and its place in the file where it has none.
        name: String,
        /// Its operator.
        operator: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, text::plain(&self.reason))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("the model"),
            Self::Input(name) => write!(f, "input {}", Quoted(name)),
            Self::Output(name) => write!(f, "output {}", Quoted(name)),
            Self::Initialiser(name) => write!(f, "initialiser {}", Quoted(name)),
            Self::Node { name, operator } => write!(f, "node {} ({})", Quoted(name), Plain(operator)),
        }
    }
}

/// Where two implementations part.
struct First<'a>(&'a Option<String>);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |tensor| write!(f, "; the first tensor that differs is {}", Quoted(tensor)))
    }
}

/// The first obstacle, and how many more there are.
struct Listed<'a>(&'a [Obstacle]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("unsupported"),
            [only] => only.fmt(f),
            [first, second] => write!(f, "{first}; and one more: {}", second.place),
            [first, others @ ..] => write!(f, "{first}; and {} more obstacles", others.len()),
        }
    }
}

/// A name from a file, in quotes, on one line and of bounded length.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", Plain(self.0))
    }
}

/// Text from elsewhere, on one line, nothing hidden in it, of bounded length ([`crate::text`]).
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::name(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle(name: &str) -> Obstacle {
        let place = Place::Node { name: name.to_owned(), operator: "Softmax".to_owned() };
        Obstacle { place, reason: "is refused".to_owned() }
    }

    #[test]
    fn the_first_obstacle_is_named_and_the_others_counted() {
        let shown = |obstacles| {
            let contents = Box::new(Contents { format: Format::Npz, inputs: vec![], outputs: vec![] });
            ImportError::Unsupported { path: PathBuf::from("n.onnx"), contents, obstacles }.to_string()
        };
        assert_eq!(shown(vec![obstacle("a")]), "n.onnx: node 'a' (Softmax): is refused");
        let two = shown(vec![obstacle("a"), obstacle("b")]);
        assert_eq!(two, "n.onnx: node 'a' (Softmax): is refused; and one more: node 'b' (Softmax)");
        let three = shown(vec![obstacle("a"), obstacle("b"), obstacle("c")]);
        assert_eq!(three, "n.onnx: node 'a' (Softmax): is refused; and 2 more obstacles");
    }

    #[test]
    fn the_same_obstacle_many_times_is_one_line() {
        let at =
            |name: &str, advice: &str| Obstacle { reason: format!("is refused: '{name}'{advice}"), ..obstacle(name) };
        let many = [at("a", "; bound the tensor before it: --until 'x'"), at("b", ""), at("c", "")];
        let folded = folded(&[&many[..], &[Obstacle { reason: "is odd".to_owned(), ..obstacle("d") }]].concat());
        assert_eq!(
            folded,
            [
                "node 'a' (Softmax): is refused: 'a'; bound the tensor before it: --until 'x' (and 2 more like it)",
                "node 'd' (Softmax): is odd"
            ]
        );
    }

    #[test]
    fn names_stay_on_one_line_and_short() {
        assert_eq!(Quoted("a\nb\u{1b}\u{202e}").to_string(), "'a\\nb\\u{1b}\\u{202e}'");
        assert_eq!(Quoted(&"x".repeat(1000)).to_string().chars().count(), 203);
    }
}
