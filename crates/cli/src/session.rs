//! What every command has at hand: the console, the settings, the records once they are needed, and Ctrl-C.

use std::time::Duration;

use ashlar_fault::Fault;
use ashlar_store::{JobId, LEASE, Moment, Store};

use crate::{
    arguments::Global,
    console::{Console, size},
    failure::{CommandError, Failure},
    progress::Interrupt,
};

/// Orphans younger than this may be another process's work in progress.
const ORPHAN_AGE: Duration = Duration::from_secs(60 * 60);

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
        let store = Store::open(&self.global.data_dir).await?;
        for job in store.conclude_abandoned(Moment::now()).await? {
            self.console.remark(&format!("{job} lost its worker and is recorded as failed"));
        }
        Ok(store)
    }

    /// Removes what interrupted writers left behind.
    pub(crate) async fn sweep(&self, store: &Store) -> Result<(), Failure> {
        let swept = store.sweep_orphans(ORPHAN_AGE).await?;
        if swept.files > 0 {
            self.console.detail(&format!("removed {} orphaned files ({})", swept.files, size(swept.bytes)));
        }
        Ok(())
    }

    /// Does heavy work on a thread of its own while the job's lease is kept alive.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        store: &Store,
        job: JobId,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut task = tokio::task::spawn_blocking(work);
        let mut heartbeat = tokio::time::interval(LEASE / 4);
        loop {
            tokio::select! {
                done = &mut task => {
                    return done.unwrap_or_else(|broken| Err(CommandError::Broken(Box::new(broken)).into()));
                }
                _ = heartbeat.tick() => store.renew(job).await?,
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
        if interrupted { CommandError::Interrupted.into() } else { failure }
    }
}
