//! Which runtime a stack comes from: how it prints a trace, and which of its frames are the program's own.

use std::borrow::Cow;

use super::chain::Frame;
use crate::group::{self, Style};

/// A language or runtime, as far as traces differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Runtime {
    Python,
    /// JavaScript of Node and browsers.
    Script,
    /// Java, Kotlin, Scala.
    Java,
    Go,
    Rust,
    CSharp,
    Php,
    Ruby,
    /// C, C++, Objective-C, Swift.
    Native,
    /// Dart, Elixir, Crystal, …
    #[default]
    Other,
}

impl Runtime {
    /// By the event's platform; Rust calls itself `native`, so its SDK's name decides.
    pub(crate) fn new(platform: &str, sdk: &str) -> Self {
        match platform {
            "python" => Self::Python,
            "javascript" | "node" => Self::Script,
            "java" | "kotlin" | "scala" | "groovy" | "clojure" => Self::Java,
            "go" => Self::Go,
            "rust" => Self::Rust,
            "csharp" | "dotnet" | "fsharp" | "vb" => Self::CSharp,
            "php" => Self::Php,
            "ruby" => Self::Ruby,
            "" | "native" | "other" if sdk.starts_with("sentry.rust") => Self::Rust,
            "native" | "c" | "cocoa" | "objc" | "swift" => Self::Native,
            "" if sdk.starts_with("sentry.python") => Self::Python,
            "" if sdk.starts_with("sentry.javascript") => Self::Script,
            "" if sdk.starts_with("sentry.java") => Self::Java,
            "" if sdk.starts_with("sentry.go") => Self::Go,
            _ => Self::Other,
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Python => Style::Python,
            Self::Script => Style::Script,
            Self::Java | Self::CSharp => Style::Dotted,
            Self::Go => Style::Go,
            Self::Rust => Style::Rust,
            Self::Php => Style::Php,
            Self::Ruby => Style::Ruby,
            Self::Native => Style::Native,
            Self::Other => Style::Other,
        }
    }

    /// Whether SDKs say `in_app: true` of every frame that they know nothing of, so that the word means little.
    fn guesses_own(self) -> bool {
        matches!(self, Self::Script | Self::Go | Self::Rust)
    }

    /// Whether the frame is the program's own. A sender's `false` holds; its `true` as far as it means something.
    pub(super) fn is_in_app(self, frame: &Frame<'_>) -> bool {
        match frame.in_app {
            Some(false) => false,
            Some(true) if !self.guesses_own() => true,
            _ => self.looks_in_app(frame),
        }
    }

    /// What the frame's names and paths say.
    fn looks_in_app(self, frame: &Frame<'_>) -> bool {
        let function = self.function(frame);
        let named = group::Frame { style: self.style(), function: &function, ..group::Frame::default() };
        let grouped = match self {
            // The function's name has the module, and a file without a folder says no more.
            Self::Java | Self::CSharp => named,
            Self::Native | Self::Other => {
                let module = if frame.module.is_empty() { library(&frame.package) } else { &frame.module };
                group::Frame { module, file: &frame.filename, path: &frame.abs_path, ..named }
            }
            _ => group::Frame { file: frame.path(), ..named },
        };
        grouped.is_in_app()
    }

    /// The function's name as a trace has it; empty where it has none.
    pub(super) fn function<'f>(self, frame: &'f Frame<'_>) -> Cow<'f, str> {
        let function = frame.function.as_ref();
        let module = frame.module.as_ref();
        match self {
            Self::Script if matches!(function, "?" | "<anonymous>" | "<unknown>") => "".into(),
            Self::Script => {
                let name = function.split(" [as ").next().unwrap_or(function);
                // Sentry's word for what V8 calls `<anonymous>`.
                name.strip_suffix(".?").map_or(name.into(), |receiver| format!("{receiver}.<anonymous>").into())
            }
            Self::Java | Self::Go if !module.is_empty() && !function.is_empty() => {
                format!("{module}.{function}").into()
            }
            // Only some of the SDKs of .NET put the parameters behind the name.
            Self::CSharp if !module.is_empty() && !function.is_empty() => {
                format!("{module}.{}", function.split('(').next().unwrap_or(function)).into()
            }
            _ => function.into(),
        }
    }

