//! One line of a stack trace, by the runtime that prints such lines.

use std::iter::Peekable;
use std::str::Lines;

use crate::group::frame::{Frame, Style};

/// `File "x.py", line 3, in f`
pub(super) fn python(line: &str) -> Option<Frame<'_>> {
    let (file, rest) = split(line.strip_prefix("File \"")?, "\", line ")?;
    let function = split(rest, ", in ").map_or("", |(_, function)| function);
    Some(Frame { style: Style::Python, function, file, ..Frame::default() })
}

/// What follows `at `: JavaScript's `f (file:1:2)` or `file:1:2`, Java's `a.B.f(B.java:1)`, C#'s `A.B.F(T x) in file:line 1`
pub(super) fn at(rest: &str) -> Option<Frame<'_>> {
    let rest = rest.strip_suffix(" {").unwrap_or(rest);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let dotted = |function| Some(Frame { style: Style::Dotted, function, ..Frame::default() });
    match rest.find('(') {
        Some(open)
            if rest[..open].ends_with(' ') && split(rest, ":line ").is_none() && split(rest, ") [0x").is_none() =>
        {
            let inner = rest[open + 1..].trim_end_matches(')');
            let function = rest[..open].trim_end();
            let function = split(function, " [as ").map_or(function, |(function, _)| function);
            let file = evaluated(inner).or_else(|| without_position(inner)).or_else(|| known_place(inner))?;
            Some(Frame { style: Style::Script, function, file, ..Frame::default() })
        }
        Some(open) => {
            let name = rest[..open].trim_end();
            let plain = name.split('[').next().unwrap_or(name);
            (!plain.is_empty() && !plain.contains(' ')).then_some(name).and_then(dotted)
        }
        None => {
            let file = without_position(rest)?;
            Some(Frame { style: Style::Script, file, ..Frame::default() })
        }
    }
}

fn known_place(place: &str) -> Option<&str> {
    let known = place == "native"
        || place.starts_with("<anonymous>")
        || place.starts_with("eval at ")
        || place.starts_with("index ")
        || place.starts_with("wasm://");
    known.then(|| place.split(' ').next().unwrap_or(place))
}

/// Where code was evaluated: `eval at f (file:1:2), <anonymous>:1:1`
fn evaluated(place: &str) -> Option<&str> {
    let (_, rest) = split(place.strip_prefix("eval at ")?, " (")?;
    let inner = rest.rsplit('(').next().unwrap_or(rest);
    without_position(inner.split(')').next().unwrap_or(inner))
}

/// A call in the words of another language (`   bei A.B.F() in C:\\x.cs:Zeile 7.`), and as Unity prints it
/// (`A.B:F (System.Int32 id) (at Assets/B.cs:42)`).
pub(super) fn dotnet(raw: &str) -> Option<Frame<'_>> {
    const WORDS: [&str; 11] =
        ["bei ", "\u{e0} ", "en ", "em ", "in ", "w ", "v ", "\u{432} ", "\u{5728} ", "\u{5834}\u{6240} ", "konum: "];
    let line = raw.trim();
    let (name, _) = line.split_once('(')?;
    let name = if split(line, ") (at ").is_some_and(|(_, place)| place.ends_with(')') && place.contains(".cs:")) {
        name
    } else {
        WORDS.iter().filter(|_| raw.starts_with("   ")).find_map(|word| name.strip_prefix(word))?
    };
    let function = name.trim_end();
    let fits = function.contains(['.', ':']) && !function.contains(' ') && line.contains(')');
    fits.then_some(Frame { style: Style::Dotted, function, ..Frame::default() })
}

/// `f@https://x/y.js:1:2`, as Firefox and Safari print
pub(super) fn browser(line: &str) -> Option<Frame<'_>> {
    let (function, place) = line.split_once('@')?;
    // Firefox: `promise callback*f@…`.
    let function = function.rsplit('*').next().unwrap_or(function);
    let file = without_position(place)?;
    // And `f@https://x.io/a.js line 12 > eval:1:1`.
    let file = split(file, " line ").map_or(file, |(file, _)| file);
    let fits = !function.contains(' ') && file.contains(['/', '.', ':']);
    fits.then_some(Frame { style: Style::Script, function, file, ..Frame::default() })
}

