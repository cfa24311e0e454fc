//! One set of statements for two databases.
//!
//! A statement is written once, in what SQLite and PostgreSQL have in common: numbered parameters (`$1`), `RETURNING`,
//! `ON CONFLICT`, `CASE`, texts and 64-bit integers. What differs has a name here: the locks that PostgreSQL needs where
//! SQLite's one writer needs none ([`Query::locked`], [`Query::locked_or_skipped`], [`Transaction::alone_in`]).
//!
//! Truth values are stored as 0 and 1; an expression that is one comes back as a number from SQLite and as a `boolean`
//! from PostgreSQL, and is read as `bool` from either.

use std::{borrow::Cow, marker::PhantomData};

use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row as SqlRow, Sqlite, SqlitePool, Type, sqlite::SqliteRow};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, Postgres, postgres::PgRow};

/// Connections to one database.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    /// A file.
    Sqlite(File),
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// Connections to one file. SQLite lets one writer in at a time: changes wait for a connection of their own, one after
/// another, and never hold one that a reader could have.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// One connection.
    pub(crate) changing: SqlitePool,
    /// Some connections that refuse to change anything.
    pub(crate) reading: SqlitePool,
}

impl Pool {
    /// Begins a change. On SQLite it is the only one from its beginning. On PostgreSQL every statement sees what was
    /// committed before it, and rows that the change depends on are to be read with [`Query::locked`].
    pub(crate) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Pool::Sqlite(file) => file.changing.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite),
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => {
                pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map(Transaction::Postgres)
            }
        }
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(File { changing, reading }) => {
                reading.close().await;
                changing.close().await;
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// A change that is being made. Dropped, it has not happened.
#[derive(Debug)]
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Transaction::Sqlite(transaction) => transaction.commit().await,
            #[cfg(feature = "postgres")]
            Transaction::Postgres(transaction) => transaction.commit().await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Transaction::Sqlite(transaction) => transaction.rollback().await,
            #[cfg(feature = "postgres")]
            Transaction::Postgres(transaction) => transaction.rollback().await,
        }
    }

    /// From here on nobody else writes to these tables (names, separated by commas) until this change is over, and
    /// what others have written there is committed. On SQLite that holds from the beginning.
    pub(crate) async fn alone_in(&mut self, tables: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Transaction::Sqlite(_) => {
                let _ = tables;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Transaction::Postgres(transaction) => {
                let lock = AssertSqlSafe(format!("LOCK TABLE {tables} IN EXCLUSIVE MODE"));
                sqlx::query(lock).execute(&mut **transaction).await.map(drop)
            }
        }
    }
}

/// Where a statement runs: on any connection by itself, or as part of a change.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    Pool(&'a Pool),
    Transaction(&'a mut Transaction),
}

impl<'a> From<&'a Pool> for Target<'a> {
    fn from(pool: &'a Pool) -> Target<'a> {
        Target::Pool(pool)
    }
}

impl<'a> From<&'a mut Transaction> for Target<'a> {
    fn from(transaction: &'a mut Transaction) -> Target<'a> {
        Target::Transaction(transaction)
    }
}

/// A parameter of a statement. What is empty has a type too: PostgreSQL asks for it.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Text(Option<String>),
    Integer(Option<i64>),
}

macro_rules! parameter {
    ($($from:ty => |$value:ident| $into:expr),* $(,)?) => {$(
        impl From<$from> for Parameter {
            fn from($value: $from) -> Parameter {
                $into
            }
        }
    )*};
}

parameter! {
    &str => |text| Parameter::Text(Some(text.to_owned())),
    String => |text| Parameter::Text(Some(text)),
    &String => |text| Parameter::Text(Some(text.clone())),
    Option<&str> => |text| Parameter::Text(text.map(str::to_owned)),
    Option<String> => |text| Parameter::Text(text),
    &Option<String> => |text| Parameter::Text(text.clone()),
    Option<&String> => |text| Parameter::Text(text.cloned()),
    i64 => |number| Parameter::Integer(Some(number)),
    Option<i64> => |number| Parameter::Integer(number),
    u32 => |number| Parameter::Integer(Some(number.into())),
    u8 => |number| Parameter::Integer(Some(number.into())),
    bool => |truth| Parameter::Integer(Some(truth.into())),
}

/// What a change of rows came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed(u64);

