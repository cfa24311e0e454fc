//! Opening the records: one SQLite database in a data folder, safe for several processes.

mod address;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use self::address::{Database, PostgresAddress};
use crate::{
    Error,
    artefacts::Artefacts,
    bucket::{Bucket, BucketSettings},
    sql::{File, Pool, Transaction},
};

/// How long a writer waits for another process to release the database.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The most connections of one process that read a file at once.
const READERS: u32 = 4;

/// How often a change is made that was given up in favour of another one.
const TURNS: u32 = 5;

/// The records and artefacts of one data folder.
///
/// Cheap to clone. Several processes may have the same records open. On SQLite every change is one transaction that
/// takes the write lock at its beginning; on PostgreSQL it locks the rows that it depends on, the work of a job before
/// the job and an allocation before its execution.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: Pool,
    pub(crate) artefacts: Artefacts,
    database: Database,
    /// The file, or host and database.
    path: PathBuf,
}

impl Store {
    /// Opens the records in `folder`, creating folder and database if they are missing and bringing an older
    /// database up to date.
    ///
    /// # Errors
    /// As [`Store::open_at`].
    pub async fn open(folder: &Path) -> Result<Store, Error> {
        Store::open_at(folder, &Database::Folder).await
    }

    /// Opens records whose artefacts are in `folder`, creating it if it is missing and bringing an older or empty
    /// database up to date.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::DiskFull`], [`Error::Corrupt`], [`Error::OtherVersion`], [`Error::Busy`],
    /// [`Error::CannotOpen`]; of a server [`Error::DatabaseAddress`], [`Error::Unreachable`], [`Error::NotAdmitted`],
    /// and [`Error::NoPostgres`] in a build without its driver.
    pub async fn open_at(folder: &Path, database: &Database) -> Result<Store, Error> {
        Store::open_with(folder, database, None).await
    }

    /// [`Store::open_at`], with a bucket that artefacts are kept in besides. It is not asked anything as yet.
    ///
    /// # Errors
    /// As [`Store::open_at`]; [`Error::NoBucketSupport`], [`Error::BucketSetting`].
    pub async fn open_with(
        folder: &Path,
        database: &Database,
        bucket: Option<&BucketSettings>,
    ) -> Result<Store, Error> {
        let bucket = bucket.map(Bucket::open).transpose()?;
        let file = folder.join("ashlar.sqlite");
        if *database == Database::Folder && file.to_str().is_none() {
            // SQLite takes names that are text only.
            let source = "expected a name in UTF-8".into();
            return Err(Error::CannotOpen { path: file, source });
        }
        fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
        let (pool, path) = match database {
            Database::Folder => (open_file(folder, &file).await?, file),
            Database::Postgres(address) => (open_server(address).await?, address.location().into()),
        };
        let artefacts = Artefacts::open(folder, bucket)?;
        Ok(Store { pool, artefacts, database: database.clone(), path })
    }

    /// The same records through connections of their own, where a connection belongs to the runtime that made it: for
    /// a thread that must go on whatever another one does. To be called in that thread's runtime.
    ///
    /// # Errors
    /// [`Error::DatabaseAddress`].
    pub fn reconnected(&self) -> Result<Store, Error> {
        let pool = match &self.database {
            // SQLite's connections are threads of their own, but one that a stalled runtime holds is not given back.
            Database::Folder => {
                let options = file_options(&self.path);
                let changing = connections(1).connect_lazy_with(options.clone());
                Pool::Sqlite(File { changing, reading: readers(options, 1) })
            }
            Database::Postgres(address) => reconnect_server(address)?,
        };
        Ok(Store { pool, ..self.clone() })
    }

    /// The artefacts.
    pub fn artefacts(&self) -> &Artefacts {
        &self.artefacts
    }

    /// The database: its file, or its server and name there.
    pub fn database_path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections, so that the write-ahead log is folded into the database.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Begins a change. On SQLite it holds the write lock from its beginning, so that what it reads stays true until it
    /// commits; on PostgreSQL that holds of rows that are read locked.
    pub(crate) async fn write(&self) -> Result<Transaction, Error> {
        self.pool.begin().await.map_err(|source| self.fault("the database", "beginning a change", source))
    }

    /// Makes a change, and makes it again where the server gave it up in favour of another one. Nothing was changed
    /// then, and rows are locked in one order, so that this is rare.
    pub(crate) async fn in_turn<T, F>(&self, mut change: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        for _ in 1..TURNS {
            match change().await {
                Err(Error::Conflict { .. }) => {}
                made => return made,
            }
        }
        change().await
    }

    pub(crate) fn fault(&self, subject: &str, action: &'static str, source: sqlx::Error) -> Error {
        match &self.database {
            Database::Folder => Error::database(&self.path, subject, action, source),
            Database::Postgres(address) => server_error(address, subject, action, source),
        }
    }
}

async fn open_file(folder: &Path, path: &Path) -> Result<Pool, Error> {
    let options = file_options(path).create_if_missing(true);
    // Two processes that create the database at once would both try to migrate it: one waits here. The lock is
    // released when the file is closed, however the process ends.
    let lock = lock_migration(folder.join("migration.lock")).await?;
    let fault = |source| Error::database(path, "the database", "opening", source);
    let changing = connections(1).connect_with(options.clone()).await.map_err(fault)?;
    migrations::sqlite()
        .run(&changing)
        .await
        .map_err(|error| migrations::error(path.to_owned(), error, fault))?;
    drop(lock);
    Ok(Pool::Sqlite(File { changing, reading: readers(options, READERS) }))
}

fn file_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit is synced: a job that was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        // Otherwise REPLACE would delete rows without their triggers being asked.
        .pragma("recursive_triggers", "ON")
}

/// Connections that can change nothing, made when they are needed.
fn readers(options: SqliteConnectOptions, most: u32) -> SqlitePool {
    connections(most).connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"))
}

/// At most so many connections to a file. Once made they stay: making one anew gains nothing, and leaves the memory of a
/// process that runs for months in pieces.
fn connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up.
        .test_before_acquire(false)
}

#[cfg(feature = "postgres")]
async fn open_server(address: &PostgresAddress) -> Result<Pool, Error> {
    postgres::open(address).await.map(Pool::Postgres)
}

#[cfg(feature = "postgres")]
fn reconnect_server(address: &PostgresAddress) -> Result<Pool, Error> {
    postgres::reconnect(address).map(Pool::Postgres)
}

#[cfg(feature = "postgres")]
fn server_error(
    address: &PostgresAddress,
    subject: &str,
    action: &'static str,
    source: sqlx::Error,
) -> Error {
    postgres::error(address.location(), subject, action, source)
}

#[cfg(not(feature = "postgres"))]
async fn open_server(address: &PostgresAddress) -> Result<Pool, Error> {
    Err(Error::NoPostgres { database: address.location().to_owned() })
}

#[cfg(not(feature = "postgres"))]
fn reconnect_server(address: &PostgresAddress) -> Result<Pool, Error> {
    Err(Error::NoPostgres { database: address.location().to_owned() })
}

#[cfg(not(feature = "postgres"))]
fn server_error(
    address: &PostgresAddress,
    _subject: &str,
    action: &'static str,
    source: sqlx::Error,
) -> Error {
    // A store of a server cannot have been opened.
    let _ = address;
    Error::Database { action, source }
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