/// `pkg.f(0x1, …)` with `\tfile.go:12 +0x1d` below
pub(super) fn go<'a>(line: &'a str, lines: &mut Peekable<Lines<'a>>) -> Option<Frame<'a>> {
    // Loggers print no arguments, and the name alone.
    let bare = !line.contains(' ') && line.contains('.');
    if line.starts_with(['\t', ' ']) || !(bare || line.ends_with(')') || line.starts_with("created by ")) {
        return None;
    }
    let below = lines.peek().filter(|below| below.starts_with(['\t', ' ']) && split(below, ".go:").is_some())?;
    let file = split(below.trim(), ".go:")?.0;
    lines.next();
    let function = match line.strip_prefix("created by ") {
        Some(creator) => split(creator, " in goroutine").map_or(creator, |(creator, _)| creator),
        None => line.rfind('(').filter(|_| line.ends_with(')')).map_or(line, |open| &line[..open]),
    };
    Some(Frame { style: Style::Go, function, file, ..Frame::default() })
}

/// `3: path::f` or `3: 0x1234 - path::f`, with `at file:1:2` below
pub(super) fn rust<'a>(line: &'a str, known: bool, lines: &mut Peekable<Lines<'a>>) -> Option<Frame<'a>> {
    let (index, name) = line.split_once(':')?;
    if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) || !name.starts_with(' ') {
        return None;
    }
    let name = name.trim();
    let name = if name.starts_with("0x") { name.split_once(" - ").map_or(name, |(_, name)| name) } else { name };
    let file = lines.peek().and_then(|below| below.trim().strip_prefix("at ")).and_then(without_position);
    if file.is_some() {
        lines.next();
    } else if !known && !name.contains("::") {
        return None;
    }
    Some(Frame { style: Style::Rust, function: name, file: file.unwrap_or_default(), ..Frame::default() })
}

/// `#0 /srv/x.php(12): A->f('…')`
pub(super) fn php(line: &str) -> Option<Frame<'_>> {
    let (index, rest) = line.strip_prefix('#')?.split_once(' ')?;
    if rest == "{main}" {
        return Some(Frame { function: rest, ..Frame::default() });
    }
    let (place, call) = rest.split_once(": ")?;
    let file = place.split_once('(').map_or(place, |(file, _)| file);
    let function = call.split_once('(').map_or(call, |(function, _)| function);
    let fits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(Frame { function, file, ..Frame::default() })
}

/// `from app.rb:12:in 'f'`
pub(super) fn ruby(line: &str) -> Option<Frame<'_>> {
    let (place, function) = split(line, ":in ")?;
    let place = place.strip_prefix("from ").unwrap_or(place);
    let place = if place.starts_with("(eval at ") { "(eval):1" } else { place };
    let file = without_position(place)?;
    // What follows the closing quote is the message.
    let function = function.trim_start_matches(['\'', '`']).split('\'').next().unwrap_or_default();
    (!file.contains(' ')).then_some(Frame { style: Style::Ruby, function, file, ..Frame::default() })
}

/// `str::split_once`, faster on short texts.
pub(super) fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = memchr::memmem::find(text.as_bytes(), separator.as_bytes())?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// `file:12:3` or `file:12` without its numbers; `None` where there are none.
pub(super) fn without_position(place: &str) -> Option<&str> {
    let cut = |place: &'_ str| -> Option<usize> {
        let (before, number) = place.rsplit_once(':')?;
        let fits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && !before.is_empty();
        fits.then_some(before.len())
    };
    let once = cut(place)?;
    Some(&place[..cut(&place[..once]).unwrap_or(once)])
}
