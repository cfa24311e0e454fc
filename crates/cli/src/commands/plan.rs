//! `ashlar plan`: what proving a program would take. It is run once, without padding; nothing is proven.

use ashlar_cairo::{Bootloader, CairoError, FinishedRun, LayoutPlan, Limits, Sizing, Unfit};
use ashlar_cpu_air::layout;
use ashlar_stark::StoragePolicy;
use ashlar_stone::{AutomaticError, Chosen, Memory, Settlement, Target, Wish, by_blow_up, choose};
use serde_json::{Value, json};

use super::{program, prove::finished_call};
use crate::{
    arguments::{Plan, Security},
    calibration::{RatesInUse, threads},
    console::size,
    failure::{CommandError, Failure},
    session::Session,
};

/// A layout, and what proving in it would take.
struct Row<'a> {
    planned: &'a LayoutPlan,
    /// With its length, if the program fits.
    fits: Option<(Sizing, Target, Chosen)>,
    cheapest: bool,
    /// What the prover would keep in memory.
    storage: StoragePolicy,
    /// Whether the memory that it needs is there.
    in_memory: bool,
}

pub(crate) async fn run(session: &Session, arguments: Plan) -> Result<(), Failure> {
    let (called, finished) = (arguments.called.clone(), arguments.finished.clone());
    let planned = tokio::task::spawn_blocking(move || {
        if let Some(archive) = &finished.pie {
            let limits = Limits::default();
            let call = finished_call(archive, &finished)?;
            let run = FinishedRun::from_archive(&call.archive, &limits).map_err(CairoError::from)?;
            return Ok(Bootloader::from_bytes(&call.bootloader)?.plan(&run, &limits)?);
        }
        let call = program::read(&called)?;
        Ok::<_, Failure>(ashlar_cairo::plan(&call.program, &call.arguments, &Limits::default())?)
    });
    let plan = planned.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    let rates = session.rates();
    let wish = wish(&arguments.security);
    let cheapest = plan.cheapest(plan.layouts.iter().map(|layout| layout.layout)).map(|(name, _)| name);
    let rows = plan
        .layouts
        .iter()
        .map(|planned| Row::new(planned, cheapest, &arguments.security, &wish, &rates))
        .collect::<Result<Vec<_>, _>>()?;

    let resources = &plan.resources;
    let mut text = format!(
        "The run takes {} steps, {} program words, {} output words, 16-bit values {} to {}\n",
        resources.steps, resources.program_words, resources.output_words, resources.rc_min, resources.rc_max
    );
    for (builtin, uses) in &resources.builtins {
        text.push_str(&format!("  {builtin:?}: {uses}\n"));
    }
    text.push_str(
        "\n  layout                    steps  rows  bits  proof       memory      CPU       time      calldata\n",
    );
    rows.iter().for_each(|row| text.push_str(&row.to_text()));
    text.push_str(&notes(&rates));
    let mut blow_ups = Vec::new();
    if let Some((_, target, chosen)) = rows.iter().find(|row| row.cheapest).and_then(|row| row.fits.as_ref())
    {
        blow_ups = by_blow_up(target, &wish, &rates.rates)?;
        text.push_str(&format!("\nBlow-ups for {}\n", cheapest.unwrap_or_default()));
        text.push_str("  blow-up  queries  grinding  prove CPU  verify CPU  proof       calldata\n");
        blow_ups.iter().for_each(|other| text.push_str(&blow_up_text(other, other == chosen)));
    }
    session.console.text(&text)?;
    let storage = rows.iter().find(|row| row.cheapest).map(|row| row.storage).unwrap_or_default();
    session.console.document(
        "ashlar.plan/1",
        json!({
            "steps": resources.steps, "program_words": resources.program_words,
            "output_words": resources.output_words, "rc_min": resources.rc_min, "rc_max": resources.rc_max,
            "builtins": resources.builtins.iter()
                .map(|(builtin, uses)| (builtin.segment().to_owned(), json!(uses)))
                .collect::<serde_json::Map<_, _>>(),
            "rates": { "basis": rates.basis, "measured": rates.measured },
            "threads": threads(),
            "layouts": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "blow_ups": blow_ups.iter().map(|other| parameters(other, storage)).collect::<Vec<_>>(),
        }),
    )
}

fn wish(security: &Security) -> Wish {
    Wish { bits: security.minimum_bits, optimize: security.optimize.into(), hashes: security.hash.into() }
}

fn notes(rates: &RatesInUse) -> String {
    let hint = if rates.measured { "" } else { "; ashlar doctor --calibrate measures this machine" };
    format!(
        "* the layout that prove would choose; CPU over all threads, time on {} threads; ! more memory than there is\n\
         predicted from {}{hint}\n",
        threads(),
        rates.basis
    )
}

