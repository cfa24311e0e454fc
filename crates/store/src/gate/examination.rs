//! The examination: from the bytes of the evidence to what may be executed, without asking any record.

use ashlar_cpu_air::statement::{FactHash, StatementError};
use ashlar_field::Felt;
use ashlar_risk::{Decision, Model, Proposal, Record, decide, output_record, parse_output};
use ashlar_stone::{Json, MOST_INPUT_BYTES, PolicyError, ProofFile, VerifyError, verify};
use serde_json::{Value, json};

use super::{Evidence, EvidenceKind, GatePolicy, Refusal};
use crate::{ContentHash, Moment, PaddedFelt};

/// What the examination of sufficient evidence found. Only the examination makes one.
#[derive(Clone, Debug)]
pub struct Admission {
    proposal: Proposal,
    decision: Decision,
    program_hash: Felt,
    fact_hash: Felt,
    evidence: ContentHash,
    conjectured_bits: u32,
    proven_bits: u32,
}

impl Admission {
    /// The decision, recomputed.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The hash of the program that was proven to run.
    pub fn program_hash(&self) -> Felt {
        self.program_hash
    }

    /// The fact that the program made the output.
    pub fn fact_hash(&self) -> Felt {
        self.fact_hash
    }

    /// The digest of the evidence.
    pub fn evidence(&self) -> ContentHash {
        self.evidence
    }

    /// Bits of security under the usual conjecture, and the proven bound.
    pub fn bits(&self) -> (u32, u32) {
        (self.conjectured_bits, self.proven_bits)
    }

    /// What is to be executed, as a receiver gets it.
    pub fn order(&self) -> Value {
        let shares: Vec<Value> = self
            .proposal
            .rows
            .iter()
            .zip(&self.decision.shares)
            .map(|(row, share)| json!({ "protocol_id": row.protocol_id.to_string(), "basis_points": share }))
            .collect();
        json!({
            "schema": "ashlar.execution/1",
            "proposal_id": PaddedFelt(self.decision.proposal_id),
            "chain_id": self.proposal.chain_id.to_string(),
            "allocator": PaddedFelt(self.proposal.allocator),
            "nonce": self.proposal.nonce,
            "model_version": self.proposal.model_version,
            "shares": shares,
            "program_hash": PaddedFelt(self.program_hash),
            "fact_hash": PaddedFelt(self.fact_hash),
            "proof_sha256": self.evidence,
        })
    }
}

/// Examines evidence for a proposal: re-hashes it, verifies it again, recomputes what it must say.
///
/// # Errors
/// The first [`Refusal`] that applies, cheap checks first.
pub fn examine(
    proposal: &Proposal,
    evidence: Option<&Evidence>,
    policy: &GatePolicy,
    now: Moment,
) -> Result<Admission, Refusal> {
    Examiner::new(evidence, policy, now).examine(proposal)
}

/// Examines one piece of evidence for any number of proposals. Nothing about the evidence depends on the proposal but the
/// layout that its model asks for: it is hashed once, and its proof verified and its statement read once.
pub(super) struct Examiner<'a> {
    evidence: Option<&'a Evidence>,
    policy: &'a GatePolicy,
    now: Moment,
    /// The evidence again, once it was found admissible.
    admitted: Option<&'a Evidence>,
    /// What the evidence proves, once it was verified, and in which layout.
    attestation: Option<(&'static str, Attestation)>,
}

/// What evidence that was verified under the gate's policy proves.
struct Attestation {
    program_hash: Felt,
    fact_hash: Felt,
    output: Vec<Felt>,
    /// The records that the output holds, once somebody asked.
    records: Option<Vec<Record>>,
    evidence: ContentHash,
    conjectured_bits: u32,
    proven_bits: u32,
}

impl<'a> Examiner<'a> {
    /// For evidence that comes to the gate `now`.
    pub(super) fn new(evidence: Option<&'a Evidence>, policy: &'a GatePolicy, now: Moment) -> Self {
        Examiner { evidence, policy, now, admitted: None, attestation: None }
    }