impl Changed {
    /// How many rows were changed.
    pub(crate) fn rows_affected(self) -> u64 {
        self.0
    }
}

/// A statement.
pub(crate) fn query(text: impl Into<Cow<'static, str>>) -> Query {
    Query { text: text.into(), parameters: Vec::new(), lock: None }
}

/// A statement whose rows have one column.
pub(crate) fn query_scalar<T: Column>(text: impl Into<Cow<'static, str>>) -> Scalar<T> {
    Scalar { query: query(text), column: PhantomData }
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    text: Cow<'static, str>,
    parameters: Vec<Parameter>,
    /// What PostgreSQL is told besides.
    lock: Option<&'static str>,
}

impl Query {
    /// The next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Parameter>) -> Query {
        self.parameters.push(value.into());
        self
    }

    /// What is read stays true until the change is over, because nobody else can change these rows before.
    pub(crate) fn locked(mut self) -> Query {
        // The weaker lock leaves rows that refer to these alone.
        self.lock = Some(" FOR NO KEY UPDATE");
        self
    }

    /// [`Query::locked`], but rows that somebody else is changing are passed over.
    pub(crate) fn locked_or_skipped(mut self) -> Query {
        self.lock = Some(" FOR NO KEY UPDATE SKIP LOCKED");
        self
    }

    fn for_sqlite(self) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
        // The statements are ours: no part of one comes from outside, values are parameters.
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for parameter in self.parameters {
            query = match parameter {
                Parameter::Text(text) => query.bind(text),
                Parameter::Integer(number) => query.bind(number),
            };
        }
        query
    }

    #[cfg(feature = "postgres")]
    fn for_postgres(self) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
        let text = match self.lock {
            None => self.text,
            Some(lock) => Cow::Owned(format!("{}{lock}", self.text)),
        };
        let mut query = sqlx::query(AssertSqlSafe(text));
        for parameter in self.parameters {
            query = match parameter {
                // A text of PostgreSQL cannot hold this character; the last words of a process can.
                Parameter::Text(Some(text)) if text.contains('\0') => {
                    query.bind(Some(text.replace('\0', "\u{fffd}")))
                }
                Parameter::Text(text) => query.bind(text),
                Parameter::Integer(number) => query.bind(number),
            };
        }
        query
    }

    /// Changes something.
    pub(crate) async fn execute(self, target: impl Into<Target<'_>>) -> Result<Changed, sqlx::Error> {
        Ok(Changed(match target.into() {
            Target::Pool(Pool::Sqlite(file)) => {
                self.for_sqlite().execute(&file.changing).await?.rows_affected()
            }
            Target::Transaction(Transaction::Sqlite(transaction)) => {
                self.for_sqlite().execute(&mut **transaction).await?.rows_affected()
            }
            #[cfg(feature = "postgres")]
            Target::Pool(Pool::Postgres(pool)) => self.for_postgres().execute(pool).await?.rows_affected(),
            #[cfg(feature = "postgres")]
            Target::Transaction(Transaction::Postgres(transaction)) => {
                self.for_postgres().execute(&mut **transaction).await?.rows_affected()
            }
        }))
    }

    /// Reads; outside of a change, nothing can be changed this way.
    pub(crate) async fn fetch_all(self, target: impl Into<Target<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        let of_sqlite = |rows: Vec<SqliteRow>| rows.into_iter().map(Row::Sqlite).collect();
        #[cfg(feature = "postgres")]
        let of_postgres = |rows: Vec<PgRow>| rows.into_iter().map(Row::Postgres).collect();
        match target.into() {
            Target::Pool(Pool::Sqlite(file)) => {
                self.for_sqlite().fetch_all(&file.reading).await.map(of_sqlite)
            }
            Target::Transaction(Transaction::Sqlite(transaction)) => {
                self.for_sqlite().fetch_all(&mut **transaction).await.map(of_sqlite)
            }
            #[cfg(feature = "postgres")]
            Target::Pool(Pool::Postgres(pool)) => self.for_postgres().fetch_all(pool).await.map(of_postgres),
            #[cfg(feature = "postgres")]
            Target::Transaction(Transaction::Postgres(transaction)) => {
                self.for_postgres().fetch_all(&mut **transaction).await.map(of_postgres)
            }
        }
    }

    /// See [`Query::fetch_all`].
    pub(crate) async fn fetch_optional(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        match target.into() {
            Target::Pool(Pool::Sqlite(file)) => {
                Ok(self.for_sqlite().fetch_optional(&file.reading).await?.map(Row::Sqlite))
            }
            Target::Transaction(Transaction::Sqlite(transaction)) => {
                Ok(self.for_sqlite().fetch_optional(&mut **transaction).await?.map(Row::Sqlite))
            }
            #[cfg(feature = "postgres")]
            Target::Pool(Pool::Postgres(pool)) => {
                Ok(self.for_postgres().fetch_optional(pool).await?.map(Row::Postgres))
            }
            #[cfg(feature = "postgres")]
            Target::Transaction(Transaction::Postgres(transaction)) => {
                Ok(self.for_postgres().fetch_optional(&mut **transaction).await?.map(Row::Postgres))
            }
        }
    }

    pub(crate) async fn fetch_one(self, target: impl Into<Target<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(target).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// What [`query_scalar`] gives.
#[derive(Clone, Debug)]
pub(crate) struct Scalar<T> {
    query: Query,
    column: PhantomData<fn() -> T>,
}

impl<T: Column> Scalar<T> {
    /// The next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Parameter>) -> Scalar<T> {
        self.query = self.query.bind(value);
        self
    }

    /// See [`Query::locked`].
    pub(crate) fn locked(mut self) -> Scalar<T> {
        self.query = self.query.locked();
        self
    }

    /// See [`Query::locked_or_skipped`].
    pub(crate) fn locked_or_skipped(mut self) -> Scalar<T> {
        self.query = self.query.locked_or_skipped();
        self
    }

    pub(crate) async fn fetch_one(self, target: impl Into<Target<'_>>) -> Result<T, sqlx::Error> {
        T::read(&self.query.fetch_one(target).await?, Place::First)
    }

    pub(crate) async fn fetch_optional(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Option<T>, sqlx::Error> {
        self.query.fetch_optional(target).await?.map(|row| T::read(&row, Place::First)).transpose()
    }

    pub(crate) async fn fetch_all(self, target: impl Into<Target<'_>>) -> Result<Vec<T>, sqlx::Error> {
        self.query.fetch_all(target).await?.iter().map(|row| T::read(row, Place::First)).collect()
    }
}

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

impl Row {
    /// The value in a column.
    pub(crate) fn try_get<T: Column>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        T::read(self, Place::Named(column))
    }

    fn read<T>(&self, place: Place) -> Result<T, sqlx::Error>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        T: OfPostgres,
    {
        match self {
            Row::Sqlite(row) => place.of(row),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => place.of(row),
        }
    }
}

