//! What can go wrong with records and artefacts: one variant for each way.

use std::{
    io,
    path::{Path, PathBuf},
};

use ashlar_fault::{Code, Exit, Fault};

/// An error of the store. The gate's refusals are [`crate::Refusal`]s, the executions' are [`crate::ExecutionError`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error("the database {} cannot be opened", path.display())]
    CannotOpen {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder or file cannot be created or written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No space left, a quota reached, or a limit on file sizes.
    #[error("no space to write {}", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process kept the database locked for longer than the waiting time.
    #[error("the database {} stayed locked by another process for {waited_seconds} s", path.display())]
    Busy {
        /// The database file.
        path: PathBuf,
        /// How long was waited.
        waited_seconds: u64,
    },
    /// The file is no database, or damaged.
    #[error("{} is not a sound database", path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database has migrations that this version does not know.
    #[error("the database {} was written by another version (migration {version})", path.display())]
    OtherVersion {
        /// The database file.
        path: PathBuf,
        /// The migration that is unknown or differs.
        version: i64,
    },
    /// No job has this id or prefix.
    #[error("no job has the id {given}")]
    UnknownJob {
        /// What was asked for.
        given: String,
    },
    /// No settlement has this id.
    #[error("no settlement has the id {given}")]
    UnknownSettlement {
        /// What was asked for.
        given: String,
    },
    /// No allocation has this id.
    #[error("no allocation has the id {given}")]
    UnknownAllocation {
        /// What was asked for.
        given: String,
    },
    /// No key of the HTTP API has this id.
    #[error("no key has the id {given}")]
    UnknownKey {
        /// What was asked for.
        given: String,
    },
    /// Several jobs start with this prefix.
    #[error("{count} jobs have ids that start with {given}, the first is {first}")]
    AmbiguousJob {
        /// What was asked for.
        given: String,
        /// How many match.
        count: usize,
        /// The oldest of them.
        first: String,
    },
    /// A rule of the records forbids the change; most often somebody else concluded the job or allocation first.
    #[error("the records refuse the change of {subject}: {rule}")]
    StateRule {
        /// The job or allocation.
        subject: String,
        /// The rule, in the database's words.
        rule: String,
    },
    /// The lease on a job ran out, and the job went to somebody else, or is over.
    #[error("attempt {n} at {job} does not hold it any more")]
    LostLease {
        /// The job.
        job: String,
        /// The attempt.
        n: u32,
    },
    /// An artefact that the records name is not there.
    #[error("artefact {sha256} is missing from {}", path.display())]
    MissingArtefact {
        /// Its digest.
        sha256: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// An artefact's bytes have changed.
    #[error("artefact {} has changed: expected sha256 {expected}, got {got}", path.display())]
    AlteredArtefact {
        /// The file.
        path: PathBuf,
        /// The recorded digest.
        expected: String,
        /// The digest of what is there.
        got: String,
    },
    /// A row holds something that no version of this program writes.
    #[error("the record {subject} has a {field} that cannot be read: {got}")]
    UnreadableRecord {
        /// The row's id.
        subject: String,
        /// The column.
        field: String,
        /// What is wrong with it.
        got: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was given is no address of a database. It is not repeated, because it may hold a password.
    #[error("the address of the database cannot be used: expected {expected}")]
    DatabaseAddress {
        /// What is expected.
        expected: &'static str,
    },
    /// A PostgreSQL server, and a build without its driver.
    #[error("the records are to be on {database}, and this build has no driver for PostgreSQL")]
    NoPostgres {
        /// Host and database.
        database: String,
    },
    /// The server did not answer, or stopped answering.
    #[error("the database {database} cannot be reached")]
    Unreachable {
        /// Host and database.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server knows no such database or user, or gives it too few rights.
    #[error("the database {database} does not let this program in")]
    NotAdmitted {
        /// Host and database.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server gave the change up in favour of others, again and again.
    #[error("the change was given up in favour of others by the database {database}, several times in a row")]
    Conflict {
        /// Host and database.
        database: String,
    },
    /// The address of a bucket or its keys cannot be used. They are not repeated.
    #[error("the bucket of artefacts cannot be used: expected {expected}")]
    BucketSetting {
        /// What is expected.
        expected: &'static str,
    },
    /// A bucket, and a build without what it takes to reach it.
    #[error("artefacts are to be in {bucket}, and this build has not the feature `{feature}`")]
    NoBucketSupport {
        /// The bucket.
        bucket: String,
        /// What the build lacks.
        feature: &'static str,
    },
    /// The server of the bucket did not answer, or stopped answering.
    #[error("the bucket {bucket} cannot be reached: {reason}")]
    BucketUnreachable {
        /// The bucket.
        bucket: String,
        /// Why.
        reason: &'static str,
    },
    /// The server refused, most often the keys.
    #[error("the bucket {bucket} refuses: {reason}")]
    BucketRefused {
        /// The bucket.
        bucket: String,
        /// Why.
        reason: &'static str,
    },
    /// Content that the records name is neither on this machine nor in the bucket.
    #[error("artefact {sha256} is missing from the bucket {bucket}")]
    MissingObject {
        /// Its digest.
        sha256: String,
        /// The bucket.
        bucket: String,
    },
    /// An object of the bucket is not what the records say.
    #[error("{object} in the bucket {bucket} has changed: expected sha256 {expected}, got {got}")]
    AlteredObject {
        /// The object.
        object: String,
        /// The bucket.
        bucket: String,
        /// The recorded digest.
        expected: String,
        /// The digest of what is there, or that it is too long.
        got: String,
    },
    /// The artefacts in the bucket are those of other records.
    #[error("the artefacts in {bucket} belong to other records")]
    BucketOfOthers {
        /// The bucket.
        bucket: String,
    },
    /// The database answered with an error that none of the other variants describes.
    #[error("the database refused {action}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// Why.
        source: sqlx::Error,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Error::CannotOpen { .. } => Code(4001),
            Error::Unwritable { .. } => Code(4002),
            Error::DiskFull { .. } => Code(4003),
            Error::Busy { .. } => Code(4004),
            Error::Corrupt { .. } => Code(4005),
            Error::OtherVersion { .. } => Code(4006),
            Error::UnknownJob { .. } => Code(4007),
            Error::AmbiguousJob { .. } => Code(4008),
            Error::StateRule { .. } => Code(4009),
            Error::MissingArtefact { .. } => Code(4010),
            Error::AlteredArtefact { .. } => Code(4011),
            Error::UnreadableRecord { .. } => Code(4013),
            Error::Unreadable { .. } => Code(4014),
            Error::Database { .. } => Code(4015),
            Error::UnknownSettlement { .. } => Code(4016),
            Error::LostLease { .. } => Code(4017),
            Error::UnknownAllocation { .. } => Code(4018),
            Error::UnknownKey { .. } => Code(4019),
            Error::DatabaseAddress { .. } => Code(8240),
            Error::NoPostgres { .. } => Code(8241),
            Error::Unreachable { .. } => Code(8242),
            Error::NotAdmitted { .. } => Code(8243),
            Error::Conflict { .. } => Code(8244),
            Error::BucketSetting { .. } => Code(8250),
            Error::NoBucketSupport { .. } => Code(8251),
            Error::BucketUnreachable { .. } => Code(8252),
            Error::BucketRefused { .. } => Code(8253),
            Error::MissingObject { .. } => Code(8254),
            Error::AlteredObject { .. } => Code(8255),
            Error::BucketOfOthers { .. } => Code(8256),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Error::UnknownJob { .. }
            | Error::AmbiguousJob { .. }
            | Error::UnknownSettlement { .. }
            | Error::UnknownAllocation { .. }
            | Error::UnknownKey { .. }
            | Error::DatabaseAddress { .. }
            | Error::BucketSetting { .. } => Exit::Usage,
            Error::BucketUnreachable { .. } => Exit::Backend,
            Error::StateRule { .. } | Error::LostLease { .. } => Exit::Negative,
            Error::DiskFull { .. } => Exit::Capacity,
            Error::Database { .. } => Exit::Bug,
            _ => Exit::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::CannotOpen { .. } | Error::Unwritable { .. } => {
                "choose a folder you may write to: --data-dir DIR".to_owned()
            }
            Error::DiskFull { .. } => "free some space, or choose another disk: --data-dir DIR".to_owned(),
            Error::UnknownJob { .. } => "list the jobs: ashlar jobs list".to_owned(),
            Error::UnknownKey { .. } => "list the keys: ashlar keys list".to_owned(),
            Error::AmbiguousJob { given, .. } => format!("give more of the id than {given}"),
            Error::NoPostgres { .. } => {
                "build with its driver: cargo build --release --features postgres".to_owned()
            }
            Error::Unreachable { .. } => {
                "look whether the server runs and listens there: pg_isready -h HOST -p PORT".to_owned()
            }
            Error::NotAdmitted { .. } => {
                "try the same user, password and database with psql; the user must own the database"
                    .to_owned()
            }
            Error::NoBucketSupport { feature, .. } => {
                let features = if *feature == "tls" { "s3,tls" } else { feature };
                format!("build with it: cargo build --release --features {features}")
            }
            Error::BucketRefused { .. } => {
                "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and at the region of the bucket"
                    .to_owned()
            }
            Error::BucketOfOthers { .. } => {
                "give these records a prefix of their own: --bucket s3://BUCKET/PREFIX".to_owned()
            }
            _ if self.is_damage() => "prove it anew: ashlar allocate FILE --again".to_owned(),
            _ => return None,
        })
    }
}

impl Error {
    /// Whether the same may succeed a little later without anybody doing anything about it.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Error::Busy { .. }
                | Error::Unreachable { .. }
                | Error::Conflict { .. }
                | Error::BucketUnreachable { .. }
        )
    }

    /// Whether content that the records name is gone or has changed, and asking again will not mend it.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Error::MissingArtefact { .. }
                | Error::AlteredArtefact { .. }
                | Error::MissingObject { .. }
                | Error::AlteredObject { .. }
        )
    }

    /// Whether a bucket keeps content from being had, so that nobody knows whether it is there.
    pub fn is_of_bucket(&self) -> bool {
        matches!(self, Error::BucketUnreachable { .. } | Error::BucketRefused { .. })
    }

    /// An error of writing `path`, told apart by whether there was space.
    pub(crate) fn writing(path: &Path, source: io::Error) -> Error {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::DiskFull { path, source: Box::new(source) }
            }
            _ => Error::Unwritable { path, source },
        }
    }

    /// A database error, told apart by SQLite's result code. `subject` names the row, `action` what was being done.
    pub(crate) fn database(path: &Path, subject: &str, action: &'static str, source: sqlx::Error) -> Error {
        let path = path.to_owned();
        let Some(primary) = primary_code(&source) else {
            return match source {
                sqlx::Error::ColumnDecode { index, source } => Error::UnreadableRecord {
                    subject: subject.to_owned(),
                    field: index,
                    got: source.to_string(),
                },
                sqlx::Error::PoolTimedOut => {
                    Error::Busy { path, waited_seconds: crate::database::PATIENCE.as_secs() }
                }
                source => Error::Database { action, source },
            };
        };
        match primary {
            BUSY | LOCKED => Error::Busy { path, waited_seconds: crate::database::PATIENCE.as_secs() },
            FULL => Error::DiskFull { path, source: Box::new(source) },
            CORRUPT | NOT_A_DATABASE => Error::Corrupt { path, source: Box::new(source) },
            CANNOT_OPEN => Error::CannotOpen { path, source: Box::new(source) },
            READ_ONLY => Error::Unwritable { path, source: io::Error::other(source.to_string()) },
            INPUT_OUTPUT => Error::writing_database(path, source),
            _ => match rule(&source) {
                Some(rule) => Error::StateRule { subject: subject.to_owned(), rule },
                None => Error::Database { action, source },
            },
        }
    }

    /// SQLite reports a write beyond a limit on file sizes or a quota as an input/output error.
    fn writing_database(path: PathBuf, source: sqlx::Error) -> Error {
        match extended_code(&source) {
            Some(WRITE_ERROR | TRUNCATE_ERROR | SHARED_MEMORY_SIZE_ERROR) => {
                Error::DiskFull { path, source: Box::new(source) }
            }
            _ => Error::Unwritable { path, source: io::Error::other(source.to_string()) },
        }
    }
}

// SQLite's primary result codes, https://www.sqlite.org/rescode.html
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READ_ONLY: u32 = 8;
const INPUT_OUTPUT: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;
const NOT_A_DATABASE: u32 = 26;
// The extended codes of input/output errors that come from growing a file.
const WRITE_ERROR: u32 = 778;
const TRUNCATE_ERROR: u32 = 1546;
const SHARED_MEMORY_SIZE_ERROR: u32 = 4874;

fn extended_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    extended_code(error).map(|code| code & 0xff)
}

/// The words after our own mark in a trigger's message.
fn rule(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.message().strip_prefix("ashlar: ").map(str::to_owned)
}
