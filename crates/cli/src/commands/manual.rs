//! `ashlar man` and `ashlar completions`: made from the same definition as the help.

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::{
    arguments::CommandLine,
    console::{self, Form},
    failure::{CommandError, Failure},
    session::Session,
};

pub(crate) fn run(session: &Session, command: Option<&str>) -> Result<(), Failure> {
    let mut page = CommandLine::command();
    if let Some(name) = command {
        page.build();
        let found = page.find_subcommand(name).cloned();
        page = found.ok_or_else(|| CommandError::Usage(format!("no command is called {name:?}")))?;
        let full = format!("ashlar-{name}");
        page = page.name(full.clone()).display_name(full);
    }
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(CommandError::Output)?;
    written(session, "ashlar.manual/1", &String::from_utf8_lossy(&text))
}

pub(crate) fn completions(session: &Session, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "ashlar", &mut script);
    written(session, "ashlar.completions/1", &String::from_utf8_lossy(&script))
}

/// The text by itself, whatever is said about quietness: it is the result.
fn written(session: &Session, schema: &str, text: &str) -> Result<(), Failure> {
    match session.console.form() {
        Form::Text => console::print(text),
        _ => session.console.document(schema, json!({ "text": text })),
    }
}
