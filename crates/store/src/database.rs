//! Opening the records: one SQLite database in a data folder, safe for several processes.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use sqlx::{
    SqlSafeStr, Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    Error, JobId,
    artefacts::{Artefacts, ContentHash, Swept},
};

/// How long a writer waits for another process to release the database.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The records and artefacts of one data folder.
///
/// Cheap to clone. Several processes may have the same folder open: every change is one transaction that takes the
/// write lock at its beginning.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) artefacts: Artefacts,
    pub(crate) path: PathBuf,
}

/// The migrations, oldest first. A released one never changes.
fn migrator() -> &'static Migrator {
    static MIGRATOR: OnceLock<Migrator> = OnceLock::new();
    MIGRATOR.get_or_init(|| {
        let simple = |version, name: &'static str, sql: &'static str| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        };
        Migrator::with_migrations(vec![
            simple(1, "records", include_str!("../migrations/0001_records.sql")),
            simple(2, "settlements", include_str!("../migrations/0002_settlements.sql")),
            simple(
                3,
                "execution destinations",
                include_str!("../migrations/0003_execution_destinations.sql"),
            ),
            simple(4, "queue", include_str!("../migrations/0004_queue.sql")),
            simple(5, "keys", include_str!("../migrations/0005_keys.sql")),
            simple(10, "remote queries", include_str!("../migrations/0010_remote.sql")),
            simple(11, "gate visits", include_str!("../migrations/0011_gate_visits.sql")),
        ])
    })
}

impl Store {
    /// Opens the records in `folder`, creating folder and database if they are missing and bringing an older
    /// database up to date.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::DiskFull`], [`Error::Corrupt`], [`Error::OtherVersion`], [`Error::Busy`] or
    /// [`Error::CannotOpen`].
    pub async fn open(folder: &Path) -> Result<Store, Error> {
        let path = folder.join("ashlar.sqlite");
        if path.to_str().is_none() {
            // SQLite takes names that are text only.
            let source = "expected a name in UTF-8".into();
            return Err(Error::CannotOpen { path, source });
        }
        fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
        let artefacts = Artefacts::open(folder)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Every commit is synced: a job that was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            // Otherwise REPLACE would delete rows without their triggers being asked.
            .pragma("recursive_triggers", "ON");
        // Two processes that create the database at once would both try to migrate it: one waits here. The lock is
        // released when the file is closed, however the process ends.
        let lock = lock_migration(folder.join("migration.lock")).await?;
        let cannot_open = |source| Error::database(&path, "the database", "opening", source);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await
            .map_err(cannot_open)?;
        migrator().run(&pool).await.map_err(|error: MigrateError| match error {
            MigrateError::VersionMissing(version)
            | MigrateError::VersionMismatch(version)
            | MigrateError::VersionTooNew(version, _)
            | MigrateError::Dirty(version) => Error::OtherVersion { path: path.clone(), version },
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => cannot_open(source),
            other => Error::CannotOpen { path: path.clone(), source: Box::new(other) },
        })?;
        drop(lock);
        Ok(Store { pool, artefacts, path })
    }

    /// The artefacts.
    pub fn artefacts(&self) -> &Artefacts {
        &self.artefacts
    }

    /// The database file.
    pub fn database_path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections, so that the write-ahead log is folded into the database.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Removes artefacts that no row names and that are older than `grace`.
    ///
    /// A writer stores the file first and commits its row after having seen, under the same lock as this sweep takes,
    /// that the file is still there; so nothing that is being recorded can be swept away.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Unwritable`] or a database error.
    pub async fn sweep_orphans(&self, grace: Duration) -> Result<Swept, Error> {
        let fault = |source| self.fault("the artefacts", "listing artefacts", source);
        let mut transaction = self.write().await?;
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT sha256, job_id FROM artefacts UNION SELECT sha256, job_id FROM work_inputs",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(fault)?;
        let contents: HashSet<ContentHash> =
            rows.iter().filter_map(|(hash, _)| ContentHash::parse(hash)).collect();
        let jobs: HashSet<JobId> = rows.iter().filter_map(|(_, job)| JobId::parse(job)).collect();
        let swept = self.artefacts.sweep(&contents, &jobs, grace)?;
        transaction.rollback().await.map_err(fault)?;
        Ok(swept)
    }

    /// A transaction that holds the write lock from its beginning, so that what it reads stays true until it commits.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|source| self.fault("the database", "beginning a change", source))
    }

    pub(crate) fn fault(&self, subject: &str, action: &'static str, source: sqlx::Error) -> Error {
        Error::database(&self.path, subject, action, source)
    }
}

/// Waits for the lock that keeps two processes from migrating one database at once. Waiting blocks a thread, so it
/// is not done on one that runs other tasks, the holder's perhaps.
async fn lock_migration(path: PathBuf) -> Result<fs::File, Error> {
    let waiting = tokio::task::spawn_blocking(move || {
        let file = fs::File::create(&path).map_err(|source| Error::writing(&path, source))?;
        file.lock().map_err(|source| Error::writing(&path, source))?;
        Ok(file)
    });
    match waiting.await {
        Ok(locked) => locked,
        Err(cancelled) => Err(Error::Unwritable { path: PathBuf::new(), source: cancelled.into() }),
    }
}
