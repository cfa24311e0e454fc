//! `ashlar doctor`: is this machine fit, and if not, what helps.

use std::{fs, path::Path, process::Command};

use anstyle::{AnsiColor, Style};
use ashlar_fault::Fault as _;
use ashlar_field::Kernels;
use ashlar_stone::Memory;
use serde_json::json;

use crate::{
    calibration::RatesInUse,
    console::size,
    failure::{CommandError, Failure},
    service,
    session::Session,
};

/// Below this, the largest supported proofs may not fit.
const COMFORTABLE_MEMORY: u64 = 2 << 30;
/// Below this, records and proofs soon fill the disk.
const COMFORTABLE_DISK: u64 = 1 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            State::Ok => AnsiColor::Green,
            State::Warn => AnsiColor::Yellow,
            State::Fail => AnsiColor::Red,
        };
        color.on_default().bold()
    }
}

struct Check {
    state: State,
    name: &'static str,
    found: String,
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { state: State::Ok, name, found: found.into(), remedy: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { state: State::Warn, name, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
        Check { state: State::Fail, name, found: found.into(), remedy: Some(remedy.into()) }
    }
}

pub(crate) async fn run(session: &Session, calibrate: bool) -> Result<(), Failure> {
    let folder = &session.global.data_dir;
    if calibrate {
        let folder = folder.clone();
        session.console.remark("measuring this machine");
        let measuring = tokio::task::spawn_blocking(move || RatesInUse::measure(&folder));
        measuring.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    }
    let checks = [
        Check::ok("version", concat!("ashlar ", env!("CARGO_PKG_VERSION"))),
        kernels(),
        cores(),
        memory(),
        rates(session),
        records(session).await,
        disk(folder),
        scarb(),
        external_prover(),
        managed_service(session).await,
    ];
    let mut text = String::new();
    for check in &checks {
        let style = check.state.style();
        text.push_str(&format!(
            "{style}{:4}{style:#}  {:15} {}\n",
            check.state.word(),
            check.name,
            check.found
        ));
        if let Some(remedy) = &check.remedy {
            text.push_str(&format!("      {:15} {remedy}\n", ""));
        }
    }
    session.console.text(&text)?;
    let data: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({ "check": check.name, "state": check.state.word(), "found": check.found, "remedy": check.remedy })
        })
        .collect();
    session.console.document("ashlar.doctor/1", json!({ "checks": data }))?;
    match checks.iter().filter(|check| check.state == State::Fail).count() {
        0 => Ok(()),
        failed => Err(CommandError::Unhealthy { failed }.into()),
    }
}

fn kernels() -> Check {
    match Kernels::from_environment() {
        Err(error) => {
            Check::fail("kernels", error.to_string(), "unset ASHLAR_KERNELS, or name one that is supported")
        }
        Ok(kernels) if kernels == Kernels::fastest() && kernels.has_field_vectors() => {
            Check::ok("kernels", format!("{kernels}, the fastest for this processor"))
        }
        Ok(kernels) if kernels == Kernels::fastest() => Check::warn(
            "kernels",
            format!("{kernels}: this processor has no AVX-512"),
            "proofs are the same, and take several times as long",
        ),
        Ok(kernels) => Check::warn(
            "kernels",
            format!("{kernels}, by ASHLAR_KERNELS"),
            "unset ASHLAR_KERNELS for the fastest",
        ),
    }
}

fn cores() -> Check {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => Check::ok("processors", cores.to_string()),
        Ok(_) => Check::warn("processors", "1", "proving uses as many as there are"),
        Err(error) => Check::warn("processors", error.to_string(), "proving will use one"),
    }
}

