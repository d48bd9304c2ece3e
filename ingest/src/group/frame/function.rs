//! What of a function's name a compiler, a proxy or a runtime made up, taken out.

use std::borrow::Cow;

/// Whether a function's name begins with its module: `main` in the package `main` does not.
pub(super) fn holds(function: &str, module: &str) -> bool {
    function.strip_prefix(module).is_some_and(|rest| rest.starts_with(['.', ':', '/', '$', '\\']))
}

/// How much of a name takes part.
const NAME_BYTES_MAX: usize = 2 << 10;

/// As much of a name as takes part.
pub(super) fn bounded(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// The name, or nothing where it says that there is none.
pub(super) fn named(function: &str) -> &str {
    let function = bounded(function.trim());
    let address = function.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let unnamed = matches!(
        function,
        "?" | "??"
            | "???"
            | "<unknown>"
            | "unknown"
            | "<redacted>"
            | "<anonymous>"
            | "anonymous"
            | "(anonymous)"
            | "{anonymous}"
            | "<unknown module>"
            | "__unknown__"
            | "stripped_application_code"
            | "<null>"
            | "-"
    );
    if address || unnamed { "" } else { function }
}

/// `java.base@17/java.util.X` and `app//x.Y` without their module; a lambda's `$$Lambda/0x…` has its slash later.
pub(super) fn without_java_module(name: &str) -> &str {
    let end = name.find(['$', '(']).unwrap_or(name.len());
    name[..end].rfind('/').map_or(name, |slash| &name[slash + 1..])
}

/// `shop::pay` of `shop[8787f43e282added]::pay`, as the newer form of symbols has it.
pub(super) fn without_crate_hashes(name: &str) -> Cow<'_, str> {
    let is_hash = |at: usize| {
        let hash = name.get(at + 1..at + 17).is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        hash && name[at + 17..].starts_with(']')
    };
    let mut hashes = name.match_indices('[').map(|(at, _)| at).filter(|at| is_hash(*at)).peekable();
    if hashes.peek().is_none() {
        return Cow::Borrowed(name);
    }
    let (mut plain, mut from) = (String::with_capacity(name.len()), 0);
    for at in hashes {
        plain.push_str(&name[from..at]);
        from = at + 18;
    }
    plain.push_str(&name[from..]);
    Cow::Owned(plain)
}

/// `path::function` without `::h0123456789abcdef`.
pub(super) fn without_rust_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

/// Java, Kotlin, Scala, C#: no module, generics, parameters, numbers of lambdas; an async method under its own name.
pub(super) fn write_dotted(module: &str, function: &str, out: &mut String) {
    // Sentry's names for closures: `Post { <lambda> }` and `void A.Post()+() => { }`.
    let function = function.strip_suffix(" { <lambda> }").unwrap_or(function);
    let function = function.find(")+").map_or(function, |at| &function[..at + 1]);
    let function = match function.find('(').filter(|open| *open > 0 && function.ends_with(')')) {
        // `async Task<int> A.B.F(int x)`
        Some(open) => function[..open].trim_end().rsplit(' ').next().unwrap_or_default(),
        None => function,
    };
    let function = if module.is_empty() { without_java_module(function) } else { function };
    let module = without_java_module(module);
    if !module.is_empty() && !holds(function, module) {
        write_names(module, out);
        if !function.is_empty() && !out.ends_with('.') {
            out.push('.');
        }
    }
    write_names(function, out);
    if out.ends_with(".MoveNext") && module.contains(">d") | function.contains(">d") {
        out.truncate(out.len() - ".MoveNext".len());
    }
}

fn write_names(name: &str, out: &mut String) {
    if !name.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'<' | b'`' | b'+' | b'[' | b':')) {
        return out.push_str(name);
    }
    let bytes = name.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'`' => at = run_end(bytes, at + 1, |byte| byte.is_ascii_digit()),
            b'[' => at = close(bytes, at, b'[', b']'),
            // A class within a class; Unity parts class and method by a colon.
            b'+' | b':' => {
                out.push('.');
                at += 1;
            }
            b'<' => at = write_angled(name, at, out),
            b'0'..=b'9' if is_generated(&name[..at]) => {
                at = run_end(bytes, at, |byte| byte.is_ascii_hexdigit() || byte == b'x');
            }
            _ => {
                let end = name.ceil_char_boundary(at + 1);
                out.push_str(&name[at..end]);
                at = end;
            }
        }
    }
}

/// A number here is a compiler's: of a lambda, a proxy, an anonymous class, an accessor.
fn is_generated(before: &str) -> bool {
    ["$", "/", "__", "Accessor", "Proxy", "Lambda", "lambda_method"].iter().any(|word| before.ends_with(word))
}

