//! The bodies of requests and answers, for both sides of the connection.
//!
//! Every field but `id` and `status` is optional: the schema changes without notice. The object `client` of a query holds
//! the account's e-mail address; it has no place in these types, and [`without_client`] removes it from raw answers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::vocabulary::{
    CairoVersion, CairoVm, Chain, Goal, JobSize, JobStatus, Layout, Network, QueryStatus, SharpProver, Step,
    WebhookKind,
};

/// A query's name, a ULID as the service gives them.
///
/// Whoever knows it may be able to read the query's inputs and trace: it is a capability, not for public places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct QueryId(String);

impl QueryId {
    /// The most characters that an id may have.
    pub const MOST_CHARACTERS: usize = 64;

    /// Reads an id: 1 to 64 ASCII letters, digits, `-` and `_`, so that it cannot leave its place in a path.
    pub fn parse(text: &str) -> Option<QueryId> {
        let fits = (1..=QueryId::MOST_CHARACTERS).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (fits && plain).then(|| QueryId(text.to_owned()))
    }

    /// The id as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for QueryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QueryId, D::Error> {
        let text = String::deserialize(deserializer)?;
        QueryId::parse(&text).ok_or_else(|| de::Error::custom("expected a query id of letters and digits"))
    }
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The new query.
    pub atlantic_query_id: QueryId,
}

/// The answer to a look-up, by id (with `metadata_urls`) or by deduplication id (without).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryAnswer {
    /// The query.
    pub atlantic_query: Query,
    /// Where its artefacts are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_urls: Option<Vec<String>>,
}

/// A query as the service tells it. Dates are text in RFC 3339, as they came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// Its name.
    pub id: QueryId,
    /// Where it stands.
    pub status: QueryStatus,
    /// The submitter's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The submitter's deduplication id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_id: Option<String>,
    /// An id of the service's own; no hash of a transaction on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The stage it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// The stages it has or had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// The program's hash, or the bootloader's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_hash: Option<String>,
    /// The Poseidon fact, a field element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity_fact_hash: Option<String>,
    /// The Keccak fact, 256 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharp_fact_hash: Option<String>,
    /// The layout, once chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// The fact is a pretence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_fact_mocked: Option<bool>,
    /// The proof is a pretence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_proof_mocked: Option<bool>,
    /// The chain of the fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// The size that it turned out to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_size: Option<JobSize>,
    /// The size that the submitter declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_job_size: Option<JobSize>,
    /// Whether the declaration was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_job_size_valid: Option<bool>,
    /// The virtual machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cairo_vm: Option<CairoVm>,
    /// The language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cairo_version: Option<CairoVersion>,
    /// What it is to end with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Goal>,
    /// The network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The prover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharp_prover: Option<SharpProver>,
    /// Hint processors, in a form that nobody recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// The project that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The bucket of applicative recursion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_id: Option<String>,
    /// Its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_job_index: Option<u64>,
    /// How often it was done over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<u64>,
    /// When it was submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

impl Query {
    /// A query of which only id and status are known.
    pub fn new(id: QueryId, status: QueryStatus) -> Query {
        Query {
            id,
            status,
            external_id: None,
            dedup_id: None,
            transaction_id: None,
            step: None,
            steps: None,
            program_hash: None,
            integrity_fact_hash: None,
            sharp_fact_hash: None,
            layout: None,
            is_fact_mocked: None,
            is_proof_mocked: None,
            chain: None,
            job_size: None,
            declared_job_size: None,
            is_job_size_valid: None,
            cairo_vm: None,
            cairo_version: None,
            result: None,
            network: None,
            sharp_prover: None,
            hints: None,
            error_reason: None,
            project_id: None,
            bucket_id: None,
            bucket_job_index: None,
            retry_count: None,
            created_at: None,
            completed_at: None,
        }
    }
}

/// The answer about a query's jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobsAnswer {
    /// The jobs, one a stage.
    pub jobs: Vec<JobRecord>,
    /// The stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
}

/// One job of a query: the only place with the time of each stage and with transactions on chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// Its name.
    pub id: String,
    /// Where it stands.
    pub status: JobStatus,
    /// Its stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<Step>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// What it did; for a verification, an entry a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

/// The answer to a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAnswer {
    /// One page of queries.
    pub atlantic_queries: Vec<Query>,
    /// How many there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// The answer to the question whether the service lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// It says so.
    pub alive: bool,
}

/// The body of an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The code, in most errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The code, in some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// More, such as the expected and the received media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_data: Option<Value>,
}

/// What the service posts to a configured address. Nothing signs it: see [`crate::Hint`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// What has happened.
    #[serde(rename = "type")]
    pub kind: WebhookKind,
    /// To which query.
    pub atlantic_query_id: QueryId,
    /// Where the query or the job stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<Step>,
    /// What it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// The file `metadata.json` of a query. Field elements are hexadecimal text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The bootloader's program hash, or the program's where there is no bootloader.
    #[serde(default, alias = "bootloader_program_hash", skip_serializing_if = "Option::is_none")]
    pub program_hash: Option<String>,
    /// The program's hash, where a bootloader ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_program_hash: Option<String>,
    /// The output of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<String>>,
    /// The Poseidon fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity_fact_hash: Option<String>,
    /// The Keccak fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharp_fact_hash: Option<String>,
    /// What the run took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_resources: Option<ExecutionResources>,
}

/// What a run took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionResources {
    /// Steps, with the bootloader's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<u64>,
}

/// A raw answer without any object called `client`, fit to be kept.
pub fn without_client(mut answer: Value) -> Value {
    strip(&mut answer);
    answer
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("client");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn id_and_status_are_enough_for_a_query() {
        let answer: QueryAnswer =
            serde_json::from_value(json!({ "atlanticQuery": { "id": "01M3", "status": "DONE" } })).unwrap();
        assert_eq!(answer.atlantic_query, Query::new(QueryId("01M3".to_owned()), QueryStatus::Done));
        for lacking in [json!({ "id": "01M3" }), json!({ "status": "DONE" })] {
            assert!(serde_json::from_value::<Query>(lacking).is_err());
        }
    }

    #[test]
    fn what_a_server_writes_a_client_reads() {
        let mut query = Query::new(QueryId("01M3".to_owned()), QueryStatus::InProgress);
        query.step = Some(Step::ProofGeneration);
        query.job_size = Some(JobSize::Xs);
        query.retry_count = Some(2);
        let answer = QueryAnswer { atlantic_query: query, metadata_urls: Some(vec!["https://a".to_owned()]) };
        let text = serde_json::to_string(&answer).unwrap();
        assert!(text.contains("\"metadataUrls\"") && text.contains("\"retryCount\":2"), "{text}");
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<QueryAnswer>(&text).unwrap(), answer);
    }

    #[test]
    fn an_e_mail_address_is_not_kept() {
        let raw = json!({ "atlanticQuery": { "id": "01M3", "status": "DONE", "client": { "email": "a@b.c" } },
            "list": [{ "client": { "email": "d@e.f" } }] });
        let query: QueryAnswer = serde_json::from_value(raw.clone()).unwrap();
        assert!(!serde_json::to_string(&query).unwrap().contains('@'));
        assert!(!without_client(raw).to_string().contains('@'));
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        for wrong in ["", "a/b", "..", "a?b", "a#", "a%2f", "a b", "é", &"a".repeat(65)] {
            assert_eq!(QueryId::parse(wrong), None, "{wrong}");
        }
        assert!(QueryId::parse("01M3EEM2E4GHHC3K36KRX9XY3S").is_some());
    }
}