/// Something that is read from a row.
pub(crate) trait FromRow: Sized {
    /// Reads it, every column checked.
    fn from_row(row: &Row) -> Result<Self, sqlx::Error>;
}

/// Which column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Named(&'static str),
    First,
}

impl Place {
    fn of<'r, R, T>(self, row: &'r R) -> Result<T, sqlx::Error>
    where
        R: SqlRow,
        usize: ColumnIndex<R>,
        &'static str: ColumnIndex<R>,
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        match self {
            Place::Named(name) => row.try_get(name),
            Place::First => row.try_get(0),
        }
    }
}

/// What PostgreSQL's driver can read too, in builds that have it.
#[cfg(feature = "postgres")]
pub(crate) trait OfPostgres: for<'r> Decode<'r, Postgres> + Type<Postgres> {}
#[cfg(feature = "postgres")]
impl<T: for<'r> Decode<'r, Postgres> + Type<Postgres>> OfPostgres for T {}
#[cfg(not(feature = "postgres"))]
pub(crate) trait OfPostgres {}
#[cfg(not(feature = "postgres"))]
impl<T> OfPostgres for T {}

/// A value that a column may hold.
pub(crate) trait Column: Sized {
    fn read(row: &Row, place: Place) -> Result<Self, sqlx::Error>;
}

macro_rules! column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, place: Place) -> Result<$type, sqlx::Error> {
                row.read(place)
            }
        }
    )*};
}

column!(String, Option<String>, i64, Option<i64>);

impl Column for bool {
    fn read(row: &Row, place: Place) -> Result<bool, sqlx::Error> {
        match row {
            Row::Sqlite(row) => place.of(row),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => {
                place.of::<_, bool>(row).or_else(|_| place.of::<_, i64>(row).map(|number| number != 0))
            }
        }
    }
}
