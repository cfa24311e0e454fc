//! What this client assumes of the service, as data.

use crate::vocabulary::{
    CairoVersion, CairoVm, Chain, Goal, JobSize, JobStatus, Layout, Network, QueryStatus, SharpProver, Step,
};

/// A request and its answer.
pub(super) struct Assumption {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Whether a job can be done without it.
    pub(super) needed: bool,
    /// Parameters in the query that the client sends.
    pub(super) parameters: &'static [&'static str],
    /// Fields of the form that it sends.
    pub(super) form: &'static [Field],
    /// What it reads, from the outside in.
    pub(super) response: &'static [Level],
}

/// An object of an answer.
pub(super) struct Level {
    /// The field of the level before that holds it, itself or in a list.
    pub(super) within: Option<&'static str>,
    pub(super) fields: &'static [Field],
    /// Fields that are known and not read.
    pub(super) ignored: &'static [&'static str],
}

/// A field.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether the client stumbles without it.
    pub(super) needed: bool,
    /// Whether every request has it.
    pub(super) always: bool,
    /// Its words, if it is an enumeration.
    pub(super) words: Option<&'static [&'static str]>,
    /// Those of them that the client sends only if configured, because they were refused before.
    pub(super) retired: &'static [&'static str],
}

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Any,
    Text,
    Flag,
    Count,
    List,
    Object,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Any => "anything",
            Kind::Text => "string",
            Kind::Flag => "boolean",
            Kind::Count => "number",
            Kind::List => "array",
            Kind::Object => "object",
        }
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, needed: false, always: false, words: None, retired: &[] }
}

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { needed: true, ..field(name, kind) }
}

/// An enumeration. In answers any JSON value is taken for one, so that its type does not matter.
const fn words(name: &'static str, words: &'static [&'static str]) -> Field {
    Field { words: Some(words), ..field(name, Kind::Any) }
}

/// Everything that [`crate::Query`] reads.
const QUERY: &[Field] = &[
    needed("id", Kind::Text),
    Field { needed: true, ..words("status", QueryStatus::WORDS) },
    field("externalId", Kind::Text),
    field("dedupId", Kind::Text),
    field("transactionId", Kind::Text),
    words("step", Step::WORDS),
    field("steps", Kind::List),
    field("programHash", Kind::Text),
    field("integrityFactHash", Kind::Text),
    field("sharpFactHash", Kind::Text),
    words("layout", Layout::WORDS),
    field("isFactMocked", Kind::Flag),
    field("isProofMocked", Kind::Flag),
    words("chain", Chain::WORDS),
    words("jobSize", JobSize::WORDS),
    words("declaredJobSize", JobSize::WORDS),
    field("isJobSizeValid", Kind::Flag),
    words("cairoVm", CairoVm::WORDS),
    words("cairoVersion", CairoVersion::WORDS),
    words("result", Goal::WORDS),
    words("network", Network::WORDS),
    words("sharpProver", SharpProver::WORDS),
    field("hints", Kind::Any),
    field("errorReason", Kind::Text),
    field("projectId", Kind::Text),
    field("bucketId", Kind::Text),
    field("bucketJobIndex", Kind::Count),
    field("retryCount", Kind::Count),
    field("createdAt", Kind::Text),
    field("completedAt", Kind::Text),
];

/// Fields of a query that are known and not read: who submitted it.
const QUERY_IGNORED: &[&str] = &["client", "submittedByClient", "submittedByWallet", "customerName"];

const ONE_QUERY: Level = Level { within: Some("atlanticQuery"), fields: QUERY, ignored: QUERY_IGNORED };

/// Every request of the client.
pub(super) const ENDPOINTS: &[Assumption] = &[
    Assumption {
        method: "post",
        path: "/atlantic-query",
        needed: true,
        parameters: &[],
        form: &[
            Field { needed: true, always: true, ..words("declaredJobSize", JobSize::WORDS) },
            needed("programFile", Kind::Any),
            needed("pieFile", Kind::Any),
            needed("inputFile", Kind::Any),
            field("programHash", Kind::Any),
            words("layout", Layout::WORDS),
            words("cairoVersion", CairoVersion::WORDS),
            words("cairoVm", CairoVm::WORDS),
            Field { needed: true, ..words("result", Goal::WORDS) },
            Field { needed: true, ..words("network", Network::WORDS) },
            Field { retired: SharpProver::WORDS, ..words("sharpProver", SharpProver::WORDS) },
            field("mockFactHash", Kind::Any),
            field("externalId", Kind::Any),
            Field { needed: true, always: true, ..field("dedupId", Kind::Any) },
        ],
        response: &[Level { within: None, fields: &[needed("atlanticQueryId", Kind::Text)], ignored: &[] }],
    },
    Assumption {
        method: "get",
        path: "/atlantic-query/{id}",
        needed: true,
        parameters: &[],
        form: &[],
        response: &[
            Level {
                within: None,
                fields: &[needed("atlanticQuery", Kind::Object), field("metadataUrls", Kind::List)],
                ignored: &[],
            },
            ONE_QUERY,
        ],
    },
    Assumption {
        method: "get",
        path: "/atlantic-query-jobs/{id}",
        needed: false,
        parameters: &[],
        form: &[],
        response: &[
            Level {
                within: None,
                fields: &[needed("jobs", Kind::List), field("steps", Kind::List)],
                ignored: &[],
            },
            Level {
                within: Some("jobs"),
                fields: &[
                    needed("id", Kind::Text),
                    Field { needed: true, ..words("status", JobStatus::WORDS) },
                    words("jobName", Step::WORDS),
                    field("createdAt", Kind::Text),
                    field("completedAt", Kind::Text),
                    field("context", Kind::Any),
                ],
                ignored: &[],
            },
        ],
    },
    Assumption {
        method: "get",
        path: "/atlantic-query-by-dedup-id",
        needed: true,
        parameters: &["dedupId"],
        form: &[],
        response: &[
            Level {
                within: None,
                fields: &[needed("atlanticQuery", Kind::Object)],
                ignored: &["metadataUrls"],
            },
            ONE_QUERY,
        ],
    },
    Assumption {
        method: "get",
        path: "/atlantic-queries",
        needed: false,
        parameters: &["limit", "offset", "search", "network"],
        form: &[],
        response: &[
            Level {
                within: None,
                fields: &[needed("atlanticQueries", Kind::List), field("total", Kind::Count)],
                ignored: &[],
            },
            Level { within: Some("atlanticQueries"), fields: QUERY, ignored: QUERY_IGNORED },
        ],
    },
    Assumption {
        method: "get",
        path: "/is-alive",
        needed: false,
        parameters: &[],
        form: &[],
        response: &[Level { within: None, fields: &[needed("alive", Kind::Flag)], ignored: &[] }],
    },
];
