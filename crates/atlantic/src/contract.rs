//! An OpenAPI document beside what this client assumes of the service.
//!
//! The document is data of others: bounded in size, in depth, and in the work that its references can cause. A difference
//! *matters* if a request of this client would fail or an answer could not be read; everything else is told, and left to people.

mod assumptions;
mod schema;

use serde::Serialize;
use serde_json::Value;

use crate::{error::Error, quoted::quoted};
use assumptions::{Assumption, ENDPOINTS, Field, Kind};
use schema::{Resolver, Shape};

/// The largest document that is read.
pub const MOST_CONTRACT_BYTES: u64 = 16 << 20;

/// How many new things are listed; more are counted.
const MOST_NEW: usize = 200;

/// How a document differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// The client assumes it, the document lacks it.
    Missing,
    /// The document has it in another form.
    Changed,
    /// The document has it, the client does not know it.
    New,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// Whether this client would stumble over it.
    pub matters: bool,
    /// Where: method, path and part.
    pub place: String,
    /// What the client assumes.
    pub expected: Option<String>,
    /// What the document says.
    pub got: Option<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContractReport {
    /// The document's own title and version.
    pub document: String,
    /// How many assumptions were looked at.
    pub assumptions: usize,
    /// The differences: missing, changed, new.
    pub differences: Vec<Difference>,
    /// New things that are not listed.
    pub more_new: usize,
}

impl ContractReport {
    /// Compares a document.
    ///
    /// # Errors
    /// [`Error::ContractDocument`].
    pub fn of(document: &[u8]) -> Result<ContractReport, Error> {
        let unreadable = |reason: String| Error::ContractDocument { reason };
        if document.len() as u64 > MOST_CONTRACT_BYTES {
            return Err(unreadable(format!("expected at most {MOST_CONTRACT_BYTES} bytes")));
        }
        let document: Value = serde_json::from_slice(document)
            .map_err(|error| unreadable(format!("expected JSON: {}", quoted(&error.to_string()))))?;
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
        let paths = document.get("paths").and_then(Value::as_object);
        let (true, Some(paths)) = (version.starts_with("3."), paths) else {
            return Err(unreadable("expected an OpenAPI 3 document with paths".to_owned()));
        };
        let title = |field: &str| {
            document.pointer(&format!("/info/{field}")).and_then(Value::as_str).unwrap_or("unnamed")
        };
        let mut comparison = Comparison {
            report: ContractReport {
                document: quoted(&format!("{} {}", title("title"), title("version"))),
                ..ContractReport::default()
            },
            resolver: Resolver::new(&document),
            listed_new: 0,
        };
        for endpoint in ENDPOINTS {
            comparison.endpoint(paths, endpoint)?;
        }
        for path in paths.keys() {
            if !ENDPOINTS.iter().any(|endpoint| same_path(path, endpoint.path)) {
                comparison.new_thing(format!("path {}", quoted(path)), None);
            }
        }
        comparison.key();
        let mut report = comparison.report;
        report.differences.sort_by_key(|difference| difference.kind as u8);
        Ok(report)
    }

    /// How many differences of a kind matter.
    pub fn count(&self, kind: DifferenceKind) -> usize {
        self.differences.iter().filter(|difference| difference.kind == kind && difference.matters).count()
    }

    /// The verdict: nothing that matters is missing or changed.
    ///
    /// # Errors
    /// [`Error::ContractDiffers`].
    pub fn verdict(&self) -> Result<(), Error> {
        let (missing, changed) = (self.count(DifferenceKind::Missing), self.count(DifferenceKind::Changed));
        if missing + changed + self.count(DifferenceKind::New) == 0 {
            return Ok(());
        }
        Err(Error::ContractDiffers { missing, changed })
    }
}

struct Comparison<'a> {
    report: ContractReport,
    resolver: Resolver<'a>,
    /// How many new things are in the report.
    listed_new: usize,
}

