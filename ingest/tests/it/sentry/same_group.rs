//! One error is one group, whether an SDK of Sentry sends its frames or one of OpenTelemetry its text.

use bytes::Bytes;
use serde_json::{Value, json};
use tephra_ingest::{Limits, otlp};
use tephra_storage::Event;

use super::stored;
use crate::sample::receipt;

/// The same error as OpenTelemetry sends it.
fn by_otlp(kind: &str, message: &str, stack: &str) -> Event {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "severityNumber": 17,
        "attributes": [
            attribute("exception.type", kind),
            attribute("exception.message", message),
            attribute("exception.stacktrace", stack),
        ],
    }]}]}]});
    let limits = Limits::default();
    otlp::logs_json(&receipt(&limits), &Bytes::from(body.to_string())).unwrap().events.remove(0)
}

fn check(otlp: (&str, &str, &str), sentry: Value) -> Event {
    let text = by_otlp(otlp.0, otlp.1, otlp.2);
    let frames = stored(&sentry.to_string());
    assert_eq!(frames.exception_type.as_deref(), Some(otlp.0));
    assert_eq!(frames.exception_value.as_deref(), Some(otlp.1));
    assert_eq!(
        text.group_hash,
        frames.group_hash,
        "by the program's own frames:\n{}\n\n{}",
        otlp.2,
        frames.stack.as_deref().unwrap()
    );
    assert_eq!(
        text.group_hash_full,
        frames.group_hash_full,
        "by all frames:\n{}\n\n{}",
        otlp.2,
        frames.stack.as_deref().unwrap()
    );
    // Frames tell the module of a function, which the text may not.
    let blamed = (text.culprit.unwrap(), frames.culprit.clone().unwrap());
    assert!(blamed.1.ends_with(&*blamed.0), "{blamed:?}");
    frames
}

#[test]
fn python() {
    let stack = "Traceback (most recent call last):\n  File \"/srv/app/jobs.py\", line 11, in run\n    pay(cart)\n\
        \x20 File \"/venv/lib/python3.12/site-packages/requests/api.py\", line 73, in get\n    return request(\"get\", url)\n\
        \x20 File \"/srv/app/pay.py\", line 20, in pay\n    raise ConnectionError(cart)\nrequests.exceptions.ConnectionError: cart 17\n";
    let sentry = json!({"platform": "python", "exception": {"values": [{
        "type": "ConnectionError", "module": "requests.exceptions", "value": "cart 17",
        "mechanism": {"type": "generic", "handled": true},
        "stacktrace": {"frames": [
            {"filename": "app/jobs.py", "abs_path": "/srv/app/jobs.py", "module": "app.jobs", "function": "run", "lineno": 99, "context_line": "    pay(cart)", "in_app": true},
            {"filename": "requests/api.py", "abs_path": "/venv/lib/python3.12/site-packages/requests/api.py", "module": "requests.api", "function": "get", "lineno": 73, "in_app": false},
            {"filename": "app/pay.py", "abs_path": "/srv/app/pay.py", "module": "app.pay", "function": "pay", "lineno": 20, "context_line": "    raise ConnectionError(cart)"},
        ]},
    }]}});
    let event = check(("requests.exceptions.ConnectionError", "cart 17", stack), sentry);
    assert!(event.stack.unwrap().ends_with("requests.exceptions.ConnectionError: cart 17"));
}

#[test]
fn python_chained() {
    let stack = "Traceback (most recent call last):\n  File \"/srv/app/a.py\", line 3, in load\n    return d[name]\nKeyError: 'x'\n\n\
        The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n\
        \x20 File \"/srv/app/a.py\", line 9, in main\n    load()\n  File \"/srv/app/a.py\", line 5, in load\n    raise ValueError(name) from error\nValueError: x\n";
    let frame = |function: &str, line: u32| json!({"abs_path": "/srv/app/a.py", "filename": "app/a.py", "function": function, "lineno": line});
    let sentry = json!({"platform": "python", "exception": {"values": [
        {"type": "KeyError", "value": "'x'", "mechanism": {"type": "chained", "source": "__cause__", "parent_id": 0, "exception_id": 1}, "stacktrace": {"frames": [frame("load", 3)]}},
        {"type": "ValueError", "value": "x", "mechanism": {"type": "generic", "handled": false, "exception_id": 0}, "stacktrace": {"frames": [frame("main", 9), frame("load", 5)]}},
    ]}});
    let event = check(("ValueError", "x", stack), sentry);
    assert_eq!(event.handled, Some(false));
}

