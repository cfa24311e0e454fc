//! Pictures as SVG: drawn here, without a library and without a request to anybody.
//!
//! A picture is made once and shown in two ways: within a page, coloured by the page's style sheet, or as a file of its
//! own, which carries the same style sheet. Colours come from classes only; whatever a colour says is said by a word, a
//! place or a pattern too. Texts are escaped when they are put in.

pub(crate) mod anatomy;
pub(crate) mod latency;
pub(crate) mod route_map;
pub(crate) mod timeline;
pub(crate) mod workers;

use std::fmt::{self, Write as _};

/// The style sheet of pictures.
pub(crate) const STYLE: &str = include_str!("../assets/picture.css");

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    width: f64,
    height: f64,
    title: String,
    description: String,
    body: String,
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A text that cannot end an element or an attribute.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // XML has no others below the space, whatever their escape.
                character if character.is_control() => f.write_char(' ')?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

impl Picture {
    /// An empty picture. The title names it; the description says in words what it shows.
    pub(crate) fn new(width: f64, height: f64, title: &str, description: &str) -> Picture {
        Picture {
            width,
            height,
            title: title.to_owned(),
            description: description.to_owned(),
            body: String::new(),
        }
    }

    /// A bar with its own explanation, which shows when a pointer rests on it. Classes are ours, never a caller's.
    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str, explanation: &str) {
        // Writing to a string cannot fail.
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\">",
            width.max(0.0)
        );
        if !explanation.is_empty() {
            let _ = write!(self.body, "<title>{}</title>", Escaped(explanation));
        }
        self.body.push_str("</rect>");
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(crate) fn dot(&mut self, x: f64, y: f64, class: &str, explanation: &str) {
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>",
            Escaped(explanation)
        );
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{}\">{}</text>",
            anchor.word(),
            Escaped(text)
        );
    }

    fn drawn(&self, style: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\" viewBox=\"0 0 {:.0} {:.0}\" \
             aria-label=\"{}. {}\"><title>{}</title>{style}{}</svg>",
            self.width,
            self.height,
            Escaped(&self.title),
            Escaped(&self.description),
            Escaped(&self.title),
            self.body
        )
    }

    /// As part of a page.
    pub(crate) fn inline(&self) -> String {
        self.drawn("")
    }

    /// As a file of its own.
    pub(crate) fn standalone(&self) -> String {
        let background = "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>";
        self.drawn(&format!("<style>{STYLE}</style>{background}"))
    }
}

/// Milliseconds for people.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.2} s", milliseconds as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
        _ => format!("{} h {} min", milliseconds / 3_600_000, milliseconds / 60_000 % 60),
    }
}

/// Bytes for people.
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)];
    match UNITS.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes / size),
        None => format!("{bytes:.0} bytes"),
    }
}

/// A text cut to so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_element_or_attribute() {
        let hostile = "</text><script>alert(1)</script>\" onload=\"x\u{1}'";
        let mut picture = Picture::new(10.0, 10.0, hostile, hostile);
        picture.text(0.0, 0.0, "label", Anchor::Start, hostile);
        picture.bar(0.0, 0.0, 1.0, 1.0, "part-1", hostile);
        picture.dot(0.0, 0.0, "part-1", hostile);
        for drawn in [picture.inline(), picture.standalone()] {
            assert!(!drawn.contains("<script") && !drawn.contains("\" onload"), "{drawn}");
            assert!(!drawn.contains('\u{1}'));
        }
    }

    #[test]
    fn a_picture_of_its_own_carries_its_colours_and_one_in_a_page_does_not() {
        let picture = Picture::new(10.0, 10.0, "a", "b");
        assert!(picture.standalone().contains("<style>") && !picture.inline().contains("<style>"));
    }

    #[test]
    fn durations_and_sizes_read_well() {
        assert_eq!(
            [12, 1234, 61_000, 3_660_000].map(duration),
            ["12 ms", "1.23 s", "1 min 1 s", "1 h 1 min"]
        );
        assert_eq!([512.0, 2048.0, 1_610_612_736.0].map(bytes), ["512 bytes", "2.0 KiB", "1.5 GiB"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
