//! One call in a stack trace: what of it takes part in grouping, and whether it is the program's own.
//!
//! The same call must have one key whether its runtime printed it as text or an SDK sent it as fields, whichever build,
//! host, line and version of the runtime it came from.

mod file;
mod function;
mod own;

use own::{is_library, is_nothing};

/// Which runtime made the frame; decides what in its names varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    Python,
    /// JavaScript of Node and browsers.
    Script,
    /// Java, Kotlin, Scala, C#: the function's name holds its module, or is joined to it.
    Dotted,
    Go,
    Rust,
    Php,
    Ruby,
    /// Dart of Flutter and servers.
    Dart,
    /// C, C++, Objective-C, Swift.
    Native,
    /// Unknown: the file's name decides.
    #[default]
    Other,
}

impl Style {
    /// The style of a platform by Sentry's names; also those of OpenTelemetry's languages.
    pub(crate) fn of_platform(platform: &str) -> Self {
        match platform {
            "python" => Self::Python,
            "javascript" | "node" | "nodejs" | "webjs" | "react-native" => Self::Script,
            "java" | "kotlin" | "scala" | "groovy" | "android" | "csharp" | "dotnet" => Self::Dotted,
            "go" => Self::Go,
            "rust" => Self::Rust,
            "php" => Self::Php,
            "ruby" => Self::Ruby,
            "dart" | "flutter" => Self::Dart,
            "native" | "c" | "cpp" | "cocoa" | "objc" | "swift" => Self::Native,
            _ => Self::Other,
        }
    }
}

/// One call. Strings are empty where absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame<'a> {
    pub(crate) style: Style,
    pub(crate) function: &'a str,
    pub(crate) module: &'a str,
    /// The file as the sender shows it, which may be a part of its path.
    pub(crate) file: &'a str,
    /// The file's whole path or URL, where it is known beside `file`.
    pub(crate) path: &'a str,
    /// The sender's own judgement.
    pub(crate) in_app: Option<bool>,
}

/// What a frame counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program's own: it counts for both hashes.
    Own,
    /// A library's: it counts for the full hash.
    Library,
    /// Machinery that comes and goes with versions of the runtime, or a frame without a name.
    Nothing,
}

impl<'a> Frame<'a> {
    /// Appends what identifies the call whatever its line, build or host; nothing where it has no name.
    pub(super) fn write_key(&self, out: &mut String) {
        let function = function::named(self.function);
        let module = function::bounded(self.module);
        match self.resolved() {
            Style::Dotted => function::write_dotted(module, function, out),
            Style::Go => function::write_go(module, function, out),
            Style::Rust => function::write_rust(module, function, out),
            Style::Native => {
                let start = out.len();
                function::write_native(function, out);
                if out.len() == start && !function.is_empty() {
                    out.push_str(function);
                }
                if out.len() == start {
                    file::write_tail(self.place(), false, out);
                }
            }
            Style::Php if function.contains(['\\', ':', '>']) => function::write_php(function, out),
            Style::Other if !module.is_empty() => function::write_dotted(module, function, out),
            style => {
                let start = out.len();
                if self.place().is_empty() {
                    file::write_module(module, out);
                } else {
                    file::write_tail(self.place(), style == Style::Script, out);
                }
                let file_end = out.len();
                out.push('\n');
                match style {
                    Style::Python => out.push_str(function.rsplit('.').next().unwrap_or(function)),
                    Style::Script => function::write_script(function, out),
                    Style::Ruby => function::write_ruby(function, out),
                    Style::Php => function::write_php(function, out),
                    Style::Dart => function::write_dart(function, out),
                    _ => function::write_dotted("", function, out),
                }
                if file_end == start && out.len() == file_end + 1 {
                    out.truncate(start);
                }
            }
        }
    }

    /// The name to blame: `module.function`, or the function alone.
    pub(super) fn name(&self) -> String {
        let made_up =
            |name: &str| [">d__", ">b__", "<>c", ")+", " { <lambda> }"].iter().any(|part| name.contains(part));
        if self.resolved() == Style::Dotted && (made_up(self.function) || made_up(self.module)) {
            let mut name = String::new();
            function::write_dotted(self.module, self.function, &mut name);
            return name;
        }
        let plain = function::without_crate_hashes(self.function);
        let function = match self.resolved() {
            Style::Rust => function::without_rust_hash(&plain),
            Style::Dotted => function::without_java_module(self.function),
            _ => self.function,
        };
        // What SDKs of JavaScript call a module is the file's name once more.
        let has_module = !self.module.is_empty() && self.resolved() != Style::Script;
        if !has_module || function::holds(function, self.module) {
            return function.to_owned();
        }
        format!("{}.{function}", self.module)
    }

    /// Whether its function has a name that one can blame.
    pub(super) fn is_named(&self) -> bool {
        !function::named(self.function).is_empty()
    }

    /// Whether it is the program's own: as the sender says, else by its names.
    pub(crate) fn is_in_app(&self) -> bool {
        self.in_app.unwrap_or_else(|| !is_library(self, self.resolved()))
    }

    pub(super) fn role(&self) -> Role {
        if is_nothing(self, self.resolved()) {
            Role::Nothing
        } else if self.is_in_app() {
            Role::Own
        } else {
            Role::Library
        }
    }

    /// Go and Rust print the calls of a thread, whatever error it had.
    pub(super) fn is_of_threads(&self) -> bool {
        matches!(self.resolved(), Style::Go | Style::Rust)
    }

    /// JavaScript's stacks are of one error: what caused it stands beside them for those alone that ask.
    pub(super) fn is_of_one_error(&self) -> bool {
        self.resolved() == Style::Script
    }

    /// The file, as much of its path as is known.
    pub(super) fn place(&self) -> &'a str {
        if self.path.is_empty() { self.file } else { self.path }
    }

    /// The style by the file's name, which is surer than what the sender says of the whole event.
    fn resolved(&self) -> Style {
        let place = self.place();
        if self.style != Style::Other && self.style != Style::Native || place.is_empty() {
            return self.style;
        }
        let end = place.find(['?', '#']).unwrap_or(place.len());
        let dot = place[..end].rfind('.').map_or("", |dot| &place[dot + 1..end]);
        match dot {
            "py" | "pyc" | "pyx" => Style::Python,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "tsx" | "mts" | "vue" | "svelte" | "html" | "bundle" => Style::Script,
            "java" | "kt" | "scala" | "groovy" | "clj" | "cs" | "vb" | "fs" => Style::Dotted,
            "go" => Style::Go,
            "rs" => Style::Rust,
            "php" => Style::Php,
            "rb" | "erb" | "rake" => Style::Ruby,
            "dart" => Style::Dart,
            "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "m" | "mm" | "swift" => Style::Native,
            _ if place.starts_with("http://") || place.starts_with("https://") || place.starts_with("node:") => {
                Style::Script
            }
            _ => self.style,
        }
    }
}

#[cfg(test)]
mod tests;