#[test]
fn javascript() {
    let stack = "TypeError: Cannot read properties of null (reading 'foo')\n    at readCart (/srv/app/cart.js:10:7)\n\
        \x20   at Object.<anonymous> (/srv/app/index.js:3:1)\n    at /srv/app/node_modules/express/lib/router.js:5:12\n\
        \x20   at Module._compile (node:internal/modules/cjs/loader:1521:14)";
    let frame = |function: &str, file: &str, line: u32, column: u32, in_app: bool| json!({"function": function, "filename": file, "module": "x", "lineno": line, "colno": column, "in_app": in_app});
    let sentry = json!({"platform": "node", "exception": {"values": [{
        "type": "TypeError", "value": "Cannot read properties of null (reading 'foo')",
        "mechanism": {"type": "onuncaughtexception", "handled": false},
        "stacktrace": {"frames": [
            frame("Module._compile", "node:internal/modules/cjs/loader", 1521, 14, false),
            frame("?", "/srv/app/node_modules/express/lib/router.js", 5, 12, false),
            frame("Object.?", "/srv/app/index.js", 3, 1, true),
            frame("readCart", "/srv/app/cart.js", 10, 7, true),
        ]},
    }]}});
    let event = check(("TypeError", "Cannot read properties of null (reading 'foo')", stack), sentry);
    assert_eq!(event.stack.as_deref(), Some(stack));
}

#[test]
fn java_with_a_cause() {
    let stack = "com.acme.ShopException: could not pay\n\tat com.acme.Shop.pay(Shop.java:41)\n\tat com.acme.Main.main(Main.java:9)\n\
        \tat java.base/java.lang.Thread.run(Thread.java:840)\n\
        Caused by: java.lang.IllegalStateException: closed\n\tat com.acme.Bank$Account.withdraw(Bank.java:17)\n\tat com.acme.Shop.pay(Shop.java:39)\n\t... 2 more\n";
    let frame = |module: &str, function: &str, file: &str, line: i32| json!({"module": module, "function": function, "filename": file, "abs_path": file, "lineno": line});
    let sentry = json!({"platform": "java", "exception": {"values": [
        {"type": "IllegalStateException", "module": "java.lang", "value": "closed", "stacktrace": {"frames": [
            frame("java.lang.Thread", "run", "Thread.java", 840),
            frame("com.acme.Main", "main", "Main.java", 9),
            frame("com.acme.Shop", "pay", "Shop.java", 39),
            frame("com.acme.Bank$Account", "withdraw", "Bank.java", 17),
        ]}},
        {"type": "ShopException", "module": "com.acme", "value": "could not pay", "stacktrace": {"frames": [
            frame("java.lang.Thread", "run", "Thread.java", 840),
            frame("com.acme.Main", "main", "Main.java", 9),
            frame("com.acme.Shop", "pay", "Shop.java", 41),
        ]}},
    ]}});
    check(("com.acme.ShopException", "could not pay", stack), sentry);
}

