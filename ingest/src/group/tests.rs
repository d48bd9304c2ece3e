use super::*;
use tephra_storage::Event;

fn of_trace(trace: &str) -> (Hashes, Option<Text>) {
    super::of_trace(trace, &mut KnownFrames::default())
}

/// Whether two traces of one exception type fall into one group, by own frames and by all frames.
fn check(a: &str, b: &str, in_app: bool, all: bool) {
    let (first, second) = (of_trace(a).0, of_trace(b).0);
    assert_eq!((first.in_app == second.in_app, first.all == second.all), (in_app, all), "{a}\n---\n{b}");
}

fn same(a: &str, b: &str) {
    check(a, b, true, true);
}

fn culprit(trace: &str) -> String {
    of_trace(trace).1.map(|name| name.to_string()).unwrap_or_default()
}

const PYTHON: &str = r#"Traceback (most recent call last):
  File "/srv/app/views.py", line 10, in checkout
    pay(cart)
  File "/srv/app/pay.py", line 20, in pay
    requests.post(url)
  File "/venv/lib/python3.11/site-packages/requests/api.py", line 5, in post
    raise ValueError(1)
ValueError: cart 17"#;

const JAVA: &str = "java.lang.IllegalStateException: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\t... 12 more";

const NODE: &str = "TypeError: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)";

const GO: &str = "goroutine 17 [running]:
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44";

const RUST: &str = "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::pay::h0123456789abcdef
             at ./src/main.rs:4:9
   3: main";

