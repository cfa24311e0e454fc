//! `ashlar prove --server URL`: counted here, proven there, verified and compared here.

use ashlar_cairo::{EntryChoice, LayoutChoice, Limits, RunOptions};
use ashlar_client::Program;
use ashlar_cpu_air::statement::Claim;
use ashlar_stone::{Json, OutputFile, ProofFile, Verified, VerifyError, verify};
use ashlar_store::{ContentHash, PaddedFelt};
use serde_json::json;

use super::{Remote, demand_proof, follow::follow, wish};
use crate::{
    arguments::{Engine, Prove},
    commands::{program, prove},
    failure::{CommandError, Failure},
    session::Session,
};

pub(super) async fn run(session: &Session, remote: &Remote, arguments: Prove) -> Result<(), Failure> {
    let refused = |text: &str| Err(Failure::from(CommandError::Usage(text.to_owned())));
    if arguments.private_input.is_some() || arguments.compare || arguments.engine == Engine::External {
        return refused("a server takes programs and chooses who proves: leave out --server");
    }
    if arguments.finished.pie.is_some() {
        return refused("a server takes finished runs at its endpoint as Atlantic: leave out --server");
    }
    if arguments.called.args_file.is_some() {
        return refused("a server takes arguments as text: give them with --args");
    }
    let out = arguments.out.as_deref().map(|path| OutputFile::prepare(path, "proof")).transpose()?;
    // Steps are a promise: the run is made here once, without padding, to know how many it takes.
    let called = arguments.called.clone();
    let counted = tokio::task::spawn_blocking(move || {
        let call = program::read(&called)?;
        let plan = ashlar_cairo::plan(&call.program, &call.arguments, &Limits::default())?;
        Ok::<_, Failure>((call, plan.most_steps()))
    });
    let (call, steps) = counted.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    let program = Program {
        bytes: call.bytes.clone(),
        arguments: arguments.called.args.clone(),
        layout: arguments.layout.clone(),
        as_built: arguments.as_built,
        steps,
    };
    let wish = wish(&arguments.security);
    let asked =
        format!("{}\n{:?}\n{:?}", call.commitment, wish.query(), (&program.layout, program.as_built, steps));
    let key = format!("prove-{}", ContentHash::of(asked.as_bytes()));
    let submitted = remote.ask(move |client| client.submit_program(&program, &wish, Some(&key))).await?;
    session.console.event("job", json!({ "job": submitted.job, "existing": submitted.existing }))?;
    session
        .console
        .remark(&format!("{} is proven there, {steps} steps; Ctrl-C leaves it going on", submitted.job));
    let view = follow(session, remote, &submitted.job, false).await?;
    demand_proof(session, &view)?;

    let bytes = remote.proof(&view).await?;
    let checked = tokio::task::spawn_blocking(move || {
        let verified = checked(&bytes, &arguments, &call)?;
        Ok::<_, Failure>((verified, bytes))
    });
    let (verified, bytes) = checked.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    if let Some(out) = out {
        let path = out.path().to_owned();
        out.write(&bytes)?;
        session.console.remark(&format!("wrote {}", path.display()));
    }
    let claim = verified.claim();
    let program_hash = claim.map(|claim| PaddedFelt(claim.program.hash().0));
    let fact_hash = claim.map(|claim| PaddedFelt(claim.fact_hash().0));
    let shown =
        |felt: &Option<PaddedFelt>| felt.map_or_else(|| "unknown".to_owned(), |felt| felt.to_string());
    session.console.text(&format!(
        "Proof, accepted here\n  program   {}\n  fact      {}\n  security  {} bits conjectured, {} bits proven\n  \
         statement layout {}, {} steps\n  job       {}\n",
        shown(&program_hash),
        shown(&fact_hash),
        verified.security.conjectured_bits,
        verified.security.proven_bits,
        verified.layout,
        verified.n_steps,
        submitted.job,
    ))?;
    session.console.document(
        "ashlar.proof/1",
        json!({
            "job": submitted.job, "program_hash": program_hash, "fact_hash": fact_hash,
            "layout": verified.layout, "n_steps": verified.n_steps,
            "security_bits": verified.security.conjectured_bits, "proven_bits": verified.security.proven_bits,
            "file_bytes": bytes.len(),
        }),
    )
}

/// A proof is accepted if our verifier accepts it, and if it states what a run of the program here states: a server could
/// send a valid proof of something else.
fn checked(bytes: &[u8], arguments: &Prove, call: &program::Call) -> Result<Verified, Failure> {
    let json = Json::from_slice(bytes, "the server's proof").map_err(VerifyError::Json)?;
    let file = ProofFile::from_json(json, "the server's proof").map_err(VerifyError::Json)?;
    let verified = verify(&file, &prove::policy(arguments)?)?;
    let options = RunOptions {
        layout: LayoutChoice::Named(verified.layout.to_owned()),
        entry: if arguments.as_built { EntryChoice::AsBuilt } else { EntryChoice::Strict },
        limits: Limits::default(),
    };
    let run = ashlar_cairo::run(&call.program, &call.arguments, &options)?;
    let expected = prove::claim(&run.forms)?;
    if verified.claim().is_some_and(|got| same(got, &expected)) {
        Ok(verified)
    } else {
        let expected = PaddedFelt(expected.fact_hash().0).to_string();
        let got =
            verified.claim().map(|claim| PaddedFelt(claim.fact_hash().0).to_string()).unwrap_or_default();
        Err(CommandError::OtherStatement { expected, got }.into())
    }
}

fn same(one: &Claim, other: &Claim) -> bool {
    one.program.hash().0 == other.program.hash().0 && one.output.0 == other.output.0
}
