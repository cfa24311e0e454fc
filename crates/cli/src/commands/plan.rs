//! `ashlar plan`: what proving a program would take. It is run once, without padding; nothing is proven.

use ashlar_cairo::{LayoutPlan, Limits};
use ashlar_cpu_air::layout;
use ashlar_stone::{Chosen, automatic_parameters};
use serde_json::{Value, json};

use super::program;
use crate::{
    arguments::{Plan, Security},
    console::size,
    failure::{CommandError, Failure},
    session::Session,
};

pub(crate) async fn run(session: &Session, arguments: Plan) -> Result<(), Failure> {
    let called = arguments.called.clone();
    let planned = tokio::task::spawn_blocking(move || {
        let call = program::read(&called)?;
        Ok::<_, Failure>(ashlar_cairo::plan(&call.program, &call.arguments, &Limits::default())?)
    });
    let plan = planned.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    let resources = &plan.resources;
    let mut text = format!(
        "The run takes {} steps, {} program words, {} output words, 16-bit values {} to {}\n",
        resources.steps, resources.program_words, resources.output_words, resources.rc_min, resources.rc_max
    );
    for (builtin, uses) in &resources.builtins {
        text.push_str(&format!("  {builtin:?}: {uses}\n"));
    }
    let every = || plan.layouts.iter().map(|layout| layout.layout);
    let cheapest = plan.cheapest(every()).map(|(name, _)| name);
    text.push_str("\n  layout                    steps  bits   proof      CPU        memory\n");
    let mut layouts = Vec::new();
    for planned in &plan.layouts {
        let chosen = choose(planned, &arguments.security)?;
        let mark = if cheapest == Some(planned.layout) { "*" } else { " " };
        text.push_str(&row(planned, chosen.as_ref(), mark));
        layouts.push(data(planned, chosen.as_ref(), cheapest));
    }
    text.push_str("* the layout that prove would choose\n");
    session.console.text(&text)?;
    session.console.document(
        "ashlar.plan/1",
        json!({
            "steps": resources.steps, "program_words": resources.program_words,
            "output_words": resources.output_words, "rc_min": resources.rc_min, "rc_max": resources.rc_max,
            "layouts": layouts,
        }),
    )
}

fn choose(planned: &LayoutPlan, security: &Security) -> Result<Option<Chosen>, Failure> {
    let (Ok(sizing), Some(layout)) = (&planned.outcome, layout::by_name(planned.layout)) else {
        return Ok(None);
    };
    let Security { minimum_bits, optimize, hash } = *security;
    Ok(Some(automatic_parameters(layout, sizing.n_steps, minimum_bits, optimize.into(), hash.into())?))
}

fn row(planned: &LayoutPlan, chosen: Option<&Chosen>, mark: &str) -> String {
    match (&planned.outcome, chosen) {
        (Ok(sizing), Some(chosen)) => format!(
            "{mark} {:24} {:>8}  {:>4}  {:>9}  {:>7.1} s  {:>9}  for {}\n",
            planned.layout,
            sizing.n_steps,
            chosen.security.conjectured_bits,
            size(chosen.prediction.bytes as u64),
            chosen.prediction.cpu_seconds,
            size(chosen.prediction.memory_bytes as u64),
            sizing.reason,
        ),
        (Ok(_), None) => String::new(),
        (Err(unfit), _) => format!("{mark} {:24} does not fit: {unfit}\n", planned.layout),
    }
}

fn data(planned: &LayoutPlan, chosen: Option<&Chosen>, cheapest: Option<&str>) -> Value {
    match (&planned.outcome, chosen) {
        (Ok(sizing), Some(chosen)) => {
            let fri = &chosen.parameters.stark.fri;
            json!({
                "layout": planned.layout, "fits": true, "cheapest": cheapest == Some(planned.layout),
                "n_steps": sizing.n_steps, "reason": sizing.reason, "committed_cells": sizing.committed_cells,
                "security_bits": chosen.security.conjectured_bits, "proven_bits": chosen.security.proven_bits,
                "queries": fri.n_queries, "log_blow_up": chosen.parameters.stark.log_n_cosets,
                "grinding_bits": fri.proof_of_work_bits, "fri_step_list": fri.fri_step_list,
                "proof_bytes": chosen.prediction.bytes as u64, "cpu_seconds": chosen.prediction.cpu_seconds,
                "memory_bytes": chosen.prediction.memory_bytes as u64,
            })
        }
        (Ok(_), None) => json!({ "layout": planned.layout, "fits": false }),
        (Err(unfit), _) => json!({ "layout": planned.layout, "fits": false, "reason": unfit.to_string() }),
    }
}
