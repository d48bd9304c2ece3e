//! What of a file's path stays the same from host to host and from build to build.

/// Folders below which a bundler puts what it made.
const BUNDLES: &[&str] = &["assets", "static", "_next", "chunks", "dist", "build", "js", "_app", "immutable"];

/// Folders whose next name is a person's, or random.
const SHELVES: &[&str] =
    &["home", "Users", "tmp", "temp", "Temp", "folders", "releases", "versions", "Application", "workspace"];

/// Appends the last two names of a path that mean something: no host, home, version, build or query.
pub(super) fn write_tail(path: &str, script: bool, out: &mut String) {
    if path.starts_with('<') {
        return write_made_up(path, out);
    }
    for word in ["[internal", "wasm:"] {
        // PHP's own functions, by text and by SDK; the modules of a program in a browser, by number.
        if path.starts_with(word) {
            return out.push_str(word);
        }
    }
    if path.starts_with("node:") {
        return out.push_str(path);
    }
    let path = path.strip_prefix("address at ").unwrap_or(path);
    // Firefox: `https://x.io/a.js line 12 > eval`.
    let path = path.split_once(" line ").map_or(path, |(path, _)| path);
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

/// `<string>` as it is; `<ipython-input-5-3f2a1b9c>` without what another session names anew.
fn write_made_up(name: &str, out: &mut String) {
    for (index, word) in name.split('-').enumerate() {
        let core = word.trim_matches(['<', '>', ' ']);
        let number = !core.is_empty() && core.bytes().all(|byte| byte.is_ascii_digit());
        if index > 0 && (number || is_build_hash(core)) {
            continue;
        }
        out.push_str(if index > 0 { "-" } else { "" });
        out.push_str(word.trim_end_matches('>'));
    }
    out.push('>');
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
    // A notebook's cell is a file of six and more digits.
    let stem = name.find('.').unwrap_or(name.len());
    let mut at = if stem >= 5 && name.as_bytes()[..stem].iter().all(u8::is_ascii_digit) { stem } else { 0 };
    // Vite's hashes may hold signs that part words: `index-C5-QmZ4e.js`.
    let signed = |at: &usize| bundle && *at > 0 && name.get(*at..stem).is_some_and(is_signed_hash);
    let hash = stem.checked_sub(9).filter(signed);
    if let Some(end) = hash {
        write_name(&name[..end], bundle, out);
        return out.push_str(&name[stem..]);
    }
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
    // esbuild and Turbopack: `chunk-2SFZ3XKQ`.
    let shout = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    hex || mixed || (shout && any(u8::is_ascii_uppercase))
}

/// A dash and eight letters, digits and signs of base 64 that are no words.
fn is_signed_hash(word: &str) -> bool {
    let Some(hash) = word.strip_prefix('-').filter(|hash| hash.contains(['-', '_'])) else { return false };
    let any = |test: fn(&u8) -> bool| hash.as_bytes().iter().any(test);
    let letters = hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let inner = hash[1..].bytes().any(|byte| byte.is_ascii_uppercase());
    letters && any(u8::is_ascii_lowercase) && inner && any(u8::is_ascii_digit)
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
