//! What of a file's path stays the same from host to host and from build to build.

/// Folders below which a bundler puts what it made.
const BUNDLES: &[&str] = &["assets", "static", "_next", "chunks", "dist", "build", "js", "_app", "immutable"];

/// Folders whose next name is a person's, or random.
const SHELVES: &[&str] =
    &["home", "Users", "tmp", "temp", "Temp", "folders", "releases", "versions", "Application", "workspace"];

/// Appends the last two names of a path that mean something: no host, home, version, build or query.
pub(super) fn write_tail(path: &str, script: bool, out: &mut String) {
    if path.starts_with('<') || path.starts_with("node:") {
        return out.push_str(path);
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match path.find("://") {
        // A URL's host says where it was served, not what it is.
        Some(scheme) => path[scheme + 3..].split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let mut last: [&str; 2] = ["", ""];
    let mut shelf = false;
    let mut bundle = false;
    for name in path.split(['/', '\\']) {
        if matches!(name, "" | "." | ".." | "~") || name.ends_with(':') {
            continue;
        }
        if std::mem::take(&mut shelf) && !name.contains('.') {
            continue;
        }
        if matches!(name, "site-packages" | "dist-packages" | "node_modules") {
            last = ["", ""];
            bundle = false;
            continue;
        }
        shelf = SHELVES.contains(&name);
        bundle |= script && BUNDLES.contains(&name);
        if !last[1].is_empty() && is_passing(last[1]) {
            last[1] = name;
        } else {
            last = [last[1], name];
        }
    }
    for (index, name) in last.into_iter().filter(|name| !name.is_empty() && !SHELVES.contains(name)).enumerate() {
        if index > 0 {
            out.push('/');
        }
        write_name(name, bundle, out);
    }
}

/// Appends the last two names of a dotted module as if they were a path.
pub(super) fn write_module(module: &str, out: &mut String) {
    let mut cut = module.rmatch_indices('.').map(|(at, _)| at + 1).skip(1);
    let tail = &module[cut.next().unwrap_or(0)..];
    for (index, name) in tail.split('.').enumerate() {
        out.push_str(if index > 0 { "/" } else { "" });
        out.push_str(name);
    }
    if !module.is_empty() {
        out.push_str(".py");
    }
}

/// A folder that another build or version names anew: `1.2.3`, `v2`, `20240101`, a hash, an id.
fn is_passing(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let version = name.strip_prefix(['v', 'V']).unwrap_or(name);
    let numeric =
        digits > 0 && version.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_' | b'T'));
    numeric
        || is_build_hash(name)
        || (name.len() == 36 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

/// A file's name without what bundlers put into it.
fn write_name(name: &str, bundle: bool, out: &mut String) {
    let start = out.len();
    let is_separator = |byte: u8| matches!(byte, b'.' | b'-' | b'_' | b'@');
    let mut at = 0;
    let mut sign = "";
    while at < name.len() {
        let length = name.as_bytes()[at..].iter().position(|byte| is_separator(*byte)).unwrap_or(name.len() - at);
        let word = &name[at..at + length];
        let last = at + length == name.len();
        let hash = is_build_hash(word) || (bundle && !last && is_bundle_word(word, sign));
        if !hash {
            out.push_str(if out.len() == start { "" } else { sign });
            out.push_str(if word == "pyc" { "py" } else { word });
        }
        sign = name.get(at + length..at + length + 1).unwrap_or_default();
        at += length + 1;
    }
}

/// What bundlers put into file names: eight or more characters that mix digits with hexadecimal or mixed-case letters.
pub(super) fn is_build_hash(word: &str) -> bool {
    if word.len() < 8 || !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let any = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixed = any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase) && word.len() <= 10;
    hex || mixed
}

/// Where bundlers write: a chunk's number, or eight letters that are no word.
fn is_bundle_word(word: &str, sign: &str) -> bool {
    let number = word.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = word.as_bytes();
    let humps = bytes.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    let shouts = bytes.windows(2).filter(|pair| pair[0].is_ascii_uppercase() && pair[1].is_ascii_uppercase()).count();
    let hex = bytes.iter().all(u8::is_ascii_hexdigit) && bytes.iter().any(u8::is_ascii_digit);
    // Vite puts a dash and eight letters of either case behind each name.
    let mixed = word.len() == 8 && (humps + shouts >= 2 || (humps >= 1 && sign == "-"));
    number || (!sign.is_empty() && (mixed || (hex && word.len() >= 4)))
}
