//! Proposing an allocation with a form. What is wrong with it is said by the same types as of a file; what was typed stays.

use ashlar_engine::{Circumstances, Requirements, Submission, Task};
use ashlar_fault::Fault;
use ashlar_risk::{Proposal, RiskError, decide, parse_proposals};
use askama::Template;
use axum::http::StatusCode;

use super::{
    Frame, form,
    proposal_form::{CONSTRAINTS, Field, HEAD, ProposalForm, ROW},
    see_other, shown,
};
use crate::{
    api::jobs,
    call::{Answer, Call},
};

#[derive(Template)]
#[template(path = "propose.html")]
struct ProposePage {
    frame: Frame,
    error: Option<FormError>,
    rejected: bool,
    head: Vec<Field>,
    constraints: Vec<Field>,
    rows: Vec<Vec<Field>>,
}

/// What is wrong with a form.
pub(super) struct FormError {
    words: String,
    code: Option<String>,
    /// The field that it is about.
    field: Option<String>,
    /// Whether the rules reject a proposal that is sound in form.
    rejected: bool,
}

impl FormError {
    fn of(error: &dyn Fault, form: &ProposalForm) -> FormError {
        let words = error.to_string();
        let field = form.field_of(&words);
        FormError { words, code: Some(error.code().to_string()), field, rejected: false }
    }
}

fn page(call: &Call, status: StatusCode, form: &ProposalForm, error: Option<FormError>) -> Answer {
    let wrong = error.as_ref().and_then(|error| error.field.as_deref());
    let page = ProposePage {
        frame: Frame::of(call, "Propose", "Propose", false),
        rejected: error.as_ref().is_some_and(|error| error.rejected),
        head: form.fields("", &HEAD, wrong),
        constraints: form.fields("constraints.", &CONSTRAINTS, wrong),
        rows: (0..form.rows()).map(|row| form.fields(&format!("rows[{row}]."), &ROW, wrong)).collect(),
        error,
    };
    shown(status, &page)
}

pub(super) async fn show(call: Call) -> Answer {
    page(&call, StatusCode::OK, &ProposalForm::fresh(call.app.now()), None)
}

pub(super) async fn submit(mut call: Call) -> Answer {
    let fields = form(&mut call).await?;
    let mut form = ProposalForm::read(&fields)?;
    let action = fields.get("action").unwrap_or("submit");
    if action == "add" {
        form.add_row();
        return page(&call, StatusCode::OK, &form, None);
    }
    if !matches!(action, "submit" | "anyway") {
        return Err(fields.invalid("action", "expected submit, anyway or add".to_owned()).into());
    }
    let proposal = match checked(&form, action == "anyway") {
        Ok(proposal) => proposal,
        Err(error) => return page(&call, StatusCode::UNPROCESSABLE_ENTITY, &form, Some(error)),
    };
    let proposal_id = ashlar_risk::proposal_id(&proposal);
    let submission = Submission {
        task: Task::Allocation(vec![proposal]),
        requirements: Requirements::default(),
        circumstances: Circumstances::default(),
    };
    // The same form sent twice, as by a double click, is one job.
    let key = format!("{}/form/{proposal_id}", call.caller.name());
    let submitted = match jobs::record(&call, &submission, Some(&key)).await {
        Ok(submitted) => submitted,
        Err(refused) if refused.status().is_client_error() => {
            let words = refused.detail();
            let code = Some(refused.code().to_string());
            let error = FormError { words, code, field: None, rejected: false };
            return page(&call, refused.status(), &form, Some(error));
        }
        Err(refused) => return Err(refused),
    };
    let allocation = call.app.store().allocation_of(proposal_id).await?;
    match allocation {
        Some(allocation) => see_other(&format!("/allocations/{}", allocation.id)),
        None => see_other(&format!("/jobs/{}", submitted.job)),
    }
}

/// The proposal that a form makes, unless something is wrong with it or, without `anyway`, the rules reject it.
fn checked(form: &ProposalForm, anyway: bool) -> Result<Proposal, FormError> {
    let parse = || -> Result<Proposal, RiskError> {
        parse_proposals(form.to_json().as_bytes())?.pop().ok_or(RiskError::BatchSize { got: 0 })
    };
    let proposal = parse().map_err(|error| FormError::of(&error, form))?;
    if let Some(violation) = proposal.range_violation() {
        let words = violation.to_string();
        let field = form.field_of(&words);
        return Err(FormError { words, code: None, field, rejected: false });
    }
    let decision = decide(&proposal).map_err(|error| FormError::of(&error, form))?;
    if !decision.verdict.is_accepted() && !anyway {
        let words = format!("The rules would not let it execute: {}.", decision.verdict);
        return Err(FormError { words, code: None, field: None, rejected: true });
    }
    Ok(proposal)
}