    /// The type of an exception as OpenTelemetry has it: with its module, in runtimes that speak of it so.
    pub(crate) fn exception_type<'e>(self, kind: &'e str, module: &str) -> Cow<'e, str> {
        let qualifies = matches!(self, Self::Python | Self::Java)
            && !matches!(module, "" | "builtins" | "exceptions" | "__builtin__")
            && !kind.is_empty()
            && module.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$' | b'-'))
            && !kind.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
        if qualifies { format!("{module}.{kind}").into() } else { kind.into() }
    }
}

/// The name of a library without its folder, which differs from machine to machine.
fn library(package: &str) -> &str {
    package.rsplit(['/', '\\']).next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_runtimes() {
        for (platform, sdk, expected) in [
            ("python", "", Runtime::Python),
            ("node", "", Runtime::Script),
            ("native", "sentry.rust", Runtime::Rust),
            ("native", "sentry.native", Runtime::Native),
            ("cocoa", "", Runtime::Native),
            ("", "sentry.python.django", Runtime::Python),
            ("", "sentry.javascript.browser", Runtime::Script),
            ("", "", Runtime::Other),
        ] {
            assert_eq!(Runtime::new(platform, sdk), expected, "{platform} {sdk}");
        }
    }

    #[test]
    fn marks_frames_by_path_where_the_sender_does_not_or_guesses() {
        let check = |runtime: Runtime, said: Option<bool>, module: &str, path: &str, expected: bool| {
            let frame = Frame {
                function: "f".into(),
                module: module.to_owned().into(),
                abs_path: path.to_owned().into(),
                in_app: said,
                ..Frame::default()
            };
            assert_eq!(runtime.is_in_app(&frame), expected, "{runtime:?} {said:?} {module} {path}");
        };
        check(Runtime::Python, None, "app.jobs", "/srv/app/jobs.py", true);
        check(Runtime::Python, None, "requests.api", "/venv/lib/python3.12/site-packages/requests/api.py", false);
        check(Runtime::Python, None, "json.decoder", "/usr/lib/python3.12/json/decoder.py", false);
        check(Runtime::Python, Some(true), "acme", "/venv/lib/python3.12/site-packages/acme/x.py", true);
        check(Runtime::Python, Some(false), "app.jobs", "/srv/app/jobs.py", false);
        check(Runtime::Script, Some(true), "", "/srv/node_modules/express/lib/router.js", false);
        check(Runtime::Script, None, "", "node:internal/timers", false);
        check(Runtime::Script, None, "", "/srv/app.js", true);
        check(Runtime::Java, None, "java.lang.Thread", "Thread.java", false);
        check(Runtime::Java, None, "sun.reflect.X", "X.java", false);
        check(Runtime::Java, None, "kotlin.coroutines.X", "X.kt", false);
        check(Runtime::Java, None, "com.acme.Main", "Main.java", true);
        check(
            Runtime::Go,
            Some(true),
            "github.com/gin-gonic/gin",
            "/go/pkg/mod/github.com/gin-gonic/gin@v1/context.go",
            false,
        );
        check(Runtime::Go, None, "net/http", "/usr/local/go/src/net/http/server.go", false);
        check(Runtime::Go, None, "main", "/src/app/main.go", true);
        check(Runtime::Rust, Some(true), "", "/root/.cargo/registry/src/x/lib.rs", false);
        check(Runtime::Rust, None, "", "/src/app/main.rs", true);
    }

    #[test]
    fn types_have_their_module_where_their_runtime_says_so() {
        let check = |runtime: Runtime, kind: &str, module: &str, expected: &str| {
            assert_eq!(runtime.exception_type(kind, module), expected);
        };
        check(Runtime::Python, "ConnectionError", "requests.exceptions", "requests.exceptions.ConnectionError");
        check(Runtime::Python, "ValueError", "builtins", "ValueError");
        check(Runtime::Python, "ValueError", "", "ValueError");
        check(Runtime::Java, "RuntimeException", "java.lang", "java.lang.RuntimeException");
        check(Runtime::Java, "java.lang.RuntimeException", "java.lang", "java.lang.RuntimeException");
        check(Runtime::CSharp, "System.Exception", "System.Private.CoreLib, Version=4.0.0.0", "System.Exception");
        check(Runtime::Script, "TypeError", "x", "TypeError");
    }
}
