//! The gate: one test for each way in which it must stay shut, with real proofs of the real program.

use std::{fs, path::Path, sync::Arc, time::Duration};

use crate::support::{
    ACCEPTED, REJECTED, accepted, outsider, proposal, record, record_proof, rejected, run_sql, store,
};
use ashlar_field::Felt;
use ashlar_risk::{Proposal, decide};
use ashlar_stone::{
    Allowed, HashChoice, Json, Optimize, Policy, ProveOptions, automatic_parameters, prove,
    read_public_input, read_run,
};
use ashlar_store::{
    AllocationStatus, ContentHash, DEFAULT_AGE, DEFAULT_BITS, DryRun, Error, Evidence, EvidenceKind,
    GateError, GatePolicy, Moment, PaddedFelt, Passage, Refusal, Store, examine,
};

async fn rehearse(store: &Store, proposal: &Proposal, evidence: &Evidence) -> Result<Passage, GateError> {
    store.pass_gate(proposal, Some(evidence), &GatePolicy::default(), Arc::new(DryRun)).await
}

/// Evidence whose records all agree: only the bytes can betray it.
fn consistent(bytes: Vec<u8>) -> Evidence {
    Evidence::local_proof(bytes, Moment::now())
}

fn refusal(proposal: &Proposal, bytes: Vec<u8>, policy: &GatePolicy) -> Refusal {
    match examine(proposal, Some(&consistent(bytes)), policy, Moment::now()) {
        Ok(_) => panic!("the gate opened"),
        Err(refusal) => refusal,
    }
}

/// The accepted proof, changed as JSON.
fn edited(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut file: serde_json::Value = serde_json::from_slice(&ACCEPTED).unwrap();
    change(&mut file);
    file.to_string().into_bytes()
}

#[tokio::test]
async fn the_gate_opens_for_a_proof_of_this_proposal_accepted() {
    let (folder, store) = store().await;
    let job = record_proof(&store, &accepted(), &ACCEPTED).await;
    let evidence = store.evidence_of(&store.job(job).await.unwrap()).await.unwrap().unwrap();
    let passage = rehearse(&store, &accepted(), &evidence).await.unwrap();
    assert!(passage.rehearsal && !passage.resumed);
    assert!(passage.admission.bits().0 >= DEFAULT_BITS);
    let order = &passage.answer["would_send"];
    assert_eq!(order["proposal_id"], PaddedFelt(passage.admission.decision().proposal_id).to_string());
    assert_eq!(order["shares"].as_array().unwrap().len(), accepted().rows.len());
    // A rehearsal uses nothing up: it can be repeated.
    rehearse(&store, &accepted(), &evidence).await.unwrap();
    let pool = outsider(folder.path()).await;
    let status: String = sqlx::query_scalar("SELECT status FROM allocations").fetch_one(&pool).await.unwrap();
    assert_eq!(AllocationStatus::parse(&status), Some(AllocationStatus::Admitted));
}

#[tokio::test]
async fn a_correctly_proven_rejection_stays_out_and_is_final() {
    let (folder, store) = store().await;
    record_proof(&store, &rejected(), &REJECTED).await;
    let outcome = rehearse(&store, &rejected(), &consistent(REJECTED.clone())).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::RejectedProposal { .. }))), "{outcome:?}");
    let pool = outsider(folder.path()).await;
    let status: String = sqlx::query_scalar("SELECT status FROM allocations").fetch_one(&pool).await.unwrap();
    assert_eq!(status, "rejected");
}