const CSHARP: &str = "System.InvalidOperationException: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
   at System.Threading.Tasks.Task.Run(Action`1 action)";

const PHP: &str = "#0 /srv/www/cart.php(12): Cart->pay('17', Array)
#1 /srv/www/vendor/slim/App.php(99): call_user_func()
#2 {main}";

const RUBY: &str = "app/cart.rb:12:in 'Cart#pay'
/usr/lib/ruby/3.2/net/http.rb:99:in `request'
from app/main.rb:1:in '<main>'";

const FIREFOX: &str = "pay@https://x.io/assets/main.3f2a1b9c.js:1:2345
@https://x.io/assets/main.3f2a1b9c.js:9:1";

#[test]
fn lines_addresses_and_builds_do_not_matter() {
    for trace in [PYTHON, JAVA, NODE, GO, RUST, CSHARP, PHP, RUBY, FIREFOX] {
        let moved = trace
            .replace("line 10", "line 911")
            .replace(":42", ":43")
            .replace("line 7", "line 77")
            .replace(":10:5", ":110:15")
            .replace("(12)", "(1200)")
            .replace("rb:12", "rb:13")
            .replace("0xc000010000", "0xc0000fffff")
            .replace("+0x1d", "+0x2d")
            .replace("goroutine 17", "goroutine 99")
            .replace("h0123456789abcdef", "hfedcba9876543210")
            .replace("0x0000000800066840", "0x00000001")
            .replace("Lambda$14", "Lambda$15")
            .replace("3f2a1b9c", "77aa00ff")
            .replace("1:2345", "7:1")
            .replace("d__12", "d__13")
            .replace("order 17", "order 18")
            .replace("cart 17", "cart 18")
            .replace("12 more", "13 more")
            .replace("'17'", "'18'");
        assert_ne!(trace, moved);
        same(trace, &moved);
        same(trace, &trace.replace('\n', "\r\n"));
    }
}

#[test]
fn functions_matter() {
    for trace in [PYTHON, JAVA, NODE, GO, RUST, CSHARP, PHP, RUBY, FIREFOX] {
        let other = trace.replace("pay", "refund").replace("Pay", "Refund");
        check(trace, &other, false, false);
    }
}

#[test]
fn libraries_matter_to_the_full_hash_only() {
    check(PYTHON, &PYTHON.replace("in post", "in request"), true, false);
    check(JAVA, &JAVA.replace("Thread.run(", "Pool.run("), true, false);
    check(NODE, &NODE.replace("processTicksAndRejections", "tick"), true, false);
    check(GO, &GO.replace("HandlerFunc", "Handler"), true, false);
    check(CSHARP, &CSHARP.replace("Task.Run", "Task.Go"), true, false);
    check(RUBY, &RUBY.replace("`request'", "`get'"), true, false);
}

#[test]
fn causes_and_recursion() {
    check(JAVA, &JAVA.replace("java.io.IOException", "java.sql.SQLException"), false, false);
    check(CSHARP, &CSHARP.replace("System.IO.IOException", "System.Exception"), false, false);
    let frame = "    at fact (/srv/app/fact.js:1:1)\n";
    same(&format!("{frame}{frame}"), &frame.repeat(50));
}

#[test]
fn without_own_frames_all_count() {
    let trace = "\tat java.util.List.of(List.java:1)\n\tat java.lang.Thread.run(Thread.java:2)";
    let hashes = of_trace(trace).0;
    assert_eq!(hashes.in_app, hashes.all);
    check(trace, &trace.replace("List.of", "Map.of"), false, false);
}

#[test]
fn the_own_function_nearest_to_the_fault_is_to_blame() {
    for (trace, expected) in [
        (PYTHON, "pay"),
        (JAVA, "com.acme.Orders.pay"),
        (NODE, "pay"),
        (GO, "main.(*Cart).Pay"),
        (RUST, "shop::pay"),
        (CSHARP, "Acme.Orders.PayAsync"),
        (PHP, "Cart->pay"),
        (RUBY, "Cart#pay"),
        (FIREFOX, "pay"),
        ("no frames at all", ""),
    ] {
        assert_eq!(culprit(trace), expected);
    }
}

#[test]
fn unknown_traces_group_by_their_outline() {
    let group = |trace: &str| {
        assert_eq!(of_trace(trace).0, Hashes::default());
        grouped(Features { trace: Some(trace), stack: Some(Hashes::default()), ..Features::default() }, &[])
    };
    assert_eq!(group("boom in sub_12 at 0x7fff12\n  frame 3"), group("boom in sub_13 at 0x1\nframe 44"));
    assert_ne!(group("boom in a"), group("boom in b"));
    assert_eq!(group("it failed at least 3 times (again)"), group("it failed at least 4 times (again)"));
}

fn grouped(features: Features<'_>, fingerprint: &[&str]) -> Hashes {
    hashes(&features, fingerprint, &mut String::new())
}

/// Each byte is looked at a bounded number of times: were it not, this would take minutes.
#[test]
fn hostile_texts_are_read_once() {
    for part in [
        "a.b.",
        "<",
        "a<b>",
        "::",
        "/",
        "1.1.",
        "func.1.",
        "`",
        "[",
        "\n... 999 more\nCaused by: X\n\tat a.b(C.java:1)",
        "#0 a(1): b\n",
        "at f (a:1)\n",
        "  File \"a\", line 1, in f\n",
        "a@b:1\n",
        "goroutine 1 [x]:\n",
        " in ",
        "block in ",
        "closure #1 in ",
    ] {
        let text = part.repeat((64 << 10) / part.len());
        of_trace(&text);
        parametrised(&text);
        let mut known = KnownFrames::default();
        for style in [
            Style::Dotted,
            Style::Go,
            Style::Rust,
            Style::Native,
            Style::Php,
            Style::Ruby,
            Style::Script,
            Style::Python,
        ] {
            let frame = Frame { style, function: &text, module: &text, file: &text, path: &text, in_app: None };
            of_frames([frame].into_iter(), &mut known);
        }
    }
}

#[test]
fn the_best_feature_decides() {
    let message = |text| Features { message: Some(text), ..Features::default() };
    let group = |features| grouped(features, &[]).in_app;
    assert_eq!(group(message("user 1 gone")), group(message("user 2 gone")));
    assert_ne!(group(message("user 1 gone")), group(message("user 1 back")));
    let template = Features { template: Some("user %s gone"), ..message("user bob gone") };
    assert_eq!(group(template), group(Features { message: Some("user al gone"), ..template }));
    let typed = |kind, value| Features { exception_type: Some(kind), exception_value: Some(value), ..template };
    assert_eq!(group(typed("E", "key 'a' lost")), group(typed("E", "key 'b' lost")));
    assert_ne!(group(typed("E", "x")), group(typed("F", "x")));
    assert_ne!(group(typed("E", "x")), group(typed("E", "y")));
    let stack = Some(Hashes { in_app: 1, all: 2 });
    assert_eq!(group(Features { stack, ..typed("E", "x") }), group(Features { stack, ..typed("E", "y") }));
    assert_ne!(group(Features { stack, ..typed("E", "x") }), group(Features { stack, ..typed("F", "x") }));
    let logger = |logger| Features { logger: Some(logger), ..Features::default() };
    assert_ne!(group(logger("a")), group(logger("b")));
    assert_eq!(group(Features { logger: Some("a"), ..message("m") }), group(message("m")));
}

#[test]
fn a_fingerprint_replaces_or_refines() {
    let features =
        |text| Features { message: Some(text), stack: Some(Hashes { in_app: 1, all: 2 }), ..Features::default() };
    let plain = grouped(features("a"), &[]);
    assert_eq!(grouped(features("a"), &["{{ default }}"]), plain);
    assert_eq!(grouped(features("a"), &["{{default}}"]), plain);
    let own = grouped(features("a"), &["billing"]);
    assert_ne!(own, plain);
    assert_eq!(own.in_app, own.all);
    assert_eq!(own, grouped(Features { message: Some("b"), ..Features::default() }, &["billing"]));
    assert_ne!(own, grouped(features("a"), &["bill", "ing"]));
    let refined = grouped(features("a"), &["{{ default }}", "eu"]);
    assert_ne!(refined.in_app, refined.all);
    assert_ne!(refined, grouped(features("a"), &["{{ default }}", "us"]));
}

#[test]
fn fingerprints_hold_variables() {
    let event = |kind| Features { exception_type: Some(kind), tags: &[("tier", "gold")], ..Features::default() };
    assert_eq!(grouped(event("A"), &["x", "{{ type }}"]), grouped(event("B"), &["x", "A"]));
    assert_ne!(grouped(event("A"), &["x", "{{ type }}"]), grouped(event("B"), &["x", "{{ type }}"]));
    assert_eq!(grouped(event("A"), &["{{ tags.tier }}"]), grouped(event("B"), &["gold"]));
    assert_eq!(grouped(event("A"), &["{{ tags.none }}"]), grouped(event("B"), &[""]));
}

/// The rules are stored with events as a number, so these hashes may change only together with it.
#[test]
fn version_1_stays_as_it_is() {
    let message = Event { message: Some("took 12 ms".into()), ..Event::default() };
    let stack = Event { exception_type: Some("ValueError".into()), stack: Some(PYTHON.into()), ..Event::default() };
    let attributes = Some(r#"{"fingerprint":["a","{{ default }}"]}"#.into());
    let explicit = Event { attributes, ..message.clone() };
    let hashes = [message, stack, explicit].map(|event| hashes_of_version(1, &event, &GroupRules::default()).unwrap());
    assert_eq!(
        hashes.map(|hashes| format!("{:016x} {:016x}", hashes.in_app, hashes.all)),
        ["b0cd6fb4e1c36041 b0cd6fb4e1c36041", "a8867fd0acf3b0da 671d1367309de03a", "26a91c2f550e111f 26a91c2f550e111f",]
    );
}
