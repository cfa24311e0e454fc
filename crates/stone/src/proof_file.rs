//! The proof file, `proof.json`: the proof's bytes with everything a verifier needs to be told.

use crate::json::{Json, JsonError, View};

/// What Stone's public builds write as their version.
const VERSION: [(&str, &str); 3] = [
    ("commit_hash", "INVALID_COMMIT"),
    ("proof_hash", "INVALID_PROOF_HASH"),
    ("statement_name", "INVALID_NAME"),
];

/// A proof file. The inputs are kept as the JSON they were read from, because Stone echoes that.
#[derive(Clone, Debug, PartialEq)]
pub struct ProofFile {
    /// The protocol in Stone's words, one line a message; `None` unless asked for.
    pub annotations: Option<Vec<String>>,
    /// The private input file, or an empty object: no verifier looks at it.
    pub private_input: Json,
    /// The proof stream.
    pub proof: Vec<u8>,
    /// The parameter file.
    pub proof_parameters: Json,
    /// The prover config file.
    pub prover_config: Json,
    /// The public input file.
    pub public_input: Json,
    /// Which build made it, as it says itself.
    pub version: Json,
}

impl ProofFile {
    /// The version object of Stone's public builds, which ours repeats.
    pub fn stone_version_object() -> Json {
        Json::object(VERSION.map(|(key, value)| (key, Json::text(value))))
    }

    /// Reads a proof file. `file` names the source in errors.
    ///
    /// # Errors
    /// If `public_input`, `proof_parameters` or `proof_hex` is missing, or a value is of another kind. Private
    /// input, prover config and version may be absent.
    pub fn from_json(json: Json, file: &str) -> Result<ProofFile, JsonError> {
        let root = View::root(&json, file);
        let proof = proof_bytes(&root.key("proof_hex")?)?;
        let annotations = match root.optional_key("annotations")? {
            None => None,
            Some(lines) => {
                Some(lines.items()?.map(|line| line.text().map(str::to_owned)).collect::<Result<_, _>>()?)
            }
        };
        root.key("proof_parameters")?;
        root.key("public_input")?;
        let Json::Object(mut entries) = json else { return Err(root_is_no_object(&json, file)) };
        let mut take = |key: &str| entries.remove(key).unwrap_or_else(|| Json::object([]));
        Ok(ProofFile {
            annotations,
            private_input: take("private_input"),
            proof,
            proof_parameters: take("proof_parameters"),
            prover_config: take("prover_config"),
            public_input: take("public_input"),
            version: take("version"),
        })
    }

    /// The file's JSON value.
    pub fn into_json(self) -> Json {
        let mut hex = String::with_capacity(2 + 2 * self.proof.len());
        hex.push_str("0x");
        for byte in &self.proof {
            for digit in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        let mut entries = std::collections::BTreeMap::from([
            ("private_input".to_owned(), self.private_input),
            ("proof_hex".to_owned(), Json::String(hex)),
            ("proof_parameters".to_owned(), self.proof_parameters),
            ("prover_config".to_owned(), self.prover_config),
            ("public_input".to_owned(), self.public_input),
            ("version".to_owned(), self.version),
        ]);
        if let Some(lines) = self.annotations {
            entries
                .insert("annotations".to_owned(), Json::Array(lines.into_iter().map(Json::String).collect()));
        }
        Json::Object(entries)
    }
}

fn root_is_no_object(json: &Json, file: &str) -> JsonError {
    JsonError::WrongType { place: format!("{file}: /"), expected: "an object", got: json.describe() }
}

/// The bytes behind `0x…`, two digits each.
fn proof_bytes(view: &View<'_>) -> Result<Vec<u8>, JsonError> {
    let text = view.text()?;
    let digits = text.strip_prefix("0x").filter(|digits| digits.len().is_multiple_of(2));
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let high = char::from(*high).to_digit(16)?;
            let low = char::from(*low).to_digit(16)?;
            u8::try_from(high << 4 | low).ok()
        }
        _ => None,
    };
    digits.and_then(|digits| digits.as_bytes().chunks_exact(2).map(byte).collect()).ok_or_else(|| {
        JsonError::BadHex {
            place: view.to_string(),
            expected: "0x and an even number of hexadecimal digits",
            got: view.value().describe(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProofFile, JsonError> {
        ProofFile::from_json(Json::from_slice(text.as_bytes(), "proof.json").unwrap(), "proof.json")
    }

    #[test]
    fn a_proof_file_without_proof_statement_or_parameters_is_refused() {
        let parts = [r#""proof_hex": "0x00ff""#, r#""proof_parameters": {}"#, r#""public_input": {}"#];
        assert_eq!(read(&format!("{{{}}}", parts.join(", "))).unwrap().proof, [0x00, 0xff]);
        for left_out in 0..parts.len() {
            let mut rest = parts.to_vec();
            rest.remove(left_out);
            let error = read(&format!("{{{}}}", rest.join(", "))).unwrap_err();
            assert!(matches!(error, JsonError::MissingKey { .. }), "without {}: {error}", parts[left_out]);
        }
    }

    #[test]
    fn a_proof_of_half_a_byte_or_of_other_letters_is_refused() {
        for text in ["0x0", "0x012", "0x0g", "0x+1", "00", "0X00", "x00"] {
            let error = read(&format!(
                r#"{{"proof_hex": "{text}", "proof_parameters": {{}}, "public_input": {{}}}}"#
            ));
            assert!(matches!(error, Err(JsonError::BadHex { .. })), "{text}");
        }
    }
}
