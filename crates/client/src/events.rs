//! What happens to a job, as server-sent events. A stream that breaks is taken up again after the last event that came.

use std::io::{BufRead as _, BufReader, Read};

use serde_json::Value;

use crate::{ClientError, error::shown, transport::Transport};

/// The longest line of a stream, in bytes.
const LONGEST_LINE: u64 = 4 << 20;

/// The most lines of one event.
const MOST_LINES: usize = 16;

/// How often a stream may break without anything in between.
const MOST_BREAKS: u32 = 5;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the log; `None` for news that are not logged, such as progress.
    pub id: Option<i64>,
    /// Its name, such as `status` or `progress`.
    pub name: String,
    /// Its data.
    pub data: Value,
}

/// The events of a job, until it is over.
pub struct Watching<'a> {
    transport: &'a Transport,
    path: String,
    after: i64,
    open: Option<BufReader<Box<dyn Read + Send>>>,
    breaks: u32,
}

impl std::fmt::Debug for Watching<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching")
            .field("path", &self.path)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// What a stream gave.
enum Said {
    Event(Event),
    /// A sign of life.
    Nothing,
    Broke,
}

impl<'a> Watching<'a> {
    pub(crate) fn new(transport: &'a Transport, path: String, after: i64) -> Watching<'a> {
        Watching { transport, path, after, open: None, breaks: 0 }
    }

    /// The next event, waiting for it; `None` once the job is over and everything was told.
    ///
    /// # Errors
    /// Of the exchange, after several streams that broke off without a word.
    pub fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if self.open.is_none() {
                self.open = Some(BufReader::new(self.transport.stream(&self.path, self.after)?));
            }
            let Some(stream) = &mut self.open else { continue };
            match read(stream, &self.path)? {
                Said::Event(event) if event.name == "end" => return Ok(None),
                Said::Event(event) => {
                    self.breaks = 0;
                    self.after = event.id.unwrap_or(self.after);
                    return Ok(Some(event));
                }
                Said::Nothing => self.breaks = 0,
                Said::Broke => {
                    self.open = None;
                    self.breaks += 1;
                    if self.breaks >= MOST_BREAKS {
                        let place = format!("GET {}", self.path);
                        let reason = "the stream broke off without a word";
                        return Err(ClientError::Unreachable { place, reason, attempts: self.breaks });
                    }
                    (self.transport.settings.pause)(self.transport.settings.first_pause);
                }
            }
        }
    }
}

/// Reads up to the end of one event.
fn read(stream: &mut impl std::io::BufRead, path: &str) -> Result<Said, ClientError> {
    let (mut id, mut name, mut data) = (None, String::new(), String::new());
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        match stream.take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(length) if length > 0 && line.last() == Some(&b'\n') => {}
            Ok(length) if length as u64 == LONGEST_LINE => {
                return Err(ClientError::Oversized { place: format!("GET {path}"), limit: LONGEST_LINE });
            }
            _ => return Ok(Said::Broke),
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        match line.split_once(':') {
            None if line.is_empty() && name.is_empty() && data.is_empty() => return Ok(Said::Nothing),
            None if line.is_empty() => {
                let data = serde_json::from_str(&data).map_err(|error| ClientError::Unexpected {
                    place: format!("GET {path}"),
                    got: shown(&error.to_string()),
                })?;
                return Ok(Said::Event(Event { id, name: shown(&name), data }));
            }
            Some(("id", value)) => id = value.trim().parse().ok(),
            Some(("event", value)) => value.trim().clone_into(&mut name),
            Some(("data", value)) => data.push_str(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    Err(ClientError::Unexpected { place: format!("GET {path}"), got: "an event without an end".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Said, ClientError> {
        read(&mut text.as_bytes(), "/events")
    }

    #[test]
    fn an_event_is_read_with_its_id_name_and_data() {
        let Ok(Said::Event(event)) = said("id: 7\nevent: status\ndata: {\"a\":1}\n\n") else { panic!() };
        assert_eq!((event.id, event.name.as_str(), &event.data["a"]), (Some(7), "status", &Value::from(1)));
        assert!(matches!(said(": nothing new\n\n"), Ok(Said::Nothing)));
    }

    #[test]
    fn an_event_that_breaks_off_is_not_taken_for_one() {
        for broken in ["", "id: 7", "id: 7\nevent: status\ndata: {\"a\":1}\n"] {
            assert!(matches!(said(broken), Ok(Said::Broke)), "{broken:?}");
        }
    }

    #[test]
    fn an_event_without_end_or_sense_is_refused() {
        assert!(matches!(said(&"data: 1\n".repeat(100)), Err(ClientError::Unexpected { .. })));
        assert!(matches!(said("event: a\ndata: {\n\n"), Err(ClientError::Unexpected { .. })));
        let long = format!("data: {}\n\n", "1".repeat(LONGEST_LINE as usize));
        assert!(matches!(said(&long), Err(ClientError::Oversized { .. })));
    }
}
