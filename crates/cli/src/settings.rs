//! `ashlar.toml`: the same names as the flags. Top-level keys are flags of every command; a table named after a
//! command holds that command's flags. A flag on the command line wins over the environment, which wins over the file.
//!
//! ```toml
//! data-dir = "/var/lib/ashlar"
//!
//! [allocate]
//! optimize = "size"
//! ```
//!
//! A file that is only found, because it lies in the current folder, must not decide what is executed and how much
//! security is enough: somebody else may have put it there. Those settings need a file that was named.

use std::path::{Path, PathBuf};

use ashlar_engine::RouterPolicy;
use ashlar_stone::{FileError, MOST_SETTINGS_BYTES, read_bounded};
use clap::{
    Arg, ArgMatches, Command, CommandFactory, FromArgMatches,
    builder::OsStr,
    error::{ContextKind, ContextValue, ErrorKind},
};
use toml::{Table, Value};

use crate::{
    arguments::{CommandLine, Global},
    failure::{CommandError, Failure},
    service::{ATLANTIC, GATE},
};

/// The name looked for in the current folder.
const DEFAULT_FILE: &str = "ashlar.toml";

/// Settings that only a named file may hold: they lower what is demanded, send orders or passwords, or name a program to
/// run.
const NAMED_ONLY: [&str; 16] = [
    "database",
    "bucket",
    "execute",
    "webhook-url",
    "webhook-repeatable",
    "minimum-bits",
    "proof-age",
    "engine",
    "external-prover",
    // Whose word about a finished run is taken.
    "bootloader",
    // Who is sent proposals and a key, and where figures go.
    "server",
    "key-file",
    "plain-http",
    "public-address",
    "otlp-endpoint",
    // Whoever knows what the path holds can ask for looks.
    "atlantic-webhook-file",
];

/// The section of the routing policy.
const ROUTER: &str = "router";

/// Sections that hold no flags: those commands read them that deal with the queue.
const SECTIONS: [&str; 3] = [ROUTER, ATLANTIC, GATE];

/// What parsing the command line came to.
pub(crate) enum Parsed {
    /// A command to run.
    Command(Box<CommandLine>),
    /// Help or version, already worded.
    Text(clap::Error),
}

/// Parses the command line, with the settings file's values as the defaults.
pub(crate) fn parse(arguments: &[std::ffi::OsString]) -> Result<Parsed, Failure> {
    let (path, named) = file(arguments);
    let mut command = CommandLine::command();
    if let Some(table) = read(&path, named)? {
        command = apply(command, &table, &path, named)?;
    }
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches: ArgMatches| CommandLine::from_arg_matches(&matches));
    match parsed {
        Ok(line) => Ok(Parsed::Command(Box::new(line))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Text(error))
        }
        Err(error) => Err(worded(&error, arguments).into()),
    }
}

/// Where the settings file is, and whether it was named, so that it must exist. The flag is looked for before everything is parsed, because
/// the file decides how.
fn file(arguments: &[std::ffi::OsString]) -> (PathBuf, bool) {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        let Some(text) = argument.to_str() else { continue };
        if text == "--" {
            break;
        }
        if text == "--config"
            && let Some(value) = rest.next()
        {
            return (value.into(), true);
        }
        if let Some(value) = text.strip_prefix("--config=") {
            return (value.into(), true);
        }
    }
    match std::env::var_os("ASHLAR_CONFIG") {
        Some(value) => (value.into(), true),
        None => (DEFAULT_FILE.into(), false),
    }
}

fn read(path: &Path, named: bool) -> Result<Option<Table>, Failure> {
    let unusable = |message: String| CommandError::SettingsFile { path: path.display().to_string(), message };
    let bytes = match read_bounded(path, "settings", MOST_SETTINGS_BYTES) {
        Err(FileError::Missing { .. }) if !named => return Ok(None),
        read => read.map_err(|error| unusable(error.to_string()))?,
    };
    let text = String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))?;
    let table =
        text.parse().map_err(|error: toml::de::Error| unusable(error.to_string().trim_end().to_owned()))?;
    Ok(Some(table))
}

/// The routing policy of the settings file; the default one if it has none.
pub(crate) fn router(global: &Global) -> Result<RouterPolicy, Failure> {
    let Some((section, path)) = section(global, ROUTER)? else { return Ok(RouterPolicy::default()) };
    policy_of(section).map_err(|message| {
        CommandError::SettingsFile { path, message: format!("{ROUTER}: {message}") }.into()
    })
}

/// A section that decides who sees inputs, who is paid, and what is executed, with the name of the file; `None` if the
/// settings file has none. It must be in a file that was named.
pub(crate) fn section(global: &Global, name: &str) -> Result<Option<(Value, String)>, Failure> {
    let (path, named) = match &global.config {
        Some(path) => (path.clone(), true),
        None => (DEFAULT_FILE.into(), false),
    };
    let Some(section) = read(&path, named)?.and_then(|mut table| table.remove(name)) else {
        return Ok(None);
    };
    let path = path.display().to_string();
    match named {
        true => Ok(Some((section, path))),
        false => Err(must_be_named(path, name).into()),
    }
}

