//! Removes what lies in the data folder and in the bucket, and what nobody will ask for: what interrupted writers left, and
//! what uploads left that were refused in the end.

use std::{path::PathBuf, time::Duration};

use ashlar_fault::Fault as _;
use ashlar_store::{Error, JobId, Store};
use tokio::sync::watch;

use crate::console::size;

/// Orphans younger than this may be another process's work in progress.
pub(crate) const GRACE: Duration = Duration::from_secs(60 * 60);

/// How long a process that stays waits between two sweeps. An orphan lies no longer than this and [`GRACE`].
pub(crate) const PAUSE: Duration = Duration::from_secs(15 * 60);

/// What a sweep says.
#[derive(Debug)]
pub(crate) enum Told {
    /// What was removed.
    Detail(String),
    /// What hindered it.
    Remark(String),
}

/// A broom, and where it is used.
pub(crate) struct Sweeping<'a> {
    pub(crate) store: &'a Store,
    /// The folder of files that are passed to another prover, by job.
    pub(crate) scratch: PathBuf,
    /// How old an orphan is at least.
    pub(crate) grace: Duration,
    pub(crate) told: Box<dyn Fn(Told) + Send + Sync + 'a>,
}

impl Sweeping<'_> {
    /// Sweeps.
    ///
    /// # Errors
    /// [`Error::BucketOfOthers`], and whatever else keeps the records or the data folder from being read or changed; not
    /// that the bucket is away.
    pub(crate) async fn once(&self) -> Result<(), Error> {
        let swept = self.store.sweep_orphans(self.grace).await?;
        if swept.files > 0 {
            let text = format!("removed {} orphaned files ({})", swept.files, size(swept.bytes));
            (self.told)(Told::Detail(text));
        }
        match self.store.sweep_bucket(self.grace).await {
            Ok(swept) if swept.files > 0 => {
                let text = format!("removed {} orphans of the bucket ({})", swept.files, size(swept.bytes));
                (self.told)(Told::Detail(text));
            }
            Ok(_) => {}
            // What has to be kept will say so itself.
            Err(error) if error.may_pass() => {
                (self.told)(Told::Remark(format!("the bucket was not swept ({}): {error}", error.code())));
            }
            Err(error) => return Err(error),
        }
        // A process that was killed leaves the files that it gave to another prover.
        for entry in std::fs::read_dir(&self.scratch).into_iter().flatten().flatten() {
            let Some(job) = entry.file_name().to_str().and_then(JobId::parse) else { continue };
            if self.store.job(job).await.is_ok_and(|job| job.proof_status.is_terminal()) {
                // Best effort: the next sweep tries again.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Sweeps after every pause until `stop` says so, or until nobody is left who could.
    ///
    /// What hinders one sweep may have passed at the next, and is only told.
    ///
    /// # Errors
    /// [`Error::BucketOfOthers`]: a bucket that was away at first has turned out to be of other records.
    pub(crate) async fn again(&self, pause: Duration, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
        while tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
            match self.once().await {
                Ok(()) => {}
                Err(error @ Error::BucketOfOthers { .. }) => return Err(error),
                Err(error) => {
                    (self.told)(Told::Remark(format!("nothing was swept ({}): {error}", error.code())));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_becomes_an_orphan_while_a_process_stays_is_removed_while_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        store.artefacts().keep(b"a program that a full queue refused").await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let told = |told| {
            let Told::Detail(text) = told else { panic!("{told:?}") };
            assert_eq!(text, "removed 1 orphaned files (35 B)");
            stop.send_replace(true);
        };
        let scratch = folder.path().join("scratch");
        let sweeping = Sweeping { store: &store, scratch, grace: Duration::ZERO, told: Box::new(told) };
        sweeping.again(Duration::from_millis(1), stopped).await.unwrap();
        assert_eq!(store.sweep_orphans(Duration::ZERO).await.unwrap().files, 0);
    }

    #[tokio::test]
    async fn what_hinders_a_sweep_is_told_and_the_next_one_comes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        store.clone().close().await;
        let (stop, stopped) = watch::channel(false);
        let hindrances = AtomicU32::new(0);
        let told = |told| {
            assert!(matches!(told, Told::Remark(text) if text.starts_with("nothing was swept (ASH-")));
            if hindrances.fetch_add(1, Ordering::Relaxed) == 1 {
                stop.send_replace(true);
            }
        };
        let scratch = folder.path().join("scratch");
        let sweeping = Sweeping { store: &store, scratch, grace: Duration::ZERO, told: Box::new(told) };
        sweeping.again(Duration::from_millis(1), stopped).await.unwrap();
        assert_eq!(hindrances.load(Ordering::Relaxed), 2);
    }
}
