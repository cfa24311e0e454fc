//! What a request asks for, as the API's query has it.

/// How a proof is to be, and under which circumstances; what is `None` is the server's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Least conjectured bits of security, 1 to 128.
    pub minimum_bits: Option<u32>,
    /// What parameters are chosen for: `time`, `size` or `calldata`.
    pub optimize: Option<String>,
    /// The commitments' hash: `blake248`, `poseidon` or `keccak160`.
    pub hash: Option<String>,
    /// Whether much depends on it.
    pub critical: bool,
    /// Whether inputs must not leave the server's house.
    pub private: bool,
    /// 0 to 9, the highest first.
    pub priority: Option<u8>,
    /// The only backend that may make it, such as `stone_local`.
    pub backend: Option<String>,
}

impl Wish {
    /// Names and values of a query.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
        add("minimum_bits", self.minimum_bits.map(|bits| bits.to_string()));
        add("optimize", self.optimize.clone());
        add("hash", self.hash.clone());
        add("critical", self.critical.then(|| "true".to_owned()));
        add("private", self.private.then(|| "true".to_owned()));
        add("priority", self.priority.map(|priority| priority.to_string()));
        add("backend", self.backend.clone());
        query
    }
}

/// A program and how it is to be run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The compiled program: a Cairo 1 executable or Cairo 0 JSON.
    pub bytes: Vec<u8>,
    /// Its arguments, such as `1 0x2 [3 4 5]`.
    pub arguments: Option<String>,
    /// Which layout; the cheapest that fits if none is named.
    pub layout: Option<String>,
    /// Accept a program whose public memory has not the strict form.
    pub as_built: bool,
    /// The most steps that it may take.
    pub steps: u64,
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those of this status.
    pub status: Option<String>,
    /// Only those older than this one.
    pub before: Option<String>,
    /// How many, 1 to 200; the server's default if nothing is said.
    pub limit: Option<u32>,
}

impl JobFilter {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.status.clone().map(|status| ("status", status)));
        query.extend(self.before.clone().map(|before| ("before", before)));
        query.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query
    }
}