fn must_be_named(path: String, section: &str) -> CommandError {
    CommandError::SettingsFile {
        path,
        message: format!(
            "{section}: a file that was only found in the current folder may not have this section; name the file \
             with --config or ASHLAR_CONFIG"
        ),
    }
}

/// What is wrong with a section, on one line, with the key.
pub(crate) fn in_words(error: &toml::de::Error) -> String {
    error.to_string().trim().replace('\n', " ")
}

fn policy_of(section: Value) -> Result<RouterPolicy, String> {
    let policy: RouterPolicy = section.try_into().map_err(|error: toml::de::Error| in_words(&error))?;
    policy.check().map_err(|error| error.to_string())?;
    Ok(policy)
}

/// Makes the file's values the defaults of the flags.
fn apply(mut command: Command, table: &Table, path: &Path, named: bool) -> Result<Command, Failure> {
    let refused = |place: &str, flag: &str| CommandError::SettingsFile {
        path: path.display().to_string(),
        message: format!(
            "{place}: a file that was only found in the current folder may not set this; name the file with --config \
             or ASHLAR_CONFIG, or give --{flag} itself"
        ),
    };
    for (key, value) in table {
        if NAMED_ONLY.contains(&key.as_str()) && !named {
            return Err(refused(key, key).into());
        }
        if SECTIONS.contains(&key.as_str()) && value.is_table() {
            if !named && key != ROUTER {
                return Err(must_be_named(path.display().to_string(), key).into());
            }
            continue;
        }
        match (value, command.find_subcommand(key).cloned()) {
            (Value::Table(flags), Some(mut sub)) => {
                for (flag, value) in flags {
                    let place = format!("{key}.{flag}");
                    if NAMED_ONLY.contains(&flag.as_str()) && !named {
                        return Err(refused(&place, flag).into());
                    }
                    sub = with_default(sub, flag, value, path, &place)?;
                }
                command = command.mut_subcommand(key, |_| sub);
            }
            _ => command = with_default(command, key, value, path, key)?,
        }
    }
    Ok(command)
}

fn with_default(
    command: Command,
    flag: &str,
    value: &Value,
    path: &Path,
    place: &str,
) -> Result<Command, Failure> {
    let unusable = |message: String| CommandError::SettingsFile { path: path.display().to_string(), message };
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(flag) && flag != "config");
    let Some(arg) = found.cloned() else {
        let known: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        return Err(unusable(format!("no setting is called {flag:?}; there are {}", known.join(", "))).into());
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        other => {
            return Err(unusable(format!(
                "{place}: expected a text, a whole number, true or false, got {}",
                other.type_str()
            ))
            .into());
        }
    };
    // A default must be valid, so the value is tried by the flag's own parser first.
    let trial = Arg::new("value").long(flag.to_owned()).value_parser(arg.get_value_parser().clone());
    let tried = Command::new("settings").no_binary_name(true).disable_help_flag(true).arg(trial);
    if let Err(error) = tried.try_get_matches_from([format!("--{flag}={text}")]) {
        let origin = format!("{}: {place}", path.display());
        return Err(CommandError::Setting { origin, message: brief(&error) }.into());
    }
    let id = arg.get_id().clone();
    Ok(command.mut_arg(id, |arg| arg.default_value(OsStr::from(text)).required(false)))
}

/// Clap's message as ours, with the origin of a wrong value that came from the environment.
fn worded(error: &clap::Error, arguments: &[std::ffi::OsString]) -> CommandError {
    if let (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(ContextValue::String(argument))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let flag = argument.split_whitespace().next().unwrap_or_default();
        let given = arguments.iter().filter_map(|argument| argument.to_str()).any(|argument| {
            argument == flag || argument.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
        });
        let variable = format!("ASHLAR_{}", flag.trim_start_matches("--").replace('-', "_").to_uppercase());
        if !given && std::env::var_os(&variable).is_some() {
            let origin = format!("environment variable {variable}");
            return CommandError::Setting { origin, message: brief(error) };
        }
    }
    CommandError::Usage(message(error))
}

/// The parser's message, without its own pointer to the help: our hint says that.
fn message(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let message = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    message.split("\n\nFor more information").next().unwrap_or_default().trim_end().to_owned()
}

