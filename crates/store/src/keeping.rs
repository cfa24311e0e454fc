//! Artefacts and the records that name them: content is kept before a row names it, and removed only where none does.
//!
//! A writer looks for its content after it has named it, under the same lock as a sweep takes: what was swept away before is
//! missed then, and nothing that is being recorded is swept away after.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Artefact, ArtefactKind, ContentHash, Error, JobId, LEASE, RecordsId, Store, Swept,
    artefacts::Named,
    bucket::{Bucket, Listed},
    rows::{unsigned, word},
    sql::{Target, Transaction, query},
};

/// The object that says whose artefacts a bucket has.
const OWNER: &str = "records.json";

/// The longest account of an owner that is read, in bytes.
const LONGEST_OWNER: usize = 4096;

/// Objects of a bucket that one sweep removes; the next one goes on.
const MOST_SWEPT: usize = 1000;

/// Objects that are removed under one lock.
const SWEPT_AT_ONCE: usize = 100;

impl Store {
    /// The file of a proof and its job's manifest, durably; no row names them as yet.
    pub(crate) async fn put_proof(&self, job: JobId, proof: &[u8]) -> Result<Artefact, Error> {
        let artefact = self.artefacts.put(ArtefactKind::Proof, proof).await?;
        self.artefacts.write_manifest(job, &[artefact]).await?;
        Ok(artefact)
    }

    /// [`Store::put_proof`] by whoever works on a job alone, and renews its lease meanwhile: a bucket can be slow.
    pub(crate) async fn put_proof_alone(&self, job: JobId, proof: &[u8]) -> Result<Artefact, Error> {
        let mut putting = std::pin::pin!(self.put_proof(job, proof));
        loop {
            match tokio::time::timeout(LEASE / 4, &mut putting).await {
                Ok(put) => return put,
                Err(_) => self.renew(job).await?,
            }
        }
    }