impl Comparison<'_> {
    fn endpoint(
        &mut self,
        paths: &serde_json::Map<String, Value>,
        assumed: &Assumption,
    ) -> Result<(), Error> {
        let place = format!("{} {}", assumed.method.to_uppercase(), assumed.path);
        self.report.assumptions += 1;
        let Some((_, item)) = paths.iter().find(|(path, _)| same_path(path, assumed.path)) else {
            self.add(DifferenceKind::Missing, assumed.needed, place, Some("the path".to_owned()), None);
            return Ok(());
        };
        let item = self.resolver.follow(item)?;
        let Some(operation) = item.get(assumed.method) else {
            let others: Vec<&str> =
                item.as_object().into_iter().flatten().map(|(method, _)| method.as_str()).collect();
            let got = Some(quoted(&others.join(", ")));
            self.add(DifferenceKind::Missing, assumed.needed, place, Some(assumed.method.to_owned()), got);
            return Ok(());
        };
        self.parameters(&place, item, operation, assumed)?;
        if !assumed.form.is_empty() {
            self.form(&place, operation, assumed)?;
        }
        self.response(&place, operation, assumed)
    }

    /// Query parameters, of the operation and of its path.
    fn parameters(
        &mut self,
        place: &str,
        item: &Value,
        operation: &Value,
        assumed: &Assumption,
    ) -> Result<(), Error> {
        let mut names = Vec::new();
        let listed = [item, operation].map(|part| part.get("parameters").and_then(Value::as_array));
        for parameter in listed.into_iter().flatten().flatten() {
            let parameter = self.resolver.follow(parameter)?;
            let text = |field| parameter.get(field).and_then(Value::as_str).unwrap_or_default();
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            names.push((text("in").to_owned(), text("name").to_owned(), required));
        }
        for name in assumed.parameters {
            self.report.assumptions += 1;
            if !names.iter().any(|(within, given, _)| within == "query" && given == name) {
                let place = format!("{place}, parameter {name}");
                self.add(DifferenceKind::Missing, true, place, Some("in the query".to_owned()), None);
            }
        }
        for (within, name, required) in names {
            let known = match within.as_str() {
                "query" => assumed.parameters.contains(&name.as_str()) || name == "apiKey",
                "header" => name.eq_ignore_ascii_case("api-key"),
                _ => true,
            };
            if !known {
                let place = format!("{place}, parameter {} in the {}", quoted(&name), quoted(&within));
                match required {
                    true => self.required(place),
                    false => self.new_thing(place, None),
                }
            }
        }
        Ok(())
    }

    /// The fields of the form, their words, and which of them must be given.
    fn form(&mut self, place: &str, operation: &Value, assumed: &Assumption) -> Result<(), Error> {
        self.report.assumptions += 1;
        let body = match operation.get("requestBody") {
            Some(body) => self.resolver.follow(body)?,
            None => &Value::Null,
        };
        let content = body.get("content").and_then(Value::as_object);
        let form = content.and_then(|content| content.get("multipart/form-data"));
        let Some(schema) = form.and_then(|form| form.get("schema")) else {
            let got = content.map(|content| quoted(&content.keys().cloned().collect::<Vec<_>>().join(", ")));
            let expected = Some("multipart/form-data".to_owned());
            self.add(DifferenceKind::Changed, true, format!("{place}, body"), expected, got);
            return Ok(());
        };
        let shape = self.resolver.shape(schema)?;
        for field in assumed.form {
            let place = format!("{place}, field {}", field.name);
            self.report.assumptions += 1;
            match shape.property(field.name) {
                None => self.add(DifferenceKind::Missing, field.needed, place.clone(), None, None),
                Some(given) => {
                    let given = self.resolver.shape(given)?;
                    self.words(&place, field, &given, true);
                }
            }
            // One that the client always sends may be required, any other may not.
            if !field.always && shape.required.contains(field.name) {
                self.required(place);
            }
        }
        for (name, _) in &shape.properties {
            if !assumed.form.iter().any(|field| field.name == *name) {
                let place = format!("{place}, field {}", quoted(name));
                match shape.required.contains(name) {
                    true => self.required(place),
                    false => self.new_thing(place, None),
                }
            }
        }
        Ok(())
    }

    /// The fields of a successful answer, in the order of their depth.
    fn response(&mut self, place: &str, operation: &Value, assumed: &Assumption) -> Result<(), Error> {
        let Some(responses) = operation.get("responses").and_then(Value::as_object) else { return Ok(()) };
        let success = responses.iter().find(|(status, _)| status.starts_with('2'));
        let Some((_, response)) = success.or(responses.iter().find(|(status, _)| *status == "default"))
        else {
            return Ok(());
        };
        let response = self.resolver.follow(response)?;
        let Some(schema) = response.pointer("/content/application~1json/schema") else {
            // A document that does not describe answers says nothing against them.
            return Ok(());
        };
        let mut shape = self.resolver.shape(schema)?;
        let mut prefix = place.to_owned();
        for level in assumed.response {
            if let Some(within) = level.within {
                prefix = format!("{prefix}, {within}");
                let Some(inner) = shape.property(within) else { return Ok(()) };
                shape = self.resolver.shape(inner)?;
                if let Some(items) = shape.items {
                    shape = self.resolver.shape(items)?;
                }
            }
            if shape.properties.is_empty() {
                return Ok(());
            }
            for field in level.fields {
                self.report.assumptions += 1;
                let place = format!("{prefix}, answer field {}", field.name);
                let Some(given) = shape.property(field.name) else {
                    self.add(DifferenceKind::Missing, field.needed, place, None, None);
                    continue;
                };
                let given = self.resolver.shape(given)?;
                self.kind(&place, field, &given);
                self.words(&place, field, &given, false);
            }
            for (name, _) in &shape.properties {
                let known = level.fields.iter().any(|field| field.name == *name);
                if !known && !level.ignored.contains(name) {
                    self.new_thing(format!("{prefix}, answer field {}", quoted(name)), None);
                }
            }
        }
        Ok(())
    }

    /// Words of an enumeration. Those that the client may send must be there; of answers nothing must.
    fn words(&mut self, place: &str, field: &Field, given: &Shape<'_>, sent: bool) {
        let Some(words) = field.words else { return };
        if given.words.is_empty() {
            return;
        }
        for word in words.iter().filter(|word| !given.words.contains(*word)) {
            self.report.assumptions += 1;
            let retired = field.retired.contains(word);
            self.add(DifferenceKind::Missing, sent && !retired, format!("{place}, word {word}"), None, None);
        }
        for word in given.words.iter().filter(|word| !words.contains(*word)) {
            self.new_thing(format!("{place}, word {}", quoted(word)), None);
        }
    }

    fn kind(&mut self, place: &str, field: &Field, given: &Shape<'_>) {
        let fits = match field.kind {
            Kind::Any => true,
            Kind::Text => given.may_be("string"),
            Kind::Flag => given.may_be("boolean"),
            Kind::Count => given.may_be("integer") || given.may_be("number"),
            Kind::List => given.may_be("array"),
            Kind::Object => given.may_be("object"),
        };
        if !fits {
            let got = Some(quoted(&given.types.join(" or ")));
            let expected = Some(field.kind.word().to_owned());
            self.add(DifferenceKind::Changed, true, place.to_owned(), expected, got);
        }
    }

    /// Whether a key is taken in the header that the client uses, if the document says how keys are taken.
    fn key(&mut self) {
        let schemes =
            self.resolver.document().pointer("/components/securitySchemes").and_then(Value::as_object);
        let keys: Vec<(&str, &str)> = schemes
            .into_iter()
            .flatten()
            .map(|(_, scheme)| {
                let text = |field| scheme.get(field).and_then(Value::as_str).unwrap_or_default();
                (text("type"), text("in"), text("name"))
            })
            .filter(|(kind, ..)| *kind == "apiKey")
            .map(|(_, within, name)| (within, name))
            .collect();
        self.report.assumptions += 1;
        let taken =
            keys.iter().any(|(within, name)| *within == "header" && name.eq_ignore_ascii_case("api-key"));
        if !keys.is_empty() && !taken {
            let got: Vec<String> = keys.iter().map(|(within, name)| format!("{name} in {within}")).collect();
            self.add(
                DifferenceKind::Changed,
                true,
                "the key".to_owned(),
                Some("header api-key".to_owned()),
                Some(quoted(&got.join(", "))),
            );
        }
    }

    fn required(&mut self, place: String) {
        let (expected, got) = (Some("optional".to_owned()), Some("required".to_owned()));
        self.add(DifferenceKind::Changed, true, place, expected, got);
    }

    fn new_thing(&mut self, place: String, got: Option<String>) {
        if self.listed_new < MOST_NEW {
            self.listed_new += 1;
            self.add(DifferenceKind::New, false, place, None, got);
        } else {
            self.report.more_new += 1;
        }
    }

    fn add(
        &mut self,
        kind: DifferenceKind,
        matters: bool,
        place: String,
        expected: Option<String>,
        got: Option<String>,
    ) {
        self.report.differences.push(Difference { kind, matters, place, expected, got });
    }
}

/// Whether two paths are the same but for the names of their parameters.
fn same_path(given: &str, assumed: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        path.trim_end_matches('/')
            .split('/')
            .map(|part| if part.starts_with('{') && part.ends_with('}') { "{}".into() } else { part.into() })
            .collect()
    };
    parts(given) == parts(assumed)
}
