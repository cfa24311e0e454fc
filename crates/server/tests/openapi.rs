//! The OpenAPI document is what the server does: every operation is there, and every answer has a status and a form that
//! the document names.

use ashlar_store::{JobId, Lane, Moment, WorkerState};
use serde_json::{Value, json};

use crate::support::{Reply, Served, proposal, served};

/// Whether a value has the form of a schema; the first place where it has not.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return check(document, &document["components"]["schemas"][name], value, place);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let errors: Vec<String> =
                schemas.iter().filter_map(|schema| check(document, schema, value, place).err()).collect();
            return if errors.len() < schemas.len() { Ok(()) } else { Err(errors.join(" and ")) };
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !kinds.contains(&kind) {
        return Err(format!("{place}: expected {kinds:?}, got {value}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{place}: {value} is none of {words:?}"));
    }
    if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
        for (index, value) in values.iter().enumerate() {
            check(document, items, value, &format!("{place}[{index}]"))?;
        }
    }
    if let Value::Object(entries) = value {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !entries.contains_key(name.as_str().unwrap()) {
                return Err(format!("{place}: {name} is missing"));
            }
        }
        if let Some(properties) = schema["properties"].as_object() {
            for (name, value) in entries {
                match properties.get(name) {
                    Some(schema) => check(document, schema, value, &format!("{place}.{name}"))?,
                    None => return Err(format!("{place}: {name} is not in the document")),
                }
            }
        }
    }
    Ok(())
}

/// An answer must be one that the document names for this operation.
fn documented(document: &Value, path: &str, verb: &str, reply: &Reply) {
    let operation = &document["paths"][path][verb];
    assert!(operation.is_object(), "{verb} {path}");
    let answer = &operation["responses"][reply.status.to_string()];
    assert!(answer.is_object(), "{verb} {path}: {} is not in the document", reply.status);
    let Some(media_type) = reply.header("content-type") else {
        return assert!(answer["content"].is_null(), "{verb} {path}: no content");
    };
    let media_type = media_type.split(';').next().unwrap();
    let content = &answer["content"][media_type];
    assert!(content.is_object(), "{verb} {path}: {media_type} is not in the document");
    if !content["schema"].is_null() && path != "/api/v1/openapi.json" {
        check(document, &content["schema"], &reply.json(), path).unwrap();
    }
}

#[tokio::test]
async fn every_operation_answers_as_the_document_says() {
    let served = served().await;
    let document = served.get("/api/v1/openapi.json").await.json();
    let worker = ("a worker", WorkerState::Working);
    served.store().greet_worker(worker.0, worker.1, 1 << 30, Lane::ALL, Moment::now()).await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut asked = 0;
    for (path, operations) in paths {
        for verb in operations.as_object().unwrap().keys() {
            for reply in ask(&served, path, verb).await {
                documented(&document, path, verb, &reply);
                assert_ne!(reply.status, 405, "{verb} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 40, "{asked}");
}

/// An operation with what it needs, and with what it refuses.
async fn ask(served: &Served, path: &str, verb: &str) -> Vec<Reply> {
    static NONCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let nonce = NONCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let submitted = served.post_json("/api/v1/allocations", &[], &proposal(nonce)).await.json();
    let job = JobId::parse(submitted["job"].as_str().unwrap()).unwrap();
    if path.ends_with("/retry") {
        served.store().request_cancel(job).await.unwrap();
    }
    let allocation = served.store().allocations_of(job).await.unwrap()[0].id.to_string();
    let there = if path.contains("allocations") { allocation } else { job.to_string() };
    let filled = |id: &str| path.replace("{id}", id).replace("{sha256}", &"0".repeat(64));
    let nobody = JobId::fresh().to_string();
    let mut replies = Vec::new();
    for path in [filled(&there), filled(&nobody), format!("{}?unheard=of", filled(&there))] {
        let body = proposal(1_000_000 + nonce);
        let (media_type, path, body) = match (verb, path.as_str()) {
            ("post", "/api/v1/jobs") => {
                ("application/octet-stream", format!("{path}?steps=1000"), "{}".to_owned())
            }
            ("post", _) => ("application/json", path, body),
            _ => ("", path, String::new()),
        };
        let verb = verb.to_uppercase();
        let with = [("content-type", media_type)];
        let headers: &[(&str, &str)] = if media_type.is_empty() { &[] } else { &with };
        replies.push(served.request(&verb, &path, headers, body.as_bytes()).await);
    }
    replies
}

#[tokio::test]
async fn a_form_that_differs_from_its_schema_is_found() {
    let document = json!({ "components": { "schemas": { "A": { "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } } } } });
    let schema = json!({ "$ref": "#/components/schemas/A" });
    assert!(check(&document, &schema, &json!({ "a": 1 }), "").is_ok());
    for wrong in [json!({}), json!({ "a": "1" }), json!({ "a": 1, "b": 2 }), json!([])] {
        assert!(check(&document, &schema, &wrong, "").is_err(), "{wrong}");
    }
}