#[tokio::test]
async fn a_database_edited_to_look_verified_opens_nothing() {
    let (folder, store) = store().await;
    let job = record_proof(&store, &rejected(), &REJECTED).await;
    let pool = outsider(folder.path()).await;
    let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .fetch_all(&pool)
        .await
        .unwrap();
    for trigger in triggers {
        run_sql(&pool, &format!("DROP TRIGGER {trigger}")).await;
    }
    // Every row now says that the rejected proposal was accepted, proven and admitted.
    run_sql(&pool, "UPDATE allocations SET verdict = 0, proof_verified = 1, status = 'admitted'").await;
    run_sql(&pool, "UPDATE proof_jobs SET security_bits = 200, proven_bits = 200, output = '[]'").await;
    let evidence = store.evidence_of(&store.job(job).await.unwrap()).await.unwrap().unwrap();
    let outcome = rehearse(&store, &rejected(), &evidence).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::RejectedProposal { .. }))), "{outcome:?}");

    // The proof of the accepted proposal, under its right digest, in every row of the rejected one.
    let other = store.artefacts().put(ashlar_store::ArtefactKind::Proof, &ACCEPTED).await.unwrap();
    let set = format!("SET sha256 = '{}', size = {}", other.sha256, other.size);
    run_sql(&pool, &format!("UPDATE artefacts {set}")).await;
    run_sql(&pool, &format!("UPDATE proof_jobs SET proof_hash = '{}'", other.sha256)).await;
    let evidence = store.evidence_of(&store.job(job).await.unwrap()).await.unwrap().unwrap();
    let outcome = rehearse(&store, &rejected(), &evidence).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::OtherProposal { .. }))), "{outcome:?}");

    // Something that is no proof at all, everywhere recorded as one.
    let nothing =
        store.artefacts().put(ashlar_store::ArtefactKind::Proof, b"{\"verified\": true}").await.unwrap();
    let set = format!("SET sha256 = '{}', size = {}", nothing.sha256, nothing.size);
    run_sql(&pool, &format!("UPDATE artefacts {set}")).await;
    let evidence = store.evidence_of(&store.job(job).await.unwrap()).await.unwrap().unwrap();
    let outcome = rehearse(&store, &rejected(), &evidence).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::Unreadable(_)))), "{outcome:?}");
}

#[tokio::test]
async fn an_artefact_edited_on_the_disk_is_noticed() {
    let (_folder, store) = store().await;
    let job = record_proof(&store, &accepted(), &ACCEPTED).await;
    let path = store.artefacts().path(ContentHash::of(&ACCEPTED));
    let mut bytes = ACCEPTED.clone();
    bytes[1000] ^= 1;
    fs::write(path, bytes).unwrap();
    let job = store.job(job).await.unwrap();
    assert!(matches!(store.evidence_of(&job).await, Err(Error::AlteredArtefact { .. })));
}

#[tokio::test]
async fn a_proposal_that_was_never_recorded_does_not_execute() {
    let (_folder, store) = store().await;
    let outcome = rehearse(&store, &accepted(), &consistent(ACCEPTED.clone())).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::NotRecorded { .. }))), "{outcome:?}");
}

#[test]
fn no_evidence_and_what_others_say_are_refused() {
    let policy = GatePolicy::default();
    let refused = examine(&accepted(), None, &policy, Moment::now()).unwrap_err();
    assert!(matches!(refused, Refusal::NoEvidence));
    // Even with a proof inside: what counts is who vouches for it, and a service does not.
    let said = Evidence { kind: EvidenceKind::ServiceStatement, ..consistent(ACCEPTED.clone()) };
    let refused = examine(&accepted(), Some(&said), &policy, Moment::now()).unwrap_err();
    assert!(matches!(refused, Refusal::NotEvidence { .. }), "{refused:?}");
}

