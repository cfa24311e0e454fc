//! One table of routes, from which the router and the OpenAPI document are both made.

use std::pin::Pin;

use ashlar_store::KeyScope;

use crate::call::{Answer, Call};

/// A handler's answer, on its way.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a route does.
pub(crate) type Handler = fn(Call) -> Handling;

/// The methods that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Post,
}

impl Verb {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
        }
    }
}

/// A value that a request gives in its query or as a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) required: bool,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text of 1 to [`crate::call::LONGEST_VALUE`] characters.
    Text,
    /// A text that matches this expression, as ECMA-262 reads it.
    Match(&'static str),
    Number {
        least: u64,
        most: u64,
    },
    Flag,
    Word(fn() -> Vec<&'static str>),
}

impl Parameter {
    pub(crate) const fn query(name: &'static str, kind: Kind, help: &'static str) -> Parameter {
        Parameter { name, place: "query", kind, help, required: false }
    }

    pub(crate) const fn header(name: &'static str, kind: Kind, help: &'static str) -> Parameter {
        Parameter { name, place: "header", kind, help, required: false }
    }
}

/// What a body or an answer holds: its media type and, for JSON, the name of its schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    pub(crate) schema: Option<&'static str>,
}

impl Content {
    pub(crate) const fn json(schema: &'static str) -> Content {
        Content { media_type: "application/json", schema: Some(schema) }
    }

    pub(crate) const fn of(media_type: &'static str) -> Content {
        Content { media_type, schema: None }
    }
}

/// One thing that the server can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    /// As the router reads it: `/api/v1/jobs/{id}`.
    pub(crate) path: &'static str,
    /// What it needs; `None` for what anybody may ask.
    pub(crate) scope: Option<KeyScope>,
    pub(crate) summary: &'static str,
    pub(crate) parameters: &'static [&'static [Parameter]],
    pub(crate) body: Option<Content>,
    /// Answers that are no problem.
    pub(crate) answers: &'static [(u16, &'static [Content])],
    /// Statuses of problems that are this route's own; those that every route has are added.
    pub(crate) problems: &'static [u16],
    pub(crate) handler: Handler,
}
