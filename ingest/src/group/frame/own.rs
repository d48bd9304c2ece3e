//! Which frames are a library's, and which say nothing at all.

use memchr::memmem;

use super::{Frame, Style, function};

fn starts(text: &str, list: &[&str]) -> bool {
    list.iter().any(|prefix| text.starts_with(prefix))
}

fn holds(text: &str, list: &[&str]) -> bool {
    list.iter().any(|part| memmem::find(text.as_bytes(), part.as_bytes()).is_some())
}

/// The name with its module, where one of them holds both.
fn full<'a>(frame: &Frame<'a>) -> &'a str {
    if frame.module.is_empty() { function::without_java_module(frame.function) } else { frame.module }
}

pub(super) fn is_library(frame: &Frame<'_>, style: Style) -> bool {
    let place = frame.place();
    match style {
        Style::Python => holds(place, PYTHON_FILES),
        Style::Script => starts(place, SCRIPT_PREFIXES) || holds(place, SCRIPT_FILES),
        Style::Dotted => starts(full(frame), DOTTED_PREFIXES),
        Style::Go => {
            holds(place, GO_FILES)
                || starts(frame.function, &["runtime."])
                || starts(frame.module, &["runtime"])
                // Paths of programs that were built with `-trimpath` are those of the packages.
                || (!place.is_empty() && !place.contains(['\\', ':']) && !place.starts_with(['/', '.']) && is_std(place))
        }
        Style::Rust => {
            let function = function::without_crate_hashes(frame.function);
            matches!(&*function, "main" | "clone" | "clone3" | "start_thread")
                || starts(&function, RUST_PREFIXES)
                || holds(place, RUST_FILES)
        }
        Style::Dart => starts(place, &["dart:", "package:flutter/", "org-dartlang-sdk:"]),
        Style::Native => {
            starts(frame.function, NATIVE_PREFIXES)
                || starts(frame.module, NATIVE_LIBRARIES)
                || starts(place, &["/usr/include/", "/usr/lib/", "/rustc/"])
        }
        Style::Php | Style::Ruby | Style::Other => {
            holds(place, PYTHON_FILES)
                || holds(place, SCRIPT_FILES)
                || holds(place, OTHER_FILES)
                || starts(place, SCRIPT_PREFIXES)
                || starts(frame.module, DOTTED_PREFIXES)
        }
    }
}

/// Machinery between two calls, which one version of a runtime shows and another hides.
pub(super) fn is_nothing(frame: &Frame<'_>, style: Style) -> bool {
    match style {
        // Python 3.12 makes no frames of comprehensions any more.
        Style::Python => matches!(frame.function, "<listcomp>" | "<dictcomp>" | "<setcomp>"),
        Style::Dotted | Style::Other => {
            starts(full(frame), DOTTED_NOTHING) || holds(full(frame), GENERATED) || holds(frame.function, GENERATED)
        }
        Style::Go => {
            frame.function == "panic"
                || starts(frame.function, &["runtime.", "runtime/debug."])
                || matches!(frame.module, "runtime" | "runtime/debug")
        }
        Style::Rust => {
            let function = function::without_crate_hashes(frame.function);
            function == "main" || starts(&function, RUST_NOTHING)
        }
        // `at async Promise.all (index 0)`
        Style::Script => frame.place() == "index" || frame.place().starts_with("index "),
        _ => false,
    }
}

/// A file of Go's own library, by the first name of its path.
fn is_std(path: &str) -> bool {
    path.split_once('/').is_some_and(|(package, _)| GO_STD.contains(&package))
}

