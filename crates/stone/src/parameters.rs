//! The parameter file, `cpu_air_params.json`: hashes, blow-up, queries, FRI and grinding, with Stone's defaults.

use ashlar_cpu_air::statement::PageHash;
use ashlar_fault::{Code, Exit, Fault};
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};
use ashlar_stark::{FriParameters, StarkParameters};

use crate::json::{Json, JsonError, View};

/// The only field there is.
const FIELD: &str = "PrimeField0";
/// The hash functions that a public-memory page can have (Stone v3).
const PAGE_HASHES: [PageHash; 2] = [PageHash::Keccak256, PageHash::Pedersen];

/// What a parameter file says, with Stone's default for every key that may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofParameters {
    /// The parameters of the protocol.
    ///
    /// Defaults: `channel_hash` keccak256, `commitment_hash` keccak256_masked160_msb, `verifier_friendly_commitment_hash`
    /// the same as `commitment_hash`, no verifier-friendly layers, no verifier-friendly updates, `pow_hash` blake256.
    pub stark: StarkParameters,
    /// The hash of public-memory pages (default keccak256).
    pub page_hash: PageHash,
}

/// A parameter file that makes no sense on its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterFileError {
    /// A key is missing, of another kind, or a name is unknown.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An extension field was asked for.
    #[error("expected use_extension_field false in {file}, got true: {FIELD} has no extension here")]
    ExtensionField {
        /// The file.
        file: String,
    },
    /// The field is another.
    #[error("expected the field {FIELD} at {place}, got {got:?}")]
    Field {
        /// File and path.
        place: String,
        /// The name.
        got: String,
    },
}

