//! The endpoint that speaks like Herodotus' Atlantic: the same routes, forms and answers, served by the backends of this
//! house, so that an existing client changes its base address and its key.
//!
//! | module | what it holds |
//! |---|---|
//! | `multipart` | a form, taken apart while it arrives, within bounds |
//! | `form` | from a form to a task of the engine, and what cannot be taken |
//! | `query` | from a job to a query, its stages and its metadata |
//! | `handlers` | one function a route |
//! | `ticket` | addresses of artefacts that need no key |
//! | `refusal` | errors as the service words them |
//!
//! A query is a job for a program; its id is the job's without the prefix. What is different from the service, because
//! it would be unsafe or a pretence: looking needs a key too; a program is proven here or not at all, so that what ends
//! with a fact on a chain is refused; and an archive with a finished run is refused before it is opened.

mod form;
mod handlers;
mod multipart;
mod query;
mod refusal;
mod ticket;

use ashlar_store::KeyScope::{Read, Submit};

pub(crate) use refusal::{answer, no_such_route};

use crate::route::{
    Content, Handler, Kind, Parameter, Route,
    Verb::{self, Get, Post},
};

/// The header of the key.
pub(crate) const KEY_HEADER: &str = "api-key";

const DEDUP_ID: &[Parameter] = &[Parameter::query("dedupId", Kind::Text, "the deduplication id")];

const LISTING: &[Parameter] = &[
    Parameter::query("limit", Kind::Number { least: 1, most: 100 }, "how many; 20 unless said otherwise"),
    Parameter::query("offset", Kind::Number { least: 0, most: 1000 }, "after so many"),
    Parameter::query("search", Kind::Text, "only those whose ids contain this"),
    Parameter::query("clientId", Kind::Text, "not looked at: a key sees its own queries"),
    Parameter::query("network", Kind::Text, "only those on this network"),
];

const JSON: &[(u16, &[Content])] = &[(200, &[Content::of("application/json")])];

const fn route(
    verb: Verb,
    path: &'static str,
    scope: Option<ashlar_store::KeyScope>,
    parameters: &'static [&'static [Parameter]],
    handler: Handler,
) -> Route {
    Route {
        verb,
        path,
        scope,
        summary: "as Atlantic has it",
        parameters,
        body: None,
        answers: JSON,
        problems: &[],
        handler,
    }
}

/// The routes of the endpoint. They are not in the API's document: their contract is the service's.
pub(crate) const ROUTES: &[Route] = &[
    route(Post, "/atlantic-query", Some(Submit), &[], |call| Box::pin(handlers::submit(call))),
    route(Get, "/atlantic-query/{id}", Some(Read), &[], |call| Box::pin(handlers::show(call))),
    route(Get, "/atlantic-query-jobs/{id}", Some(Read), &[], |call| Box::pin(handlers::jobs(call))),
    route(Get, "/atlantic-query-by-dedup-id", Some(Read), &[DEDUP_ID], |call| {
        Box::pin(handlers::by_dedup_id(call))
    }),
    route(Get, "/atlantic-queries", Some(Read), &[LISTING], |call| Box::pin(handlers::list(call))),
    route(Get, "/is-alive", None, &[], |call| Box::pin(handlers::alive(call))),
    route(Get, "/queries/{id}/{name}", Some(Read), &[], |call| Box::pin(handlers::artefact(call))),
    route(Get, "/queries/{id}/{ticket}/{name}", None, &[], |call| {
        Box::pin(handlers::artefact_by_ticket(call))
    }),
];

/// Whether a path is the endpoint's, so that its errors have the service's form.
pub(crate) fn is_path(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(
        first,
        "atlantic-query"
            | "atlantic-query-jobs"
            | "atlantic-query-by-dedup-id"
            | "atlantic-queries"
            | "is-alive"
            | "queries"
            | "buckets"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_endpoint_is_one_of_its_paths_and_no_other_is() {
        assert!(ROUTES.iter().all(|route| is_path(route.path)));
        assert!(crate::api::ROUTES.iter().all(|route| !is_path(route.path)));
        assert!(is_path("/buckets") && !is_path("/") && !is_path("/jobs/atlantic-query"));
    }
}
