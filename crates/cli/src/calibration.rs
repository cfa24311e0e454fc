//! The rates of this machine: measured by `ashlar doctor --calibrate` and kept in the data folder, or the default
//! figures for its kernels. Whatever predicts says which.

use std::{fs, path::Path};

use ashlar_field::Kernels;
use ashlar_stone::{MOST_SETTINGS_BYTES, Rates, calibrate, read_bounded};
use ashlar_store::{Moment, write_durably};
use serde::{Deserialize, Serialize};

use crate::failure::{CommandError, Failure};

const FILE: &str = "calibration.json";
const SCHEMA: &str = "ashlar.calibration/1";

/// The form of the file.
#[derive(Serialize, Deserialize)]
struct Calibration {
    schema: String,
    /// The kernels that were measured: others have other rates.
    kernels: String,
    threads: usize,
    measured_at: String,
    nanoseconds: Rates,
}

/// Rates and where they come from.
#[derive(Clone, Debug)]
pub(crate) struct RatesInUse {
    pub(crate) rates: Rates,
    /// In words, such as `measured on this machine at 2026-11-21T…`.
    pub(crate) basis: String,
    /// Whether they were measured here.
    pub(crate) measured: bool,
}

impl RatesInUse {
    /// Those of the data folder; the default ones if it has none that hold for the kernels in use.
    pub(crate) fn read(folder: &Path) -> RatesInUse {
        let kernels = Kernels::current();
        let default = |why: &str| RatesInUse {
            rates: Rates::default_of(kernels),
            basis: format!("default figures for {kernels} kernels{why}"),
            measured: false,
        };
        let path = folder.join(FILE);
        if fs::symlink_metadata(&path).is_err() {
            return default("");
        }
        let read = read_bounded(&path, "calibration", MOST_SETTINGS_BYTES).ok();
        let Some(found) = read.and_then(|bytes| serde_json::from_slice::<Calibration>(&bytes).ok()) else {
            return default(", because calibration.json cannot be read");
        };
        if found.schema != SCHEMA || !found.nanoseconds.are_plausible() {
            return default(", because calibration.json holds no rates");
        }
        if found.kernels != kernels.to_string() {
            return default(&format!(", because those measured are for {}", found.kernels));
        }
        RatesInUse {
            rates: found.nanoseconds,
            basis: format!("measured on this machine at {}", found.measured_at),
            measured: true,
        }
    }

    /// Measures this machine and keeps the rates in the data folder.
    pub(crate) fn measure(folder: &Path) -> Result<RatesInUse, Failure> {
        let kernels = Kernels::current();
        let calibration = Calibration {
            schema: SCHEMA.to_owned(),
            kernels: kernels.to_string(),
            threads: threads(),
            measured_at: Moment::now().to_string(),
            nanoseconds: calibrate(kernels),
        };
        let path = folder.join(FILE);
        let broken = |source| CommandError::Calibration { path: path.display().to_string(), source };
        let mut text = serde_json::to_vec_pretty(&calibration).map_err(|error| broken(error.into()))?;
        text.push(b'\n');
        write_durably(&path, &text)?;
        Ok(RatesInUse::read(folder))
    }
}

/// Threads that a proof is made with.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_cannot_be_used_give_way_to_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let basis = |text: &str| {
            fs::write(folder.path().join(FILE), text).unwrap();
            RatesInUse::read(folder.path())
        };
        assert!(!RatesInUse::read(folder.path()).measured);
        assert!(basis("{").basis.ends_with("cannot be read"));
        let measured = |kernels: &str, change: fn(&mut Rates)| {
            let mut nanoseconds = Rates::default_of(Kernels::current());
            change(&mut nanoseconds);
            let calibration = Calibration {
                schema: SCHEMA.to_owned(),
                kernels: kernels.to_owned(),
                threads: 2,
                measured_at: "2026-11-21T00:00:00.000Z".to_owned(),
                nanoseconds,
            };
            serde_json::to_string(&calibration).unwrap()
        };
        let current = Kernels::current().to_string();
        let good = basis(&measured(&current, |rates| rates.butterfly = 7.0));
        assert!(good.measured && good.rates.butterfly == 7.0, "{good:?}");
        assert!(basis(&measured("abacus", |_| ())).basis.contains("for abacus"));
        assert!(!basis(&measured(&current, |rates| rates.butterfly = -1.0)).measured);
    }
}
