//! Every condition of Stone, broken one at a time.

use super::*;

pub(crate) fn parameters() -> StarkParameters {
    StarkParameters {
        log_n_cosets: 2,
        fri: FriParameters {
            fri_step_list: vec![0, 4, 2],
            last_layer_degree_bound: 128,
            n_queries: 18,
            proof_of_work_bits: 30,
        },
        channel_hash: ChannelHash::Poseidon3,
        commitment_hash: CommitmentHash::Keccak256Masked160Lsb,
        verifier_friendly_commitment_hash: CommitmentHash::Poseidon3,
        n_verifier_friendly_commitment_layers: 10,
        verifier_friendly_channel_updates: true,
        pow_hash: ProofOfWorkHash::Keccak256,
    }
}

fn refusal(change: impl Fn(&mut StarkParameters)) -> ParametersError {
    let mut parameters = parameters();
    change(&mut parameters);
    parameters.validate(13).unwrap_err()
}

#[test]
fn usual_parameters_are_valid() {
    assert_eq!(parameters().validate(13), Ok(()));
}

#[test]
fn a_single_coset_is_refused() {
    assert_eq!(refusal(|p| p.log_n_cosets = 0), ParametersError::TooFewCosets { got: 0 });
}

#[test]
fn a_domain_beyond_the_query_numbers_is_refused() {
    for log_n_cosets in [36, u32::MAX] {
        let expected = ParametersError::DomainTooLarge { log_trace_length: 13, log_n_cosets };
        assert_eq!(refusal(|p| p.log_n_cosets = log_n_cosets), expected);
    }
}

#[test]
fn fri_lists_that_stone_refuses_are_refused() {
    assert_eq!(refusal(|p| p.fri.fri_step_list = vec![]), ParametersError::NoFriSteps);
    let zero = refusal(|p| p.fri.fri_step_list = vec![0, 4, 0, 2]);
    assert_eq!(zero, ParametersError::ZeroFriStep { layer: 2 });
    for (steps, bound) in [
        (vec![0, 4, 3], 128),
        (vec![0, 4, 1], 128),
        (vec![0, 4, 2], 100),
        (vec![0, 4, 2], 0),
        (vec![u32::MAX, u32::MAX], u64::MAX),
        (vec![64], 0),
        // 2^10·(2^54 + 8) is 2^13 where products wrap.
        (vec![0, 10], (1 << 54) + 8),
    ] {
        let error = refusal(|p| {
            p.fri.fri_step_list = steps.clone();
            p.fri.last_layer_degree_bound = bound;
        });
        assert!(matches!(error, ParametersError::FriDegree { .. }), "{steps:?} {bound}: {error}");
    }
}

#[test]
fn the_message_shows_both_sides_of_the_degree_equation() {
    let error = refusal(|p| p.fri.last_layer_degree_bound = 256);
    assert!(error.to_string().contains("256·2^6") && error.to_string().contains("2^13"), "{error}");
}

#[test]
fn a_step_of_eleven_is_valid() {
    let mut parameters = parameters();
    parameters.fri.fri_step_list = vec![0, 11];
    parameters.fri.last_layer_degree_bound = 4;
    assert_eq!(parameters.validate(13), Ok(()));
}

#[test]
fn impossible_numbers_of_queries_and_bits_are_refused() {
    assert_eq!(refusal(|p| p.fri.n_queries = 0), ParametersError::Queries { got: 0 });
    assert_eq!(refusal(|p| p.fri.n_queries = u64::MAX), ParametersError::Queries { got: u64::MAX });
    assert_eq!(refusal(|p| p.fri.proof_of_work_bits = 65), ParametersError::ProofOfWorkBits { got: 65 });
}

#[test]
fn hashes_that_make_no_field_elements_are_refused_where_field_elements_are_read() {
    let unmasked = CommitmentHash::Keccak256;
    let root = refusal(|p| {
        p.n_verifier_friendly_commitment_layers = 0;
        p.commitment_hash = unmasked;
    });
    assert!(matches!(root, ParametersError::RootNotAFieldElement { .. }), "{root}");
    let node = refusal(|p| p.commitment_hash = CommitmentHash::Blake256Masked160Msb);
    assert!(matches!(node, ParametersError::NodeNotAFieldElement { .. }), "{node}");
    let sent = refusal(|p| {
        p.verifier_friendly_commitment_hash = CommitmentHash::Keccak256Masked160Lsb;
        p.commitment_hash = CommitmentHash::Blake256Masked160Msb;
    });
    assert!(matches!(sent, ParametersError::NodeNotAFieldElement { .. }), "{sent}");
    let seed = refusal(|p| {
        p.n_verifier_friendly_commitment_layers = 0;
        p.verifier_friendly_commitment_hash = unmasked;
    });
    assert!(matches!(seed, ParametersError::SeedNotAFieldElement { .. }), "{seed}");
    // A byte channel absorbs anything.
    let mut bytes = parameters();
    bytes.channel_hash = ChannelHash::Keccak256;
    bytes.n_verifier_friendly_commitment_layers = 0;
    bytes.commitment_hash = unmasked;
    assert_eq!(bytes.validate(13), Ok(()));
}

#[test]
fn layers_may_not_split_the_segments() {
    let mut parameters = parameters();
    parameters.n_verifier_friendly_commitment_layers = 3;
    let error = ParametersError::LayersSplitSegments { segment_levels: 7, got: 3 };
    assert_eq!(parameters.validate_segments(32), Err(error));
    parameters.n_verifier_friendly_commitment_layers = 7;
    assert_eq!(parameters.validate_segments(32), Ok(()));
    parameters.n_verifier_friendly_commitment_layers = 0;
    assert_eq!(parameters.validate_segments(32), Ok(()));
}

#[test]
fn security_counts_queries_grinding_and_the_weakest_hash() {
    let security = parameters().security(13, 47, 49);
    assert_eq!(security.conjectured_bits, 18 * 2 + 30);
    assert_eq!(security.collision_bits, 80);
    // Unique decoding: 18 queries at (1 + 1/4)/2. Johnson: at most 18·1 bit. Both plus 30.
    assert!((30 + 12..=30 + 18).contains(&security.proven_bits), "{security:?}");
    let mut many = parameters();
    many.fri.n_queries = 200;
    assert_eq!(many.security(13, 47, 49).conjectured_bits, 80);
}