fn memory() -> Check {
    let Some(memory) = Memory::now() else {
        return Check::warn(
            "memory",
            "unknown on this system",
            "a proof that is too large is not refused in advance",
        );
    };
    let found = format!("{} available of {}", size(memory.available), size(memory.limit));
    if memory.available >= COMFORTABLE_MEMORY {
        Check::ok("memory", found)
    } else {
        let remedy = "large proofs will be refused before they start (ashlar plan says which)";
        Check::warn("memory", format!("{found}: {}", memory.bound), remedy)
    }
}

/// What predictions are made from.
fn rates(session: &Session) -> Check {
    let rates = session.rates();
    let found = format!(
        "{}: butterfly {:.1} ns, Poseidon {:.0} ns, Keccak {:.0} ns, BLAKE2s {:.0} ns",
        rates.basis,
        rates.rates.butterfly,
        rates.rates.batch.poseidon,
        rates.rates.batch.keccak,
        rates.rates.batch.blake
    );
    if rates.measured {
        Check::ok("rates", found)
    } else {
        Check {
            remedy: Some("measure this machine: ashlar doctor --calibrate".to_owned()),
            ..Check::ok("rates", found)
        }
    }
}

async fn records(session: &Session) -> Check {
    match session.global.open_records().await {
        Ok(store) => {
            let path = store.database_path().display().to_string();
            let bucket = store.look_at_bucket().await.map(|bucket| bucket.map(str::to_owned));
            store.close().await;
            match bucket {
                Ok(None) => Check::ok("records", path),
                Ok(Some(bucket)) => Check::ok("records", format!("{path}, artefacts in {bucket}")),
                Err(error) => refused(error),
            }
        }
        Err(error) => refused(error),
    }
}

fn refused(error: ashlar_store::Error) -> Check {
    let failure = Failure::from(error);
    let remedy = format!("ashlar explain {}", failure.code());
    Check::fail("records", failure.one_line(), remedy)
}

fn disk(folder: &Path) -> Check {
    let existing =
        folder.ancestors().find(|ancestor| fs::metadata(ancestor).is_ok()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(existing) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free >= COMFORTABLE_DISK {
                Check::ok("disk", format!("{} free", size(free)))
            } else {
                Check::warn(
                    "disk",
                    format!("{} free", size(free)),
                    "free some, or choose another disk with --data-dir",
                )
            }
        }
        Err(error) => Check::warn("disk", error.to_string(), "free space is unknown"),
    }
}

fn scarb() -> Check {
    match Command::new("scarb").arg("--version").output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Check::ok("scarb", text.lines().next().unwrap_or_default().to_owned())
        }
        _ => Check::ok("scarb", "not found: needed only to prove Scarb packages by folder"),
    }
}

/// Whether the managed service that the settings name answers.
async fn managed_service(session: &Session) -> Check {
    const NAME: &str = "managed service";
    const LOOK: &str = "ashlar explain CODE says what helps; jobs go to others meanwhile";
    let service = match service::managed(&session.global) {
        Ok(Some(service)) => service,
        Ok(None) => return Check::ok(NAME, "none is set up"),
        Err(failure) => return Check::fail(NAME, failure.one_line(), "mend the section atlantic"),
    };
    match tokio::task::spawn_blocking(move || service.is_alive()).await {
        Ok(Ok(true)) => Check::ok(NAME, "answers"),
        Ok(Ok(false)) => Check::warn(NAME, "answers that it is not well", LOOK),
        Ok(Err(error)) => Check::warn(NAME, format!("{error} ({})", error.code()), LOOK),
        Err(broken) => Check::fail(NAME, broken.to_string(), LOOK),
    }
}

fn external_prover() -> Check {
    match std::env::var_os("STONE_BINARY_PATH") {
        None => Check::ok("external prover", "none (STONE_BINARY_PATH is unset)"),
        Some(path) if Path::new(&path).is_file() => {
            Check::ok("external prover", path.to_string_lossy().into_owned())
        }
        Some(path) => Check::warn(
            "external prover",
            format!("{} is no file", path.to_string_lossy()),
            "correct STONE_BINARY_PATH, or unset it",
        ),
    }
}