    /// Removes files that no row names and that are older than `grace`. A bucket is swept by [`Store::sweep_bucket`].
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Unwritable`] or a database error.
    pub async fn sweep_orphans(&self, grace: Duration) -> Result<Swept, Error> {
        let mut transaction = self.alone_with_artefacts().await?;
        let named = self.named(&mut transaction).await?;
        let swept = self.artefacts.sweep(&named, grace)?;
        self.leave(transaction).await?;
        Ok(swept)
    }

    /// Removes objects of the bucket that no row names and that are older than `grace` by the server's clock, up to a
    /// thousand of them. Without a bucket there is nothing to do.
    ///
    /// # Errors
    /// [`Error::BucketOfOthers`] if the artefacts there are not these records'; [`Error::BucketUnreachable`],
    /// [`Error::BucketRefused`], or a database error. Then some orphans may be gone.
    pub async fn sweep_bucket(&self, grace: Duration) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let Some(bucket) = self.artefacts.bucket() else { return Ok(swept) };
        self.must_own(bucket).await?;
        // A listing takes a while, and is made without a lock: it finds what may be an orphan.
        let named = self.named(&self.pool).await?;
        let mut candidates =
            bucket.old("artefacts", grace, MOST_SWEPT, |object| named.orphans(object)).await?;
        let left = MOST_SWEPT - candidates.len().min(MOST_SWEPT);
        candidates.extend(bucket.old("manifests", grace, left, |object| named.orphans(object)).await?);
        for group in candidates.chunks(SWEPT_AT_ONCE) {
            let mut transaction = self.alone_with_artefacts().await?;
            let named = self.named(&mut transaction).await?;
            let orphans: Vec<&Listed> = group.iter().filter(|object| named.orphans(&object.name)).collect();
            let names: Vec<String> = orphans.iter().map(|object| object.name.clone()).collect();
            bucket.remove(&names).await?;
            self.leave(transaction).await?;
            swept.files += orphans.len() as u64;
            swept.bytes += orphans.iter().map(|object| object.size).sum::<u64>();
        }
        Ok(swept)
    }

    /// Which bucket there is, once its server has answered; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::BucketOfOthers`], [`Error::BucketUnreachable`], [`Error::BucketRefused`], or a database error.
    pub async fn look_at_bucket(&self) -> Result<Option<&str>, Error> {
        let Some(bucket) = self.artefacts.bucket() else { return Ok(None) };
        match owner_of(bucket).await? {
            Some(owner) if owner != self.identity().await?.to_string() => {
                Err(Error::BucketOfOthers { bucket: bucket.location().to_owned() })
            }
            _ => Ok(Some(bucket.location())),
        }
    }

    /// That the artefacts of a bucket are these records'; one that has no owner gets them as its own. Otherwise the
    /// artefacts of others would be orphans here.
    async fn must_own(&self, bucket: &Bucket) -> Result<(), Error> {
        let own = self.identity().await?;
        if owner_of(bucket).await?.is_none() {
            let account = json!({ "schema": "ashlar.bucket/1", "records": own });
            bucket.put(OWNER, account.to_string().as_bytes()).await?;
        }
        // Two that come at once both write, and one of them reads the other's.
        match owner_of(bucket).await? {
            Some(owner) if owner == own.to_string() => Ok(()),
            _ => Err(Error::BucketOfOthers { bucket: bucket.location().to_owned() }),
        }
    }

    /// Who these records are; they are given a name when somebody asks for the first time.
    async fn identity(&self) -> Result<RecordsId, Error> {
        let fault = |source| self.fault("the records", "reading their identity", source);
        let mut transaction = self.write().await?;
        query("INSERT INTO records_identity (single, id) VALUES (1, $1) ON CONFLICT (single) DO NOTHING")
            .bind(RecordsId::fresh().to_string())
            .execute(&mut transaction)
            .await
            .map_err(fault)?;
        let row = query("SELECT id FROM records_identity WHERE single = 1")
            .fetch_one(&mut transaction)
            .await
            .map_err(fault)?;
        let id = word(&row, "id", RecordsId::parse).map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(id)
    }

    /// Looks through every artefact that the records name, and says which are missing or changed, with a job that names
    /// each. With a bucket, what is near is read, and of the rest it is asked whether it is there.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error; [`Error::BucketUnreachable`] or [`Error::BucketRefused`].
    pub async fn scrub(&self) -> Result<Vec<(JobId, ContentHash)>, Error> {
        let fault = |source| self.fault("the artefacts", "listing artefacts", source);
        let rows = query(
            "SELECT min(job_id) AS job_id, sha256, size FROM
             (SELECT job_id, sha256, size FROM artefacts UNION ALL SELECT job_id, sha256, size FROM work_inputs)
             AS named GROUP BY sha256, size ORDER BY sha256",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        let mut damaged = Vec::new();
        for row in &rows {
            let job = word(row, "job_id", JobId::parse).map_err(fault)?;
            let sha256 = word(row, "sha256", ContentHash::parse).map_err(fault)?;
            let size = unsigned(row, "size").map_err(fault)?.unwrap_or(0);
            if !self.artefacts.is_sound(sha256, size).await? {
                damaged.push((job, sha256));
            }
        }
        Ok(damaged)
    }

    /// A change while which nobody names an artefact.
    async fn alone_with_artefacts(&self) -> Result<Transaction, Error> {
        let mut transaction = self.write().await?;
        transaction
            .alone_in("artefacts, work_inputs")
            .await
            .map_err(|source| self.fault("the artefacts", "listing artefacts", source))?;
        Ok(transaction)
    }

    /// What the records name.
    async fn named(&self, target: impl Into<Target<'_>>) -> Result<Named, Error> {
        let fault = |source| self.fault("the artefacts", "listing artefacts", source);
        let rows = query("SELECT sha256, job_id FROM artefacts UNION SELECT sha256, job_id FROM work_inputs")
            .fetch_all(target)
            .await
            .map_err(fault)?;
        let mut named = Named::default();
        for row in &rows {
            named.contents.insert(word(row, "sha256", ContentHash::parse).map_err(fault)?);
            named.jobs.insert(word(row, "job_id", JobId::parse).map_err(fault)?);
        }
        Ok(named)
    }

    /// Ends a change that changed nothing.
    async fn leave(&self, transaction: Transaction) -> Result<(), Error> {
        transaction
            .rollback()
            .await
            .map_err(|source| self.fault("the artefacts", "listing artefacts", source))
    }
}

/// Whose artefacts a bucket has: a text that is nobody's name if the account cannot be read. One that is too long is
/// somebody else's.
async fn owner_of(bucket: &Bucket) -> Result<Option<String>, Error> {
    let mut account = Vec::new();
    let found = bucket
        .fetch(OWNER, |piece| {
            if account.len() + piece.len() > LONGEST_OWNER {
                return Err(Error::BucketOfOthers { bucket: bucket.location().to_owned() });
            }
            account.extend_from_slice(piece);
            Ok(())
        })
        .await?;
    if !found {
        return Ok(None);
    }
    let account: Value = serde_json::from_slice(&account).unwrap_or_default();
    Ok(Some(account["records"].as_str().unwrap_or_default().to_owned()))
}
