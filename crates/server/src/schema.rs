//! Schemas of the JSON that goes in and out, for the OpenAPI document. A test compares real answers with them.

use ashlar_store::{AllocationStatus, ArtefactKind, ProofSource, ProofStatus, Purpose};
use serde_json::{Map, Value, json};

/// Every schema by its name.
pub(crate) fn all() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in SCHEMAS {
        schemas.insert((*name).to_owned(), schema());
    }
    Value::Object(schemas)
}

type Schema = fn() -> Value;

const SCHEMAS: &[(&str, Schema)] = &[
    ("Problem", problem),
    ("Health", || object(&[("status", words(&["ok"]))])),
    ("Readiness", || object(&[("status", words(&["ok", "degraded"])), ("damaged_artefacts", count())])),
    ("OpenApi", || json!({ "type": "object" })),
    ("Job", || {
        object(&[
            ("job", of("JobRecord")),
            ("attempts", many(of("Attempt"))),
            ("artefacts", many(of("Artefact"))),
            ("allocations", many(id("alc_"))),
            ("retried_by", or_null(id("job_"))),
        ])
    }),
    ("JobRecord", job),
    ("JobPage", || object(&[("jobs", many(of("JobRecord"))), ("next", or_null(text()))])),
    ("Attempt", attempt),
    ("Artefact", artefact),
    ("ProofFile", || {
        let part = || json!({ "type": "object" });
        let hexadecimal = json!({ "type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$" });
        object(&[("public_input", part()), ("proof_parameters", part()), ("proof_hex", hexadecimal)])
    }),
    ("Verification", verification),
    ("Status", || object(&[("job", id("job_")), ("proof_status", statuses())])),
    ("Submitted", || {
        object(&[
            ("job", id("job_")),
            ("existing", flag()),
            ("routing", json!({ "anyOf": [of("Routing"), { "type": "null" }] })),
        ])
    }),
    ("Routing", routing),
    ("RunSize", || object(&[("layout", text()), ("n_steps", count()), ("page_cells", count())])),
    ("Event", event),
    ("EventPage", || object(&[("events", many(of("Event"))), ("last", count())])),
    ("AllocationRecord", allocation),
    ("AllocationPage", || {
        object(&[("allocations", many(of("AllocationRecord"))), ("next", or_null(text()))])
    }),
    ("AllocationView", || {
        object(&[
            ("allocation", of("AllocationRecord")),
            ("jobs", many(of("JobRecord"))),
            ("gate", of("Gate")),
        ])
    }),
    ("Gate", || {
        object(&[
            ("open", flag()),
            ("state", words(&["open", "waiting", "blocked", "passed"])),
            ("reason", text()),
            ("code", or_null(text())),
        ])
    }),
    ("Backends", || object(&[("backends", many(of("Backend")))])),
    ("Backend", || object(&[("backend", sources()), ("failures", count()), ("open_until", or_null(time()))])),
    ("Proposal", proposal),
    (
        "Proposals",
        || json!({ "oneOf": [of("Proposal"), { "type": "array", "items": of("Proposal"), "minItems": 1, "uniqueItems": true, "description": format!("at most {}", ashlar_risk::MAX_PROPOSALS) }] }),
    ),
];

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn at_most(most: u64) -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": most })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn any() -> Value {
    json!({})
}

fn id(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}[0-9A-HJKMNP-TV-Z]{{26}}$") })
}

fn hash() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
}

fn felt() -> Value {
    json!({ "type": "string", "pattern": "^0x[0-9a-f]{1,64}$" })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn statuses() -> Value {
    words(&ProofStatus::ALL.iter().map(|status| status.word()).collect::<Vec<_>>())
}

fn sources() -> Value {
    words(&ProofSource::ALL.iter().map(|source| source.word()).collect::<Vec<_>>())
}

fn many(schema: Value) -> Value {
    json!({ "type": "array", "items": schema })
}

fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
    }
    schema
}

/// An object with these properties, all of which are there.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

fn problem() -> Value {
    object(&[
        ("type", json!({ "type": "string", "format": "uri" })),
        ("title", text()),
        ("status", at_most(599)),
        ("code", json!({ "type": "string", "pattern": "^ASH-[0-9]{4}$" })),
        ("detail", text()),
        ("hint", or_null(text())),
    ])
}

