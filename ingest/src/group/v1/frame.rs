//! One call in a stack trace: what of it takes part in grouping, and whether it is the program's own.

use memchr::memmem;

/// Which runtime printed the frame; decides what in its names varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) enum Style {
    Python,
    /// JavaScript of Node and browsers.
    Script,
    /// Java, Kotlin, Scala, C#: the function's name holds its module.
    Dotted,
    Go,
    Rust,
    /// PHP, Ruby, and structured frames.
    #[default]
    Other,
}

/// One call. Strings are empty where absent.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::group) struct Frame<'a> {
    pub(in crate::group) style: Style,
    pub(in crate::group) function: &'a str,
    pub(in crate::group) module: &'a str,
    pub(in crate::group) file: &'a str,
    /// The sender's own judgement.
    pub(in crate::group) in_app: Option<bool>,
}

impl Frame<'_> {
    /// Appends what identifies the call whatever its line, build or host.
    pub(super) fn write_key(&self, out: &mut String) {
        match self.style {
            Style::Dotted => write_dotted(without_java_module(self.function), out),
            Style::Rust => out.push_str(without_rust_hash(self.function)),
            Style::Go => out.push_str(self.function),
            Style::Python | Style::Script | Style::Other => {
                if self.module.is_empty() {
                    write_file(self.file, out)
                } else {
                    write_dotted(self.module, out)
                }
                out.push('\n');
                write_dotted(self.function, out);
            }
        }
    }

    pub(super) fn is_in_app(&self) -> bool {
        let starts = |text: &str, list: &[&str]| list.iter().any(|prefix| text.starts_with(prefix));
        let holds = |text: &str, list: &[&str]| {
            list.iter().any(|part| memmem::find(text.as_bytes(), part.as_bytes()).is_some())
        };
        self.in_app.unwrap_or_else(|| match self.style {
            Style::Python => !holds(self.file, PYTHON_FILES),
            Style::Script => !starts(self.file, SCRIPT_PREFIXES) && !holds(self.file, SCRIPT_FILES),
            Style::Dotted => !starts(without_java_module(self.function), DOTTED_PREFIXES),
            Style::Go => !holds(self.file, GO_FILES) && !starts(self.function, &["runtime."]),
            Style::Rust => !starts(self.function, RUST_PREFIXES) && !holds(self.file, RUST_FILES),
            Style::Other => {
                !holds(self.file, PYTHON_FILES)
                    && !holds(self.file, SCRIPT_FILES)
                    && !holds(self.file, OTHER_FILES)
                    && !starts(self.file, SCRIPT_PREFIXES)
                    && !starts(self.module, DOTTED_PREFIXES)
            }
        })
    }
}

const PYTHON_FILES: &[&str] = &["-packages", "/lib/python", "/lib64/python", "\\lib\\", "\\Lib\\", "<frozen "];
const SCRIPT_PREFIXES: &[&str] =
    &["node:", "internal/", "<anonymous>", "native", "chrome-extension:", "moz-extension:"];
const SCRIPT_FILES: &[&str] = &["node_modules", "webpack/bootstrap", "webpack/runtime"];
const GO_FILES: &[&str] = &["/go/src/", "/pkg/mod/", "/vendor/", "/libexec/src/", "/golang/src/"];
const RUST_FILES: &[&str] = &["/rustc/", ".cargo/registry", "/rustlib/src/"];
const OTHER_FILES: &[&str] = &["/vendor/", "/gems/", "/lib/ruby/"];
#[rustfmt::skip]
const DOTTED_PREFIXES: &[&str] = &[
    "java.", "javax.", "jakarta.", "sun.", "jdk.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.", "clojure.",
    "android.", "androidx.", "dalvik.", "com.android.", "org.springframework.", "org.apache.", "org.hibernate.",
    "org.junit.", "org.eclipse.jetty.", "io.netty.", "reactor.", "System.", "Microsoft.",
];
#[rustfmt::skip]
const RUST_PREFIXES: &[&str] = &[
    "std::", "core::", "alloc::", "<core::", "<alloc::", "<std::", "tokio::", "<tokio::", "rust_begin_unwind", "rust_panic",
    "__rust", "_rust", "__libc_start", "_start", "clone", "start_thread", "backtrace::", "<backtrace::", "main",
];

/// `java.base@17/java.util.X` and `app//x.Y` without their module; a lambda's `$$Lambda/0x…` has its slash later.
fn without_java_module(name: &str) -> &str {
    let end = name.find('$').unwrap_or(name.len());
    name[..end].rfind('/').map_or(name, |slash| &name[slash + 1..])
}

/// `path::function` without `::h0123456789abcdef`.
fn without_rust_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

/// A name without addresses and the numbers that compilers give to lambdas, proxies and generated accessors.
fn write_dotted(name: &str, out: &mut String) {
    if !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return out.push_str(name);
    }
    let bytes = name.as_bytes();
    let mut at = 0;
    let mut copied = 0;
    while let Some(&byte) = bytes.get(at) {
        let generated = byte.is_ascii_digit()
            && (name[..at].ends_with(['$', '/'])
                || ["__", "Accessor", "Proxy", "Lambda"].iter().any(|word| name[..at].ends_with(word)));
        let end = if generated {
            bytes[at..].iter().position(|b| !(b.is_ascii_hexdigit() || *b == b'x')).map_or(bytes.len(), |n| at + n)
        } else {
            at
        };
        if generated {
            out.push_str(&name[copied..at]);
            copied = end;
            at = end;
        } else {
            at += 1;
            while !name.is_char_boundary(at) {
                at += 1;
            }
        }
    }
    out.push_str(&name[copied..]);
}

/// The end of a path: from its package on, else its last two parts; without query, address and build hashes.
fn write_file(path: &str, out: &mut String) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    const PACKAGES: [&str; 2] = ["-packages", "node_modules"];
    let package =
        PACKAGES.iter().find_map(|name| memmem::rfind(path.as_bytes(), name.as_bytes()).map(|at| at + name.len()));
    let tail = match package {
        Some(at) => &path[at..],
        None if path.starts_with("node:") => path,
        None => {
            let last = memchr::memrchr2(b'/', b'\\', path.as_bytes()).unwrap_or(0);
            &path[memchr::memrchr2(b'/', b'\\', &path.as_bytes()[..last]).map_or(0, |at| at + 1)..]
        }
    };
    let is_separator = |byte: u8| matches!(byte, b'/' | b'\\' | b'.' | b'-' | b'_' | b'@');
    let mut start = 0;
    while start < tail.len() {
        let rest = &tail.as_bytes()[start..];
        let length = rest.iter().position(|byte| is_separator(*byte)).unwrap_or(rest.len());
        let end = (start + length + 1).min(tail.len());
        if !is_build_hash(&tail[start..start + length]) {
            // Windows and Unix paths of one file are one.
            match rest.get(length) {
                Some(b'\\') => {
                    out.push_str(&tail[start..start + length]);
                    out.push('/');
                }
                _ => out.push_str(&tail[start..end]),
            }
        }
        start = end;
    }
}

/// What bundlers put into file names: eight or more characters that mix digits with hexadecimal or mixed-case letters.
fn is_build_hash(word: &str) -> bool {
    if word.len() < 8 || !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let any = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixed = any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase) && word.len() <= 10;
    hex || mixed
}
