//! The columns of real events, spelled out.

use tephra_storage::Event;

use super::payloads::recorded;
use super::{corpus, envelope, json, store};

/// The columns that hold a word or an id.
fn columns(event: &Event) -> Vec<(&'static str, String)> {
    let texts = [
        ("platform", &event.platform),
        ("logger", &event.logger),
        ("message", &event.message),
        ("template", &event.template),
        ("exception_type", &event.exception_type),
        ("exception_value", &event.exception_value),
        ("culprit", &event.culprit),
        ("environment", &event.environment),
        ("release", &event.release),
        ("server_name", &event.server_name),
        ("user_id", &event.user_id),
        ("user_email", &event.user_email),
        ("user_ip", &event.user_ip),
        ("sdk_name", &event.sdk_name),
        ("sdk_version", &event.sdk_version),
    ];
    let mut columns = vec![("kind", event.kind.as_str().to_owned()), ("level", event.level.as_str().to_owned())];
    columns.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?.to_owned()))));
    columns.extend(event.handled.map(|handled| ("handled", handled.to_string())));
    columns.extend(event.trace_id.map(|id| ("trace_id", hex::encode(id))));
    columns.extend(event.span_id.map(|id| ("span_id", hex::encode(id))));
    columns.extend(event.tags.iter().map(|(name, value)| ("tag", format!("{name}={value}"))));
    columns
}