impl<'a> Row<'a> {
    fn new(
        planned: &'a LayoutPlan,
        cheapest: Option<&str>,
        security: &Security,
        wish: &Wish,
        rates: &RatesInUse,
    ) -> Result<Row<'a>, Failure> {
        let fits = match (&planned.outcome, layout::by_name(planned.layout)) {
            (Ok(sizing), Some(layout)) => {
                let target =
                    Target::new(layout, sizing.n_steps, sizing.public_cells).map_err(AutomaticError::from)?;
                let chosen = choose(&target, wish, &rates.rates)?;
                Some((*sizing, target, chosen))
            }
            _ => None,
        };
        let Security { memory_limit, storage: choice, .. } = *security;
        let prediction = fits.as_ref().map(|(_, _, chosen)| &chosen.prediction);
        let storage =
            prediction.map(|prediction| memory_limit.storage(prediction, choice)).unwrap_or_default();
        let in_memory = prediction.is_none_or(|prediction| memory_limit.check(prediction, storage).is_ok());
        Ok(Row { planned, fits, cheapest: cheapest == Some(planned.layout), storage, in_memory })
    }

    fn to_text(&self) -> String {
        let mark = if self.cheapest { "*" } else { " " };
        let name = self.planned.layout;
        match (&self.planned.outcome, &self.fits) {
            (Err(unfit), _) => format!("{mark} {name:24} does not fit: {unfit}\n"),
            (Ok(_), None) => format!("{mark} {name:24} does not fit: it cannot be proven here\n"),
            (Ok(_), Some((sizing, _, chosen))) => format!(
                "{mark} {name:22} {:>8}  2^{:<2}  {:>4}  {:>10} {:>10}{} {:>7.1} s {:>7.1} s  {:>8}  for {}\n",
                sizing.n_steps,
                sizing.rows.ilog2(),
                chosen.security.conjectured_bits,
                size(chosen.prediction.bytes as u64),
                size(chosen.prediction.memory_bytes(self.storage) as u64),
                if self.in_memory { " " } else { "!" },
                chosen.prediction.cpu_seconds(),
                chosen.prediction.wall_seconds(threads()),
                calldata(chosen),
                sizing.reason,
            ),
        }
    }

    fn to_json(&self) -> Value {
        let name = self.planned.layout;
        match (&self.planned.outcome, &self.fits) {
            (Err(unfit), _) => {
                json!({ "layout": name, "fits": false, "reason": unfit.to_string(), "unfit": why(unfit) })
            }
            (Ok(_), None) => json!({ "layout": name, "fits": false, "reason": "it cannot be proven here" }),
            (Ok(_), Some((sizing, _, chosen))) => {
                let mut row = json!({
                    "layout": name, "fits": true, "cheapest": self.cheapest,
                    "n_steps": sizing.n_steps, "rows": sizing.rows, "committed_cells": sizing.committed_cells,
                    "public_memory_cells": sizing.public_cells,
                    "reason": sizing.reason.to_string(), "demand": sizing.reason.word(),
                    "fits_in_memory": self.in_memory,
                    "memory_available": Memory::now().map(|memory| memory.available),
                });
                if let (Value::Object(row), Value::Object(more)) =
                    (&mut row, parameters(chosen, self.storage))
                {
                    row.extend(more);
                }
                row
            }
        }
    }
}

/// Why a layout cannot hold a program, by name.
fn why(unfit: &Unfit) -> Value {
    match unfit {
        Unfit::MissingBuiltins { missing } => json!({ "kind": "missing_builtins", "missing": missing }),
        Unfit::TooLong { n_steps, reason, limit } => {
            json!({ "kind": reason.word(), "n_steps": n_steps, "limit": limit })
        }
    }
}

/// Parameters and their cost.
fn parameters(chosen: &Chosen, storage: StoragePolicy) -> Value {
    let fri = &chosen.parameters.stark.fri;
    let prediction = &chosen.prediction;
    json!({
        "security_bits": chosen.security.conjectured_bits, "proven_bits": chosen.security.proven_bits,
        "queries": fri.n_queries, "log_blow_up": chosen.parameters.stark.log_n_cosets,
        "grinding_bits": fri.proof_of_work_bits, "fri_step_list": fri.fri_step_list,
        "proof_bytes": prediction.bytes as u64, "cpu_seconds": prediction.cpu_seconds(),
        "wall_seconds": prediction.wall_seconds(threads()),
        "verification_seconds": prediction.verification_seconds,
        "storage": storage.name(),
        "memory_bytes": prediction.memory_bytes(storage) as u64,
        "calldata_felts": prediction.calldata_felts as u64, "settlement": settlement(chosen.settlement),
    })
}

fn settlement(settlement: Settlement) -> &'static str {
    match settlement {
        Settlement::OneTransaction => "one_transaction",
        Settlement::Split => "split",
        Settlement::UnknownLayout => "unknown_layout",
    }
}

/// Field elements of calldata; marked where they take more than one transaction.
fn calldata(chosen: &Chosen) -> String {
    let felts = chosen.prediction.calldata_felts as u64;
    match chosen.settlement {
        Settlement::OneTransaction => felts.to_string(),
        Settlement::Split => format!("{felts} split"),
        Settlement::UnknownLayout => "-".to_owned(),
    }
}

fn blow_up_text(chosen: &Chosen, is_choice: bool) -> String {
    let stark = &chosen.parameters.stark;
    format!(
        "{} {:>7}  {:>7}  {:>8}  {:>7.2} s  {:>8.4} s  {:>10}  {}\n",
        if is_choice { "*" } else { " " },
        1u64 << stark.log_n_cosets.min(63),
        stark.fri.n_queries,
        stark.fri.proof_of_work_bits,
        chosen.prediction.cpu_seconds(),
        chosen.prediction.verification_seconds,
        size(chosen.prediction.bytes as u64),
        calldata(chosen),
    )
}