    /// As [`examine`].
    pub(super) fn examine(&mut self, proposal: &Proposal) -> Result<Admission, Refusal> {
        let evidence = match self.admitted {
            Some(evidence) => evidence,
            None => *self.admitted.insert(admissible(self.evidence, self.policy, self.now)?),
        };
        let decision = decide(proposal).map_err(Refusal::Undecidable)?;
        let model = Model::by_version(proposal.model_version).map_err(Refusal::Undecidable)?;
        let known = self.attestation.take().filter(|(layout, _)| *layout == model.layout);
        let (_, attestation) = self.attestation.insert(match known {
            Some(known) => known,
            None => (model.layout, attest(evidence, self.policy, model.layout)?),
        });
        if attestation.program_hash != model.program_hash {
            return Err(Refusal::WrongProgram {
                model_version: proposal.model_version,
                expected: model.program_hash,
                got: attestation.program_hash,
            });
        }
        let records = match &mut attestation.records {
            Some(records) => records,
            unread => unread.insert(parse_output(&attestation.output).map_err(Refusal::UnreadableOutput)?),
        };
        check_records(proposal, &decision, records)?;
        Ok(Admission {
            proposal: proposal.clone(),
            decision,
            program_hash: attestation.program_hash,
            fact_hash: attestation.fact_hash,
            evidence: attestation.evidence,
            conjectured_bits: attestation.conjectured_bits,
            proven_bits: attestation.proven_bits,
        })
    }
}

/// The evidence, if it is of a kind that counts, fresh, and what was recorded.
fn admissible<'a>(
    evidence: Option<&'a Evidence>,
    policy: &GatePolicy,
    now: Moment,
) -> Result<&'a Evidence, Refusal> {
    let evidence = evidence.ok_or(Refusal::NoEvidence)?;
    match evidence.kind {
        EvidenceKind::LocalProof => {}
        EvidenceKind::ChainFact => {
            return Err(Refusal::NotEvidence {
                kind: evidence.kind,
                why: "this version reads no registry, and nobody else's reading counts",
            });
        }
        EvidenceKind::ServiceStatement => {
            return Err(Refusal::NotEvidence {
                kind: evidence.kind,
                why: "only the proof itself, or a fact read back from the registry, counts",
            });
        }
    }
    check_age(evidence.made_at, policy, now)?;
    let got = ContentHash::of(&evidence.bytes);
    if got != evidence.sha256 {
        return Err(Refusal::AlteredEvidence { expected: evidence.sha256, got });
    }
    Ok(evidence)
}

/// Verifies the proof in the evidence.
fn attest(evidence: &Evidence, policy: &GatePolicy, layout: &'static str) -> Result<Attestation, Refusal> {
    let size = evidence.bytes.len() as u64;
    if size > MOST_INPUT_BYTES {
        return Err(Refusal::TooLarge { most: MOST_INPUT_BYTES, got: size });
    }
    let json = Json::from_slice(&evidence.bytes, "evidence").map_err(Refusal::Unreadable)?;
    let file = ProofFile::from_json(json, "evidence").map_err(Refusal::Unreadable)?;
    // The program's hash says nothing of the layout, that is, of the constraints that the run was proven under.
    let verified = verify(&file, &policy.proof().clone().with_layout(layout)).map_err(refusal)?;
    // The policy's statement rule has already demanded the strict form.
    let claim = verified
        .forms
        .strict
        .as_ref()
        .map_err(|entry| refusal(VerifyError::Statement(StatementError::Entry(entry.clone()))))?;

    let program_hash = claim.program.hash();
    Ok(Attestation {
        program_hash: program_hash.0,
        fact_hash: FactHash::new(program_hash, claim.output.hash()).0,
        output: claim.output.0.clone(),
        records: None,
        evidence: evidence.sha256,
        conjectured_bits: verified.security.conjectured_bits,
        proven_bits: verified.security.proven_bits,
    })
}