fn check(event: &Event, expected: &[(&'static str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    assert_eq!(columns(event), expected);
}

/// The first event of a recorded request.
fn of_sdk(name: &str) -> Option<Event> {
    let (_, body) = recorded(&corpus()?.join("real-sdk").join(format!("{name}.json")));
    Some(envelope(body).unwrap().decoded.events.remove(0))
}

fn of_sample(name: &str) -> Option<Event> {
    let body = std::fs::read(corpus()?.join("event-samples").join(name)).unwrap();
    Some(store(body).unwrap().decoded.events.remove(0))
}

fn of_envelope(name: &str) -> Option<Event> {
    let body = std::fs::read(corpus()?.join("envelopes").join(name)).unwrap();
    Some(envelope(body).unwrap().decoded.events.remove(0))
}

#[test]
fn browser_message() {
    let Some(event) = of_sdk("browser11-002") else { return };
    check(
        &event,
        &[
            ("kind", "message"),
            ("level", "info"),
            ("platform", "javascript"),
            ("message", "hello from browser"),
            ("culprit", "/index.html"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("user_id", "42"),
            ("user_ip", "203.0.113.9"),
            ("sdk_name", "sentry.javascript.browser"),
            ("sdk_version", "11.12.0"),
            ("handled", "true"),
            ("trace_id", "a66ef7433dd84a258baddb5f9b0a22c0"),
            ("span_id", "8c5c5a9ef98a9c51"),
            ("tag", "probe=browser"),
        ],
    );
    assert!(
        event.stack.as_deref().unwrap().ends_with("    at http://127.0.0.1:18902/br.js:21:31138"),
        "{:?}",
        event.stack
    );
    assert_eq!(json(&event.breadcrumbs)[0]["message"], "hi");
    assert_eq!(json(&event.contexts)["culture"]["timezone"], "UTC");
    assert_eq!(json(&event.contexts)["trace"], serde_json::Value::Null, "its ids have columns");
    assert_eq!(json(&event.request)["url"], "http://127.0.0.1:18902/index.html");
    assert_eq!(json(&event.attributes)["sdk"]["settings"]["infer_ip"], "auto");
}

#[test]
fn browser_feedback() {
    let Some(event) = of_sdk("browser11-003") else { return };
    check(
        &event,
        &[
            ("kind", "feedback"),
            ("level", "info"),
            ("platform", "javascript"),
            ("message", "fb"),
            ("culprit", "/index.html"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("user_id", "42"),
            ("user_ip", "203.0.113.9"),
            ("sdk_name", "sentry.javascript.browser"),
            ("sdk_version", "11.12.0"),
            ("trace_id", "a66ef7433dd84a258baddb5f9b0a22c0"),
            ("span_id", "8c5c5a9ef98a9c51"),
            ("tag", "probe=browser"),
        ],
    );
}

#[test]
fn browser_uncaught_error() {
    let Some(event) = of_sdk("browser11-007") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "javascript"),
            ("exception_type", "TypeError"),
            ("exception_value", "window.onerror boom"),
            ("culprit", "/index.html"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("user_id", "42"),
            ("user_ip", "203.0.113.9"),
            ("sdk_name", "sentry.javascript.browser"),
            ("sdk_version", "11.12.0"),
            ("handled", "false"),
            ("trace_id", "a66ef7433dd84a258baddb5f9b0a22c0"),
            ("span_id", "8c5c5a9ef98a9c51"),
            ("tag", "probe=browser"),
        ],
    );
    let expected = "TypeError: window.onerror boom\n    at http://127.0.0.1:18902/br.js:21:30900\n    at r (http://127.0.0.1:18902/br.js:21:920)";
    assert_eq!(event.stack.as_deref(), Some(expected));
}

#[test]
fn node_error() {
    let Some(event) = of_sdk("node11-008") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "node"),
            ("exception_type", "TypeError"),
            ("exception_value", "Cannot read properties of null (reading 'foo')"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("server_name", "vm"),
            ("user_id", "42"),
            ("sdk_name", "sentry.javascript.node"),
            ("sdk_version", "11.11.0"),
            ("handled", "true"),
            ("trace_id", "cc5d2920126c468987f2d1800ccb674f"),
            ("span_id", "bab9d049449f1cc0"),
            ("tag", "probe=node"),
        ],
    );
    let stack = event.stack.as_deref().unwrap();
    assert!(stack.starts_with("TypeError: Cannot read properties of null (reading 'foo')\n    at /srv/apps/probe/curren/node11/t.js:5:64\n"), "{stack}");
    assert!(stack.contains("\n    at AsyncLocalStorage.run (node:async_hooks:346:14)"), "{stack}");
    let frames = json(&event.frames);
    let last = &frames[0]["frames"][9];
    assert_eq!(
        (&last["in_app"], &last["lineno"], last["pre_context"].as_array().unwrap().len()),
        (&true.into(), &5.into(), 4)
    );
    assert_eq!(frames[0]["frames"][0]["in_app"], false);
    assert_eq!(frames[0]["mechanism"]["type"], "generic");
    assert_eq!(json(&event.attributes)["modules"]["@sentry/node"], "11.11.0");
}

#[test]
fn node_message() {
    let Some(event) = of_sdk("node11-009") else { return };
    let found = columns(&event);
    assert!(found.starts_with(&[
        ("kind", "message".to_owned()),
        ("level", "info".to_owned()),
        ("platform", "node".to_owned()),
        ("message", "hello from node".to_owned()),
    ]));
    assert_eq!(event.exception_value, None);
}

#[test]
fn python_error() {
    let Some(event) = of_sdk("python-br-001") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "python"),
            ("exception_type", "ZeroDivisionError"),
            ("exception_value", "division by zero"),
            ("culprit", "probe-tx"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("server_name", "vm"),
            ("user_id", "42"),
            ("user_email", "a@b.c"),
            ("sdk_name", "sentry.python"),
            ("sdk_version", "2.75.0"),
            ("handled", "true"),
            ("trace_id", "9397c82e05ca41ba9f3562820ec880ba"),
            ("span_id", "a2d28d5998a1b54a"),
            ("tag", "probe=python"),
        ],
    );
    let expected = "Traceback (most recent call last):\n  File \"/srv/apps/probe/curren/py.py\", line 7, in <module>\n    \
        x={'password':'[scrubbed]','a':1}; 1/0\nZeroDivisionError: division by zero";
    assert_eq!(event.stack.as_deref(), Some(expected));
    assert_eq!(json(&event.frame_vars)[0][0]["__name__"], "'__main__'");
    assert_eq!(json(&event.frames)[0]["frames"][0]["vars"], serde_json::Value::Null);
}