/// `<init>` stays; `<Run>b__3` and `<Run>d__7` are `Run`; `<>c__DisplayClass1_0` is nothing; `<T>` goes.
fn write_angled(name: &str, at: usize, out: &mut String) -> usize {
    let bytes = name.as_bytes();
    let end = close(bytes, at, b'<', b'>');
    let inner = name.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
    let segment = run_end(bytes, end.min(bytes.len()), |byte| !matches!(byte, b'.' | b'+'));
    let tail = &name[end.min(segment)..segment];
    if matches!(inner, "init" | "clinit" | "module" | "lambda" | "main" | "top (required)") {
        out.push_str(&name[at..end]);
        return end;
    }
    if inner.is_empty() {
        if out.ends_with('.') {
            out.pop();
        }
        return segment;
    }
    if tail.starts_with(['d', 'b']) && (tail.len() == 1 || tail[1..].starts_with("__")) {
        // `<<PayAsync>b__0>d`: an async closure of `PayAsync`.
        match inner.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
            Some((name, _)) => out.push_str(name),
            None => out.push_str(inner),
        }
        return segment;
    }
    if let Some(local) = tail.strip_prefix("g__") {
        out.push_str(inner);
        out.push('.');
        out.push_str(local.split('|').next().unwrap_or_default());
        return segment;
    }
    end
}

/// Behind the sign that closes the one at `at`; the end of the name where it is not closed.
fn close(bytes: &[u8], at: usize, open: u8, shut: u8) -> usize {
    let mut depth = 0usize;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        if *byte == open {
            depth += 1;
        } else if *byte == shut && !(shut == b'>' && index > 0 && bytes[index - 1] == b'-') {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return index + 1;
            }
        }
    }
    bytes.len()
}

fn run_end(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[at.min(bytes.len())..].iter().position(|byte| !belongs(*byte)).map_or(bytes.len(), |length| at + length)
}

/// JavaScript: the name alone, for browsers differ in what they put before it.
pub(super) fn write_script(function: &str, out: &mut String) {
    let mut name = function.rsplit('*').next().unwrap_or(function);
    for word in ["async ", "new ", "get ", "set ", "bound "] {
        name = name.strip_prefix(word).unwrap_or(name);
    }
    let name = name.split(" [as ").next().unwrap_or(name).trim_end_matches("/<").trim_end_matches('/');
    let name = name.split('(').next().unwrap_or(name);
    let name = name.rsplit(['.', '/']).next().unwrap_or(name);
    let name = named(name);
    // Transpilers number what they make: `_callee$1`, `_loop2`.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let made = stem.len() < name.len() && (stem.starts_with('_') || stem.ends_with('$'));
    out.push_str(if made { stem } else { name });
}

/// Go: closures without their numbers, generics without their types.
pub(super) fn write_go(module: &str, function: &str, out: &mut String) {
    if !module.is_empty() && !holds(function, module) {
        out.push_str(module.rsplit("/vendor/").next().unwrap_or(module));
        out.push('.');
    }
    let function = function.rsplit("/vendor/").next().unwrap_or(function);
    let function = function.strip_suffix("-fm").unwrap_or(function);
    let bytes = function.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = &function[..at];
        match byte {
            b'[' => at = close(bytes, at, b'[', b']'),
            b'%' if function[at..].starts_with("%2e") => {
                out.push('.');
                at += 3;
            }
            b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && before.contains("func") => {
                at = run_end(bytes, at + 1, |byte| byte.is_ascii_digit());
            }
            b'0'..=b'9' if ["func", "gowrap", "deferwrap", "dwrap·"].iter().any(|word| before.ends_with(word)) => {
                at = run_end(bytes, at, |byte| byte.is_ascii_digit());
            }
            _ => {
                let end = function.ceil_char_boundary(at + 1);
                out.push_str(&function[at..end]);
                at = end;
            }
        }
    }
}

/// Rust: no hash, no generics, a closure under the name of its function.
pub(super) fn write_rust(module: &str, function: &str, out: &mut String) {
    let function = &*without_crate_hashes(without_rust_hash(function));
    if !module.is_empty() && !holds(function, module) {
        out.push_str(module);
        out.push_str("::");
    }
    let start = out.len();
    let bytes = function.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b':' if function[at..].starts_with("::<") => at = close(bytes, at + 2, b'<', b'>'),
            b':' if function[at..].starts_with("::{") => at = close(bytes, at + 2, b'{', b'}'),
            b'{' => at = close(bytes, at, b'{', b'}'),
            // `Vec<T>::push`; `<T as U>::f` begins so.
            b'<' if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') => {
                at = close(bytes, at, b'<', b'>')
            }
            _ => {
                let end = function.ceil_char_boundary(at + 1);
                out.push_str(&function[at..end]);
                at = end;
            }
        }
    }
    if out.len() == start && !function.is_empty() {
        out.push_str(function);
    }
}