#[test]
fn go() {
    let stack = "goroutine 7 [running]:\ngithub.com/acme/shop/cart.(*Cart).Pay(0xc000012345, {0x1, 0x2})\n\t/src/shop/cart/cart.go:31 +0x1d\n\
        github.com/gin-gonic/gin.(*Context).Next(...)\n\t/go/pkg/mod/github.com/gin-gonic/gin@v1.10.0/context.go:185\n\
        main.main()\n\t/src/shop/main.go:12 +0x25\n";
    let sentry = json!({"platform": "go", "exception": [{
        "type": "*errors.errorString", "value": "no money",
        "stacktrace": {"frames": [
            {"module": "main", "function": "main", "abs_path": "/src/shop/main.go", "lineno": 12, "in_app": true},
            {"module": "github.com/gin-gonic/gin", "function": "(*Context).Next", "abs_path": "/go/pkg/mod/github.com/gin-gonic/gin@v1.10.0/context.go", "lineno": 185, "in_app": true},
            {"module": "github.com/acme/shop/cart", "function": "(*Cart).Pay", "abs_path": "/src/shop/cart/cart.go", "lineno": 31, "in_app": true},
        ]},
    }]});
    check(("*errors.errorString", "no money", stack), sentry);
}

#[test]
fn rust() {
    let stack = "   0: rust_begin_unwind\n             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/std/src/panicking.rs:689:5\n\
        \x20  1: core::panicking::panic_fmt\n             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/panicking.rs:80:14\n\
        \x20  2: shop::cart::Cart::pay\n             at /src/shop/cart.rs:31:9\n   3: shop::main\n             at /src/shop/main.rs:4:5\n\
        \x20  4: core::ops::function::FnOnce::call_once\n             at /rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/ops/function.rs:250:5\n";
    let frame = |function: &str, path: &str, line: u32, in_app: bool| json!({"function": function, "abs_path": path, "filename": path.rsplit('/').next(), "lineno": line, "in_app": in_app, "instruction_addr": "0x555cc6c241e1"});
    let std = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library";
    let sentry = json!({"platform": "native", "sdk": {"name": "sentry.rust", "version": "0.49.5"}, "exception": {"values": [{
        "type": "panic", "value": "no money 7",
        "stacktrace": {"frames": [
            frame("core::ops::function::FnOnce::call_once", &format!("{std}/core/src/ops/function.rs"), 250, false),
            frame("shop::main", "/src/shop/main.rs", 4, true),
            frame("shop::cart::Cart::pay", "/src/shop/cart.rs", 31, true),
            frame("core::panicking::panic_fmt", &format!("{std}/core/src/panicking.rs"), 80, false),
            frame("rust_begin_unwind", &format!("{std}/std/src/panicking.rs"), 689, false),
        ]},
    }]}});
    check(("panic", "no money 7", stack), sentry);
}

#[test]
fn csharp_and_ruby() {
    let stack = "System.InvalidOperationException: outer\n ---> System.ArgumentException: inner\n   at Shop.Bank.Withdraw(Int32 sum) in /src/Bank.cs:line 8\n\
        \x20  --- End of inner exception stack trace ---\n   at Shop.Cart.Pay() in /src/Cart.cs:line 12\n   at Shop.Program.Main(String[] args) in /src/Program.cs:line 3";
    let frame = |module: &str, function: &str, path: &str, line: u32| json!({"module": module, "function": function, "filename": path, "lineno": line});
    let sentry = json!({"platform": "csharp", "exception": {"values": [
        {"type": "System.ArgumentException", "module": "System.Private.CoreLib, Version=8.0.0.0", "value": "inner", "stacktrace": {"frames": [frame("Shop.Bank", "Withdraw(Int32 sum)", "/src/Bank.cs", 8)]}},
        {"type": "System.InvalidOperationException", "value": "outer", "stacktrace": {"frames": [
            frame("Shop.Program", "Main", "/src/Program.cs", 3), frame("Shop.Cart", "Pay", "/src/Cart.cs", 12)]}},
    ]}});
    check(("System.InvalidOperationException", "outer", stack), sentry);

    let stack = "/srv/app/cart.rb:12:in 'pay'\n/usr/lib/ruby/gems/3.3.0/gems/rack-3.0/lib/rack.rb:5:in 'call'\n/srv/app/main.rb:3:in '<main>'";
    let frame = |function: &str, path: &str, line: u32| json!({"function": function, "abs_path": path, "lineno": line});
    let sentry = json!({"platform": "ruby", "exception": {"values": [{"type": "NoMoney", "value": "x", "stacktrace": {"frames": [
        frame("<main>", "/srv/app/main.rb", 3), frame("call", "/usr/lib/ruby/gems/3.3.0/gems/rack-3.0/lib/rack.rb", 5), frame("pay", "/srv/app/cart.rb", 12)]}}]}});
    check(("NoMoney", "x", stack), sentry);
}

