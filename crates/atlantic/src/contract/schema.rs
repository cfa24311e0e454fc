//! Schemas of an OpenAPI document, with their references followed: as much work as a document of honest size needs, and no
//! more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Error;

/// How deep references and combinations may nest.
const MOST_DEPTH: usize = 24;

/// How many schemas are looked at in all.
const MOST_STEPS: usize = 200_000;

/// Follows references within one document.
pub(super) struct Resolver<'a> {
    document: &'a Value,
    steps: std::cell::Cell<usize>,
}

/// What a schema says, whether in one place or combined from several.
#[derive(Default)]
pub(super) struct Shape<'a> {
    pub(super) properties: Vec<(&'a str, &'a Value)>,
    /// Properties without which a value is refused; those that only one of several alternatives demands are not here.
    pub(super) required: BTreeSet<&'a str>,
    pub(super) words: Vec<&'a str>,
    pub(super) types: Vec<&'a str>,
    pub(super) items: Option<&'a Value>,
}

impl<'a> Shape<'a> {
    pub(super) fn property(&self, name: &str) -> Option<&'a Value> {
        self.properties.iter().find(|(given, _)| *given == name).map(|(_, schema)| *schema)
    }

    /// Whether a value may have this type; a schema without types allows any.
    pub(super) fn may_be(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }
}

impl<'a> Resolver<'a> {
    pub(super) fn new(document: &'a Value) -> Resolver<'a> {
        Resolver { document, steps: std::cell::Cell::new(0) }
    }

    pub(super) fn document(&self) -> &'a Value {
        self.document
    }

    /// What a value refers to, or the value itself.
    pub(super) fn follow<'v>(&self, value: &'v Value) -> Result<&'v Value, Error>
    where
        'a: 'v,
    {
        let mut value: &'v Value = value;
        for _ in 0..MOST_DEPTH {
            self.step()?;
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
            let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
            value = target.ok_or_else(|| unreadable("expected references within the document"))?;
        }
        Err(unreadable("expected references that end"))
    }

    /// A schema with everything that it is combined from.
    pub(super) fn shape<'v>(&self, schema: &'v Value) -> Result<Shape<'v>, Error>
    where
        'a: 'v,
    {
        let mut shape = Shape::default();
        self.gather(schema, &mut shape, true, 0)?;
        Ok(shape)
    }

    fn gather<'v>(
        &self,
        schema: &'v Value,
        shape: &mut Shape<'v>,
        binding: bool,
        depth: usize,
    ) -> Result<(), Error>
    where
        'a: 'v,
    {
        if depth > MOST_DEPTH {
            return Err(unreadable("expected schemas that end"));
        }
        let schema = self.follow(schema)?;
        let listed = |field: &str| schema.get(field).and_then(Value::as_array).into_iter().flatten();
        shape.properties.extend(
            schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.as_str(), schema)),
        );
        if binding {
            shape.required.extend(listed("required").filter_map(Value::as_str));
        }
        shape.words.extend(listed("enum").filter_map(Value::as_str));
        shape.words.extend(schema.get("const").and_then(Value::as_str));
        shape.types.extend(schema.get("type").and_then(Value::as_str));
        shape.types.extend(listed("type").filter_map(Value::as_str));
        shape.items = shape.items.or(schema.get("items"));
        for combination in ["allOf", "anyOf", "oneOf"] {
            for part in listed(combination) {
                self.gather(part, shape, binding && combination == "allOf", depth + 1)?;
            }
        }
        Ok(())
    }

    fn step(&self) -> Result<(), Error> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MOST_STEPS { Err(unreadable("expected fewer references")) } else { Ok(()) }
    }
}

fn unreadable(reason: &str) -> Error {
    Error::ContractDocument { reason: reason.to_owned() }
}
