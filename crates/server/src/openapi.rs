//! The OpenAPI document, made from the table of routes.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    api::{PROBLEM, ROUTES, general_problems},
    call::{Answer, Call, LONGEST_VALUE, json_answer},
    route::{Content, Kind, Parameter, Route},
    schema,
};

pub(crate) async fn show(_call: Call) -> Answer {
    json_answer(StatusCode::OK, &document())
}

/// The document of the whole API.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        entry[route.verb.word().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ashlar proving service",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "From a proposal or a Cairo program to a proof that our own verifier accepted.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schema::all(),
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "a key made by `ashlar keys create`" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, contents) in route.answers {
        let mut response = json!({ "description": reason(*status) });
        if !contents.is_empty() {
            response["content"] = content(contents);
        }
        responses.insert(status.to_string(), response);
    }
    let problems: BTreeSet<u16> = route.problems.iter().chain(general_problems(route)).copied().collect();
    for status in problems {
        let mut response = json!({ "description": reason(status), "content": content(&[PROBLEM]) });
        if status == 429 {
            response["headers"] = json!({
                "Retry-After": { "description": "seconds", "schema": { "type": "integer", "minimum": 1 } }
            });
        }
        responses.insert(status.to_string(), response);
    }
    let mut parameters: Vec<Value> = path_names(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(route.parameters.iter().flat_map(|group| group.iter()).map(parameter));
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = route.body {
        operation["requestBody"] = json!({ "required": true, "content": content(&[body]) });
    }
    if let Some(scope) = route.scope {
        operation["security"] = json!([{ "key": [] }]);
        operation["description"] =
            json!(format!("Needs a key with the scope `{scope}`, or the open loopback."));
    }
    operation
}

/// The names in braces of a path.
fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn operation_id(route: &Route) -> String {
    let words =
        route.path.trim_start_matches("/api/v1").split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}_{}", route.verb.word().to_ascii_lowercase(), words.join("_"))
}

fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("answer")
}

fn content(contents: &[Content]) -> Value {
    let mut by_type = Map::new();
    for content in contents {
        let schema = match content.schema {
            Some(name) => json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } }),
            None => json!({}),
        };
        by_type.insert(content.media_type.to_owned(), schema);
    }
    Value::Object(by_type)
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_VALUE }),
        Kind::Match(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::Number { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words() }),
    };
    json!({
        "name": parameter.name, "in": parameter.place, "required": parameter.required,
        "description": parameter.help, "schema": schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_exists() {
        fn visit(value: &Value, schemas: &Value) {
            match value {
                Value::Object(entries) => {
                    if let Some(Value::String(name)) = entries.get("$ref") {
                        let name = name.rsplit('/').next().unwrap_or_default();
                        assert!(schemas.get(name).is_some(), "{name}");
                    }
                    entries.values().for_each(|value| visit(value, schemas));
                }
                Value::Array(items) => items.iter().for_each(|item| visit(item, schemas)),
                _ => {}
            }
        }
        let document = document();
        visit(&document, &document["components"]["schemas"]);
    }

    #[test]
    fn every_operation_has_an_id_of_its_own() {
        let ids: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
        assert!(ids.contains("post_jobs_id_cancel"), "{ids:?}");
    }
}
