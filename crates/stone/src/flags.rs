//! Command-line flags in the form of gflags, which Stone's binaries use: `--name=value`, `--name value`, one or two
//! dashes, `--name` and `--noname` for switches, underscores or dashes inside a name.

use std::{ffi::OsString, fmt};

use ashlar_fault::{Code, Exit, Fault};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A value, shown in the help as this word.
    Value(&'static str),
    /// Nothing, or `true` or `false` after an equals sign.
    Switch,
}

/// One flag that a program knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
}

/// The flags of one program followed by those that it shares with others. Evaluated when the program is compiled.
pub(crate) const fn followed_by<const OWN: usize, const SHARED: usize, const ALL: usize>(
    own: [Flag; OWN],
    shared: [Flag; SHARED],
) -> [Flag; ALL] {
    assert!(OWN + SHARED == ALL, "the table has as many places as there are flags");
    let mut all = [own[0]; ALL];
    let mut index = 1;
    while index < ALL {
        all[index] = if index < OWN { own[index] } else { shared[index - OWN] };
        index += 1;
    }
    all
}

/// A command line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// A flag that the program does not have.
    #[error("expected one of the flags that --help lists, got {got:?}")]
    Unknown {
        /// What was given.
        got: String,
    },
    /// A word that belongs to no flag.
    #[error("expected flags only, got {got:?}")]
    Stray {
        /// What was given.
        got: String,
    },
    /// A flag without its value.
    #[error("expected a value after --{name}, got the end of the command line")]
    NoValue {
        /// The flag.
        name: &'static str,
    },
    /// A flag that must be given.
    #[error("expected the flag --{name}, got a command line without it")]
    Missing {
        /// The flag.
        name: &'static str,
    },
    /// A flag given twice with different values.
    #[error("expected --{name} once, got it with the values {first:?} and {second:?}")]
    Twice {
        /// The flag.
        name: &'static str,
        /// The first value.
        first: String,
        /// The second value.
        second: String,
    },
    /// A value that the flag cannot take.
    #[error("expected {expected} for --{name}, got {got:?}")]
    BadValue {
        /// The flag.
        name: &'static str,
        /// What it takes.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A flag of Stone's that has no meaning for this statement.
    #[error("expected no --{name} for a Cairo run, got it: Stone's Cairo prover does not support it either")]
    Unsupported {
        /// The flag.
        name: &'static str,
    },
}

impl Fault for FlagError {
    fn code(&self) -> Code {
        Code(5050)
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("run with --help for the list of flags".into())
    }
}

/// The values that were given, in the order of the program's table.
#[derive(Debug)]
pub(crate) struct Flags {
    table: &'static [Flag],
    values: Vec<Option<OsString>>,
    /// Whether `--help` was given.
    pub(crate) help: bool,
}

impl Flags {
    /// Parses the words after the program's name.
    pub(crate) fn parse(
        table: &'static [Flag],
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Flags, FlagError> {
        let mut flags = Flags { table, values: vec![None; table.len()], help: false };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // A value inside the word must not change silently: a path that is no text is given as a word of its own.
            let text = word
                .into_string()
                .map_err(|word| FlagError::Unknown { got: word.to_string_lossy().into_owned() })?;
            let Some(body) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
                return Err(FlagError::Stray { got: text });
            };
            let (name, inline) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (body, None),
            };
            let name = name.replace('-', "_");
            if name == "help" || name == "h" {
                flags.help = true;
                continue;
            }
            let (index, negated) = flags.find(&name).ok_or(FlagError::Unknown { got: text.clone() })?;
            let value = match (table[index].takes, inline) {
                (Takes::Value(_), Some(value)) => OsString::from(value),
                (Takes::Value(_), None) => {
                    words.next().ok_or(FlagError::NoValue { name: table[index].name })?
                }
                (Takes::Switch, Some(_)) if negated => return Err(FlagError::Unknown { got: text }),
                (Takes::Switch, Some(value)) => OsString::from(value),
                (Takes::Switch, None) => OsString::from(if negated { "false" } else { "true" }),
            };
            flags.set(index, value)?;
        }
        Ok(flags)
    }

    /// The flag of this name, and whether it was negated.
    fn find(&self, name: &str) -> Option<(usize, bool)> {
        let position = |name: &str| self.table.iter().position(|flag| flag.name == name);
        position(name).map(|index| (index, false)).or_else(|| {
            let index = position(name.strip_prefix("no")?)?;
            (self.table[index].takes == Takes::Switch).then_some((index, true))
        })
    }

    fn set(&mut self, index: usize, value: OsString) -> Result<(), FlagError> {
        if let Some(first) = &self.values[index]
            && *first != value
        {
            return Err(FlagError::Twice {
                name: self.table[index].name,
                first: first.to_string_lossy().into_owned(),
                second: value.to_string_lossy().into_owned(),
            });
        }
        self.values[index] = Some(value);
        Ok(())
    }

    /// The value of a flag, if it was given.
    pub(crate) fn get(&self, name: &'static str) -> Option<&OsString> {
        let index = self.table.iter().position(|flag| flag.name == name)?;
        self.values[index].as_ref()
    }

    /// The value of a flag that must be given.
    pub(crate) fn required(&self, name: &'static str) -> Result<&OsString, FlagError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(FlagError::Missing { name })
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, FlagError> {
        let Some(value) = self.get(name) else { return Ok(false) };
        match value.to_string_lossy().to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" | "y" => Ok(true),
            "false" | "0" | "f" | "no" | "n" => Ok(false),
            _ => Err(FlagError::BadValue {
                name,
                expected: "true or false".into(),
                got: value.to_string_lossy().into_owned(),
            }),
        }
    }

    /// The value of a flag as something that can be parsed; `default` if it was not given.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &str,
        default: T,
    ) -> Result<T, FlagError> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let text = value.to_string_lossy();
        text.parse().map_err(|_| FlagError::BadValue {
            name,
            expected: expected.into(),
            got: text.into_owned(),
        })
    }
}

