//! Where the records are: in the data folder, or on a PostgreSQL server.
//!
//! The address of a server may hold a password, so it is never shown: neither an address that is accepted nor one that
//! is refused. What is shown is its host and database, taken from an address whose parts are certain.

use std::fmt;

use crate::Error;

/// What a query part may say. A parameter that is not known here is refused, because nobody knows whether it is secret.
const PARAMETERS: [&str; 8] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "user", "application_name"];

/// Where the records are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// In `ashlar.sqlite` in the data folder.
    #[default]
    Folder,
    /// On a PostgreSQL server, in one database of it.
    Postgres(PostgresAddress),
}

/// `postgres://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?PARAMETERS]`. Prints its host and database only.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    /// The whole of it.
    secret: String,
    location: String,
}

impl Database {
    /// Reads `sqlite`, which stands for the data folder, or the address of a PostgreSQL server.
    ///
    /// # Errors
    /// [`Error::DatabaseAddress`], which does not repeat what was given.
    pub fn parse(text: &str) -> Result<Database, Error> {
        match text {
            "sqlite" => Ok(Database::Folder),
            _ => PostgresAddress::parse(text).map(Database::Postgres),
        }
    }
}

impl PostgresAddress {
    fn parse(text: &str) -> Result<PostgresAddress, Error> {
        let unusable = |expected| Error::DatabaseAddress { expected };
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| unusable("`sqlite` or postgres://USER@HOST/DATABASE"))?;
        let encoded =
            "%-encoded characters: one of / ? # @ stands where it cannot (a password has %2F %3F %23 %40)";
        if rest.contains('#') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(unusable(encoded));
        }
        let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = before.split_once('/').unwrap_or((before, ""));
        // A password with a slash or a question mark would have ended too early; what follows it is part of it.
        if database.contains(['@', ':', '/']) || parameters.contains('@') {
            return Err(unusable(encoded));
        }
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:%[]".contains(c)) {
            return Err(unusable("a host that is a name, a number, or a %-encoded path"));
        }
        if database.is_empty() {
            return Err(unusable("the name of a database after the host: postgres://USER@HOST/DATABASE"));
        }
        let mut socket = "";
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !PARAMETERS.contains(&name) {
                return Err(unusable(
                    "no parameter but sslmode, sslrootcert, sslcert, sslkey, host, port, user, application_name",
                ));
            }
            if name == "host" {
                socket = value;
            }
        }
        let host = if socket.is_empty() { host } else { socket };
        Ok(PostgresAddress { secret: text.to_owned(), location: format!("postgres://{host}/{database}") })
    }

    /// Host and database, without user, password and parameters.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The whole address, for the driver alone.
    #[cfg(feature = "postgres")]
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Option<String> {
        match Database::parse(text) {
            Ok(Database::Postgres(address)) => Some(address.location().to_owned()),
            _ => None,
        }
    }

    #[test]
    fn an_address_shows_its_host_and_database_and_nothing_else() {
        for (address, shown) in [
            ("postgres://ashlar:hunter2@db.example:5432/records", "postgres://db.example:5432/records"),
            ("postgresql://ashlar@[::1]/records?sslmode=require", "postgres://[::1]/records"),
            ("postgres://%2Fvar%2Frun/records", "postgres://%2Fvar%2Frun/records"),
            (
                "postgres:///records?host=/var/run/postgresql&user=ashlar",
                "postgres:///var/run/postgresql/records",
            ),
            ("postgres://a:hun@ter2@host/records", "postgres://host/records"),
        ] {
            assert_eq!(location(address).as_deref(), Some(shown), "{address}");
            assert_eq!(format!("{:?}", Database::parse(address).unwrap()), format!("Postgres({shown})"));
        }
        assert_eq!(Database::parse("sqlite").unwrap(), Database::Folder);
    }

    #[test]
    fn a_password_that_would_be_taken_for_something_else_is_refused_and_not_repeated() {
        for address in [
            "postgres://ashlar:hun/ter2@host/records",
            "postgres://ashlar:12/ter2@host/records",
            "postgres://ashlar:hunter2?@host/records",
            "postgres://ashlar:hun#ter2@host/records",
            "postgres://ashlar:hunter2@host",
            "postgres://ashlar:hunter2@host/records?password=hunter2",
            "postgres://ashlar@host/records?pasword=hunter2",
            "postgres://ashlar@host/records?options=-c%20hunter2",
            "postgres://ashlar:hunter2@ho st/records",
            "mysql://ashlar:hunter2@host/records",
            "hunter2",
        ] {
            let refused = Database::parse(address).unwrap_err();
            assert!(matches!(refused, Error::DatabaseAddress { .. }));
            let told = format!("{refused} {refused:?}");
            assert!(!told.contains("ter2") && !told.contains("hun"), "{told}");
        }
    }
}
