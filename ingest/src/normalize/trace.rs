//! Writes a chain of exceptions as its runtime prints it, so that it reads and groups as the text that others send.

use std::fmt::Write;

use super::chain::{Exception, Frame};
use super::runtime::Runtime;

/// The trace of a chain (the cause first, what was thrown last); empty where there is nothing but names.
pub(super) fn write(runtime: Runtime, chain: &[Exception<'_>]) -> String {
    let frames: usize = chain.iter().map(|exception| exception.frames.len()).sum();
    if frames == 0 {
        return String::new();
    }
    let mut out = String::with_capacity(frames * 96 + 128);
    match runtime {
        Runtime::Python => python(&mut out, chain),
        Runtime::Java => java(&mut out, chain),
        Runtime::CSharp => csharp(&mut out, chain),
        _ => newest_first(&mut out, runtime, chain),
    }
    out.truncate(out.trim_end().len());
    out
}

/// `file:12:3`, without the numbers that are absent.
fn write_place(out: &mut String, frame: &Frame<'_>) {
    out.push_str(frame.path());
    for number in [frame.line, frame.column].into_iter().take_while(|number| *number > 0) {
        out.push(':');
        out.push_str(itoa::Buffer::new().format(number));
    }
}

/// `Type: value`, as much of it as there is.
fn write_head(out: &mut String, runtime: Runtime, exception: &Exception<'_>) {
    let kind = runtime.exception_type(&exception.kind, &exception.module);
    // Python leaves out the module of the program's own main file.
    out.push_str(if runtime == Runtime::Python { kind.strip_prefix("__main__.").unwrap_or(&kind) } else { &kind });
    if !exception.value.is_empty() {
        if !kind.is_empty() {
            out.push_str(": ");
        }
        out.push_str(&exception.value);
    }
}

fn python(out: &mut String, chain: &[Exception<'_>]) {
    for (index, exception) in chain.iter().enumerate() {
        if index > 0 {
            let cause = exception_source(&chain[index - 1]) == Some("__cause__");
            out.push_str(if cause {
                "\nThe above exception was the direct cause of the following exception:\n\n"
            } else {
                "\nDuring handling of the above exception, another exception occurred:\n\n"
            });
        }
        if !exception.frames.is_empty() {
            out.push_str("Traceback (most recent call last):\n");
        }
        for frame in &exception.frames {
            // Writing to a string cannot fail.
            let _ = write!(out, "  File \"{}\", line {}", frame.path(), frame.line);
            if !frame.function.is_empty() {
                let _ = write!(out, ", in {}", frame.function);
            }
            out.push('\n');
            let source = frame.source.trim();
            if !source.is_empty() {
                let _ = writeln!(out, "    {source}");
            }
        }
        let before = out.len();
        write_head(out, Runtime::Python, exception);
        if out.len() > before {
            out.push('\n');
        }
    }
}

fn exception_source<'e>(exception: &'e Exception<'_>) -> Option<&'e str> {
    match exception.mechanism("source") {
        Some(crate::value::Value::Text(source)) => Some(source),
        _ => None,
    }
}

/// What was thrown first; of each cause only the calls that the trace before it does not have.
fn java(out: &mut String, chain: &[Exception<'_>]) {
    let mut enclosing: &[Frame<'_>] = &[];
    for (index, exception) in chain.iter().rev().enumerate() {
        let before = out.len();
        out.push_str(if index > 0 { "Caused by: " } else { "" });
        write_head(out, Runtime::Java, exception);
        if out.len() > before {
            out.push('\n');
        }
        let same = |(a, b): &(&Frame<'_>, &Frame<'_>)| {
            (&a.module, &a.function, &a.filename, a.line) == (&b.module, &b.function, &b.filename, b.line)
        };
        let common = exception.frames.iter().zip(enclosing).take_while(same).count();
        for frame in exception.frames[common..].iter().rev() {
            let _ = write!(out, "\tat {}(", Runtime::Java.function(frame));
            match (frame.filename.as_ref(), frame.line) {
                _ if frame.native => out.push_str("Native Method"),
                ("", _) => out.push_str("Unknown Source"),
                (file, 0) => out.push_str(file),
                (file, line) => {
                    let _ = write!(out, "{file}:{line}");
                }
            }
            out.push_str(")\n");
        }
        if common > 0 {
            let _ = writeln!(out, "\t... {common} more");
        }
        enclosing = &exception.frames;
    }
}

/// All names first, then the calls of the innermost cause, then those around it.
fn csharp(out: &mut String, chain: &[Exception<'_>]) {
    for (index, exception) in chain.iter().rev().enumerate() {
        out.push_str(if index > 0 { " ---> " } else { "" });
        write_head(out, Runtime::CSharp, exception);
        out.push('\n');
    }
    for (index, exception) in chain.iter().enumerate() {
        if index > 0 {
            out.push_str("   --- End of inner exception stack trace ---\n");
        }
        for frame in exception.frames.iter().rev() {
            let parameters = frame.function.find('(').map_or("()", |open| &frame.function[open..]);
            let _ = write!(out, "   at {}{parameters}", Runtime::CSharp.function(frame));
            if !frame.path().is_empty() {
                let _ = write!(out, " in {}:line {}", frame.path(), frame.line);
            }
            out.push('\n');
        }
    }
}

fn newest_first(out: &mut String, runtime: Runtime, chain: &[Exception<'_>]) {
    // Traces of these two are of goroutines and threads: they say nothing of the error, and its causes have no calls.
    let bare = matches!(runtime, Runtime::Go | Runtime::Rust);
    let listed = chain.iter().rev().filter(|exception| !bare || !exception.frames.is_empty());
    for (index, exception) in listed.enumerate() {
        let before = out.len();
        if index > 0 {
            out.push_str("Caused by: ");
        }
        if !bare || index > 0 {
            write_head(out, runtime, exception);
        }
        if let (Runtime::Php, Some(newest)) = (runtime, exception.frames.last()) {
            let _ = write!(out, " in {}:{}\nStack trace:", newest.path(), newest.line);
        }
        if out.len() > before {
            out.push('\n');
        }
        for (number, frame) in exception.frames.iter().rev().enumerate() {
            let caller = exception.frames.len().checked_sub(number + 2).map(|caller| &exception.frames[caller]);
            write_call(out, runtime, frame, caller, number);
        }
    }
}

fn write_call(out: &mut String, runtime: Runtime, frame: &Frame<'_>, caller: Option<&Frame<'_>>, number: usize) {
    let function = runtime.function(frame);
    match runtime {
        Runtime::Script if function.is_empty() => {
            out.push_str("    at ");
            write_place(out, frame);
        }
        Runtime::Script => {
            let _ = write!(out, "    at {function} (");
            write_place(out, frame);
            out.push_str(if frame.path().is_empty() { "<anonymous>)" } else { ")" });
        }
        Runtime::Go => {
            let _ = write!(out, "{function}(...)\n\t{}:{}", frame.path(), frame.line);
        }
        Runtime::Rust => {
            let _ = write!(out, "{number:4}: {function}");
            if !frame.path().is_empty() {
                out.push_str("\n             at ");
                write_place(out, frame);
            }
        }
        // PHP names the place of the call, not of the function called.
        Runtime::Php => {
            let _ = write!(out, "#{number} ");
            match caller {
                Some(caller) => {
                    let _ = write!(out, "{}({}): {function}()", caller.path(), caller.line);
                }
                None if function.is_empty() => out.push_str("{main}"),
                None => {
                    let _ = write!(out, "[internal function]: {function}()");
                }
            }
        }
        Runtime::Ruby => {
            let _ = write!(out, "{}:{}:in '{function}'", frame.path(), frame.line);
        }
        _ => {
            out.push_str("    at ");
            if !frame.module.is_empty() {
                let _ = write!(out, "{}.", frame.module);
            }
            out.push_str(if function.is_empty() { "?" } else { &function });
            if !frame.path().is_empty() {
                out.push_str(" (");
                write_place(out, frame);
                out.push(')');
            } else if !frame.package.is_empty() {
                let _ = write!(out, " ({})", frame.package);
            }
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(module: &str, function: &str, path: &str, line: u64) -> Frame<'static> {
        Frame {
            module: module.to_owned().into(),
            function: function.to_owned().into(),
            filename: path.rsplit('/').next().unwrap().to_owned().into(),
            abs_path: path.to_owned().into(),
            line,
            ..Frame::default()
        }
    }

    fn thrown(kind: &str, value: &str, frames: Vec<Frame<'static>>) -> Exception<'static> {
        Exception { kind: kind.to_owned().into(), value: value.to_owned().into(), frames, ..Exception::default() }
    }

    #[test]
    fn python_prints_causes_first() {
        let mut inner = frame("app", "load", "/srv/app.py", 3);
        inner.source = "    raise KeyError(name)  ".into();
        let chain = [
            thrown("KeyError", "'x'", vec![inner]),
            thrown("ValueError", "bad", vec![frame("app", "<module>", "/srv/app.py", 9)]),
        ];
        let expected = "Traceback (most recent call last):\n  File \"/srv/app.py\", line 3, in load\n    raise KeyError(name)\n\
            KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n\
            Traceback (most recent call last):\n  File \"/srv/app.py\", line 9, in <module>\nValueError: bad";
        assert_eq!(write(Runtime::Python, &chain), expected);
    }

    #[test]
    fn java_leaves_out_the_calls_in_common() {
        let main = || frame("a.Main", "main", "Main.java", 1);
        let mut native = frame("a.Native", "call", "Native.java", 0);
        native.native = true;
        let chain = [
            Exception {
                module: "java.io".into(),
                ..thrown("IOException", "disk", vec![main(), frame("a.Disk", "read", "Disk.java", 7), native])
            },
            thrown("a.Failed", "", vec![main(), frame("a.Job", "run", "Job.java", 4)]),
        ];
        let expected = "a.Failed\n\tat a.Job.run(Job.java:4)\n\tat a.Main.main(Main.java:1)\nCaused by: java.io.IOException: disk\n\
            \tat a.Native.call(Native Method)\n\tat a.Disk.read(Disk.java:7)\n\t... 1 more";
        assert_eq!(write(Runtime::Java, &chain), expected);
    }

    #[test]
    fn each_runtime_prints_as_it_does() {
        let check = |runtime, expected: &str| {
            let mut newest = frame("m", "f", "/x/y.go", 2);
            newest.column = 5;
            let chain = [thrown("E", "v", vec![frame("m", "?", "/x/z.go", 1), newest])];
            assert_eq!(write(runtime, &chain), expected);
        };
        check(Runtime::Script, "E: v\n    at f (/x/y.go:2:5)\n    at /x/z.go:1");
        check(Runtime::Go, "m.f(...)\n\t/x/y.go:2\nm.?(...)\n\t/x/z.go:1");
        check(Runtime::Rust, "   0: f\n             at /x/y.go:2:5\n   1: ?\n             at /x/z.go:1");
        check(Runtime::CSharp, "E: v\n   at m.f() in /x/y.go:line 2\n   at m.?() in /x/z.go:line 1");
        check(Runtime::Php, "E: v in /x/y.go:2\nStack trace:\n#0 /x/z.go(1): f()\n#1 [internal function]: ?()");
        check(Runtime::Ruby, "E: v\n/x/y.go:2:in 'f'\n/x/z.go:1:in '?'");
        check(Runtime::Other, "E: v\n    at m.f (/x/y.go:2:5)\n    at m.? (/x/z.go:1)");
        assert_eq!(write(Runtime::Script, &[thrown("E", "v", vec![])]), "");
    }
}
