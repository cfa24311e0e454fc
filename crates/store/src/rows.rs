//! Reading rows: every column is checked, because another program may have written it.

use std::str::FromStr;

use ashlar_field::Felt;
use serde_json::Value;

use crate::{
    Artefact, ArtefactKind, ContentHash, Job, JobEvent, JobId, Moment, PaddedFelt, ProofSource, ProofStatus,
    Purpose,
    sql::{FromRow, Row},
};

/// SQLite's integers are signed.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column whose text must be one of our words.
pub(crate) fn word<T>(
    row: &Row,
    column: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    parse(&text).ok_or_else(|| unreadable(column, text))
}

/// [`word`], where the column may be empty.
pub(crate) fn optional_word<T>(
    row: &Row,
    column: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| parse(&text).ok_or_else(|| unreadable(column, text))).transpose()
}

/// A column whose number must not be negative.
pub(crate) fn unsigned<T: TryFrom<i64>>(row: &Row, column: &'static str) -> Result<Option<T>, sqlx::Error> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|number| T::try_from(number).map_err(|_| unreadable(column, number.to_string()))).transpose()
}

fn unreadable(column: &'static str, got: String) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: format!("unexpected {got:?}").into() }
}

/// A field element, in any form.
pub(crate) fn felt(text: &str) -> Option<PaddedFelt> {
    Felt::from_str(text).ok().map(PaddedFelt)
}

/// Any JSON.
pub(crate) fn json_value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

impl FromRow for Job {
    fn from_row(row: &Row) -> Result<Job, sqlx::Error> {
        Ok(Job {
            id: word(row, "id", JobId::parse)?,
            purpose: word(row, "purpose", Purpose::parse)?,
            proof_status: word(row, "proof_status", ProofStatus::parse)?,
            proof_source: word(row, "proof_source", ProofSource::parse)?,
            program_hash: optional_word(row, "program_hash", felt)?,
            input_commitment: row.try_get("input_commitment")?,
            output: optional_word(row, "output", json_value)?,
            fact_hash: optional_word(row, "fact_hash", felt)?,
            stone_version: row.try_get("stone_version")?,
            layout: row.try_get("layout")?,
            n_steps: unsigned(row, "n_steps")?,
            parameters: optional_word(row, "parameters", json_value)?,
            security_bits: unsigned(row, "security_bits")?,
            proven_bits: unsigned(row, "proven_bits")?,
            proof_hash: optional_word(row, "proof_hash", ContentHash::parse)?,
            stone_trace_size: unsigned(row, "stone_trace_size")?,
            stone_proof_size: unsigned(row, "stone_proof_size")?,
            stone_latency_ms: unsigned(row, "stone_latency_ms")?,
            stage_times: optional_word(row, "stage_times", json_value)?,
            attempts: unsigned(row, "attempts")?.unwrap_or(0),
            retry_of: optional_word(row, "retry_of", JobId::parse)?,
            request: optional_word(row, "request", json_value)?,
            cancel_requested_at: optional_word(row, "cancel_requested_at", Moment::parse)?,
            error_code: row.try_get("error_code")?,
            error_text: row.try_get("error_text")?,
            created_at: word(row, "created_at", Moment::parse)?,
            updated_at: word(row, "updated_at", Moment::parse)?,
        })
    }
}

impl FromRow for JobEvent {
    fn from_row(row: &Row) -> Result<JobEvent, sqlx::Error> {
        Ok(JobEvent {
            id: row.try_get("id")?,
            job_id: word(row, "job_id", JobId::parse)?,
            at: word(row, "at", Moment::parse)?,
            event: row.try_get("event")?,
            detail: word(row, "detail", json_value)?,
        })
    }
}

impl FromRow for Artefact {
    fn from_row(row: &Row) -> Result<Artefact, sqlx::Error> {
        Ok(Artefact {
            kind: word(row, "kind", ArtefactKind::parse)?,
            sha256: word(row, "sha256", ContentHash::parse)?,
            size: unsigned(row, "size")?.unwrap_or(0),
        })
    }
}
