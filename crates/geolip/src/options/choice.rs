//! What there is to say of one option.

/// One option: what it is called, who takes it, what it is without being given, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// As Python's keyword, such as `time_limit`; the command line has hyphens: `--time-limit`.
    pub name: &'static str,
    /// The commands that take it, such as `bound` for `geolip bound`.
    pub commands: &'static [&'static str],
    /// The Python functions that take it, such as `bound` for `geolip.bound`.
    pub functions: &'static [&'static str],
    /// What follows it on the command line, which says the unit (`SECONDS`); several words for several values; empty for a
    /// flag.
    pub value: &'static str,
    /// What it is where it is not given.
    default: fn() -> Default,
    /// Which values make sense, in words; empty where `help` says it.
    pub range: &'static str,
    /// It has no meaning without one of these options, if there are any; the command line and `geolip.bound` refuse it alone.
    pub needs: &'static [&'static str],
    /// What depends on it.
    pub kind: Kind,
    /// What it does: a sentence without a full stop. Other options are `--so-called` in it.
    pub help: &'static str,
    python: Option<&'static str>,
}

/// What an option is where it is not given.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// Nothing, and what that means; empty where it needs no words.
    Nothing(&'static str),
    /// A flag is off.
    Off,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Count(u64),
}

/// What depends on an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is a part of the question: results with another value answer something else.
    Question,
    /// How far work on the question goes: with another limit it can be gone on with.
    Limit,
    /// How the same results are computed, shown or kept.
    Manner,
}

impl Choice {
    /// A part of the question, in the command of that name and in the Python function of the same name.
    pub(super) const fn of(commands: &'static [&'static str], name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            commands,
            functions: commands,
            value: "",
            default: || Default::Nothing(""),
            range: "",
            needs: &[],
            kind: Kind::Question,
            help,
            python: None,
        }
    }

    pub(super) const fn functions(self, functions: &'static [&'static str]) -> Self {
        Self { functions, ..self }
    }

    pub(super) const fn value(self, value: &'static str) -> Self {
        Self { value, ..self }
    }

    pub(super) const fn default(self, default: fn() -> Default) -> Self {
        Self { default, ..self }
    }

    pub(super) const fn flag(self) -> Self {
        self.default(|| Default::Off)
    }

    pub(super) const fn range(self, range: &'static str) -> Self {
        Self { range, ..self }
    }

    pub(super) const fn needs(self, others: &'static [&'static str]) -> Self {
        Self { needs: others, ..self }
    }

    pub(super) const fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// What it does, where Python takes something else than the command line: arrays for files, say. It may end with a default
    /// of its own, in brackets.
    pub(super) const fn python(self, help: &'static str) -> Self {
        Self { python: Some(help), ..self }
    }

    /// As on the command line, without the two hyphens before it.
    pub fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What it is where it is not given.
    pub fn default_value(&self) -> Default {
        (self.default)()
    }

    /// What `--help` says of it. (The program adds defaults that are values.)
    pub fn help_text(&self) -> String {
        match self.default_value() {
            Default::Nothing(meaning) if !meaning.is_empty() => format!("{} [default: {meaning}]", self.help),
            _ => self.help.to_owned(),
        }
    }

    /// What Python's documentation says of it: other options by their keywords, and what it is by default in brackets.
    pub fn python_text(&self) -> String {
        let mut text = keywords(self.python.unwrap_or(self.help));
        if let Some(first) = text.chars().next() {
            text.replace_range(..first.len_utf8(), &first.to_lowercase().to_string());
        }
        match self.default_value() {
            Default::Nothing(meaning) if !meaning.is_empty() && !text.ends_with(']') => {
                format!("{text} [{}]", keywords(meaning))
            }
            _ => text,
        }
    }
}

/// A text with `--so-called` as `` `so_called` ``.
fn keywords(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix("--") {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
            format!("`{}`{}", rest[..end].replace('-', "_"), &rest[end..])
        }
        None => word.to_owned(),
    };
    text.split(' ')
        .map(|part| match part.strip_prefix('(') {
            Some(rest) => format!("({}", word(rest)),
            None => word(part),
        })
        .collect::<Vec<_>>()
        .join(" ")
}