#[test]
fn a_proof_of_another_proposal_is_refused() {
    let policy = GatePolicy::default();
    assert!(matches!(refusal(&rejected(), ACCEPTED.clone(), &policy), Refusal::OtherProposal { .. }));
    // One changed digit anywhere makes it another proposal.
    let changes: [fn(&mut Proposal); 5] = [
        |p| p.nonce += 1,
        |p| p.allocator += Felt::ONE,
        |p| p.constraints.max_single += 1,
        |p| p.rows[0].apy += 1,
        |p| p.rows.swap(0, 1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = accepted();
        change(&mut other);
        let refused = refusal(&other, ACCEPTED.clone(), &policy);
        assert!(matches!(refused, Refusal::OtherProposal { .. }), "change {index}: {refused:?}");
    }
}

#[test]
fn a_flipped_bit_of_the_proof_is_refused() {
    let refused = refusal(
        &accepted(),
        edited(|file| {
            let hex = file["proof_hex"].as_str().unwrap().to_owned();
            let middle = hex.len() / 2;
            let digit = u8::from_str_radix(&hex[middle..=middle], 16).unwrap() ^ 1;
            file["proof_hex"] = format!("{}{digit:x}{}", &hex[..middle], &hex[middle + 1..]).into();
        }),
        &GatePolicy::default(),
    );
    assert!(matches!(refused, Refusal::InvalidProof(_)), "{refused:?}");
}

#[test]
fn a_changed_output_is_refused() {
    // The last cells of the public memory are the output; the verdict of the record is its last word.
    let forged = edited(|file| {
        let cells = file["public_input"]["public_memory"].as_array_mut().unwrap();
        cells.last_mut().unwrap()["value"] = "0x3".into();
    });
    let refused = refusal(&accepted(), forged, &GatePolicy::default());
    assert!(matches!(refused, Refusal::InvalidProof(_) | Refusal::WeakStatement(_)), "{refused:?}");
}

#[test]
fn a_stop_pointer_past_the_capacity_of_a_builtin_is_refused() {
    for builtin in ["range_check", "pedersen", "ecdsa"] {
        let forged = edited(|file| {
            let segment = &mut file["public_input"]["memory_segments"][builtin];
            // A whole number of instances of any builtin, far more than a trace of this length constrains.
            let begin = segment["begin_addr"].as_u64().unwrap();
            segment["stop_ptr"] = (begin + 6 * (1 << 20)).into();
        });
        let refused = refusal(&accepted(), forged, &GatePolicy::default());
        assert!(matches!(refused, Refusal::BuiltinCapacity(_)), "{builtin}: {refused:?}");
    }
}

#[test]
fn a_weaker_page_0_is_refused() {
    let changes: [fn(&mut Vec<serde_json::Value>); 3] = [
        // A program word less: then it is not the program that is pinned down.
        |cells| drop(cells.remove(0)),
        // A cell in another page.
        |cells| cells.last_mut().unwrap()["page"] = 1.into(),
        // The output left out.
        |cells| drop(cells.pop()),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let forged = edited(|file| change(file["public_input"]["public_memory"].as_array_mut().unwrap()));
        let refused = refusal(&accepted(), forged, &GatePolicy::default());
        assert!(matches!(refused, Refusal::WeakStatement(_)), "change {index}: {refused:?}");
    }
}

#[test]
fn range_limits_out_of_order_are_refused() {
    let forged = edited(|file| file["public_input"]["rc_max"] = 70_000.into());
    let refused = refusal(&accepted(), forged, &GatePolicy::default());
    assert!(matches!(refused, Refusal::InvalidProof(_) | Refusal::BuiltinCapacity(_)), "{refused:?}");
}

#[test]
fn parameters_outside_the_policy_are_refused() {
    let only_recursive =
        Policy { layouts: Allowed::Only(vec!["recursive".to_owned()]), ..Policy::strict(96) };
    let refused = refusal(&accepted(), ACCEPTED.clone(), &GatePolicy::new(only_recursive, DEFAULT_AGE));
    assert!(matches!(refused, Refusal::Parameters(_)), "{refused:?}");
    let few_queries = edited(|file| file["proof_parameters"]["stark"]["fri"]["n_queries"] = 1.into());
    assert!(matches!(refusal(&accepted(), few_queries, &GatePolicy::default()), Refusal::Parameters(_)));
}

#[test]
fn too_few_bits_are_refused_whatever_the_proof_claims() {
    let more = GatePolicy::new(Policy::strict(110), DEFAULT_AGE);
    assert!(matches!(refusal(&accepted(), ACCEPTED.clone(), &more), Refusal::TooFewBits(_)));
    // Neither seed nor proof binds the number of queries: claiming fewer must not help either.
    let fewer = edited(|file| file["proof_parameters"]["stark"]["fri"]["n_queries"] = 10.into());
    assert!(matches!(refusal(&accepted(), fewer, &GatePolicy::default()), Refusal::TooFewBits(_)));
    let ungrinded = edited(|file| file["proof_parameters"]["stark"]["fri"]["proof_of_work_bits"] = 0.into());
    assert!(matches!(refusal(&accepted(), ungrinded, &GatePolicy::default()), Refusal::TooFewBits(_)));
}

#[test]
fn more_claimed_queries_than_the_proof_has_are_refused() {
    let more = edited(|file| {
        let queries = &mut file["proof_parameters"]["stark"]["fri"]["n_queries"];
        *queries = (queries.as_u64().unwrap() + 50).into();
    });
    assert!(matches!(refusal(&accepted(), more, &GatePolicy::default()), Refusal::InvalidProof(_)));
}

#[test]
fn a_valid_proof_of_another_program_is_refused() {
    let case = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/stone/small_512_fib"));
    let public = read_public_input(&case.join("air_public_input.json")).unwrap();
    // The private input names trace and memory relative to where Stone ran.
    let private = fs::read_to_string(case.join("air_private_input.json")).unwrap();
    let mut private: serde_json::Value = serde_json::from_str(&private).unwrap();
    for file in ["trace", "memory"] {
        private[format!("{file}_path")] = case.join(format!("{file}.bin")).display().to_string().into();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.json");
    fs::write(&path, private.to_string()).unwrap();
    let execution = read_run(public, &path).unwrap().execution;
    let layout = ashlar_cpu_air::layout::by_name("small").unwrap();
    let steps = execution.public_input.n_steps;
    let chosen =
        automatic_parameters(layout, steps, DEFAULT_BITS, Optimize::Time, HashChoice::Blake248).unwrap();
    let version = ashlar_cpu_air::statement::StoneVersion::Stone6;
    let options = ProveOptions::verified(Policy::stone(version));
    let proof = prove(execution, &chosen.parameters, version, options, &()).unwrap();
    let bytes = proof.file.into_json().to_stone_text().into_bytes();
    let refused = refusal(&accepted(), bytes, &GatePolicy::default());
    // Its entry form may be another one too: either way it is not the pinned program in the strict form.
    assert!(matches!(refused, Refusal::WrongProgram { .. } | Refusal::WeakStatement(_)), "{refused:?}");
}

#[test]
fn old_evidence_is_refused_even_if_it_is_a_valid_proof() {
    let evidence = consistent(ACCEPTED.clone());
    let later = evidence.made_at.after(Duration::from_secs(10));
    let policy = GatePolicy::new(Policy::strict(DEFAULT_BITS), Duration::from_secs(9));
    let refused = examine(&accepted(), Some(&evidence), &policy, later).unwrap_err();
    assert!(matches!(refused, Refusal::Stale { most_seconds: 9, .. }), "{refused:?}");
    let patient = GatePolicy::new(Policy::strict(DEFAULT_BITS), Duration::from_secs(10));
    examine(&accepted(), Some(&evidence), &patient, later).unwrap();
}

#[test]
fn a_lenient_policy_still_demands_the_strict_statement_of_stone6() {
    let stone5 = ashlar_cpu_air::statement::StoneVersion::Stone5;
    let lenient = GatePolicy::new(Policy::stone(stone5), DEFAULT_AGE);
    let weaker = edited(|file| drop(file["public_input"]["public_memory"].as_array_mut().unwrap().pop()));
    assert!(matches!(refusal(&accepted(), weaker, &lenient), Refusal::WeakStatement(_)));
    examine(&accepted(), Some(&consistent(ACCEPTED.clone())), &lenient, Moment::now()).unwrap();
}

#[test]
fn an_unknown_model_is_refused() {
    let unknown = Proposal { model_version: 2, ..proposal(1) };
    assert!(matches!(refusal(&unknown, ACCEPTED.clone(), &GatePolicy::default()), Refusal::Undecidable(_)));
}

#[test]
fn bytes_that_are_no_proof_file_are_refused() {
    let truncated = ACCEPTED[..ACCEPTED.len() / 2].to_vec();
    for bytes in [Vec::new(), b"{}".to_vec(), truncated] {
        assert!(matches!(refusal(&accepted(), bytes, &GatePolicy::default()), Refusal::Unreadable(_)));
    }
    let json = Json::from_slice(&ACCEPTED, "proof").unwrap();
    assert!(matches!(json, Json::Object(_)));
}

#[test]
fn a_policy_of_few_bits_is_raised_unless_it_was_lowered_by_name() {
    let few = Policy::strict(30);
    let bits = |policy: &GatePolicy| policy.proof().least_conjectured_bits;
    assert_eq!(bits(&GatePolicy::new(few.clone(), DEFAULT_AGE)), DEFAULT_BITS);
    assert_eq!(bits(&GatePolicy::with_fewer_bits(few, DEFAULT_AGE)), 30);
    assert_eq!(bits(&GatePolicy::new(Policy::strict(110), DEFAULT_AGE)), 110);
}

#[tokio::test]
async fn one_proof_of_two_proposals_opens_for_the_one_it_accepts_and_for_no_other() {
    let (_folder, store) = store().await;
    let proposals = [accepted(), rejected(), proposal(9)];
    for proposal in &proposals {
        record(&store, proposal).await;
    }
    let evidence = consistent(crate::support::proof_of_batch(&proposals[..2]));
    let policy = GatePolicy::default();
    let outcomes = store.pass_gate_together(&proposals, Some(&evidence), &policy, Arc::new(DryRun)).await;
    let [opened, shut, other] = <[_; 3]>::try_from(outcomes).unwrap();
    assert_eq!(opened.unwrap().admission.decision().proposal_id, decide(&proposals[0]).unwrap().proposal_id);
    assert!(matches!(shut, Err(GateError::Refused(Refusal::RejectedProposal { .. }))), "{shut:?}");
    assert!(matches!(other, Err(GateError::Refused(Refusal::OtherProposal { records: 2, .. }))), "{other:?}");
}