#[test]
fn python_log_message() {
    let Some(event) = of_sdk("python-br-003") else { return };
    check(
        &event,
        &[
            ("kind", "message"),
            ("level", "error"),
            ("platform", "python"),
            ("logger", "foo"),
            ("message", "log error 5"),
            ("template", "log error %s"),
            ("culprit", "probe-tx"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("server_name", "vm"),
            ("user_id", "42"),
            ("user_email", "a@b.c"),
            ("sdk_name", "sentry.python"),
            ("sdk_version", "2.75.0"),
            ("trace_id", "9397c82e05ca41ba9f3562820ec880ba"),
            ("span_id", "a2d28d5998a1b54a"),
            ("tag", "probe=python"),
        ],
    );
    assert_eq!(json(&event.attributes)["logentry.params"], serde_json::json!([5]));
}

#[test]
fn python_structured_log() {
    let Some(event) = of_sdk("python-br-007") else { return };
    check(
        &event,
        &[
            ("kind", "log"),
            ("level", "error"),
            ("logger", "foo"),
            ("message", "log error 5"),
            ("template", "log error %s"),
            ("culprit", "<module>"),
            ("environment", "production"),
            ("release", "probe@1.0.0"),
            ("server_name", "vm"),
            ("sdk_name", "sentry.python"),
            ("sdk_version", "2.75.0"),
            ("trace_id", "9397c82e05ca41ba9f3562820ec880ba"),
            ("span_id", "a2d28d5998a1b54a"),
        ],
    );
}

#[test]
fn rust_message_and_panic() {
    let Some(event) = of_sdk("rust-001") else { return };
    check(
        &event,
        &[
            ("kind", "message"),
            ("level", "error"),
            ("platform", "native"),
            ("message", "hello from rust"),
            ("environment", "development"),
            ("release", "probe@1.0.0"),
            ("server_name", "vm"),
            ("user_id", "42"),
            ("sdk_name", "sentry.rust"),
            ("sdk_version", "0.49.5"),
            ("trace_id", "595763b62fe07275f0a74bc3e3c710fd"),
            ("span_id", "3a0b21a1ef68585d"),
            ("tag", "probe=rust"),
        ],
    );
    let Some(event) = of_sdk("rust-003") else { return };
    let found = columns(&event);
    assert!(found.starts_with(&[
        ("kind", "error".to_owned()),
        ("level", "fatal".to_owned()),
        ("platform", "native".to_owned()),
        ("exception_type", "panic".to_owned()),
        ("exception_value", "rust panic 123".to_owned()),
    ]));
    assert_eq!(event.handled, Some(false));
    let stack = event.stack.as_deref().unwrap();
    assert!(stack.starts_with("   0: sentry_backtrace::current_stacktrace\n             at "), "{stack}");
    let frames = json(&event.frames);
    let std: Vec<_> = frames[0]["frames"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|frame| frame["abs_path"].as_str().is_some_and(|path| path.contains(".cargo/registry")))
        .collect();
    assert!(
        !std.is_empty() && std.iter().all(|frame| frame["in_app"] == false),
        "crates of others are no code of ours"
    );
}

#[test]
fn dotnet_template() {
    let Some(event) = of_sample("bugsink/111.json") else { return };
    check(
        &event,
        &[
            ("kind", "message"),
            ("level", "error"),
            ("platform", "csharp"),
            ("message", "[API] Fout tijdens verbinden: \"api op geen enkele uri bereikbaar\""),
            ("template", "[API] Fout tijdens verbinden: {Err}"),
            ("environment", "production"),
            ("release", "2025.6.2.0"),
            ("sdk_name", "sentry.dotnet.serilog"),
            ("sdk_version", "5.9.0"),
        ],
    );
    assert_eq!(json(&event.extra)["Err"], "api op geen enkele uri bereikbaar");
    assert_eq!(event.timestamp, 1_748_916_023_706_948);
}

#[test]
fn dotnet_error() {
    let Some(event) = of_sample("glitchtip/dotnet_divide_zero.json") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "csharp"),
            ("logger", "Microsoft.AspNetCore.Diagnostics.DeveloperExceptionPageMiddleware"),
            ("message", "An unhandled exception has occurred while executing the request."),
            ("exception_type", "System.DivideByZeroException"),
            ("exception_value", "Attempted to divide by zero."),
            ("culprit", "myWebApp.Pages.DivideZeroModel.DivideByZero"),
            ("environment", "Development"),
            ("server_name", "52ff8bc29423"),
            ("sdk_name", "sentry.dotnet.aspnetcore"),
            ("sdk_version", "2.1.1"),
            ("tag", "ConnectionId=0HLVMOGBIU2OM"),
            ("tag", "RequestId=0HLVMOGBIU2OM:00000001"),
            ("tag", "SpanId=|74843252-4144625e3a3b8503."),
            ("tag", "TraceId=74843252-4144625e3a3b8503"),
            ("tag", "eventId=UnhandledException"),
        ],
    );
    let stack = event.stack.as_deref().unwrap();
    assert!(
        stack.contains("\n   at myWebApp.Pages.DivideZeroModel.DivideByZero() in /app/Pages/Divide-Zero.cs:line 14\n"),
        "{stack}"
    );
}