/// `error.stack`, which is what OpenTelemetry sends, has no causes; Node prints them below it; Sentry sends them beside it.
#[test]
fn javascript_with_causes() {
    let stack = "OrderError: could not pay\n    at checkout (/srv/app/cart.js:10:7)\n    at async Server.handle (/srv/app/index.js:3:1)";
    let frame = |function: &str, file: &str, line: u32| json!({"function": function, "filename": file, "lineno": line, "colno": 1, "in_app": true});
    let thrown = |kind: &str, value: &str, id: u32, frames: Value| {
        let mechanism =
            json!({"type": "chained", "handled": true, "source": "cause", "exception_id": id, "parent_id": 0});
        json!({"type": kind, "value": value, "mechanism": mechanism, "stacktrace": {"frames": frames}})
    };
    let sentry = |causes: Vec<Value>| {
        let mut values = causes;
        values.push(json!({"type": "OrderError", "value": "could not pay", "mechanism": {"type": "generic", "handled": true, "exception_id": 0},
            "stacktrace": {"frames": [frame("async Server.handle", "/srv/app/index.js", 3), frame("checkout", "/srv/app/cart.js", 10)]}}));
        json!({"platform": "node", "exception": {"values": values}})
    };
    let bank = || thrown("BankError", "closed", 1, json!([frame("charge", "/srv/app/bank.js", 1)]));
    let socket = || thrown("Error", "ECONNRESET", 2, json!([frame("Socket.onEnd", "/srv/app/net.js", 1)]));
    let alone = check(("OrderError", "could not pay", stack), sentry(vec![]));
    let one = check(("OrderError", "could not pay", stack), sentry(vec![bank()]));
    let two = check(("OrderError", "could not pay", stack), sentry(vec![socket(), bank()]));
    let printed = format!("{stack} {{\n  [cause]: BankError: closed\n      at charge (/srv/app/bank.js:1:1)\n}}");
    check(("OrderError", "could not pay", &printed), sentry(vec![bank()]));
    assert_eq!((alone.group_hash, one.group_hash), (one.group_hash, two.group_hash));
    // An error without a stack of its own is told by what caused it.
    let bare = json!({"platform": "javascript", "exception": {"values": [bank(), {"type": "OrderError", "value": "could not pay"}]}});
    assert_ne!(stored(&bare.to_string()).group_hash, alone.group_hash);
    // Other places are other groups still.
    let other = stored(&sentry(vec![bank()]).to_string().replace("checkout", "refund"));
    assert_ne!(other.group_hash, alone.group_hash);
}

#[test]
fn browsers_with_a_cause() {
    let stack = "TypeError: bad cart\n    at pay (https://shop.io/assets/index-BxK3f9aQ.js:1:2345)\n    at https://shop.io/assets/index-BxK3f9aQ.js:9:1";
    let frame = |function: &str| json!({"function": function, "filename": "https://shop.io/assets/index-DiwrgTda.js", "lineno": 1, "colno": 7, "in_app": true});
    let sentry = json!({"platform": "javascript", "exception": {"values": [
        {"type": "Error", "value": "gone", "mechanism": {"type": "chained", "source": "cause"}, "stacktrace": {"frames": [frame("load")]}},
        {"type": "TypeError", "value": "bad cart", "mechanism": {"type": "auto.browser.global_handlers.onerror", "handled": false}, "stacktrace": {"frames": [frame("?"), frame("pay")]}},
    ]}});
    check(("TypeError", "bad cart", stack), sentry);
}

