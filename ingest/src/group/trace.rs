//! Reads stack traces as runtimes print them: Python, JavaScript, Java and Kotlin, Go, Rust, C#, PHP, Ruby, Dart, and what
//! debuggers and systems print of native programs.
//!
//! Line by line, without knowing the language beforehand, so that chained and mixed traces work; a line that is no frame
//! (a message, source code) is passed over. What comes out is what an SDK would have sent as fields: the exception thrown
//! last in front, and of each the newest call first.

mod line;
mod native;

use std::iter::Peekable;
use std::str::Lines;

use super::chain::Thrown;
use super::frame::{Frame, Style};
use line::split;

/// How many exceptions of a trace are read; fewer take part.
const THROWN_MAX: usize = 32;

/// The exceptions of a trace.
pub(super) fn read(trace: &str) -> Vec<Thrown<'_>> {
    let mut reader = Reader { thrown: vec![Thrown::default()], ..Reader::default() };
    let mut lines = trace.lines().peekable();
    while let Some(raw) = lines.next() {
        if !reader.take(raw, &mut lines) {
            break;
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    /// In the order they were printed, but C#'s by depth.
    thrown: Vec<Thrown<'a>>,
    /// Python prints the cause first, and the oldest call first.
    python: bool,
    /// A Python exception's frames are complete: its type comes next.
    rust: bool,
    goroutines: usize,
    /// C#'s inner exceptions are printed whole before the outer one's calls.
    depth: usize,
    /// Below a Java `Suppressed:`, which is left out.
    suppressed: bool,
    /// For how many exceptions `... 12 more` was read.
    repeated: usize,
    /// The file of PHP's frame before, in which the next function is.
    php_file: &'a str,
}

impl<'a> Reader<'a> {
    /// Takes one line; false ends the trace.
    fn take(&mut self, raw: &'a str, lines: &mut Peekable<Lines<'a>>) -> bool {
        // Groups of exceptions in Python stand behind a ruler.
        let line = raw.trim().trim_start_matches(['|', '+', '-']).trim_start();
        let line =
            if line.len() == raw.trim().len() || raw.contains('|') || raw.contains("+-") { line } else { raw.trim() };
        if line.is_empty() {
            return true;
        }
        if let Some(frame) = line::python(line) {
            self.python = true;
            self.push(frame);
        } else if line.starts_with("During handling of the above")
            || line.starts_with("The above exception was the direct cause")
        {
            if self.thrown.len() < THROWN_MAX {
                self.thrown.push(Thrown::default());
            }
        } else if let Some(kind) = raw.trim_start().strip_prefix("Suppressed: ") {
            self.suppressed = !kind.is_empty();
        } else if raw.trim_start().starts_with("---> (Inner Exception #0)") {
            // It was printed in front of the outer one's calls already.
            self.suppressed = true;
        } else if let Some(kind) = cause(raw) {
            if !self.suppressed || !raw.starts_with(char::is_whitespace) {
                self.suppressed = self.thrown.len() >= THROWN_MAX;
                if self.suppressed {
                    return true;
                }
                self.thrown.push(Thrown { kind, frames: Vec::new() });
                self.depth = self.thrown.len() - 1;
            }
        } else if line.starts_with("[errors]: [") {
            // Those of an `AggregateError` are listed in it.
            self.suppressed = true;
        } else if line.starts_with("--- End of inner exception") {
            self.depth = self.depth.saturating_sub(1);
        } else if let Some(count) = common_frames(line) {
            self.repeat_enclosing(count);
        } else if let Some(rest) = line.strip_prefix("at ") {
            if let Some(frame) = line::at(rest) {
                self.push(frame);
            }
        } else if line.starts_with("goroutine ") && line.ends_with(':') {
            self.goroutines += 1;
            // The first is the one that failed; the others merely ran.
            return self.goroutines < 2 || self.frames().is_empty();
        } else if let Some(frame) = line::go(raw, lines) {
            self.push_go(frame, line);
        } else if let Some(frame) = line::rust(line, self.rust, lines) {
            self.rust = true;
            self.push(frame);
        } else if let Some(frame) = native::frame(line).or_else(|| line::dotnet(raw).filter(|_| !self.python)) {
            self.push(frame);
        } else if let Some(frame) = line::php(line) {
            self.push_php(frame);
        } else if let Some(frame) = line::ruby(line).or_else(|| line::browser(line)) {
            self.push(frame);
        } else if self.python && !raw.starts_with([' ', '\t']) {
            self.name_python(line);
        } else if self.frames().is_empty()
            && let Some((_, place)) = line.rsplit_once(" in ")
        {
            self.php_file = php_place(place).unwrap_or(self.php_file);
        }
        true
    }

    fn frames(&mut self) -> &mut Vec<Frame<'a>> {
        let index = if self.python { self.thrown.len() - 1 } else { self.depth };
        // There is at least one, and depth never exceeds them.
        &mut self.thrown[index].frames
    }

    fn push(&mut self, frame: Frame<'a>) {
        if !self.suppressed {
            self.frames().push(frame);
        }
    }

    /// Who started the goroutine was not called by it.
    fn push_go(&mut self, frame: Frame<'a>, line: &str) {
        if !line.starts_with("created by ") {
            self.push(frame);
        }
    }

    /// PHP prints where each function was called; SDKs send in which function each line is.
    fn push_php(&mut self, frame: Frame<'a>) {
        let file = std::mem::replace(&mut self.php_file, frame.file);
        let function = if frame.function == "{main}" { "" } else { frame.function };
        self.push(Frame { function, file, style: Style::Php, ..frame });
    }

    /// `ValueError: text` below its frames.
    fn name_python(&mut self, line: &'a str) {
        if let Some(last) = self.thrown.last_mut()
            && last.kind.is_empty()
            && !last.frames.is_empty()
            && !line.starts_with("Traceback ")
        {
            let kind = line.split([':', ' ', '(']).next().unwrap_or_default();
            last.kind = kind;
        }
    }

    /// `... 12 more`: the oldest calls are those of the exception this one caused. Said once of each.
    fn repeat_enclosing(&mut self, count: usize) {
        if self.suppressed || self.thrown.len() < 2 || self.repeated == self.thrown.len() {
            return;
        }
        self.repeated = self.thrown.len();
        let newest = self.thrown.len() - 1;
        let (before, last) = self.thrown.split_at_mut(newest);
        if let (Some(enclosing), [last]) = (before.last(), last) {
            let common = &enclosing.frames[enclosing.frames.len().saturating_sub(count)..];
            last.frames.extend_from_slice(common);
        }
    }

    fn finish(mut self) -> Vec<Thrown<'a>> {
        if self.python {
            self.thrown.reverse();
            self.thrown.iter_mut().for_each(|thrown| thrown.frames.reverse());
        }
        self.thrown.retain(|thrown| !thrown.frames.is_empty() || !thrown.kind.is_empty());
        self.thrown
    }
}

/// `Caused by: a.B: text`, C#'s ` ---> A.B: text`, Node's `[cause]: Error: text`
fn cause(raw: &str) -> Option<&str> {
    let line = raw.trim_start();
    let rest = ["Caused by: ", "---> ", "[cause]: "].iter().find_map(|prefix| line.strip_prefix(prefix))?;
    let rest =
        rest.strip_prefix("(Inner Exception #").and_then(|rest| split(rest, ") ")).map_or(rest, |(_, rest)| rest);
    rest.split([':', ' ', '(']).next().filter(|kind| !kind.is_empty())
}

/// `... 12 more` and `... 12 common frames omitted`
fn common_frames(line: &str) -> Option<usize> {
    let (count, what) = line.strip_prefix("... ")?.split_once(' ')?;
    (what == "more" || what.starts_with("common frames")).then(|| count.parse().ok()).flatten()
}

/// `/srv/x.php:12` and `/srv/x.php on line 12`
fn php_place(place: &str) -> Option<&str> {
    let file = place.split_once(" on line ").map_or(place, |(file, _)| file);
    let file = line::without_position(file).unwrap_or(file);
    file.ends_with(".php").then_some(file)
}