#[test]
fn go_error() {
    let Some(event) = of_sample("bugsink/issue-16-go.json") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "go"),
            ("exception_type", "*errors.errorString"),
            ("exception_value", "error connecting to job database"),
            ("culprit", "main.main"),
            ("environment", "production"),
            ("release", "20241211"),
            ("server_name", "desktop"),
            ("sdk_name", "sentry.go"),
            ("sdk_version", "0.30.0"),
            ("trace_id", "c644b9723a894308e2de77d11e5f9c9c"),
            ("span_id", "1ae5b63da62de5a7"),
            ("tag", "file_number=123"),
        ],
    );
    assert_eq!(event.stack.as_deref(), Some("main.main(...)\n\t/home/jmbenlloch/bugsink/main.go:30"));
}

#[test]
fn a_message_without_a_level() {
    let Some(event) = of_sample("glitchtip/sentry_cli_send_event_no_level.json") else { return };
    assert_eq!((event.level.as_str(), event.severity, event.kind.as_str()), ("error", Some(17), "message"));
    assert_eq!(event.user_ip.as_deref(), Some("203.0.113.9"), "the address of the connection");
    assert_eq!(json(&event.attributes)["user.username"], "user");
    assert_eq!(event.timestamp, 1_596_820_277_125_992);
}

#[test]
fn java_error_with_a_message_as_an_object() {
    let Some(event) = of_sample("bugsink/top-level-message.json") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "java"),
            ("logger", "com.example.social.scheduled.handlers.TiktokVideoHandler"),
            ("message", "Error getting videos for user xxx; Failed to communicate with Tiktok API: request timed out"),
            ("exception_type", "com.example.social.core.external.tiktok.business.errors.TiktokBusinessException"),
            ("exception_value", "Failed to communicate with Tiktok API: request timed out"),
            ("culprit", "com.example.social.core.external.tiktok.business.TiktokBusinessApiImpl.sendRequest"),
            ("environment", "production"),
            ("release", "v1.67.0"),
            ("server_name", "example"),
            ("user_ip", "203.0.113.9"),
            ("sdk_name", "sentry.java"),
            ("sdk_version", "7.8.0"),
            ("trace_id", "96e22e7c9c7d4964874242bad8b8ff7d"),
            ("span_id", "91dbb700cff14523"),
        ],
    );
    let stack = event.stack.as_deref().unwrap();
    assert!(stack.contains("\n\tat com.example.social.core.external.tiktok.business.TiktokBusinessApiImpl.sendRequest(TiktokBusinessApiImpl.java:262)\n"), "{stack}");
}