impl Fault for ParameterFileError {
    fn code(&self) -> Code {
        match self {
            ParameterFileError::Json(error) => error.code(),
            ParameterFileError::ExtensionField { .. } | ParameterFileError::Field { .. } => Code(1131),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ProofParameters {
    /// Reads a parameter file. `file` names the source in errors.
    ///
    /// # Errors
    /// For a missing key, a value of another kind, an unknown hash or field name. Whether the numbers fit each other
    /// and a trace is checked by the prover and the verifier.
    pub fn from_json(json: &Json, file: &str) -> Result<ProofParameters, ParameterFileError> {
        let root = View::root(json, file);
        let field = root.key("field")?;
        if field.text()? != FIELD {
            return Err(ParameterFileError::Field { place: field.to_string(), got: field.text()?.into() });
        }
        if root.key("use_extension_field")?.boolean()? {
            return Err(ParameterFileError::ExtensionField { file: file.into() });
        }
        let commitment_hash = match root.setting("commitment_hash")? {
            Some(name) => name.one_of(&CommitmentHash::ALL)?,
            None => CommitmentHash::Keccak256Masked160Msb,
        };
        let verifier_friendly_commitment_hash = match root.setting("verifier_friendly_commitment_hash")? {
            Some(name) => name.one_of(&CommitmentHash::ALL)?,
            None => commitment_hash,
        };
        let channel_hash = match root.setting("channel_hash")? {
            Some(name) => name.one_of(&ChannelHash::ALL)?,
            None => ChannelHash::Keccak256,
        };
        let pow_hash = match root.setting("pow_hash")? {
            Some(name) => name.one_of(&ProofOfWorkHash::ALL)?,
            None => ProofOfWorkHash::Blake256,
        };
        let page_hash = match root.setting("statement")? {
            Some(statement) => match statement.setting("page_hash")? {
                Some(name) => name.one_of(&PAGE_HASHES)?,
                None => PageHash::default(),
            },
            None => PageHash::default(),
        };
        let n_verifier_friendly_commitment_layers =
            match root.setting("n_verifier_friendly_commitment_layers")? {
                Some(number) => number.integer()?,
                None => 0,
            };
        let verifier_friendly_channel_updates = match root.setting("verifier_friendly_channel_updates")? {
            Some(flag) => flag.boolean()?,
            None => false,
        };
        let stark = root.key("stark")?;
        let fri = stark.key("fri")?;
        let stark_parameters = StarkParameters {
            log_n_cosets: stark.key("log_n_cosets")?.small_integer()?,
            fri: FriParameters {
                fri_step_list: fri
                    .key("fri_step_list")?
                    .items()?
                    .map(|step| step.small_integer())
                    .collect::<Result<_, _>>()?,
                last_layer_degree_bound: fri.key("last_layer_degree_bound")?.integer()?,
                n_queries: fri.key("n_queries")?.integer()?,
                proof_of_work_bits: fri.key("proof_of_work_bits")?.small_integer()?,
            },
            channel_hash,
            commitment_hash,
            verifier_friendly_commitment_hash,
            n_verifier_friendly_commitment_layers,
            verifier_friendly_channel_updates,
            pow_hash,
        };
        Ok(ProofParameters { stark: stark_parameters, page_hash })
    }

    /// The parameter file, every key spelt out.
    pub fn to_json(&self) -> Json {
        let StarkParameters { fri, .. } = &self.stark;
        let steps = fri.fri_step_list.iter().map(|&step| Json::from(u64::from(step))).collect();
        let fri = Json::object([
            ("fri_step_list", Json::Array(steps)),
            ("last_layer_degree_bound", Json::from(fri.last_layer_degree_bound)),
            ("n_queries", Json::from(fri.n_queries)),
            ("proof_of_work_bits", Json::from(u64::from(fri.proof_of_work_bits))),
        ]);
        let log_n_cosets = Json::from(u64::from(self.stark.log_n_cosets));
        Json::object([
            ("field", Json::text(FIELD)),
            ("use_extension_field", Json::from(false)),
            ("channel_hash", Json::text(self.stark.channel_hash.to_string())),
            ("commitment_hash", Json::text(self.stark.commitment_hash.to_string())),
            (
                "verifier_friendly_commitment_hash",
                Json::text(self.stark.verifier_friendly_commitment_hash.to_string()),
            ),
            (
                "n_verifier_friendly_commitment_layers",
                Json::from(self.stark.n_verifier_friendly_commitment_layers),
            ),
            ("verifier_friendly_channel_updates", Json::from(self.stark.verifier_friendly_channel_updates)),
            ("pow_hash", Json::text(self.stark.pow_hash.to_string())),
            ("statement", Json::object([("page_hash", Json::text(self.page_hash.to_string()))])),
            ("stark", Json::object([("fri", fri), ("log_n_cosets", log_n_cosets)])),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProofParameters, ParameterFileError> {
        ProofParameters::from_json(&Json::from_slice(text.as_bytes(), "p.json").unwrap(), "p.json")
    }

    const BARE: &str = r#"{"field": "PrimeField0", "use_extension_field": false, "stark": {"log_n_cosets": 4, "fri":
        {"fri_step_list": [0, 4, 3], "last_layer_degree_bound": 64, "n_queries": 18, "proof_of_work_bits": 8}}}"#;

    #[test]
    fn absent_keys_have_stones_defaults() {
        let bare = read(BARE).unwrap();
        assert_eq!(bare.stark.channel_hash, ChannelHash::Keccak256);
        assert_eq!(bare.stark.commitment_hash, CommitmentHash::Keccak256Masked160Msb);
        assert_eq!(bare.stark.verifier_friendly_commitment_hash, CommitmentHash::Keccak256Masked160Msb);
        assert_eq!(bare.stark.n_verifier_friendly_commitment_layers, 0);
        assert!(!bare.stark.verifier_friendly_channel_updates);
        assert_eq!(bare.stark.pow_hash, ProofOfWorkHash::Blake256);
        assert_eq!(bare.page_hash, PageHash::Keccak256);
        assert_eq!(bare.stark.fri.fri_step_list, [0, 4, 3]);
    }

    #[test]
    fn a_setting_that_is_null_is_absent() {
        const KEYS: [&str; 7] = [
            "channel_hash",
            "commitment_hash",
            "n_verifier_friendly_commitment_layers",
            "pow_hash",
            "statement",
            "verifier_friendly_channel_updates",
            "verifier_friendly_commitment_hash",
        ];
        let nulls: String = KEYS.map(|key| format!("\"{key}\": null,")).concat();
        assert_eq!(read(&BARE.replacen('{', &format!("{{{nulls}"), 1)), read(BARE));
        let page = BARE.replacen('{', r#"{"statement": {"page_hash": null},"#, 1);
        assert_eq!(read(&page), read(BARE));
        assert!(read(&BARE.replace("18", "null")).is_err(), "n_queries has no default");
    }

    #[test]
    fn the_upper_hash_defaults_to_the_lower_one() {
        let text = BARE.replacen('{', r#"{"commitment_hash": "blake256_masked248_lsb","#, 1);
        let parameters = read(&text).unwrap();
        assert_eq!(parameters.stark.verifier_friendly_commitment_hash, CommitmentHash::Blake256Masked248Lsb);
    }

    #[test]
    fn parameters_survive_their_own_file() {
        let parameters = read(BARE).unwrap();
        assert_eq!(ProofParameters::from_json(&parameters.to_json(), "p.json"), Ok(parameters));
    }

    #[test]
    fn other_fields_extensions_and_hashes_are_refused() {
        let error = read(&BARE.replace("PrimeField0", "PrimeField9")).unwrap_err();
        assert!(matches!(error, ParameterFileError::Field { .. }), "{error}");
        let error = read(&BARE.replace("false", "true")).unwrap_err();
        assert!(matches!(error, ParameterFileError::ExtensionField { .. }), "{error}");
        for (key, name) in
            [("commitment_hash", "sha256"), ("channel_hash", "pedersen"), ("pow_hash", "poseidon3")]
        {
            let text = BARE.replacen('{', &format!("{{\"{key}\": \"{name}\","), 1);
            let error = read(&text).unwrap_err();
            assert!(matches!(error, ParameterFileError::Json(JsonError::UnknownName { .. })), "{error}");
        }
        let text = BARE.replacen('{', r#"{"statement": {"page_hash": "blake256"},"#, 1);
        assert!(read(&text).is_err());
    }
}