#[test]
fn python_during_handling_and_three_deep() {
    let stack = "Traceback (most recent call last):\n  File \"/srv/app/net.py\", line 3, in connect\n    raise OSError(111)\nConnectionRefusedError: [Errno 111] refused\n\n\
        The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"/srv/app/db.py\", line 7, in load\n    connect()\nDbError: down\n\n\
        During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/srv/app/views.py\", line 10, in get\n    load()\nValueError: lost\n";
    let one = |kind: &str, value: &str, file: &str, function: &str| {
        let frame = json!({"abs_path": format!("/srv/app/{file}"), "filename": format!("app/{file}"), "function": function, "lineno": 1});
        json!({"type": kind, "value": value, "stacktrace": {"frames": [frame]}})
    };
    let sentry = json!({"platform": "python", "exception": {"values": [
        one("ConnectionRefusedError", "[Errno 111] refused", "net.py", "connect"),
        one("DbError", "down", "db.py", "load"),
        one("ValueError", "lost", "views.py", "get"),
    ]}});
    let event = check(("ValueError", "lost", stack), sentry.clone());
    let other = stored(&sentry.to_string().replace("DbError", "CacheError"));
    assert_ne!(event.group_hash, other.group_hash, "what caused it is a part of it");
}

#[test]
fn java_three_deep() {
    let stack = "com.acme.ShopException: could not pay\n\tat com.acme.Shop.pay(Shop.java:41)\n\tat com.acme.Main.main(Main.java:9)\n\
        Caused by: com.acme.BankException: closed\n\tat com.acme.Bank.withdraw(Bank.java:17)\n\tat com.acme.Shop.pay(Shop.java:39)\n\t... 1 more\n\
        Caused by: java.net.SocketException: reset\n\tat com.acme.Wire.read(Wire.java:3)\n\tat com.acme.Bank.withdraw(Bank.java:11)\n\t... 2 more\n";
    let frame = |module: &str, function: &str, line: i32| json!({"module": module, "function": function, "filename": format!("{}.java", module.rsplit('.').next().unwrap()), "lineno": line});
    let main = || frame("com.acme.Main", "main", 9);
    let sentry = json!({"platform": "java", "exception": {"values": [
        {"type": "SocketException", "module": "java.net", "value": "reset", "stacktrace": {"frames": [main(), frame("com.acme.Shop", "pay", 39), frame("com.acme.Bank", "withdraw", 11), frame("com.acme.Wire", "read", 3)]}},
        {"type": "BankException", "module": "com.acme", "value": "closed", "stacktrace": {"frames": [main(), frame("com.acme.Shop", "pay", 39), frame("com.acme.Bank", "withdraw", 17)]}},
        {"type": "ShopException", "module": "com.acme", "value": "could not pay", "stacktrace": {"frames": [main(), frame("com.acme.Shop", "pay", 41)]}},
    ]}});
    check(("com.acme.ShopException", "could not pay", stack), sentry);
}

/// Errors that wrap others have no calls of their own in Go and Rust; the text is the goroutine's or thread's.
#[test]
fn go_and_rust_wrapped() {
    let stack = "goroutine 7 [running]:\nmain.(*Cart).Pay(0xc000012345)\n\t/src/shop/cart.go:31 +0x1d\nmain.main()\n\t/src/shop/main.go:12 +0x25\n";
    let frames = json!([
        {"module": "main", "function": "main", "abs_path": "/src/shop/main.go", "lineno": 12, "in_app": true},
        {"module": "main", "function": "(*Cart).Pay", "abs_path": "/src/shop/cart.go", "lineno": 31, "in_app": true},
    ]);
    let sentry = json!({"platform": "go", "exception": [
        {"type": "syscall.Errno", "value": "connection refused"},
        {"type": "*os.SyscallError", "value": "connect: connection refused", "mechanism": {"type": "chained", "exception_id": 1, "parent_id": 0}},
        {"type": "*fmt.wrapError", "value": "pay: connect: connection refused", "stacktrace": {"frames": frames}},
    ]});
    check(("*fmt.wrapError", "pay: connect: connection refused", stack), sentry);

    let stack = "   0: shop::cart::Cart::pay\n             at /src/shop/cart.rs:31:9\n   1: shop::main\n             at /src/shop/main.rs:4:5\n";
    let frame = |function: &str, path: &str| json!({"function": function, "abs_path": path, "in_app": true, "instruction_addr": "0x555cc6c241e1"});
    let sentry = json!({"platform": "native", "sdk": {"name": "sentry.rust", "version": "0.49.5"}, "exception": {"values": [
        {"type": "Os", "value": "connection refused"},
        {"type": "BankError", "value": "could not reach the bank"},
        {"type": "Error", "value": "could not pay", "stacktrace": {"frames": [frame("shop::main", "/src/shop/main.rs"), frame("shop::cart::Cart::pay", "/src/shop/cart.rs")]}},
    ]}});
    check(("Error", "could not pay", stack), sentry);
}

