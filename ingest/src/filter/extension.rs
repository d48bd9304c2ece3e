//! Whether an error was thrown by an extension of a browser, or by what such things inject into a page.
//!
//! Only the place that threw counts: an extension that merely stands further down the stack, because it wrapped a function of
//! the page, is not to blame.

use tephra_storage::Event;

/// Lines of a stack that are looked at for the first one with a place.
const LINES_MAX: usize = 50;

/// Where extensions and injected scripts lie.
const SOURCES: [&str; 12] = [
    "chrome-extension://",
    "moz-extension://",
    "safari-extension://",
    "safari-web-extension://",
    "ms-browser-extension://",
    "webkit-masked-url://",
    "chrome://extensions",
    "resource://gre/modules/extension",
    "127.0.0.1:4001/isrunning",
    "kaspersky-labs.com/",
    "webappstoolbarba.texthelp.com",
    "metrics.itunes.apple.com.edgesuite.net/",
];

/// What only they say, in small letters.
const TEXTS: [&str; 22] = [
    "_avast_submit",
    "_gcrweb",
    "__gcrweb",
    "a[b].target.classname.indexof is not a function",
    "atomicfindclose",
    "bmi_safeaddonload",
    "can't find variable: gmo",
    "can't find variable: instantsearchsdkjsbridgeclearhighlight",
    "can't find variable: logutils",
    "can't find variable: zitereader",
    "canvas.contentdocument",
    "combosearch is not defined",
    "conduitpage",
    "can't access dead object",
    "ebcallbackmessagereceived",
    "evaluating 'elt.parentnode'",
    "extension context invalidated",
    "jigsaw is not defined",
    "myapp_removeallhighlights",
    "originalcreatenotification",
    "plugin.setsuspendstate is not a function",
    "top.globals",
];

/// Programs that are not in a browser never have one.
const PLATFORMS: [&str; 4] = ["javascript", "webjs", "js", "typescript"];

/// Whether an extension threw it.
pub(super) fn threw(event: &Event) -> bool {
    if event.platform.as_deref().is_some_and(|platform| !PLATFORMS.contains(&platform)) {
        return false;
    }
    let place = event.stack.as_deref().and_then(newest_place);
    if place.is_some_and(|place| SOURCES.iter().any(|source| place.contains(source))) {
        return true;
    }
    let texts = [event.exception_value.as_deref(), event.message.as_deref()];
    texts.into_iter().flatten().any(|text| {
        let text = text[..text.floor_char_boundary(1024)].to_ascii_lowercase();
        TEXTS.iter().any(|known| text.contains(known))
    })
}

/// The first line of a browser's stack that names a place.
fn newest_place(stack: &str) -> Option<&str> {
    let lines = || stack.lines().take(LINES_MAX);
    let at = lines().map(str::trim_start).find(|line| line.starts_with("at ") && !is_nowhere(line));
    // Firefox and Safari write `function@address:line:column`.
    at.or_else(|| lines().find(|line| line.contains('@') && line.contains("://")))
}

fn is_nowhere(line: &str) -> bool {
    line.contains("<anonymous>") && !line.contains("://")
        || line.contains("[native code]")
        || line.ends_with("(native)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(platform: Option<&str>, stack: Option<&str>, value: Option<&str>, expected: bool) {
        let text = |text: Option<&str>| text.map(Into::into);
        let event =
            Event { platform: text(platform), stack: text(stack), exception_value: text(value), ..Event::default() };
        assert_eq!(threw(&event), expected, "{platform:?} {stack:?} {value:?}");
    }

    #[test]
    fn the_place_that_threw_counts() {
        let js = Some("javascript");
        let thrown =
            "TypeError: x is null\n    at f (chrome-extension://abc/inject.js:1:2)\n    at g (https://a.com/b.js:3:4)";
        check(js, Some(thrown), None, true);
        check(None, Some(thrown), None, true);
        check(Some("python"), Some(thrown), None, false);
        let wrapped =
            "TypeError: x is null\n    at g (https://a.com/b.js:3:4)\n    at f (chrome-extension://abc/inject.js:1:2)";
        check(js, Some(wrapped), None, false);
        let anonymous = "Error: a@b\n    at <anonymous>\n    at moz-extension://abc/x.js:1:2";
        check(js, Some(anonymous), None, true);
        check(js, Some("f@moz-extension://abc/x.js:1:2\ng@https://a.com/b.js:1:1"), None, true);
        check(js, Some("g@https://a.com/b.js:1:1\nf@moz-extension://abc/x.js:1:2"), None, false);
        check(js, None, None, false);
        check(js, Some(""), None, false);
    }

    #[test]
    fn some_say_it_themselves() {
        check(Some("javascript"), None, Some("Extension context invalidated."), true);
        check(None, None, Some("Can't find variable: _gCrWeb"), true);
        check(Some("python"), None, Some("Extension context invalidated."), false);
        check(Some("javascript"), None, Some("x is not defined"), false);
    }
}