/// What is wrong, and what would be right, in one line.
fn brief(error: &clap::Error) -> String {
    message(error).lines().take(2).map(str::trim).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn settings_become_defaults_and_unknown_ones_are_refused() {
        let table: Table = "quiet = true\n[allocate]\noptimize = \"size\"\n".parse().unwrap();
        let command = apply(CommandLine::command(), &table, Path::new("a.toml"), false);
        let matches = command.unwrap().try_get_matches_from(["ashlar", "allocate", "x.json"]).unwrap();
        let line = CommandLine::from_arg_matches(&matches).unwrap();
        assert!(line.global.quiet);
        assert!(
            matches!(&line.command, crate::arguments::Command::Allocate(a) if matches!(a.security.optimize, crate::arguments::Goal::Size))
        );

        for wrong in
            ["fast = true", "[allocate]\nspeed = 1", "data-dir = 1.5", "[nonsense]\na = 1", "config = \"b\""]
        {
            let table: Table = wrong.parse().unwrap();
            assert!(apply(CommandLine::command(), &table, Path::new("a.toml"), true).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_section_that_spends_or_executes_is_read_from_a_named_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "[gate]\n[atlantic]\nhost = 'staging'\n").unwrap();
        let line = |words: &[&str]| {
            let matches = CommandLine::command().try_get_matches_from(words).unwrap();
            CommandLine::from_arg_matches(&matches).unwrap().global
        };
        let named = line(&["ashlar", "--config", path.to_str().unwrap(), "doctor"]);
        for name in [ATLANTIC, GATE] {
            assert!(section(&named, name).unwrap().is_some(), "{name}");
        }
        assert!(section(&named, ROUTER).unwrap().is_none());
        for text in ["[gate]\nexecute = 'webhook'\n", "[atlantic]\nhost = 'x'\n"] {
            let table: Table = text.parse().unwrap();
            let refused = apply(CommandLine::command(), &table, &path, false).unwrap_err();
            assert!(refused.one_line().contains("--config"), "{text}: {}", refused.one_line());
            apply(CommandLine::command(), &table, &path, true).unwrap();
        }
    }

    #[test]
    fn a_routing_policy_is_read_strictly() {
        let text = "environment = 'mainnet'\ncritical-usd = 5\n\
                    [budget]\nday-micro-usd = 7\n\
                    [[rules]]\nname = 'all'\nwhen = { critical = true, most-steps = 9 }\nprefer = ['atlantic', 'stone_local']\n";
        let section = || Value::Table(text.parse().unwrap());
        let policy = policy_of(section()).unwrap();
        assert_eq!((policy.critical_usd, policy.budget.day_micro_usd, policy.rules.len()), (5, 7, 1));
        assert_eq!(policy.rules[0].when.most_steps, Some(9));
        for (wrong, because) in [
            ("environment = 'moon'", "moon"),
            ("speed = 1", "speed"),
            ("[[rules]]\nname = 'a'\nprefer = ['abacus']", "abacus"),
            ("[[rules]]\nname = 'a'\nprefer = []", "no backend"),
            ("environment = 'mainnet'\n[[rules]]\nname = 'a'\nprefer = ['mock']", "proves nothing"),
        ] {
            let refused = policy_of(Value::Table(wrong.parse().unwrap())).unwrap_err();
            assert!(refused.contains(because), "{refused}");
        }
    }

    #[test]
    fn a_file_that_was_only_found_cannot_send_anything_elsewhere() {
        for line in ["server = \"http://localhost:1\"", "key-file = \"key\"", "plain-http = true"] {
            let table: Table = line.parse().unwrap();
            let refused = apply(CommandLine::command(), &table, Path::new("ashlar.toml"), false);
            assert!(refused.map(drop).unwrap_err().one_line().contains("--config"), "{line}");
            apply(CommandLine::command(), &table, Path::new("ashlar.toml"), true).unwrap();
        }
    }

    #[test]
    fn a_file_that_was_only_found_cannot_name_a_bootloader() {
        for section in ["serve", "prove", "verify"] {
            let table: Table = format!("[{section}]\nbootloader = \"any.json\"").parse().unwrap();
            let path = Path::new("ashlar.toml");
            let refused = apply(CommandLine::command(), &table, path, false).map(drop).unwrap_err();
            assert!(refused.one_line().contains("--config"), "{section}: {}", refused.one_line());
            apply(CommandLine::command(), &table, path, true).unwrap();
        }
    }

    #[test]
    fn a_file_that_was_only_found_cannot_turn_a_rehearsal_into_an_execution() {
        for line in [
            "execute = \"webhook\"",
            "webhook-url = \"http://localhost\"",
            "webhook-repeatable = true",
            "minimum-bits = 30",
            "proof-age = 1000",
        ] {
            let table: Table = format!("[allocate]\n{line}").parse().unwrap();
            let path = Path::new("ashlar.toml");
            let refused = apply(CommandLine::command(), &table, path, false).map(drop).unwrap_err();
            assert!(refused.one_line().contains("--config"), "{}", refused.one_line());
            apply(CommandLine::command(), &table, path, true).unwrap();
        }
    }
}