#[test]
fn java_message_with_the_stack_of_its_thread() {
    let Some(event) = of_envelope("envelope_java_formatted_message.txt") else { return };
    assert_eq!(event.kind.as_str(), "message");
    assert_eq!(
        event.message.as_deref(),
        Some("Started SentryDemoApplication in 2.652 seconds (process running for 2.796)")
    );
    assert_eq!((event.template, event.exception_type), (None, None));
    assert!(event.stack.as_deref().unwrap().starts_with("\tat java.lang.Thread.getStackTrace("), "{:?}", event.stack);
    assert_eq!(json(&event.frames)[0]["thread_id"], 1);
    assert_eq!(json(&event.attributes)["threads"][0]["name"], "main");
    assert_eq!(json(&event.attributes)["threads"][0]["stacktrace"], serde_json::Value::Null);
}

#[test]
fn php_error() {
    let Some(event) = of_envelope("envelope_php_error.txt") else { return };
    check(
        &event,
        &[
            ("kind", "error"),
            ("level", "error"),
            ("platform", "php"),
            ("exception_type", "Exception"),
            ("exception_value", "This will be captured by Sentry\n\n\t\t       New Line Test Test ^^^^^"),
            ("culprit", "functionFailsForSure"),
            ("environment", "production"),
            ("server_name", "Daniels-Air.localdomain"),
            ("sdk_name", "sentry.php"),
            ("sdk_version", "4.0.1"),
            ("handled", "true"),
            ("trace_id", "8de90173d2384222a69492908d2e0649"),
            ("span_id", "13698746ead84193"),
        ],
    );
    let stack = event.stack.as_deref().unwrap();
    assert!(stack.contains("\n#0 /private/tmp/sentrypgp/index.php(27): functionFailsForSure()\n"), "{stack}");
}

#[test]
fn oddities_that_break_the_schema() {
    let Some(event) = of_sample("bugsink/top-level-logentry-as-str.json") else { return };
    assert!(event.message.as_deref().unwrap().starts_with("I'm not sure whether the GO SDK"));
    assert_eq!(event.exception_type.as_deref(), Some("myMessageIsWronglyAString"));
    assert_eq!(json(&event.frames)[0]["frames"][0]["in_app"], false, "a module of the cache, whatever the SDK says");

    let event = of_sample("sentry/custom-fingerprint-int.json").unwrap();
    assert!(json(&event.attributes)["fingerprint"].as_array().unwrap().iter().all(serde_json::Value::is_string));

    let event = of_sample("bugsink/exception_no_frames.json").unwrap();
    assert_eq!((event.stack, event.exception_type.as_deref()), (None, Some("CapturedStacktraceFo")));

    let event = of_sample("bugsink/logmessage-w-params-dict.json").unwrap();
    let message = event.message.unwrap();
    assert!(
        message.starts_with("Error during cleanup of <StorageCleanupTodo: ") && message.ends_with("'storage_name'\")"),
        "{message}"
    );
    assert_eq!(event.template.as_deref(), Some("Error during cleanup of %(one)s: %(two)s"));
    assert_eq!(event.user_ip.as_deref(), Some("127.0.0.1"));
    assert!(json(&event.attributes)["_meta"]["breadcrumbs"].is_object());

    let event = of_sample("sentry/javascript-exception-fallback-to-message.json").unwrap();
    assert_eq!((event.handled, event.culprit.as_deref()), (Some(false), Some("onScriptComplete(webpack/bootstrap)")));
}
