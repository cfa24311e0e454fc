//! Settlements: a verified proof's way to a fact on chain, in one registry.
//!
//! A settlement has states of its own and goes on after its job is terminal: *expected* (the fact is computed, nothing
//! is sent), *submitted*, *verified on L2* (the registry was read and holds exactly the expected fact), *verified on
//! L1* (the block that holds it was accepted there). Nothing here talks to a chain; what a reader of a registry saw is
//! recorded, and the database refuses an observation that is not the expected fact.

use ashlar_field::Felt;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, FactSource, JobId, Moment, PaddedFelt, SettlementId, SettlementState, Store,
    rows::{felt, json_value, optional_word, signed, unsigned, word},
    sql::{FromRow, Row, query},
};

/// A settlement about to be recorded.
#[derive(Clone, Debug)]
pub struct NewSettlement {
    /// The job whose proof is settled; it must be verified.
    pub job: JobId,
    /// Where the fact will be read.
    pub fact_source: FactSource,
    /// The registry's contract.
    pub registry_address: Felt,
    /// Layout, hasher, version and memory verification, as the registry names them.
    pub verifier_config: Value,
    /// The fact that the registry must hold.
    pub expected_fact: Felt,
}

/// A settlement as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Settlement {
    /// Its id.
    pub id: SettlementId,
    /// The job whose proof is settled.
    pub job_id: JobId,
    /// Where the fact is read.
    pub fact_source: FactSource,
    /// The registry's contract.
    pub registry_address: PaddedFelt,
    /// Layout, hasher, version and memory verification, as the registry names them.
    pub verifier_config: Value,
    /// The fact that the registry must hold.
    pub expected_fact: PaddedFelt,
    /// The fact that it holds.
    pub observed_fact: Option<PaddedFelt>,
    /// Where it stands.
    pub state: SettlementState,
    /// The block in which the fact was seen.
    pub l2_block_number: Option<u64>,
    /// When it was seen on L2.
    pub l2_verified_at: Option<Moment>,
    /// When L1 had accepted that block.
    pub l1_verified_at: Option<Moment>,
    /// Why it failed.
    pub error_text: Option<String>,
    /// When it was recorded.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

/// What a settlement moves on with.
#[derive(Clone, Debug)]
pub enum SettlementStep {
    /// Transactions were sent.
    Submitted,
    /// The registry was read in this block and holds this fact.
    SeenOnL2 {
        /// The fact.
        fact: Felt,
        /// The block.
        block_number: u64,
    },
    /// L1 accepted the block.
    AcceptedOnL1,
    /// It will not come to a fact, for this reason.
    Failed(String),
}

impl Store {
    /// Records what is expected of a registry.
    ///
    /// # Errors
    /// [`Error::StateRule`] if the job is not verified; a database error.
    pub async fn expect_settlement(&self, new: &NewSettlement) -> Result<SettlementId, Error> {
        let id = SettlementId::fresh();
        let now = Moment::now().to_string();
        query(
            "INSERT INTO settlements (id, job_id, fact_source, registry_address, verifier_config, expected_fact, state,
                                      created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'expected', $7, $8)
             ON CONFLICT (job_id, fact_source, registry_address) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(new.job.to_string())
        .bind(new.fact_source.word())
        .bind(PaddedFelt(new.registry_address).to_string())
        .bind(new.verifier_config.to_string())
        .bind(PaddedFelt(new.expected_fact).to_string())
        .bind(&now)
        .bind(&now)
        .execute(&self.pool)
        .await
        .map_err(|source| self.fault(&new.job.to_string(), "recording a settlement", source))?;
        // Expecting the same twice is one settlement.
        let of_job = self.settlements_of(new.job).await?;
        let registry = PaddedFelt(new.registry_address);
        let same =
            |known: &&Settlement| known.fact_source == new.fact_source && known.registry_address == registry;
        Ok(of_job.iter().find(same).map_or(id, |known| known.id))
    }

    /// Moves a settlement on.
    ///
    /// # Errors
    /// [`Error::StateRule`] if there is no such step or the observed fact is another one, [`Error::UnknownSettlement`],
    /// a database error.
    pub async fn advance_settlement(&self, id: SettlementId, step: &SettlementStep) -> Result<(), Error> {
        let now = Moment::now().to_string();
        let query = match step {
            SettlementStep::Submitted => {
                query("UPDATE settlements SET state = 'submitted', updated_at = $1 WHERE id = $2").bind(&now)
            }
            SettlementStep::SeenOnL2 { fact, block_number } => query(
                "UPDATE settlements SET state = 'l2_verified', observed_fact = $1, l2_block_number = $2,
                        l2_verified_at = $3, updated_at = $4 WHERE id = $5",
            )
            .bind(PaddedFelt(*fact).to_string())
            .bind(signed(*block_number))
            .bind(&now)
            .bind(&now),
            SettlementStep::AcceptedOnL1 => query(
                "UPDATE settlements SET state = 'l1_verified', l1_verified_at = $1, updated_at = $2 WHERE id = $3",
            )
            .bind(&now)
            .bind(&now),
            SettlementStep::Failed(reason) => query(
                "UPDATE settlements SET state = 'failed', error_text = $1, updated_at = $2 WHERE id = $3",
            )
            .bind(reason)
            .bind(&now),
        };
        let changed = query
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(|source| self.fault(&id.to_string(), "moving a settlement on", source))?;
        if changed.rows_affected() == 1 {
            Ok(())
        } else {
            Err(Error::UnknownSettlement { given: id.to_string() })
        }
    }

    /// The settlements of a job's proof, oldest first.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn settlements_of(&self, job: JobId) -> Result<Vec<Settlement>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading settlements", source);
        let rows = query("SELECT * FROM settlements WHERE job_id = $1 ORDER BY id")
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| Settlement::from_row(row).map_err(fault)).collect()
    }
}

impl FromRow for Settlement {
    fn from_row(row: &Row) -> Result<Settlement, sqlx::Error> {
        Ok(Settlement {
            id: word(row, "id", SettlementId::parse)?,
            job_id: word(row, "job_id", JobId::parse)?,
            fact_source: word(row, "fact_source", FactSource::parse)?,
            registry_address: word(row, "registry_address", felt)?,
            verifier_config: word(row, "verifier_config", json_value)?,
            expected_fact: word(row, "expected_fact", felt)?,
            observed_fact: optional_word(row, "observed_fact", felt)?,
            state: word(row, "state", SettlementState::parse)?,
            l2_block_number: unsigned(row, "l2_block_number")?,
            l2_verified_at: optional_word(row, "l2_verified_at", Moment::parse)?,
            l1_verified_at: optional_word(row, "l1_verified_at", Moment::parse)?,
            error_text: row.try_get("error_text")?,
            created_at: word(row, "created_at", Moment::parse)?,
            updated_at: word(row, "updated_at", Moment::parse)?,
        })
    }
}
