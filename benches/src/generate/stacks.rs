//! Stack traces as Python, Java and Node print them, 8 to 40 frames each.

use std::fmt::Write;

use super::random::Random;
use super::words::{MODULES, NOUNS, SOURCES, VERBS, library};
use super::{Language, RARE_TOKEN, VARIANTS};

const FRAMES_MIN: usize = 8;
const FRAMES_MAX: usize = 40;

/// A trace and where the line with the exception ends in it.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) text: String,
    head_end: usize,
}

impl Stack {
    /// The text with [`RARE_TOKEN`] behind the exception's own text.
    pub(crate) fn rare(&self) -> String {
        let (head, rest) = self.text.split_at(self.head_end);
        format!("{head} {RARE_TOKEN}{rest}")
    }
}

/// A frame before it is printed; `line` is of the first variant.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) module: String,
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) in_app: bool,
    place: String,
    source: &'static str,
}

/// The stacks of one group: equal but for the line numbers of a few frames. `bytes` is how long they should be, about.
/// Also returns their frames, the innermost first.
pub(crate) fn stacks(
    random: &mut Random,
    language: Language,
    package: &str,
    head: &str,
    bytes: usize,
) -> ([Stack; VARIANTS], Vec<Frame>) {
    let mut frames = Vec::new();
    let mut length = head.len();
    while frames.len() < FRAMES_MIN || (length < bytes && frames.len() < FRAMES_MAX) {
        // The innermost frames are the program's own; further out, most are a framework's.
        let in_app = frames.len() < 3 || random.below(100) < 45;
        let frame = frame(random, language, package, in_app);
        length += frame.place.len() + overhead(language, &frame);
        frames.push(frame);
    }
    (std::array::from_fn(|variant| print(language, head, &frames, variant)), frames)
}

fn frame(random: &mut Random, language: Language, package: &str, in_app: bool) -> Frame {
    let line = 10 + random.below(890) as u32;
    let (class, file, function) = if in_app {
        let module = random.choose(&MODULES);
        let function = format!("{}_{}", random.choose(&VERBS), random.choose(&NOUNS));
        match language {
            Language::Python => (format!("{package}.{module}"), format!("/app/{package}/{module}.py"), function),
            Language::Java => {
                let class = capital(module);
                (format!("com.acme.{package}.{class}"), format!("{class}.java"), camel(&function))
            }
            Language::JavaScript => (capital(module), format!("/app/dist/{package}/{module}.js"), camel(&function)),
        }
    } else {
        let (class, file, function) = library(language)[random.below(library(language).len())];
        let file = if language == Language::Python { format!("/venv/lib/{file}") } else { file.to_owned() };
        (class.to_owned(), file, function.to_owned())
    };
    let place = match language {
        Language::Python => format!("File \"{file}\", line @, in {function}"),
        Language::Java => format!("at {class}.{function}({file}:@)"),
        Language::JavaScript => format!("at {class}.{function} ({file}:@:{})", 3 + random.below(60)),
    };
    let source = if language == Language::Python { random.choose(&SOURCES) } else { "" };
    Frame { module: class, function, file, line, in_app, place, source }
}

fn overhead(language: Language, frame: &Frame) -> usize {
    match language {
        Language::Python => 10 + frame.source.len(),
        Language::Java => 4,
        Language::JavaScript => 7,
    }
}

fn print(language: Language, head: &str, frames: &[Frame], variant: usize) -> Stack {
    let mut text = String::new();
    if language != Language::Python {
        text.push_str(head);
        for frame in frames {
            text.push_str(if language == Language::Java { "\n\t" } else { "\n    " });
            push_place(frame, variant, &mut text);
        }
        return Stack { head_end: head.len(), text };
    }
    text.push_str("Traceback (most recent call last):\n");
    for frame in frames.iter().rev() {
        text.push_str("  ");
        push_place(frame, variant, &mut text);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n    {}\n", frame.source);
    }
    text.push_str(head);
    Stack { head_end: text.len(), text }
}

/// Prints the place with its line; in a variant, a third of the program's own frames lie some lines further down.
fn push_place(frame: &Frame, variant: usize, text: &mut String) {
    let shift = if frame.in_app && frame.line.is_multiple_of(3) { variant as u32 * 7 } else { 0 };
    let (before, after) = frame.place.split_once('@').unwrap_or((&frame.place, ""));
    let _ = write!(text, "{before}{}{after}", frame.line + shift);
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn camel(words: &str) -> String {
    let mut parts = words.split('_');
    parts.next().unwrap_or_default().to_owned() + &parts.map(capital).collect::<String>()
}