#[test]
fn csharp_with_closures_and_three_deep() {
    let stack = "System.InvalidOperationException: outer\n ---> System.IO.IOException: middle\n ---> System.ArgumentException: inner\n\
        \x20  at Shop.Bank.Withdraw(Int32 sum) in /src/Bank.cs:line 8\n   --- End of inner exception stack trace ---\n\
        \x20  at Shop.Wire.<SendAsync>d__4.MoveNext() in /src/Wire.cs:line 5\n   --- End of inner exception stack trace ---\n\
        \x20  at Shop.Cart.<>c__DisplayClass3_0.<Pay>b__1() in /src/Cart.cs:line 12";
    let frame = |module: &str, function: &str, path: &str| json!({"module": module, "function": function, "filename": path, "lineno": 1});
    let sentry = json!({"platform": "csharp", "exception": {"values": [
        {"type": "System.ArgumentException", "value": "inner", "stacktrace": {"frames": [frame("", "void Shop.Bank.Withdraw(int sum)", "/src/Bank.cs")]}},
        {"type": "System.IO.IOException", "value": "middle", "stacktrace": {"frames": [frame("", "async Task Shop.Wire.SendAsync()", "/src/Wire.cs")]}},
        {"type": "System.InvalidOperationException", "value": "outer", "stacktrace": {"frames": [frame("", "void Shop.Cart.Pay()+() => { }", "/src/Cart.cs")]}},
    ]}});
    let plain = json!({"platform": "csharp", "exception": {"values": [
        {"type": "System.ArgumentException", "value": "inner", "stacktrace": {"frames": [frame("Shop.Bank", "Withdraw", "/src/Bank.cs")]}},
        {"type": "System.IO.IOException", "value": "middle", "stacktrace": {"frames": [frame("Shop.Wire", "SendAsync", "/src/Wire.cs")]}},
        {"type": "System.InvalidOperationException", "value": "outer", "stacktrace": {"frames": [frame("Shop.Cart+<>c__DisplayClass3_0", "Pay { <lambda> }", "/src/Cart.cs")]}},
    ]}});
    check(("System.InvalidOperationException", "outer", stack), plain);
    check(("System.InvalidOperationException", "outer", stack), sentry);
}

#[test]
fn the_senders_marks_decide_where_they_say_more_than_the_names() {
    let event = |marks: [bool; 2]| {
        let frame = |name: &str, in_app: bool| json!({"function": name, "module": format!("com.acme.{name}"), "filename": "A.java", "in_app": in_app});
        let frames = [frame("outer", marks[0]), frame("inner", marks[1])];
        stored(&json!({"platform": "java", "exception": [{"type": "E", "stacktrace": {"frames": frames}}]}).to_string())
    };
    let [all, outer, inner] = [event([true, true]), event([true, false]), event([false, true])];
    assert_eq!(all.group_hash_full, outer.group_hash_full);
    assert_ne!(all.group_hash, outer.group_hash);
    assert_ne!(outer.group_hash, inner.group_hash);
    assert_eq!(outer.culprit.as_deref(), Some("com.acme.outer.outer"));
}
