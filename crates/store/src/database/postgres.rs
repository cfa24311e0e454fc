//! The records on a PostgreSQL server.
//!
//! Every change runs under READ COMMITTED, whatever the server's default is: each statement sees what was committed
//! before it, and rows that a change depends on are locked before they are read. A process that is frozen in the middle
//! of a change holds others up for [`FROZEN`] at most; then the server takes its change back.

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use sqlx::{
    PgPool,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions},
};

use super::{address::PostgresAddress, migrations};
use crate::Error;

/// How long a process may do nothing in the middle of a change.
const FROZEN: &str = "20s";

/// How long a statement waits for a lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long is tried to get a connection.
const REACH: Duration = Duration::from_secs(10);

/// The most connections of one process.
const CONNECTIONS: u32 = 8;

/// Connects, and brings the database up to date.
pub(super) async fn open(address: &PostgresAddress) -> Result<PgPool, Error> {
    let location = address.location();
    let options = options(address)?;
    let fault = |source| error(location, "the database", "connecting", source);
    let pool = pool().connect_with(options).await.map_err(fault)?;
    migrations::postgres()
        .run(&pool)
        .await
        .map_err(|error| migrations::error(location.into(), error, fault))?;
    Ok(pool)
}

/// Connections of their own for another runtime, made when they are needed; the database is up to date.
pub(super) fn reconnect(address: &PostgresAddress) -> Result<PgPool, Error> {
    Ok(pool().max_connections(1).connect_lazy_with(options(address)?))
}

fn pool() -> PgPoolOptions {
    PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(REACH)
}

fn options(address: &PostgresAddress) -> Result<PgConnectOptions, Error> {
    // What the driver says of an address may repeat it.
    let expected = "an address that the driver of PostgreSQL can read";
    let options =
        PgConnectOptions::from_str(address.secret()).map_err(|_| Error::DatabaseAddress { expected })?;
    Ok(options.options([
        ("default_transaction_isolation", "read committed"),
        ("idle_in_transaction_session_timeout", FROZEN),
        ("lock_timeout", &format!("{}s", PATIENCE.as_secs())),
    ]))
}

/// An error of the database, told apart by its SQLSTATE. `subject` names the row, `action` what was being done.
pub(super) fn error(location: &str, subject: &str, action: &'static str, source: sqlx::Error) -> Error {
    let database = location.to_owned();
    let path = PathBuf::from(location);
    let unreachable = |source| Error::Unreachable { database: database.clone(), source: Box::new(source) };
    let answer = match source {
        sqlx::Error::Database(answer) => answer,
        sqlx::Error::ColumnDecode { index, source } => {
            let subject = subject.to_owned();
            return Error::UnreadableRecord { subject, field: index, got: source.to_string() };
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => return unreachable(source),
        source => return Error::Database { action, source },
    };
    if let Some(rule) = rule(answer.as_ref()) {
        return Error::StateRule { subject: subject.to_owned(), rule };
    }
    let code = answer.code().unwrap_or_default().into_owned();
    let source = sqlx::Error::Database(answer);
    match code.as_str() {
        // A deadlock, or two changes that cannot have happened one after the other.
        "40P01" | "40001" => Error::Conflict { database },
        "55P03" => Error::Busy { path, waited_seconds: PATIENCE.as_secs() },
        "53100" | "53200" => Error::DiskFull { path, source: Box::new(source) },
        "XX001" | "XX002" => Error::Corrupt { path, source: Box::new(source) },
        // Wrong password, no such database, no right to it; a server that only reads.
        "28000" | "28P01" | "3D000" | "42501" | "25006" => {
            Error::NotAdmitted { database, source: Box::new(source) }
        }
        // Connection failures, too many connections, a server that starts, stops, or ended this session.
        _ if code.starts_with("08") || code.starts_with("57P") || code == "53300" || code == "25P03" => {
            unreachable(source)
        }
        _ => Error::Database { action, source },
    }
}

/// A rule of the records, in its own words, wherever it is kept.
fn rule(answer: &dyn DatabaseError) -> Option<String> {
    // Two changes at once can both find that nobody did the job over; the index lets one through.
    if answer.constraint() == Some("proof_jobs_retried_once") {
        return Some("a job is retried once; after that, its successor is".to_owned());
    }
    let raised = answer.try_downcast_ref::<PgDatabaseError>()?;
    raised.message().strip_prefix("ashlar: ").map(str::to_owned)
}
