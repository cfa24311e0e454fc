//! The prover config file, `cpu_air_prover_config.json`: how Stone arranges its work.
//!
//! It has no influence on a byte of the proof and none on how this prover works; it is checked as Stone checks it and
//! echoed in the proof file.

use ashlar_fault::{Code, Exit, Fault};

use crate::json::{Json, JsonError, View};

/// A checked prover config.
#[derive(Clone, Debug, PartialEq)]
pub struct ProverConfig {
    /// The file as read, for the echo.
    json: Json,
    /// In how many tasks Stone computes a coset of a table; a power of two.
    table_prover_n_tasks_per_segment: u64,
}

/// A prover config that Stone could not work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProverConfigError {
    /// A key is missing or of another kind.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A number must be a power of two.
    #[error("expected a power of two at {place}, got {got}")]
    NotAPowerOfTwo {
        /// File and path.
        place: String,
        /// The number.
        got: u64,
    },
    /// A number must not be zero.
    #[error("expected at least 1 at {place}, got 0")]
    Zero {
        /// File and path.
        place: String,
    },
}

impl Fault for ProverConfigError {
    fn code(&self) -> Code {
        match self {
            ProverConfigError::Json(error) => error.code(),
            ProverConfigError::NotAPowerOfTwo { .. } | ProverConfigError::Zero { .. } => Code(1130),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ProverConfig {
    /// Reads and checks a prover config. `file` names the source in errors.
    ///
    /// # Errors
    /// For a missing key, a value of another kind, a task count that is no power of two, a task size of zero.
    pub fn from_json(json: Json, file: &str) -> Result<ProverConfig, ProverConfigError> {
        let root = View::root(&json, file);
        let cached_lde = root.key("cached_lde_config")?;
        cached_lde.key("store_full_lde")?.boolean()?;
        cached_lde.key("use_fft_for_eval")?.boolean()?;
        let task_size = root.key("constraint_polynomial_task_size")?;
        if task_size.integer()? == 0 {
            return Err(ProverConfigError::Zero { place: task_size.to_string() });
        }
        root.key("n_out_of_memory_merkle_layers")?.integer()?;
        let tasks = root.key("table_prover_n_tasks_per_segment")?;
        let table_prover_n_tasks_per_segment = tasks.integer()?;
        if !table_prover_n_tasks_per_segment.is_power_of_two() {
            let got = table_prover_n_tasks_per_segment;
            return Err(ProverConfigError::NotAPowerOfTwo { place: tasks.to_string(), got });
        }
        if let Some(fri) = root.setting("fri_prover")? {
            for (_, number) in fri.entries()? {
                number.integer()?;
            }
        }
        Ok(ProverConfig { json, table_prover_n_tasks_per_segment })
    }

    /// The file, for the echo in a proof.
    pub fn to_json(&self) -> &Json {
        &self.json
    }

    /// In how many tasks Stone computes one coset of a table; a power of two.
    pub fn n_tasks_per_segment(&self) -> u64 {
        self.table_prover_n_tasks_per_segment
    }
}

/// A config that any Stone build accepts.
impl Default for ProverConfig {
    fn default() -> ProverConfig {
        let cached_lde =
            Json::object([("store_full_lde", Json::from(false)), ("use_fft_for_eval", Json::from(false))]);
        let json = Json::object([
            ("cached_lde_config", cached_lde),
            ("constraint_polynomial_task_size", Json::from(256)),
            ("n_out_of_memory_merkle_layers", Json::from(0)),
            ("table_prover_n_tasks_per_segment", Json::from(1)),
        ]);
        ProverConfig { json, table_prover_n_tasks_per_segment: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: Json) -> Result<ProverConfig, ProverConfigError> {
        let Json::Object(mut entries) = ProverConfig::default().json else { panic!("an object") };
        entries.insert(key.into(), value);
        ProverConfig::from_json(Json::Object(entries), "config.json")
    }

    #[test]
    fn the_default_config_passes_its_own_check() {
        let default = ProverConfig::default();
        assert_eq!(ProverConfig::from_json(default.json.clone(), "config.json"), Ok(default));
    }

    #[test]
    fn what_stone_cannot_work_with_is_refused() {
        let tasks = "table_prover_n_tasks_per_segment";
        assert!(matches!(with(tasks, 33.into()), Err(ProverConfigError::NotAPowerOfTwo { got: 33, .. })));
        assert!(matches!(with(tasks, 0.into()), Err(ProverConfigError::NotAPowerOfTwo { got: 0, .. })));
        let size = "constraint_polynomial_task_size";
        assert!(matches!(with(size, 0.into()), Err(ProverConfigError::Zero { .. })));
        assert!(matches!(with("cached_lde_config", Json::Null), Err(ProverConfigError::Json(_))));
        assert!(matches!(
            with("fri_prover", Json::object([("x", Json::Null)])),
            Err(ProverConfigError::Json(_))
        ));
    }
}
