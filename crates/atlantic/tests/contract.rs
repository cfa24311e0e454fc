//! An OpenAPI document beside what the client assumes: what is missing, changed and new.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use ashlar_atlantic::{ContractReport, Difference, DifferenceKind, Error};
use serde_json::{Value, json};

/// A document that the client agrees with, in the smallest form.
fn document() -> Value {
    let text = json!({ "type": "string" });
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    let goals = words(&[
        "TRACE_GENERATION",
        "PROOF_GENERATION",
        "PROOF_VERIFICATION_ON_L1",
        "PROOF_VERIFICATION_ON_L2",
        "PROOF_VERIFICATION_ON_L2_WITH_TRANSLATION",
        "PROOF_VERIFICATION_ON_APE_CHAIN",
    ]);
    let answer = |schema: Value| json!({ "content": { "application/json": { "schema": schema } } });
    let mut query = serde_json::Map::new();
    for name in [
        "id",
        "externalId",
        "dedupId",
        "transactionId",
        "step",
        "programHash",
        "integrityFactHash",
        "sharpFactHash",
        "layout",
        "chain",
        "jobSize",
        "declaredJobSize",
        "cairoVm",
        "cairoVersion",
        "result",
        "network",
        "sharpProver",
        "errorReason",
        "projectId",
        "bucketId",
        "createdAt",
        "completedAt",
    ] {
        query.insert(name.to_owned(), text.clone());
    }
    for name in ["isFactMocked", "isProofMocked", "isJobSizeValid"] {
        query.insert(name.to_owned(), json!({ "type": ["boolean", "null"] }));
    }
    for name in ["bucketJobIndex", "retryCount"] {
        query.insert(name.to_owned(), json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }));
    }
    query.insert("status".to_owned(), words(&["RECEIVED", "IN_PROGRESS", "DONE", "FAILED"]));
    query.insert("steps".to_owned(), json!({ "type": "array", "items": text }));
    query.insert("hints".to_owned(), json!({}));
    query.insert("client".to_owned(), json!({ "type": "object" }));
    let of_query = json!({ "$ref": "#/components/schemas/Query" });
    json!({
        "openapi": "3.0.3",
        "info": { "title": "A service", "version": "1" },
        "components": {
            "schemas": { "Query": { "allOf": [{ "type": "object", "properties": query }] } },
            "securitySchemes": { "key": { "type": "apiKey", "in": "header", "name": "api-key" } },
        },
        "paths": {
            "/atlantic-query": { "post": {
                "requestBody": { "content": { "multipart/form-data": { "schema": {
                    "type": "object",
                    "required": ["declaredJobSize"],
                    "properties": {
                        "declaredJobSize": words(&["XS", "S", "M", "L"]),
                        "programFile": {}, "pieFile": {}, "inputFile": {}, "programHash": text,
                        "layout": text, "cairoVersion": words(&["cairo0", "cairo1"]),
                        "cairoVm": words(&["rust", "python"]), "result": goals,
                        "network": words(&["MAINNET", "TESTNET"]),
                        "sharpProver": words(&["stone", "stwo", "stwoHerodotus"]), "mockFactHash": text,
                        "externalId": text, "dedupId": text,
                    },
                } } } },
                "responses": { "201": answer(json!({ "type": "object", "properties": { "atlanticQueryId": text } })) },
            } },
            "/atlantic-query/{atlanticQueryId}": { "get": { "responses": { "200": answer(json!({
                "type": "object", "properties": { "atlanticQuery": of_query, "metadataUrls": { "type": "array" } },
            })) } } },
            "/atlantic-query-jobs/{atlanticQueryId}": { "get": { "responses": { "200": answer(json!({
                "type": "object", "properties": { "steps": { "type": "array" }, "jobs": { "type": "array", "items": {
                    "type": "object", "properties": {
                        "id": text, "status": words(&["IN_PROGRESS", "COMPLETED", "FAILED"]), "jobName": text,
                        "createdAt": text, "completedAt": text, "context": {},
                    },
                } } },
            })) } } },
            "/atlantic-query-by-dedup-id": { "get": {
                "parameters": [{ "in": "query", "name": "dedupId", "required": true }],
                "responses": { "200": answer(json!({ "type": "object", "properties": { "atlanticQuery": of_query } })) },
            } },
            "/atlantic-queries": { "get": {
                "parameters": [
                    { "in": "query", "name": "limit" }, { "in": "query", "name": "offset" },
                    { "in": "query", "name": "search" }, { "in": "query", "name": "network" },
                ],
                "responses": { "200": answer(json!({ "type": "object", "properties": {
                    "atlanticQueries": { "type": "array", "items": of_query }, "total": { "type": "number" },
                } })) },
            } },
            "/is-alive": { "get": { "responses": { "200": answer(
                json!({ "type": "object", "properties": { "alive": { "type": "boolean" } } }),
            ) } } },
        },
    })
}