fn check_age(made_at: Moment, policy: &GatePolicy, now: Moment) -> Result<(), Refusal> {
    if made_at > now {
        return Err(Refusal::FromTheFuture { made_at, now });
    }
    if now.since(made_at) > policy.most_age() {
        return Err(Refusal::Stale { made_at, now, most_seconds: policy.most_age().as_secs() });
    }
    Ok(())
}

/// The output must hold this proposal's record, equal to the reference's, with the verdict accepted.
fn check_records(proposal: &Proposal, decision: &Decision, records: &[Record]) -> Result<(), Refusal> {
    let proposal_id = decision.proposal_id;
    let record = records
        .iter()
        .find(|record| record.decision.proposal_id == proposal_id)
        .ok_or(Refusal::OtherProposal { expected: proposal_id, records: records.len() })?;
    let got = output_record(&record.proposal, &record.decision);
    let expected = output_record(proposal, decision);
    if got != expected {
        let position = got.iter().zip(&expected).take_while(|(got, expected)| got == expected).count();
        return Err(Refusal::OtherDecision { proposal_id, position });
    }
    if !decision.verdict.is_accepted() {
        return Err(Refusal::RejectedProposal { proposal_id, verdict: decision.verdict });
    }
    Ok(())
}

/// The row of the gate's table that a verifier's error belongs to.
fn refusal(error: VerifyError) -> Refusal {
    let by = match &error {
        VerifyError::Policy(PolicyError::TooFewBits { .. }) => Refusal::TooFewBits,
        VerifyError::Policy(_) | VerifyError::Parameters(_) | VerifyError::ParameterFile(_) => {
            Refusal::Parameters
        }
        VerifyError::Statement(StatementError::Entry(_)) => Refusal::WeakStatement,
        VerifyError::Statement(_) => Refusal::BuiltinCapacity,
        VerifyError::Json(_) | VerifyError::Instance(_) | VerifyError::Rejected(_) => Refusal::InvalidProof,
    };
    by(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_risk::{Constraints, Row, Verdict};
    use std::time::Duration;

    fn proposal(nonce: u64) -> Proposal {
        let row = |protocol: u64| Row {
            protocol_id: Felt::from_u64(protocol),
            utilisation: 6500,
            volatility: 3500,
            liquidity: 1,
            audit: 98,
            age: 800,
            apy: 500,
        };
        let constraints =
            Constraints { max_single: 6000, max_volatility: 4000, min_diversification: 2, min_liquidity: 2 };
        Proposal {
            chain_id: Felt::from_u64(1),
            allocator: Felt::from_u64(2),
            nonce,
            model_version: 1,
            constraints,
            rows: vec![row(10), row(11)],
        }
    }

    fn output_of(proposal: &Proposal) -> Vec<Felt> {
        output_record(proposal, &decide(proposal).unwrap())
    }

    fn check(proposal: &Proposal, output: &[Felt]) -> Result<(), Refusal> {
        let records = parse_output(output).map_err(Refusal::UnreadableOutput)?;
        check_records(proposal, &decide(proposal).unwrap(), &records)
    }

    #[test]
    fn the_record_is_found_anywhere_in_a_batch() {
        let (first, second) = (proposal(1), proposal(2));
        let batch = [output_of(&first), output_of(&second)].concat();
        check(&first, &batch).unwrap();
        check(&second, &batch).unwrap();
    }

    #[test]
    fn a_record_of_another_proposal_is_refused() {
        let refusal = check(&proposal(1), &output_of(&proposal(2))).unwrap_err();
        assert!(matches!(refusal, Refusal::OtherProposal { records: 1, .. }), "{refusal:?}");
        assert!(matches!(check(&proposal(1), &[]), Err(Refusal::OtherProposal { records: 0, .. })));
    }

    #[test]
    fn every_element_of_the_record_is_compared_with_the_reference() {
        let proposal = proposal(1);
        let output = output_of(&proposal);
        for position in 0..output.len() {
            let mut forged = output.clone();
            forged[position] += Felt::ONE;
            check(&proposal, &forged).unwrap_err();
        }
    }

    #[test]
    fn a_forged_share_is_refused_with_its_place() {
        let proposal = proposal(1);
        let mut output = output_of(&proposal);
        let last_share = output.len() - 1;
        output[last_share] += Felt::ONE;
        let refusal = check(&proposal, &output).unwrap_err();
        assert!(
            matches!(refusal, Refusal::OtherDecision { position, .. } if position == last_share),
            "{refusal:?}"
        );
    }

    #[test]
    fn a_correct_rejection_is_refused() {
        let mut rejected = proposal(1);
        rejected.constraints.max_single = 10;
        let refusal = check(&rejected, &output_of(&rejected)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::RejectedProposal { verdict: Verdict::MaxSingle, .. }),
            "{refusal:?}"
        );
    }

    #[test]
    fn an_output_with_a_remainder_is_refused() {
        let proposal = proposal(1);
        let mut output = output_of(&proposal);
        output.push(Felt::ONE);
        assert!(matches!(check(&proposal, &output), Err(Refusal::UnreadableOutput(_))));
    }

    #[test]
    fn nothing_a_statement_and_an_unread_fact_are_no_evidence() {
        let now = Moment::now();
        let policy = GatePolicy::default();
        assert!(matches!(examine(&proposal(1), None, &policy, now), Err(Refusal::NoEvidence)));
        for kind in [EvidenceKind::ServiceStatement, EvidenceKind::ChainFact] {
            let evidence = Evidence { kind, ..Evidence::local_proof(b"verified: true".to_vec(), now) };
            let refusal = examine(&proposal(1), Some(&evidence), &policy, now).unwrap_err();
            assert!(matches!(refusal, Refusal::NotEvidence { .. }), "{refusal:?}");
        }
    }

    #[test]
    fn evidence_that_is_not_what_was_recorded_is_refused() {
        let now = Moment::now();
        let mut evidence = Evidence::local_proof(b"{}".to_vec(), now);
        evidence.bytes.push(b' ');
        let refusal = examine(&proposal(1), Some(&evidence), &GatePolicy::default(), now).unwrap_err();
        assert!(matches!(refusal, Refusal::AlteredEvidence { .. }), "{refusal:?}");
    }

    #[test]
    fn evidence_that_is_no_proof_file_is_refused() {
        let now = Moment::now();
        for bytes in [b"".to_vec(), b"{}".to_vec(), b"proof".to_vec(), vec![0xff; 100]] {
            let evidence = Evidence::local_proof(bytes, now);
            let refusal = examine(&proposal(1), Some(&evidence), &GatePolicy::default(), now).unwrap_err();
            assert!(matches!(refusal, Refusal::Unreadable(_)), "{refusal:?}");
        }
    }

    #[test]
    fn old_evidence_and_evidence_from_the_future_are_refused() {
        let made_at = Moment::now();
        let policy = GatePolicy::default();
        let evidence = Evidence::local_proof(b"{}".to_vec(), made_at);
        let tomorrow = made_at.after(policy.most_age() + Duration::from_millis(1));
        let stale = examine(&proposal(1), Some(&evidence), &policy, tomorrow).unwrap_err();
        assert!(matches!(stale, Refusal::Stale { .. }), "{stale:?}");
        let yesterday = Moment::from_milliseconds(made_at.milliseconds() - 1);
        let early = examine(&proposal(1), Some(&evidence), &policy, yesterday).unwrap_err();
        assert!(matches!(early, Refusal::FromTheFuture { .. }), "{early:?}");
    }

    #[test]
    fn a_proposal_of_an_unknown_model_is_refused() {
        let now = Moment::now();
        let unknown = Proposal { model_version: 2, ..proposal(1) };
        let evidence = Evidence::local_proof(b"{}".to_vec(), now);
        let refusal = examine(&unknown, Some(&evidence), &GatePolicy::default(), now).unwrap_err();
        assert!(matches!(refusal, Refusal::Undecidable(_)), "{refusal:?}");
    }
}