const PYTHON_FILES: &[&str] = &["-packages", "/lib/python", "/lib64/python", "\\lib\\", "\\Lib\\", "<frozen "];
const SCRIPT_PREFIXES: &[&str] = &[
    "node:",
    "ext:",
    "internal/",
    "<anonymous>",
    "native",
    "chrome-extension:",
    "moz-extension:",
    "safari-web-extension:",
];
const SCRIPT_FILES: &[&str] = &["node_modules", "webpack/bootstrap", "webpack/runtime", "[native code]"];
const GO_FILES: &[&str] = &["/go/src/", "/pkg/mod/", "/vendor/", "/libexec/src/", "/golang/src/", "@v"];
#[rustfmt::skip]
const GO_STD: &[&str] = &[
    "bufio", "bytes", "compress", "container", "context", "crypto", "database", "debug", "encoding", "errors", "expvar", "flag",
    "fmt", "go", "hash", "html", "image", "internal", "io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin",
    "reflect", "regexp", "runtime", "slices", "sort", "strconv", "strings", "sync", "syscall", "testing", "text", "time", "unicode",
];
const RUST_FILES: &[&str] = &["/rustc/", ".cargo/registry", "/rustlib/src/", ".cargo/git/"];
const OTHER_FILES: &[&str] = &["/vendor/", "/gems/", "/lib/ruby/", "<internal:", "[internal"];
#[rustfmt::skip]
const DOTTED_PREFIXES: &[&str] = &[
    "java.", "javax.", "jakarta.", "sun.", "jdk.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.", "clojure.",
    "android.", "androidx.", "dalvik.", "com.android.", "org.springframework.", "org.apache.", "org.hibernate.",
    "org.junit.", "org.eclipse.jetty.", "io.netty.", "reactor.", "System.", "Microsoft.", "io.undertow.", "com.google.common.",
    "com.fasterxml.", "com.zaxxer.", "io.grpc.", "okhttp3.", "retrofit2.", "io.reactivex.", "io.vertx.", "akka.", "play.",
];
const DOTTED_NOTHING: &[&str] = &[
    "sun.reflect.",
    "jdk.internal.reflect.",
    "java.lang.reflect.",
    "java.lang.invoke.",
    "_COROUTINE.",
    "Castle.Proxies.",
    "lambda_method",
    "jdk.proxy",
    "com.sun.proxy.",
    "System.Runtime.ExceptionServices.",
    "System.Runtime.CompilerServices.",
];
/// Classes that frameworks make as the program runs.
const GENERATED: &[&str] = &[
    "$$EnhancerBy",
    "$$FastClassBy",
    "$$SpringCGLIB$$",
    "$MockitoMock$",
    "$HibernateProxy$",
    "_$$_jvst",
    "$ByteBuddy$",
    "$$Lambda",
    "GeneratedMethodAccessor",
    ".$Proxy",
    "$_$$_Weld",
];
#[rustfmt::skip]
const RUST_PREFIXES: &[&str] = &[
    "std::", "core::", "alloc::", "<core::", "<alloc::", "<std::", "tokio::", "<tokio::", "rust_begin_unwind", "rust_panic",
    "__rust", "_rust", "__libc_start", "_start", "backtrace::", "<backtrace::", "__clone", "hyper::", "futures_util::",
    "<hyper::", "<futures_util::", "futures_core::", "<futures_core::", "anyhow::", "<anyhow::", "eyre::", "<eyre::",
    "color_eyre::", "<color_eyre::", "axum::", "<axum::", "tower::", "<tower::", "actix_", "<actix_", "rayon_core::",
    "<rayon_core::", "tracing::", "<tracing::",
];
const RUST_NOTHING: &[&str] = &[
    "rust_begin_unwind",
    "rust_panic",
    "__rust",
    "_rust",
    "std::panicking::",
    "core::panicking::",
    "std::rt::",
    "std::panic::",
    "std::sys::backtrace::",
    "std::sys_common::backtrace::",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "backtrace::",
    "<backtrace::",
    "__libc_start",
    "_start",
    "core::ops::function::",
    "std::backtrace",
    "<std::backtrace",
    "sentry_backtrace::",
    "sentry_panic::",
    "<alloc::boxed::Box<F,A> as core::ops::function::",
];
const NATIVE_PREFIXES: &[&str] = &[
    "std::",
    "__libc_",
    "_start",
    "objc_",
    "_objc_",
    "dispatch_",
    "_dispatch_",
    "pthread_",
    "__pthread_",
    "_pthread_",
    "__cxa_",
    "abort",
    "raise",
    "gsignal",
    "NSException",
    "__exceptionPreprocess",
    "CF",
    "_CF",
    "__CF",
    "-[UI",
    "-[NS",
    "UIApplicationMain",
    "start_thread",
    "clone",
    "mach_msg",
];
#[rustfmt::skip]
const NATIVE_LIBRARIES: &[&str] = &[
    "libc.", "libc-", "libc++", "libstdc++", "libpthread", "libm.", "ld-linux", "libsystem_", "libdispatch", "libobjc", "dyld",
    "CoreFoundation", "Foundation", "UIKit", "AppKit", "CFNetwork", "GraphicsServices", "QuartzCore", "libswift", "libart.",
    "libandroid_runtime", "libbinder", "libutils", "app_process", "ntdll", "kernel32", "KERNEL32", "KERNELBASE", "ucrtbase",
    "vcruntime", "VCRUNTIME", "msvcp", "user32", "USER32",
];