/// The flags of a table, one a line, for `--help`.
pub(crate) struct Help(pub(crate) &'static [Flag]);

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for flag in self.0 {
            let usage = match flag.takes {
                Takes::Value(word) => format!("--{} {word}", flag.name),
                Takes::Switch => format!("--{}", flag.name),
            };
            writeln!(f, "  {usage:<32} {}", flag.help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: [Flag; 3] = [
        Flag { name: "out_file", takes: Takes::Value("FILE"), help: "" },
        Flag { name: "generate_annotations", takes: Takes::Switch, help: "" },
        Flag { name: "n_threads", takes: Takes::Value("N"), help: "" },
    ];

    fn parse(line: &str) -> Result<Flags, FlagError> {
        Flags::parse(&TABLE, line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_spelling_of_gflags_is_understood() {
        for line in ["--out_file a", "--out_file=a", "-out_file a", "-out_file=a", "--out-file=a"] {
            assert_eq!(parse(line).unwrap().required("out_file").unwrap(), "a", "{line}");
        }
        for (line, on) in [
            ("--generate_annotations", true),
            ("--generate_annotations=true", true),
            ("--generate_annotations=0", false),
            ("--nogenerate_annotations", false),
            ("", false),
        ] {
            assert_eq!(parse(line).unwrap().switch("generate_annotations"), Ok(on), "{line}");
        }
        assert_eq!(parse("--n_threads=5").unwrap().parsed("n_threads", "a number", 0), Ok(5));
        assert!(parse("--help").unwrap().help);
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        assert!(matches!(parse("--out_fil a"), Err(FlagError::Unknown { .. })));
        assert!(matches!(parse("--noout_file"), Err(FlagError::Unknown { .. })));
        assert!(matches!(parse("a.json"), Err(FlagError::Stray { .. })));
        assert!(matches!(parse("--out_file"), Err(FlagError::NoValue { name: "out_file" })));
        assert!(matches!(parse("--out_file=a --out_file=b"), Err(FlagError::Twice { .. })));
        let flags = parse("--n_threads=many --generate_annotations=perhaps").unwrap();
        assert!(matches!(flags.parsed("n_threads", "a number", 0), Err(FlagError::BadValue { .. })));
        assert!(matches!(flags.switch("generate_annotations"), Err(FlagError::BadValue { .. })));
        assert!(matches!(flags.required("out_file"), Err(FlagError::Missing { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_kept_or_refused_but_never_changed() {
        use std::os::unix::ffi::OsStringExt as _;
        let path = OsString::from_vec(b"proof\xff.json".to_vec());
        let words = [OsString::from("--out_file"), path.clone()];
        assert_eq!(Flags::parse(&TABLE, words).unwrap().get("out_file"), Some(&path));
        let inline = OsString::from_vec(b"--out_file=proof\xff.json".to_vec());
        assert!(matches!(Flags::parse(&TABLE, [inline]), Err(FlagError::Unknown { .. })));
    }
}
