//! What a person asked for, as the records keep it: enough to ask for it again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    arguments::{Prove, Security},
    failure::{CommandError, Failure},
};

/// A request for a proof. Proposals are not repeated here: they are records of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "arguments", rename_all = "lowercase")]
pub(crate) enum Asked {
    /// Of the proposals that are linked to the job.
    Allocation(Security),
    /// Of a program, with absolute paths.
    Program(Box<Prove>),
}

impl Asked {
    /// For the records. A path that is no text cannot be kept; then nothing is, and the job cannot be done over.
    pub(crate) fn to_json(&self) -> Result<Value, Failure> {
        match (serde_json::to_value(self), self) {
            (Ok(value), _) => Ok(value),
            (Err(_), Asked::Program(_)) => Ok(Value::Null),
            (Err(error), Asked::Allocation(_)) => Err(CommandError::Broken(Box::new(error)).into()),
        }
    }

    /// From the records; `None` for what another version wrote.
    pub(crate) fn from_json(value: &Value) -> Option<Asked> {
        serde_json::from_value(value.clone()).ok()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Command, CommandLine};

    #[test]
    fn a_request_is_read_back_from_the_records() {
        let words = ["ashlar", "prove", "a.json", "--args", "1 2", "--optimize", "size", "--as-built"];
        let Command::Prove(arguments) = CommandLine::parse_from(words).command else { panic!("prove") };
        let json = Asked::Program(Box::new(arguments)).to_json().unwrap();
        let Some(Asked::Program(read)) = Asked::from_json(&json) else { panic!("{json}") };
        assert_eq!(read.called.args.as_deref(), Some("1 2"));
        assert!(read.as_built && json["arguments"]["security"]["optimize"] == "size");
        assert!(Asked::from_json(&Value::Null).is_none());
    }
}
