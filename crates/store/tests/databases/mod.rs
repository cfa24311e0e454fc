//! The same tests on both databases: records that a test has for itself, and a second program with the database open,
//! which knows none of our types.

use std::path::Path;

use ashlar_postgres_cluster::Cluster;
use ashlar_store::{Database, Store};
use sqlx::{AssertSqlSafe, SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Records of one test.
pub(crate) struct Records {
    folder: TempDir,
    pub(crate) database: Database,
}

impl Records {
    /// New ones; `None`, after saying so, where there is no such database.
    pub(crate) fn new(kind: Kind) -> Option<Records> {
        let database = match kind {
            Kind::Sqlite => Database::Folder,
            #[cfg(feature = "postgres")]
            Kind::Postgres => Database::parse(&Cluster::shared()?.fresh_database().unwrap()).unwrap(),
        };
        Some(Records { folder: tempfile::tempdir().unwrap(), database })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open_at(self.folder.path(), &self.database).await.unwrap()
    }

    pub(crate) async fn outsider(&self) -> Outsider {
        match &self.database {
            Database::Folder => Outsider::of_folder(self.folder.path()).await,
            Database::Postgres(address) => {
                let name = address.location().rsplit('/').next().unwrap();
                Outsider::Postgres(Cluster::shared().unwrap(), name.to_owned())
            }
        }
    }
}

/// Another program.
pub(crate) enum Outsider {
    Sqlite(SqlitePool),
    Postgres(&'static Cluster, String),
}

impl Outsider {
    pub(crate) async fn of_folder(folder: &Path) -> Outsider {
        let options = SqliteConnectOptions::new().filename(folder.join("ashlar.sqlite"));
        Outsider::Sqlite(SqlitePool::connect_with(options).await.unwrap())
    }

    /// Runs a statement, and gives back what it prints (on PostgreSQL), or what the database says against it.
    pub(crate) async fn run(&self, sql: &str) -> Result<String, String> {
        match self {
            Outsider::Sqlite(pool) => {
                let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await;
                done.map(|_| String::new()).map_err(|error| error.to_string())
            }
            Outsider::Postgres(cluster, name) => cluster.sql(name, sql),
        }
    }

    /// What the database says against a statement, in small letters.
    pub(crate) async fn refused(&self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(_) => panic!("the database allowed: {sql}"),
            Err(error) => error.to_lowercase(),
        }
    }
}

/// Runs a test on one database.
pub(crate) fn on<F: Future<Output = ()>>(kind: Kind, test: impl FnOnce(Records) -> F) {
    let Some(records) = Records::new(kind) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(records));
}

/// Makes a test on each database of every function that takes records.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { crate::databases::on(crate::databases::Kind::Sqlite, super::$name) })*
        }
        #[cfg(feature = "postgres")]
        mod postgresql {
            $(#[test] fn $name() { crate::databases::on(crate::databases::Kind::Postgres, super::$name) })*
        }
    };
}
pub(crate) use on_both;