fn report(document: &Value) -> ContractReport {
    ContractReport::of(document.to_string().as_bytes()).unwrap()
}

/// The document with one place set, or removed if the value is null. The place's parent must be there.
fn changed(pointer: &str, value: Value) -> ContractReport {
    let mut document = document();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")).as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(&name).map(drop).unwrap()
    } else {
        drop(parent.insert(name, value))
    }
    report(&document)
}

const SUBMIT: &str = "/paths/~1atlantic-query/post/requestBody/content/multipart~1form-data/schema";
const QUERY: &str = "/components/schemas/Query/allOf/0/properties";

#[test]
fn a_document_that_agrees_has_no_differences() {
    let report = report(&document());
    assert!(report.differences.is_empty(), "{:#?}", report.differences);
    assert!(report.assumptions > 100, "{}", report.assumptions);
    assert_eq!(report.document, "A service 1");
    report.verdict().unwrap();
}

#[test]
fn what_the_client_would_stumble_over_fails_the_check() {
    let cases: [(String, Value, DifferenceKind, &str); 12] = [
        ("/paths/~1atlantic-query-by-dedup-id".into(), Value::Null, DifferenceKind::Missing, "by-dedup-id"),
        ("/paths/~1atlantic-query/post".into(), Value::Null, DifferenceKind::Missing, "POST /atlantic-query"),
        (format!("{SUBMIT}/properties/pieFile"), Value::Null, DifferenceKind::Missing, "field pieFile"),
        (format!("{SUBMIT}/properties/dedupId"), Value::Null, DifferenceKind::Missing, "field dedupId"),
        (
            format!("{SUBMIT}/properties/declaredJobSize/enum"),
            json!(["S", "M", "L", "XL"]),
            DifferenceKind::Missing,
            "word XS",
        ),
        (
            format!("{SUBMIT}/required"),
            json!(["declaredJobSize", "layout"]),
            DifferenceKind::Changed,
            "field layout",
        ),
        (
            "/paths/~1atlantic-query/post/requestBody/content".into(),
            json!({ "application/json": { "schema": {} } }),
            DifferenceKind::Changed,
            "body",
        ),
        (
            "/paths/~1atlantic-query-by-dedup-id/get/parameters".into(),
            json!([]),
            DifferenceKind::Missing,
            "parameter dedupId",
        ),
        (
            "/paths/~1is-alive/get/parameters".into(),
            json!([{ "in": "header", "name": "x-tenant", "required": true }]),
            DifferenceKind::Changed,
            "x-tenant",
        ),
        (format!("{QUERY}/status"), Value::Null, DifferenceKind::Missing, "answer field status"),
        (
            format!("{QUERY}/isFactMocked"),
            json!({ "type": "string" }),
            DifferenceKind::Changed,
            "isFactMocked",
        ),
        (
            "/components/securitySchemes/key/name".into(),
            json!("x-api-key"),
            DifferenceKind::Changed,
            "the key",
        ),
    ];
    for (pointer, value, kind, place) in cases {
        let report = changed(&pointer, value);
        let found = |difference: &&Difference| {
            difference.kind == kind && difference.matters && difference.place.contains(place)
        };
        assert!(report.differences.iter().any(|difference| found(&difference)), "{pointer}: {report:#?}");
        assert!(matches!(report.verdict(), Err(Error::ContractDiffers { .. })), "{pointer}");
    }
}

