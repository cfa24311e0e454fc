//! `ashlar explain`: the page of an error, without a network and without files.

use serde_json::json;

use crate::{
    catalogue,
    console::Form,
    failure::{CommandError, Failure},
    session::Session,
};

pub(crate) fn run(session: &Session, code: Option<&str>) -> Result<(), Failure> {
    let Some(text) = code else { return list(session) };
    let code = catalogue::parse_code(text).ok_or_else(|| CommandError::UnknownCode(text.to_owned()))?;
    let page = catalogue::page(code).ok_or_else(|| CommandError::UnknownCode(text.to_owned()))?;
    if session.console.form() == Form::Text {
        return crate::console::print(page);
    }
    session.console.document("ashlar.explanation/1", json!({ "code": code.to_string(), "page": page }))
}

fn list(session: &Session) -> Result<(), Failure> {
    let mut lines = String::new();
    let mut codes = Vec::new();
    for (code, title) in catalogue::titles() {
        lines.push_str(&format!("{code}  {title}\n"));
        codes.push(json!({ "code": code.to_string(), "title": title }));
    }
    session.console.text(&lines)?;
    session.console.document("ashlar.codes/1", json!({ "codes": codes }))
}
