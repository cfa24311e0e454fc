//! Keys of the HTTP API: what each may do and which jobs it reaches. The secrets are nowhere in the records, only their
//! SHA-256 is.

use serde::Serialize;

use crate::{
    ContentHash, Error, JobId, KeyId, KeyReach, KeyScope, Moment, Store,
    rows::{optional_word, word},
    sql::{FromRow, Row, query, query_scalar},
};

/// A key about to be recorded.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// The SHA-256 of its secret.
    pub sha256: ContentHash,
    /// What it may do; at least one.
    pub scopes: Vec<KeyScope>,
    /// Which jobs it reaches.
    pub reach: KeyReach,
}

/// A key as recorded. It cannot be used: the secret was shown once and is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of its secret.
    #[serde(skip)]
    pub sha256: ContentHash,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// Which jobs it reaches.
    pub reach: KeyReach,
    /// When it was made.
    pub created_at: Moment,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

impl ApiKey {
    /// Whether it may do this; `admin` may do everything.
    pub fn allows(&self, scope: KeyScope) -> bool {
        self.scopes.iter().any(|own| *own == scope || *own == KeyScope::Admin)
    }

    /// The key to which a list of jobs is confined; `None` if every job is in reach.
    pub fn confines(&self) -> Option<KeyId> {
        match self.reach {
            KeyReach::Own => Some(self.id),
            KeyReach::All => None,
        }
    }
}

impl Store {
    /// Records a key.
    ///
    /// # Errors
    /// A database error.
    pub async fn record_key(&self, new: &NewApiKey) -> Result<ApiKey, Error> {
        let id = KeyId::fresh();
        let now = Moment::now();
        let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.word()).collect();
        query(
            "INSERT INTO api_keys (id, name, sha256, scopes, reach, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.to_string())
        .bind(&new.name)
        .bind(new.sha256.to_string())
        .bind(scopes.join(","))
        .bind(new.reach.word())
        .bind(now.to_string())
        .execute(&self.pool)
        .await
        .map_err(|source| self.fault(&id.to_string(), "recording a key", source))?;
        Ok(ApiKey {
            id,
            name: new.name.clone(),
            sha256: new.sha256,
            scopes: new.scopes.clone(),
            reach: new.reach,
            created_at: now,
            revoked_at: None,
        })
    }

    /// The key whose secret has this SHA-256, revoked or not.
    ///
    /// The database finds candidates by the first digits; the whole hash is compared in constant time.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn key_of_secret(&self, sha256: ContentHash) -> Result<Option<ApiKey>, Error> {
        let fault = |source| self.fault("a key", "looking up a key", source);
        let digits = sha256.to_string();
        let rows = query("SELECT * FROM api_keys WHERE substr(sha256, 1, 8) = substr($1, 1, 8)")
            .bind(digits)
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        let keys =
            rows.iter().map(|row| ApiKey::from_row(row).map_err(fault)).collect::<Result<Vec<_>, _>>()?;
        Ok(keys.into_iter().find(|key| key.sha256.equals_in_constant_time(sha256)))
    }

    /// Every key, youngest first.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let fault = |source| self.fault("the keys", "listing keys", source);
        let rows =
            query("SELECT * FROM api_keys ORDER BY id DESC").fetch_all(&self.pool).await.map_err(fault)?;
        rows.iter().map(|row| ApiKey::from_row(row).map_err(fault)).collect()
    }

    /// Revokes a key: from now on it opens nothing.
    ///
    /// # Errors
    /// [`Error::UnknownKey`]; [`Error::StateRule`] if it was revoked before.
    pub async fn revoke_key(&self, key: KeyId) -> Result<(), Error> {
        let changed = query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2")
            .bind(Moment::now().to_string())
            .bind(key.to_string())
            .execute(&self.pool)
            .await
            .map_err(|source| self.fault(&key.to_string(), "revoking a key", source))?;
        if changed.rows_affected() == 1 { Ok(()) } else { Err(Error::UnknownKey { given: key.to_string() }) }
    }

    /// Brings a job into a key's reach. Doing so twice is doing so once.
    ///
    /// # Errors
    /// A database error.
    pub async fn bring_into_reach(&self, job: JobId, key: KeyId) -> Result<(), Error> {
        query("INSERT INTO job_reach (job_id, key_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(job.to_string())
            .bind(key.to_string())
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|source| self.fault(&job.to_string(), "recording who asked for a job", source))
    }

    /// Whether a key of reach `own` reaches this job.
    ///
    /// # Errors
    /// A database error.
    pub async fn is_in_reach(&self, job: JobId, key: KeyId) -> Result<bool, Error> {
        query_scalar("SELECT EXISTS (SELECT 1 FROM job_reach WHERE job_id = $1 AND key_id = $2)")
            .bind(job.to_string())
            .bind(key.to_string())
            .fetch_one(&self.pool)
            .await
            .map_err(|source| self.fault(&job.to_string(), "reading who asked for a job", source))
    }
}

impl FromRow for ApiKey {
    fn from_row(row: &Row) -> Result<ApiKey, sqlx::Error> {
        let scopes = |text: &str| text.split(',').map(KeyScope::parse).collect::<Option<Vec<_>>>();
        Ok(ApiKey {
            id: word(row, "id", KeyId::parse)?,
            name: row.try_get("name")?,
            sha256: word(row, "sha256", ContentHash::parse)?,
            scopes: word(row, "scopes", scopes)?,
            reach: word(row, "reach", KeyReach::parse)?,
            created_at: word(row, "created_at", Moment::parse)?,
            revoked_at: optional_word(row, "revoked_at", Moment::parse)?,
        })
    }
}
