//! Policy files: what to demand of a proof, as TOML. Whatever a file leaves out stays as strict as the default.

use std::{ops::RangeInclusive, path::Path, str::FromStr};

use ashlar_cpu_air::statement::EntryForm;
use ashlar_stone::{Allowed, MOST_SETTINGS_BYTES, Policy, StatementRule, read_bounded};
use ashlar_store::DEFAULT_BITS;
use toml::{Table, Value};

use crate::failure::CommandError;

/// Reads a policy file.
pub(crate) fn read(path: &Path) -> Result<Policy, CommandError> {
    let unusable = |message: String| CommandError::PolicyFile { path: path.display().to_string(), message };
    let bytes =
        read_bounded(path, "policy", MOST_SETTINGS_BYTES).map_err(|error| unusable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))?;
    parse(&text).map_err(unusable)
}

fn parse(text: &str) -> Result<Policy, String> {
    let table: Table =
        text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
    let bits = match table.get("minimum_bits") {
        Some(value) => number("minimum_bits", value)?,
        None => DEFAULT_BITS,
    };
    let mut policy = Policy::strict(bits);
    for (key, value) in &table {
        match key.as_str() {
            "minimum_bits" => {}
            "minimum_proven_bits" => policy.least_proven_bits = number(key, value)?,
            "stone_version" => policy.version = parsed(key, value)?,
            "layouts" => policy.layouts = Allowed::Only(list(key, value)?),
            "commitment_hashes" => policy.commitment_hashes = Allowed::Only(list(key, value)?),
            "channel_hashes" => policy.channel_hashes = Allowed::Only(list(key, value)?),
            "log_blow_up" => policy.log_n_cosets = range(key, value)?,
            "queries" => policy.n_queries = range(key, value)?,
            "grinding_bits" => policy.proof_of_work_bits = range(key, value)?,
            "most_fri_step" => policy.most_fri_step = number(key, value)?,
            "most_last_layer_degree_bound" => policy.most_last_layer_degree_bound = number(key, value)?,
            "most_steps" => policy.most_steps = number(key, value)?,
            "statement" => policy.statement = statement(key, value)?,
            unknown => return Err(format!("no demand is called {unknown:?}, see docs/policy.md")),
        }
    }
    Ok(policy)
}

fn number<T: TryFrom<i64>>(key: &str, value: &Value) -> Result<T, String> {
    let expected = || format!("{key}: expected a whole number in range, got {value}");
    value.as_integer().and_then(|number| T::try_from(number).ok()).ok_or_else(expected)
}

fn range<T: TryFrom<i64> + PartialOrd>(key: &str, value: &Value) -> Result<RangeInclusive<T>, String> {
    match value.as_array().map(Vec::as_slice) {
        Some([least, most]) => {
            let (least, most) = (number(key, least)?, number(key, most)?);
            if least <= most {
                Ok(least..=most)
            } else {
                Err(format!("{key}: expected [least, most], got {value}"))
            }
        }
        _ => Err(format!("{key}: expected [least, most], got {value}")),
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(key: &str, value: &Value) -> Result<T, String> {
    let text = value.as_str().ok_or_else(|| format!("{key}: expected a text, got {value}"))?;
    text.parse().map_err(|error| format!("{key}: {error}"))
}

fn list<T: FromStr<Err: std::fmt::Display>>(key: &str, value: &Value) -> Result<Vec<T>, String> {
    let items = value.as_array().ok_or_else(|| format!("{key}: expected a list of texts, got {value}"))?;
    items.iter().map(|item| parsed(key, item)).collect()
}

fn statement(key: &str, value: &Value) -> Result<StatementRule, String> {
    match value.as_str() {
        Some("stone") => Ok(StatementRule::Stone),
        Some("strict") => Ok(StatementRule::Gate(EntryForm::Strict)),
        Some("relaxed") => Ok(StatementRule::Gate(EntryForm::Relaxed)),
        Some("bootloaded") => Ok(StatementRule::Bootloaded),
        Some("cairo1") => Ok(StatementRule::Gate(EntryForm::Cairo1)),
        _ => Err(format!("{key}: expected strict, bootloaded, relaxed, cairo1 or stone, got {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_hash::CommitmentHash;

    #[test]
    fn an_empty_policy_is_the_strict_one() {
        assert_eq!(parse("").unwrap(), Policy::strict(DEFAULT_BITS));
    }

    #[test]
    fn every_demand_is_read() {
        let policy = parse(
            "minimum_bits = 50\nminimum_proven_bits = 20\nstone_version = \"stone5\"\nlayouts = [\"small\"]\n\
             commitment_hashes = [\"keccak256_masked160_lsb\"]\nlog_blow_up = [2, 4]\nqueries = [18, 40]\n\
             grinding_bits = [24, 32]\nmost_fri_step = 4\nmost_last_layer_degree_bound = 64\nmost_steps = 8192\n\
             statement = \"stone\"\nchannel_hashes = [\"keccak256\"]\n",
        )
        .unwrap();
        assert_eq!((policy.least_conjectured_bits, policy.least_proven_bits), (50, 20));
        assert_eq!(policy.layouts, Allowed::Only(vec!["small".to_owned()]));
        let keccak: CommitmentHash = "keccak256_masked160_lsb".parse().unwrap();
        assert_eq!(policy.commitment_hashes, Allowed::Only(vec![keccak]));
        assert_eq!((policy.log_n_cosets, policy.n_queries), (2..=4, 18..=40));
        assert_eq!(policy.statement, StatementRule::Stone);
    }

    #[test]
    fn wrong_demands_are_named() {
        for (text, name) in [
            ("bits = 1", "bits"),
            ("minimum_bits = -1", "minimum_bits"),
            ("minimum_bits = 1.5", "minimum_bits"),
            ("queries = [10]", "queries"),
            ("queries = [20, 10]", "queries"),
            ("commitment_hashes = [\"md5\"]", "commitment_hashes"),
            ("statement = \"any\"", "statement"),
            ("layouts = \"small\"", "layouts"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(name), "{text}: {error}");
        }
    }
}
