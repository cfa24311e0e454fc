//! How a proof is to be and under which circumstances, from the query of a request.

use ashlar_engine::{Circumstances, Requirements};
use ashlar_stone::{HashChoice, Optimize};
use ashlar_store::{Moment, ProofSource};

use crate::{
    ServerError,
    call::{Call, Fields},
    route::{Kind, Parameter},
};

/// The most characters of an idempotency key.
const LONGEST_KEY: usize = 200;

/// The most bits that can be asked for.
pub(crate) const MOST_BITS: u64 = 128;

/// A time as it is read, within what every month has.
const TIME: &str = "^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])\
                    T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z$";

const GOALS: [(&str, Optimize); 3] =
    [("time", Optimize::Time), ("size", Optimize::Size), ("calldata", Optimize::Calldata)];

const HASHES: [(&str, HashChoice); 3] = [
    ("blake248", HashChoice::Blake248),
    ("poseidon", HashChoice::Poseidon),
    ("keccak160", HashChoice::Keccak160),
];

fn goals() -> Vec<&'static str> {
    GOALS.iter().map(|(word, _)| *word).collect()
}

fn hashes() -> Vec<&'static str> {
    HASHES.iter().map(|(word, _)| *word).collect()
}

fn backends() -> Vec<&'static str> {
    ProofSource::ALL.iter().map(|source| source.word()).collect()
}

const MILLIONTHS: u64 = i64::MAX as u64;

/// What a request that submits takes besides.
pub(crate) const KEY: &[Parameter] = &[Parameter::header(
    "Idempotency-Key",
    Kind::Match("^[!-~]{1,200}$"),
    "the same key with the same request is the same job; 1 to 200 characters",
)];

/// What a request for a proof, or for a plan of one, takes.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter::query(
        "minimum_bits",
        Kind::Number { least: 1, most: MOST_BITS },
        "least conjectured bits of security",
    ),
    Parameter::query("optimize", Kind::Word(goals), "what parameters are chosen for"),
    Parameter::query("hash", Kind::Word(hashes), "the hash of the commitments"),
    Parameter::query("critical", Kind::Flag, "whether much depends on it"),
    Parameter::query(
        "value_usd",
        Kind::Number { least: 0, most: MILLIONTHS },
        "the value at stake, in whole US dollars",
    ),
    Parameter::query("private", Kind::Flag, "whether the inputs must not leave this house"),
    Parameter::query(
        "ceiling_micro_usd",
        Kind::Number { least: 0, most: MILLIONTHS },
        "the most that it may cost, in millionths of a US dollar",
    ),
    Parameter::query(
        "priority",
        Kind::Number { least: 0, most: 9 },
        "the highest first; 5 unless said otherwise",
    ),
    Parameter::query("deadline", Kind::Match(TIME), "when it is of no use any more, in RFC 3339 and UTC"),
    Parameter::query("backend", Kind::Word(backends), "the only backend that may make it"),
];

/// A number within these bounds.
pub(crate) fn number(query: &Fields, name: &str, least: u64, most: u64) -> Result<Option<u64>, ServerError> {
    let read = |text: &str| text.parse().ok().filter(|number| (least..=most).contains(number));
    query.read(name, &format!("a number from {least} to {most}"), read)
}

/// `true` or `false`.
pub(crate) fn flag(query: &Fields, name: &str) -> Result<bool, ServerError> {
    Ok(query.read(name, "true or false", |text| text.parse().ok())?.unwrap_or(false))
}

fn word<T: Copy>(query: &Fields, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ServerError> {
    let expected: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    query.read(name, &expected.join(", "), |text| {
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    })
}

/// How the proof is to be.
pub(crate) fn requirements(query: &Fields) -> Result<Requirements, ServerError> {
    let usual = Requirements::default();
    let bits = number(query, "minimum_bits", 1, MOST_BITS)?.and_then(|bits| u32::try_from(bits).ok());
    Ok(Requirements {
        minimum_bits: bits.unwrap_or(usual.minimum_bits),
        optimize: word(query, "optimize", &GOALS)?.unwrap_or(usual.optimize),
        hash: word(query, "hash", &HASHES)?.unwrap_or(usual.hash),
    })
}

/// The circumstances that decide who makes it.
pub(crate) fn circumstances(query: &Fields) -> Result<Circumstances, ServerError> {
    let priority = number(query, "priority", 0, 9)?.and_then(|priority| u8::try_from(priority).ok());
    Ok(Circumstances {
        critical: flag(query, "critical")?,
        value_usd: number(query, "value_usd", 0, MILLIONTHS)?,
        private: flag(query, "private")?,
        ceiling_micro_usd: number(query, "ceiling_micro_usd", 0, MILLIONTHS)?,
        priority,
        deadline: query.read(
            "deadline",
            "a time in RFC 3339, such as 2026-01-31T12:00:00Z",
            Moment::parse,
        )?,
        backend: query.read("backend", &backends().join(", "), ProofSource::parse)?,
    })
}

/// The caller's idempotency key, with the caller before it: two callers may use the same.
pub(crate) fn idempotency_key(call: &Call) -> Result<Option<String>, ServerError> {
    let Some(value) = call.headers.get("idempotency-key") else { return Ok(None) };
    let readable = value.to_str().ok().filter(|key| {
        (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    match readable {
        Some(key) => Ok(Some(format!("{}/{key}", call.caller.name()))),
        None => Err(ServerError::Invalid {
            place: "header Idempotency-Key".to_owned(),
            message: format!("expected 1 to {LONGEST_KEY} visible ASCII characters"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_usual() {
        let query = Fields::of_query(None).unwrap();
        assert_eq!(requirements(&query).unwrap().minimum_bits, ashlar_store::DEFAULT_BITS);
        assert_eq!(circumstances(&query).unwrap(), Circumstances::default());
    }

    #[test]
    fn a_value_out_of_its_bounds_or_vocabulary_is_refused() {
        for query in ["minimum_bits=0", "minimum_bits=129", "minimum_bits=x", "optimize=fast", "hash=md5"] {
            assert!(requirements(&Fields::of_query(Some(query)).unwrap()).is_err(), "{query}");
        }
        for query in ["critical=1", "priority=10", "value_usd=-1", "deadline=tomorrow", "backend=cloud"] {
            assert!(circumstances(&Fields::of_query(Some(query)).unwrap()).is_err(), "{query}");
        }
    }
}
