//! `--timings` and `--timeline`: what every phase of a proof took, by thread, as a table and as a picture.

use ashlar_stone::{OutputFile, Profile, Recorder};
use serde_json::{Value, json};

use crate::{arguments::Timings, calibration::threads, console::say, failure::Failure, session::Session};

/// What somebody wants to know about the time of a proof.
#[derive(Debug, Default)]
pub(crate) struct Profiling {
    table: bool,
    timeline: Option<OutputFile>,
}

impl Profiling {
    /// A file that cannot be written is found before the work, not after.
    pub(crate) fn of(arguments: &Timings) -> Result<Profiling, Failure> {
        let prepare = |path: &std::path::PathBuf| OutputFile::prepare(path, "timeline");
        let timeline = arguments.timeline.as_ref().map(prepare).transpose()?;
        Ok(Profiling { table: arguments.timings, timeline })
    }

    /// A recorder, if there is anything to record for.
    pub(crate) fn recorder(&self, first: &str) -> Option<Recorder> {
        (self.table || self.timeline.is_some()).then(|| Recorder::new(first))
    }

    /// Says and draws what was wanted.
    pub(crate) fn report(self, session: &Session, profile: &Profile) -> Result<(), Failure> {
        if self.table {
            let serial = 100.0 * profile.serial_share(threads());
            say(&format!("{profile}{serial:.1} % of the CPU time had one thread at work\n"));
        }
        if let Some(file) = self.timeline {
            let path = file.path().to_owned();
            file.write(profile.timeline().as_bytes())?;
            session.console.remark(&format!("wrote {}", path.display()));
        }
        Ok(())
    }
}

/// A profile as data: milliseconds, bytes.
pub(crate) fn to_json(profile: &Profile) -> Value {
    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let stages: Vec<Value> = profile
        .stages
        .iter()
        .map(|stage| {
            let by_thread: Vec<f64> = stage.by_thread.iter().copied().map(milliseconds).collect();
            json!({
                "stage": stage.name,
                "begin_ms": milliseconds(stage.begin),
                "wall_ms": milliseconds(stage.wall),
                "cpu_ms": milliseconds(stage.cpu),
                "cpu_ms_by_thread": by_thread,
                "resident_bytes": stage.resident,
            })
        })
        .collect();
    json!({ "stages": stages, "serial_share": profile.serial_share(threads()) })
}
