//! Queries: how they stand at a time, and how they are told.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use crate::script::{Script, Submission};

/// When the first query of a mock was made, in milliseconds since 1970: 2026-11-21T00:00:00Z.
const EPOCH: u64 = 1_795_219_200_000;

/// A query.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) submission: Submission,
    pub(crate) script: Script,
    pub(crate) created: Duration,
    /// How often each artefact was asked for.
    pub(crate) fetched: BTreeMap<String, u32>,
}

/// Where a query stands.
pub(crate) enum Standing {
    Received,
    In(usize),
    Failed(usize, String),
    Done,
}

/// The reason of a job that was killed for its memory.
const KILLED: &str = "Trace generation failed due to OOMKilled, please try again with a larger job size.";

impl Query {
    /// Where it stands at a time, and when that began.
    pub(crate) fn standing(&self, now: Duration) -> (Standing, Duration) {
        let mut begun = self.created;
        // For a second nothing happens.
        if now < begun + Duration::from_secs(1) {
            return (Standing::Received, begun);
        }
        let declared = self.submission.field("declaredJobSize").unwrap_or_default();
        let killed = !self.script.survives(declared);
        for (index, stage) in self.script.stages.iter().enumerate() {
            let over = begun + stage.length;
            if now < over {
                return (Standing::In(index), begun);
            }
            if killed && index == 0 {
                return (Standing::Failed(index, KILLED.to_owned()), over);
            }
            if let Some((at, reason)) = &self.script.failure
                && *at == index
            {
                return (Standing::Failed(index, reason.clone()), over);
            }
            begun = over;
        }
        (Standing::Done, begun)
    }

    fn stage_name(&self, index: usize) -> Value {
        self.script.stages.get(index).map_or(Value::Null, |stage| json!(stage.name))
    }

    /// As an answer tells it.
    pub(crate) fn told(&self, now: Duration) -> Value {
        let (standing, since) = self.standing(now);
        let (status, step) = match &standing {
            Standing::Received => ("RECEIVED", Value::Null),
            Standing::In(index) => ("IN_PROGRESS", self.stage_name(*index)),
            Standing::Failed(index, _) => ("FAILED", self.stage_name(*index)),
            Standing::Done => ("DONE", self.stage_name(self.script.stages.len().saturating_sub(1))),
        };
        let field = |name: &str| self.submission.field(name).map_or(Value::Null, |value| json!(value));
        let names: Vec<&str> = self.script.stages.iter().map(|stage| stage.name).collect();
        let mocked = self.submission.field("mockFactHash") == Some("true");
        let over = matches!(standing, Standing::Done);
        let mut query = json!({
            "id": self.id,
            "externalId": field("externalId"),
            "dedupId": field("dedupId"),
            "transactionId": format!("{}T", self.id.get(..25).unwrap_or_default()),
            "status": status,
            "step": step,
            "steps": names,
            "programHash": field("programHash"),
            "integrityFactHash": Value::Null,
            "sharpFactHash": Value::Null,
            "layout": field("layout"),
            "isFactMocked": mocked,
            "isProofMocked": false,
            "chain": "L2",
            "jobSize": if over { json!("S") } else { Value::Null },
            "declaredJobSize": field("declaredJobSize"),
            "isJobSizeValid": over,
            "cairoVm": field("cairoVm"),
            "cairoVersion": field("cairoVersion"),
            "result": field("result"),
            "network": field("network"),
            "hints": Value::Null,
            "sharpProver": field("sharpProver"),
            "errorReason": match &standing { Standing::Failed(_, reason) => json!(reason), _ => Value::Null },
            "submittedByClient": "01KCLIENT",
            "submittedByWallet": Value::Null,
            "projectId": "01KPROJECT",
            "bucketId": Value::Null,
            "bucketJobIndex": Value::Null,
            "customerName": "somebody",
            "retryCount": 0,
            "createdAt": date(self.created),
            "completedAt": if over { json!(date(since)) } else { Value::Null },
            "client": { "clientId": "01KCLIENT", "name": "Some Body", "email": "some.body@example.org",
                "isEmailVerified": true, "image": Value::Null },
        });
        if let Some(fields) = query.as_object_mut() {
            let end = over.then_some(&self.script.at_the_end).into_iter().flatten();
            extend(fields, self.script.overrides.iter().chain(end));
        }
        query
    }

    /// Its jobs, as an answer tells them.
    pub(crate) fn jobs(&self, now: Duration) -> Value {
        let (standing, _) = self.standing(now);
        let (current, failed) = match standing {
            Standing::Received => (0, false),
            Standing::In(index) => (index + 1, false),
            Standing::Failed(index, _) => (index + 1, true),
            Standing::Done => (usize::MAX, false),
        };
        let mut begun = self.created;
        let mut jobs = Vec::new();
        for (index, stage) in self.script.stages.iter().enumerate().take(current) {
            let over = begun + stage.length;
            let last = index + 1 == current;
            let status = match (last, failed) {
                (true, true) => "FAILED",
                (true, false) => "IN_PROGRESS",
                _ => "COMPLETED",
            };
            let completed = status == "COMPLETED";
            jobs.push(json!({
                "id": format!("{}J{index}", self.id.get(..24).unwrap_or_default()),
                "status": status,
                "jobName": stage.name,
                "createdAt": date(begun),
                "completedAt": if status == "IN_PROGRESS" { Value::Null } else { json!(date(over)) },
                "context": if completed { stage.context.clone().unwrap_or(Value::Null) } else { Value::Null },
            }));
            begun = over;
        }
        let names: Vec<&str> = self.script.stages.iter().map(|stage| stage.name).collect();
        json!({ "jobs": jobs, "steps": names })
    }

    /// Whether its artefacts are there.
    pub(crate) fn is_done(&self, now: Duration) -> bool {
        matches!(self.standing(now).0, Standing::Done)
    }
}

fn extend<'a>(fields: &mut Map<String, Value>, more: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (name, value) in more {
        fields.insert(name.clone(), value.clone());
    }
}

/// A ULID: the time, and a number instead of chance, so that tests repeat.
pub(crate) fn ulid(now: Duration, number: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let milliseconds = u128::from(EPOCH) + now.as_millis();
    let value = (milliseconds << 80) | u128::from(number);
    (0..26)
        .rev()
        .map(|digit| char::from(DIGITS.get(((value >> (5 * digit)) & 31) as usize).copied().unwrap_or(b'0')))
        .collect()
}

/// A moment in RFC 3339, by the days of the civil calendar.
fn date(at: Duration) -> String {
    let milliseconds = EPOCH + u64::try_from(at.as_millis()).unwrap_or_default();
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (seconds, thousandths) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{thousandths:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_dates_have_the_service_s_form() {
        assert_eq!(date(Duration::ZERO), "2026-11-21T00:00:00.000Z");
        assert_eq!(date(Duration::from_millis(86_400_000 * 100 + 61_001)), "2027-03-01T00:01:01.001Z");
        let (first, second) = (ulid(Duration::ZERO, 1), ulid(Duration::from_secs(1), 0));
        assert_eq!((first.len(), first.get(..1)), (26, Some("0")));
        assert!(first < second);
    }
}
