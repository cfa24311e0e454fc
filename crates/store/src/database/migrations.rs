//! What brings a database up to date: the migrations of each of the two, oldest first. A released one never changes.
//!
//! PostgreSQL joined after SQLite's fifth; its first has everything that SQLite had by then, under the same number.

use std::{path::PathBuf, sync::OnceLock};

use sqlx::{
    SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::Error;

/// Number, name, statements.
type Written = (i64, &'static str, &'static str);

const SQLITE: &[Written] = &[
    (1, "records", include_str!("../../migrations/sqlite/0001_records.sql")),
    (2, "settlements", include_str!("../../migrations/sqlite/0002_settlements.sql")),
    (3, "execution destinations", include_str!("../../migrations/sqlite/0003_execution_destinations.sql")),
    (4, "queue", include_str!("../../migrations/sqlite/0004_queue.sql")),
    (5, "keys", include_str!("../../migrations/sqlite/0005_keys.sql")),
    (10, "remote queries", include_str!("../../migrations/sqlite/0010_remote.sql")),
    (11, "gate visits", include_str!("../../migrations/sqlite/0011_gate_visits.sql")),
    (20, "identity", include_str!("../../migrations/sqlite/0020_identity.sql")),
    (21, "hints", include_str!("../../migrations/sqlite/0021_hints.sql")),
    (22, "finished runs", include_str!("../../migrations/sqlite/0022_finished_runs.sql")),
];

#[cfg(any(feature = "postgres", test))]
const POSTGRES: &[Written] = &[
    (5, "records, queue, keys", include_str!("../../migrations/postgres/0005_records_queue_keys.sql")),
    (10, "remote queries", include_str!("../../migrations/postgres/0010_remote.sql")),
    (11, "gate visits", include_str!("../../migrations/postgres/0011_gate_visits.sql")),
    (20, "identity", include_str!("../../migrations/postgres/0020_identity.sql")),
    (21, "hints", include_str!("../../migrations/postgres/0021_hints.sql")),
    (22, "finished runs", include_str!("../../migrations/postgres/0022_finished_runs.sql")),
];

fn migrator(written: &[Written]) -> Migrator {
    let simple = |(version, name, sql): &Written| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    Migrator::with_migrations(written.iter().map(simple).collect())
}

/// Of SQLite.
pub(super) fn sqlite() -> &'static Migrator {
    static MIGRATOR: OnceLock<Migrator> = OnceLock::new();
    MIGRATOR.get_or_init(|| migrator(SQLITE))
}

/// Of PostgreSQL.
#[cfg(feature = "postgres")]
pub(super) fn postgres() -> &'static Migrator {
    static MIGRATOR: OnceLock<Migrator> = OnceLock::new();
    MIGRATOR.get_or_init(|| migrator(POSTGRES))
}

/// What went wrong; `of_database` tells errors of the database itself apart.
pub(super) fn error(
    path: PathBuf,
    error: MigrateError,
    of_database: impl FnOnce(sqlx::Error) -> Error,
) -> Error {
    match error {
        MigrateError::VersionMissing(version)
        | MigrateError::VersionMismatch(version)
        | MigrateError::VersionTooNew(version, _)
        | MigrateError::Dirty(version) => Error::OtherVersion { path, version },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => of_database(source),
        other => Error::CannotOpen { path, source: Box::new(other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations_since_the_fifth() {
        let numbers = |written: &[Written]| -> Vec<i64> {
            written.iter().map(|(number, ..)| *number).filter(|number| *number >= 5).collect()
        };
        assert_eq!(numbers(SQLITE), numbers(POSTGRES));
        assert!(SQLITE.is_sorted_by_key(|(number, ..)| *number));
    }
}