/// PHP: one sign for both kinds of call, closures without their place, anonymous classes without their file.
pub(super) fn write_php(function: &str, out: &mut String) {
    let name = function.trim_start_matches('\\');
    // A closure may name its place in braces, which holds signs of its own.
    let head = name.find('{').map_or(name, |open| &name[..open]);
    let (class, method) = match head.rfind("::").or_else(|| head.rfind("->")) {
        Some(at) => (&name[..at], &name[at + 2..]),
        None => ("", name),
    };
    if let Some(at) = class.find("@anonymous") {
        out.push_str(&class[..at]);
        out.push_str("@anonymous::");
    } else if !class.is_empty() {
        out.push_str(class);
        out.push_str("::");
    }
    match method.find("{closure") {
        // `Illuminate\Pipeline\{closure}` and `{closure:/srv/x.php:12}`
        Some(at) => {
            out.push_str(&method[..at]);
            out.push_str("{closure}");
        }
        None => out.push_str(method.split('(').next().unwrap_or(method)),
    }
}

/// Ruby: the method alone; a block counts as its method, and Ruby 3.4 names the class where 3.3 did not.
pub(super) fn write_ruby(function: &str, out: &mut String) {
    let mut name = function;
    while let Some((word, rest)) = name.split_once(" in ") {
        if !["block", "rescue", "ensure"].iter().any(|kind| word.starts_with(kind)) {
            break;
        }
        name = rest;
    }
    if name.starts_with('<') {
        return out.push_str(name);
    }
    let name = name.rsplit('#').next().unwrap_or(name);
    // Rails compiles a template under a name of its own each time: `_app_views_carts_show_html_erb__31425364_70123`.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let name = if name.starts_with('_') && name.len() - stem.len() >= 6 { stem } else { name };
    let dot = name.rfind('.').filter(|dot| name[..*dot].starts_with(|c: char| c.is_ascii_uppercase()));
    out.push_str(dot.map_or(name, |dot| &name[dot + 1..]));
}

/// Dart: closures under the name of their function.
pub(super) fn write_dart(function: &str, out: &mut String) {
    let mut name = function.strip_prefix("new ").unwrap_or(function);
    while let Some(outer) = [".<anonymous closure>", ".<fn>", ".<async>"].iter().find_map(|end| name.strip_suffix(end))
    {
        name = outer;
    }
    out.push_str(if matches!(name, "<fn>" | "<anonymous closure>" | "<async>") { "" } else { name });
}

/// C, C++, Objective-C, Swift: no parameters, template arguments, offsets, clones and numbers of blocks.
pub(super) fn write_native(function: &str, out: &mut String) {
    let mut name = function;
    for word in ["specialized ", "@objc ", "partial apply for ", "merged ", "thunk for ", "outlined ", "static "] {
        name = name.strip_prefix(word).unwrap_or(name);
    }
    while let Some(at) =
        name.find(" in ").filter(|_| name.starts_with("closure #") || name.starts_with("implicit closure #"))
    {
        name = &name[at + 4..];
    }
    for mark in [" + ", "+0x", ".isra.", ".constprop.", ".part.", ".cold", ".llvm.", "@plt", "@@"] {
        name = name.find(mark).filter(|at| *at > 0).map_or(name, |at| &name[..at]);
    }
    if let Some(at) = name.find("_block_invoke") {
        let head = name[..at].trim_start_matches('_').trim_start_matches(|c: char| c.is_ascii_digit());
        return out.push_str(head);
    }
    if name.starts_with(['-', '+']) {
        return out.push_str(name);
    }
    let name = without_rust_hash(name);
    let bytes = name.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'(' if name[at..].starts_with("(anonymous namespace)") => {
                out.push_str("(anonymous namespace)");
                at += "(anonymous namespace)".len();
            }
            b'(' if at > 0 && !name[..at].ends_with("operator") => break,
            b'<' if at > 0 && !name[..at].ends_with("operator") && !name[..at].ends_with('<') => {
                at = close(bytes, at, b'<', b'>')
            }
            b':' if name[at..].starts_with("::{") => at = close(bytes, at + 2, b'{', b'}'),
            _ => {
                let end = name.ceil_char_boundary(at + 1);
                out.push_str(&name[at..end]);
                at = end;
            }
        }
    }
}