#[test]
fn what_is_merely_new_or_optional_is_told_and_passes() {
    let cases: [(String, Value, DifferenceKind, &str); 7] = [
        ("/paths/~1buckets".into(), json!({}), DifferenceKind::New, "path /buckets"),
        (format!("{SUBMIT}/properties/mood"), json!({}), DifferenceKind::New, "field mood"),
        (format!("{QUERY}/mood"), json!({}), DifferenceKind::New, "answer field mood"),
        (
            format!("{QUERY}/status/enum"),
            json!(["RECEIVED", "IN_PROGRESS", "DONE", "FAILED", "PAUSED"]),
            DifferenceKind::New,
            "word PAUSED",
        ),
        (format!("{QUERY}/retryCount"), Value::Null, DifferenceKind::Missing, "answer field retryCount"),
        ("/paths/~1is-alive".into(), Value::Null, DifferenceKind::Missing, "GET /is-alive"),
        (
            format!("{SUBMIT}/properties/sharpProver/enum"),
            json!(["stwo"]),
            DifferenceKind::Missing,
            "stwoHerodotus",
        ),
    ];
    for (pointer, value, kind, place) in cases {
        let report = changed(&pointer, value);
        let found = report.differences.iter().any(|difference| {
            difference.kind == kind && !difference.matters && difference.place.contains(place)
        });
        assert!(found, "{pointer}: {report:#?}");
        report.verdict().unwrap();
    }
}

#[test]
fn a_required_field_that_nobody_fills_in_fails_the_check() {
    let mut document = document();
    let schema = document.pointer_mut(SUBMIT).unwrap();
    schema["properties"]["purpose"] = json!({ "type": "string" });
    schema["required"] = json!(["declaredJobSize", "purpose"]);
    let report = report(&document);
    assert_eq!(report.count(DifferenceKind::Changed), 1, "{report:#?}");
    // Required in one of several alternatives only, it is not required.
    let schema = document.pointer_mut(SUBMIT).unwrap();
    schema["required"] = json!(["declaredJobSize"]);
    schema["oneOf"] = json!([{ "required": ["purpose"] }, { "required": ["pieFile"] }]);
    self::report(&document).verdict().unwrap();
}

#[test]
fn a_hostile_document_is_refused_in_no_time() {
    let circular =
        json!({ "openapi": "3.1.0", "paths": { "/atlantic-query": { "$ref": "#/paths/~1atlantic-query" } } });
    // Combinations of combinations: 100 to the power of 20 schemas, if one followed them all.
    let many: Vec<Value> = (0..100).map(|_| json!({ "$ref": "#/components/schemas/A" })).collect();
    let mut exploding = document();
    exploding["components"]["schemas"]["A"] = json!({ "allOf": many });
    exploding["components"]["schemas"]["Query"] = json!({ "$ref": "#/components/schemas/A" });
    let mut elsewhere = document();
    elsewhere["paths"]["/is-alive"] = json!({ "$ref": "https://example.org/a.json" });
    let deep = format!("{{\"openapi\":\"3.0.0\",\"paths\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for document in [
        circular.to_string(),
        exploding.to_string(),
        elsewhere.to_string(),
        deep,
        String::new(),
        "[]".to_owned(),
        "{\"swagger\":\"2.0\",\"paths\":{}}".to_owned(),
        "{\"openapi\":\"3.0.0\"}".to_owned(),
    ] {
        let error = ContractReport::of(document.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::ContractDocument { .. }), "{error}");
    }
    let mut crowded = document();
    for number in 0..5000 {
        crowded["paths"][format!("/new/{number}")] = json!({});
    }
    let report = report(&crowded);
    assert_eq!(report.differences.len() + report.more_new, 5000);
    assert!(report.differences.len() <= 200);
}

#[test]
fn words_of_the_document_cannot_drive_a_terminal() {
    let report = changed("/paths/~1a\u{1b}[2J", json!({}));
    assert!(report.differences[0].place.contains("\\u{1b}[2J"), "{report:?}");
}
