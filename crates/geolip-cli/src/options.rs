//! What the library's table says of every option, put where clap shows it: help, names of values, defaults, and which option
//! needs which. `arguments.rs` says how a value is read.

use crate::arguments::Arguments;
use clap::{Arg, ArgGroup, Command, CommandFactory};
use geolip::options::table::{CHOICES, Default, of_command};
use std::collections::BTreeSet;

/// The command line, whole.
pub fn command() -> Command {
    let command = Arguments::command();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| {
            let alternatives = CHOICES.iter().filter(|choice| choice.commands.contains(&name.as_str()));
            let alternatives: BTreeSet<&[&str]> =
                alternatives.map(|choice| choice.needs).filter(|needs| needs.len() > 1).collect();
            let group = |names: &[&'static str]| ArgGroup::new(names.join(" or ")).args(names).multiple(true);
            let sub = alternatives.into_iter().fold(sub, |sub, names| sub.group(group(names)));
            sub.mut_args(|argument| described(name, argument))
        })
    })
}

/// An argument with what the table says of it, if it is an option.
fn described(command: &str, argument: Arg) -> Arg {
    let name = argument.get_long().map(|long| long.replace('-', "_"));
    let Some(choice) = name.and_then(|name| of_command(command, &name)) else { return argument };
    let argument = argument.help(choice.help_text());
    let argument = match choice.value {
        "" => argument,
        value => argument.value_names(value.split(' ')),
    };
    let argument = match choice.needs {
        [] => argument,
        [other] => argument.requires(other),
        several => argument.requires(several.join(" or ")),
    };
    match choice.default_value() {
        Default::Nothing(_) | Default::Off => argument,
        Default::Text(text) => argument.required(false).default_value(text),
        Default::Number(number) => argument.required(false).default_value(number.to_string()),
        Default::Count(count) => argument.required(false).default_value(count.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every command, what follows two hyphens.
    fn typed() -> Vec<(String, Arg)> {
        let of = |sub: &Command| {
            let name = sub.get_name().to_owned();
            let arguments: Vec<Arg> = sub.get_arguments().filter(|a| a.get_long().is_some()).cloned().collect();
            arguments.into_iter().map(move |argument| (name.clone(), argument))
        };
        command().get_subcommands().flat_map(of).collect()
    }

    fn long(argument: &Arg) -> &str {
        argument.get_long().expect("it has one")
    }

    #[test]
    fn an_option_is_on_the_command_line_or_in_the_table_but_not_in_both() {
        let typed = typed();
        for (command, argument) in &typed {
            assert!(of_command(command, &long(argument).replace('-', "_")).is_some(), "{command} {}", long(argument));
        }
        for choice in CHOICES {
            for command in choice.commands {
                let is_typed = typed.iter().any(|(name, argument)| name == command && long(argument) == choice.long());
                assert!(is_typed, "geolip {command} has no --{}", choice.long());
            }
        }
    }

    #[test]
    fn the_command_line_says_something_else_than_the_table() {
        for (command, argument) in typed() {
            let choice = of_command(&command, &long(&argument).replace('-', "_")).expect("it is in the table");
            let help = argument.get_help().map(ToString::to_string);
            assert_eq!(help, Some(choice.help_text()));
            let takes_a_value = argument.get_action().takes_values();
            assert_eq!(takes_a_value, !choice.value.is_empty(), "{command} {}", long(&argument));
            let defaults = argument.get_default_values();
            let has_default = !matches!(choice.default_value(), Default::Nothing(_) | Default::Off);
            assert_eq!(takes_a_value && !defaults.is_empty(), has_default, "{command} {}", long(&argument));
        }
    }

    #[test]
    fn clap_cannot_build_the_command_line() {
        command().debug_assert();
    }
}
