//! What every command has at hand: the console, the settings, the records once they are needed, and Ctrl-C.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use ashlar_fault::Fault;
use ashlar_store::{JobId, LEASE, Moment, Store};
use tokio::sync::watch;

use crate::{
    arguments::Global,
    calibration::RatesInUse,
    console::Console,
    failure::{CommandError, Failure},
    progress::Interrupt,
    sweeping::{self, Sweeping, Told},
    tenure::Tenure,
};

/// How often a worker looks whether somebody asked for its job to be cancelled.
const GLANCE: Duration = Duration::from_millis(500);

/// How long work may go on after it was asked to stop. A prover stops sooner; a program that is still running inside
/// the virtual machine cannot be stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Below the data folder: files that are passed to another prover, by job.
const SCRATCH: &str = "scratch";

/// One run of the program.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) console: Console,
    pub(crate) interrupt: Interrupt,
    pub(crate) global: Global,
}

impl Session {
    /// The records; jobs that lost their worker are concluded first.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        let store = self.global.open_records().await?;
        for job in store.conclude_abandoned(Moment::now()).await? {
            self.console.remark(&format!("{job} lost its worker and is recorded as failed"));
        }
        Ok(store)
    }

    /// Removes what interrupted writers and refused uploads left behind.
    pub(crate) async fn sweep(&self, store: &Store) -> Result<(), Failure> {
        Ok(self.sweeping(store).once().await?)
    }

    /// The same from time to time, until `stop` says so. Should it end early, for a reason that ends the rest, it says so
    /// itself.
    pub(crate) async fn sweep_again(&self, store: &Store, stop: &watch::Sender<bool>) -> Result<(), Failure> {
        let swept = self.sweeping(store).again(sweeping::PAUSE, stop.subscribe()).await;
        stop.send_replace(true);
        Ok(swept?)
    }

    fn sweeping<'a>(&'a self, store: &'a Store) -> Sweeping<'a> {
        Sweeping {
            store,
            scratch: self.global.data_dir.join(SCRATCH),
            grace: sweeping::GRACE,
            told: Box::new(|told| match told {
                Told::Detail(text) => self.console.detail(&text),
                Told::Remark(text) => self.console.remark(&text),
            }),
        }
    }

    /// Does heavy work on a thread of its own while the job's lease is kept alive, and passes on a request to cancel.
    ///
    /// Work that does not stop when asked to is left behind: the process ends soon after.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        store: &Store,
        tenure: &Tenure,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut task = tokio::task::spawn_blocking(work);
        let mut heartbeat = tokio::time::interval(LEASE / 4);
        let mut glance = tokio::time::interval(GLANCE);
        let mut asked = None;
        loop {
            tokio::select! {
                done = &mut task => {
                    return done.unwrap_or_else(|broken| Err(CommandError::Broken(Box::new(broken)).into()));
                }
                _ = heartbeat.tick() => tenure.renew(store).await?,
                _ = glance.tick() => {
                    if !self.interrupt.is_set() && tenure.is_unwanted(store).await? {
                        self.interrupt.set_from_elsewhere();
                    }
                    if self.interrupt.is_set() && asked.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(CommandError::Interrupted.into());
                    }
                }
            }
        }
    }

    /// Concludes a job that did not succeed: cancelled if a person stopped it, failed otherwise.
    pub(crate) async fn conclude(&self, store: &Store, job: JobId, failure: Failure) -> Failure {
        let interrupted = self.interrupt.is_set();
        let recorded = if interrupted {
            store.cancel(job).await
        } else {
            store.fail(job, failure.code(), &failure.one_line()).await
        };
        if let Err(error) = recorded {
            // The failure itself matters more than that it could not be written down.
            self.console.remark(&format!("{job} could not be concluded ({}): {error}", error.code()));
        }
        match (interrupted, self.interrupt.is_from_elsewhere()) {
            (false, _) => failure,
            (true, true) => CommandError::Cancelled { job: job.to_string() }.into(),
            (true, false) => CommandError::Interrupted.into(),
        }
    }

    /// How fast this machine is, as measured or by default.
    pub(crate) fn rates(&self) -> RatesInUse {
        RatesInUse::read(&self.global.data_dir)
    }

    /// A folder for the files of one job.
    pub(crate) fn scratch_path(&self, job: JobId) -> PathBuf {
        self.global.data_dir.join(SCRATCH).join(job.to_string())
    }
}
