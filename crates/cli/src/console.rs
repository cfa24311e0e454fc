//! Where words go: data to standard output, everything for people to standard error.

use std::{
    io::{ErrorKind, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    arguments::Global,
    failure::{CommandError, Failure},
};
use ashlar_store::Moment;

/// The form of what goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text for people.
    Text,
    /// One JSON document at the end.
    Document,
    /// One JSON object an event.
    Events,
}

/// The two streams and what is wanted of them.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    form: Form,
    quiet: bool,
    verbose: u8,
    /// Whether the one document was printed.
    answered: Arc<AtomicBool>,
}

impl Console {
    pub(crate) fn new(global: &Global) -> Console {
        let form = match (global.json, global.json_stream) {
            (true, _) => Form::Document,
            (_, true) => Form::Events,
            _ => Form::Text,
        };
        Console { form, quiet: global.quiet, verbose: global.verbose, answered: Arc::default() }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Whether people should see progress.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet
    }

    /// Text to standard output, unless the data there is JSON or nothing is wanted.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.form == Form::Text && !self.quiet { print(text) } else { Ok(()) }
    }

    /// An event to standard output, if events are wanted.
    pub(crate) fn event(&self, event: &str, detail: Value) -> Result<(), Failure> {
        if self.form != Form::Events {
            return Ok(());
        }
        let mut line = json!({ "schema": "ashlar.event/1", "ts": Moment::now(), "event": event });
        if let (Value::Object(line), Value::Object(detail)) = (&mut line, detail) {
            line.extend(detail);
        }
        print(&format!("{line}\n"))
    }

    /// The result of a command: the document, or the last event.
    pub(crate) fn document(&self, schema: &str, content: Value) -> Result<(), Failure> {
        match self.form {
            Form::Text => Ok(()),
            Form::Events => self.event("result", content),
            Form::Document => {
                self.answered.store(true, Ordering::Relaxed);
                print(&document(schema, content))
            }
        }
    }

    /// A failure as data: an event, or the document if there was none.
    pub(crate) fn failure(&self, failure: &Failure) -> Result<(), Failure> {
        match self.form {
            Form::Text => Ok(()),
            Form::Events => self.event("error", failure.to_json()),
            Form::Document if self.answered.load(Ordering::Relaxed) => Ok(()),
            Form::Document => self.document("ashlar.error/1", failure.to_json()),
        }
    }

    /// A remark for people, to standard error.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            say(&format!("{text}\n"));
        }
    }

    /// A remark for people who asked for more.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose > 0 {
            say(&format!("{text}\n"));
        }
    }
}

/// A document as text: the schema, then the content.
pub(crate) fn document(schema: &str, mut content: Value) -> String {
    let mut document = json!({ "schema": schema });
    if let (Value::Object(document), Value::Object(content)) = (&mut document, &mut content) {
        document.append(content);
    }
    format!("{document:#}\n")
}

/// Writes to standard output. A reader that has seen enough is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(error).into()),
        _ => Ok(()),
    }
}

/// Writes to standard error. There is nobody to tell if that fails.
pub(crate) fn say(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Bytes in the unit that suits them.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        0.0..1024.0 => format!("{bytes} B"),
        1024.0..1048576.0 => format!("{:.1} KiB", bytes / 1024.0),
        1048576.0..1073741824.0 => format!("{:.1} MiB", bytes / 1048576.0),
        _ => format!("{:.1} GiB", bytes / 1073741824.0),
    }
}

/// Milliseconds for people.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.2} s", milliseconds as f64 / 1000.0),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1000),
    }
}

/// How long ago, for people.
pub(crate) fn ago(moment: Moment) -> String {
    let seconds = Moment::now().since(moment).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_units_that_suit_them() {
        assert_eq!(size(17), "17 B");
        assert_eq!(size(2048), "2.0 KiB");
        assert_eq!(size(600 << 20), "600.0 MiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
        assert_eq!(duration(17), "17 ms");
        assert_eq!(duration(2500), "2.50 s");
        assert_eq!(duration(61_000), "1 min 1 s");
    }
}
