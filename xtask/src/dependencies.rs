//! Arrows point down only: a crate may name the crates below it, never one above or beside it.

use std::{path::Path, process::Command};

use serde_json::Value;

/// The rooms from the ground up. Crates at the top (the programs) may use everything.
const ORDER: [&str; 20] = [
    "ashlar-fault",
    "ashlar-field",
    "ashlar-curve",
    "ashlar-ntt",
    "ashlar-hash",
    "ashlar-stark",
    "ashlar-cpu-air",
    "ashlar-stone",
    "ashlar-cairo",
    "ashlar-risk",
    "ashlar-postgres-cluster",
    "ashlar-store",
    "ashlar-atlantic",
    "ashlar-atlantic-mock",
    "ashlar-engine",
    "ashlar-server",
    "ashlar-client",
    "ashlar",
    "ashlar-lab",
    "xtask",
];

/// Whom each crate names, by `cargo metadata`, against the order.
pub(crate) fn check(root: &Path) -> Vec<String> {
    match metadata(root) {
        Ok(metadata) => violations(&metadata),
        Err(error) => vec![error],
    }
}

fn metadata(root: &Path) -> Result<Value, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

fn violations(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let rank = |name: &str| ORDER.iter().position(|room| *room == name);
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own) = rank(name) else {
            found.push(format!("{name} has no place in the order of the crates (xtask/src/dependencies.rs)"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // A test may look upwards, say to prove what it verifies; what is shipped may not.
            let shipped = dependency["kind"].as_str() != Some("dev");
            let to = dependency["name"].as_str().unwrap_or_default();
            if shipped && rank(to).is_some_and(|below| below >= own) {
                found.push(format!("{name} depends on {to}, which is not below it"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(name: &str, dependency: &str, kind: Option<&str>) -> Value {
        json!({ "packages": [{ "name": name, "dependencies": [{ "name": dependency, "kind": kind }] }] })
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        assert_eq!(violations(&one("ashlar-field", "ashlar-stark", None)).len(), 1);
        assert_eq!(violations(&one("ashlar-stone", "ashlar-store", Some("build"))).len(), 1);
    }

    #[test]
    fn arrows_downwards_and_of_tests_are_allowed() {
        assert!(violations(&one("ashlar-stark", "ashlar-field", None)).is_empty());
        assert!(violations(&one("ashlar-stark", "ashlar-stone", Some("dev"))).is_empty());
        assert!(violations(&one("ashlar-stark", "thiserror", None)).is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(violations(&one("ashlar-utils", "serde", None)).len(), 1);
    }
}