fn job() -> Value {
    object(&[
        ("id", id("job_")),
        ("purpose", words(&Purpose::ALL.iter().map(|purpose| purpose.word()).collect::<Vec<_>>())),
        ("proof_status", statuses()),
        ("proof_source", sources()),
        ("program_hash", or_null(felt())),
        ("input_commitment", or_null(text())),
        ("output", any()),
        ("fact_hash", or_null(felt())),
        ("stone_version", or_null(text())),
        ("layout", or_null(text())),
        ("n_steps", or_null(count())),
        ("parameters", any()),
        ("security_bits", or_null(count())),
        ("proven_bits", or_null(count())),
        ("proof_hash", or_null(hash())),
        ("stone_trace_size", or_null(count())),
        ("stone_proof_size", or_null(count())),
        ("stone_latency_ms", or_null(count())),
        ("stage_times", any()),
        ("attempts", count()),
        ("retry_of", or_null(id("job_"))),
        ("request", any()),
        ("cancel_requested_at", or_null(time())),
        ("error_code", or_null(text())),
        ("error_text", or_null(text())),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}

fn attempt() -> Value {
    object(&[
        ("job_id", id("job_")),
        ("n", count()),
        ("worker", text()),
        ("backend", sources()),
        ("memory_bytes", count()),
        ("started_at", time()),
        ("deadline", time()),
        ("renewed_at", time()),
        ("progress", any()),
        ("finished_at", or_null(time())),
        ("outcome", or_null(text())),
        ("failure_kind", or_null(text())),
        ("error_code", or_null(text())),
        ("error_text", or_null(text())),
        ("peak_memory_bytes", or_null(count())),
    ])
}

fn artefact() -> Value {
    let kinds: Vec<&str> = ArtefactKind::ALL.iter().map(|kind| kind.word()).collect();
    object(&[("kind", words(&kinds)), ("sha256", hash()), ("size", count())])
}

fn verification() -> Value {
    object(&[
        ("valid", flag()),
        ("program_hash", or_null(felt())),
        ("fact_hash", or_null(felt())),
        ("output", json!({ "type": ["array", "null"], "items": text() })),
        ("form", or_null(text())),
        ("stone_version", text()),
        ("layout", text()),
        ("n_steps", count()),
        ("security_bits", count()),
        ("proven_bits", count()),
        ("collision_bits", count()),
        ("proof_bytes", count()),
    ])
}

fn routing() -> Value {
    let choice = json!({ "type": ["object", "null"], "properties": { "backend": sources(), "forecast": { "type": "object" } } });
    object(&[
        ("rule", text()),
        ("chosen", choice),
        ("considered", many(json!({ "type": "object", "required": ["backend", "reason"] }))),
        ("size", of("RunSize")),
        ("reason", text()),
    ])
}

fn event() -> Value {
    object(&[("id", count()), ("job_id", id("job_")), ("at", time()), ("event", text()), ("detail", any())])
}

fn allocation() -> Value {
    object(&[
        ("id", id("alc_")),
        ("proposal", of("Proposal")),
        ("proposal_id", felt()),
        ("model_version", count()),
        ("scores", many(count())),
        ("shares", many(count())),
        ("verdict", at_most(6)),
        ("proof_verified", flag()),
        ("executed", flag()),
        ("executed_at", or_null(time())),
        ("status", words(&AllocationStatus::ALL.iter().map(|status| status.word()).collect::<Vec<_>>())),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}

/// What a proposal file holds. Numbers may be any below 2⁶⁴: one out of its bounds is decided upon, as rejected.
fn proposal() -> Value {
    // Hexadecimal below 2²⁵¹, decimal below 10⁷⁵: all but a sliver below the prime.
    const FELT: &str = "^(0[xX]0*([0-9a-fA-F]{1,62}|[0-7][0-9a-fA-F]{62})|0*[0-9]{1,75})$";
    let felt = || json!({ "oneOf": [{ "type": "string", "pattern": FELT }, at_most(u64::MAX)] });
    let number = || at_most(u64::MAX);
    let models: Vec<u64> = ashlar_risk::Model::all().iter().map(|model| model.version).collect();
    let closed = |mut schema: Value| {
        schema["additionalProperties"] = json!(false);
        schema
    };
    let constraints =
        ["max_single", "max_volatility", "min_diversification", "min_liquidity"].map(|name| (name, number()));
    let mut row = vec![("protocol_id", felt())];
    row.extend(
        ["utilisation", "volatility", "liquidity", "audit", "age", "apy"].map(|name| (name, number())),
    );
    let rows = json!({ "type": "array", "items": closed(object(&row)), "maxItems": ashlar_risk::MAX_ROWS });
    closed(object(&[
        ("chain_id", felt()),
        ("allocator", felt()),
        ("nonce", number()),
        ("model_version", json!({ "type": "integer", "enum": models })),
        ("constraints", closed(object(&constraints))),
        ("rows", rows),
    ]))
}
