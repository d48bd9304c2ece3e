use super::*;

fn key(frame: Frame<'_>) -> String {
    let mut key = String::new();
    frame.write_key(&mut key);
    key
}

fn check(style: Style, function: &str, file: &str, expected: &str) {
    assert_eq!(key(Frame { style, function, file, ..Frame::default() }), expected, "{function} {file}");
}

#[test]
fn keys_hold_no_builds_and_hosts() {
    use Style::{Dotted, Go, Native, Php, Python, Ruby, Rust, Script};
    for (style, function, file, expected) in [
        (Python, "run", "/srv/releases/20240101/app/jobs.py", "app/jobs.py\nrun"),
        (Python, "run", "/srv/app/1.4.2/jobs.py", "app/jobs.py\nrun"),
        (Python, "get", "/usr/lib/python3/dist-packages/requests/api.py", "requests/api.py\nget"),
        (Python, "<module>", "C:\\work\\app\\jobs.py", "app/jobs.py\n<module>"),
        (Python, "Jobs.run", "/home/bob/app/jobs.pyc", "app/jobs.py\nrun"),
        (Python, "f", "/tmp/tmpa8x2/jobs.py", "jobs.py\nf"),
        (Script, "f", "https://x.io/assets/main.3f2a1b9c.js?v=2", "assets/main.js\nf"),
        (Script, "f", "https://x.io/assets/index-BxK3f9aQ.js", "assets/index.js\nf"),
        (Script, "f", "https://x.io/assets/index-DiwrgTda.js", "assets/index.js\nf"),
        (Script, "Cart.f", "https://x.io/static/js/117.3f2a.chunk.js", "js/chunk.js\nf"),
        (Script, "async Cart.f [as g]", "/srv/app/cart.js", "app/cart.js\nf"),
        (Script, "new Cart", "webpack-internal:///./src/cart.ts", "src/cart.ts\nCart"),
        (Script, "Object.<anonymous>", "/srv/node_modules/.pnpm/a@1.2.3/node_modules/a/index.js", "a/index.js\n"),
        (Script, "_callee$12", "app:///src/x.js", "src/x.js\n_callee$"),
        (Script, "", "node:internal/process/task_queues", "node:internal/process/task_queues\n"),
        (Dotted, "java.base@17.0.1/java.util.List.of", "", "java.util.List.of"),
        (Dotted, "com.acme.Orders.lambda$pay$12", "", "com.acme.Orders.lambda$pay$"),
        (Dotted, "com.acme.Orders$1.run", "", "com.acme.Orders$.run"),
        (Dotted, "com.sun.proxy.$Proxy12.call", "", "com.sun.proxy.$Proxy.call"),
        (Dotted, "com.acme.Orders.<init>", "", "com.acme.Orders.<init>"),
        (Dotted, "App.<>c__DisplayClass12_0.<Run>b__3", "", "App.Run"),
        (Dotted, "App.Orders.<PayAsync>d__12.MoveNext", "", "App.Orders.PayAsync"),
        (Dotted, "App.Orders+<PayAsync>d__3`1.MoveNext", "", "App.Orders.PayAsync"),
        (Dotted, "App.Run.<Run>g__Inner|3_0", "", "App.Run.Run.Inner"),
        (Dotted, "System.Collections.Generic.List`1[T].get_Item", "", "System.Collections.Generic.List.get_Item"),
        (Dotted, "async Task<int> App.Orders.PayAsync(int id)", "", "App.Orders.PayAsync"),
        (Rust, "app::run::h0123456789abcdef", "", "app::run"),
        (Rust, "app::run::{{closure}}", "", "app::run"),
        (Rust, "app::run::<u8>::{closure#0}", "", "app::run"),
        (Rust, "<app::A<T> as app::B>::f", "", "<app::A as app::B>::f"),
        (Go, "main.(*T).run", "/x/y.go", "main.(*T).run"),
        (Go, "main.main.func1.2", "", "main.main.func"),
        (Go, "main.Map[...]", "", "main.Map"),
        (Go, "gopkg.in/yaml%2ev3.f", "", "gopkg.in/yaml.v3.f"),
        (Go, "x/vendor/github.com/a/b.F", "", "github.com/a/b.F"),
        (Php, "App\\Cart->pay", "/srv/cart.php", "App\\Cart::pay"),
        (Php, "App\\Cart::{closure:/srv/x.php:12}", "", "App\\Cart::{closure}"),
        (Php, "App\\Shop->App\\{closure}", "", "App\\Shop::App\\{closure}"),
        (Php, "class@anonymous\0/srv/x.php0x71::run", "/srv/x.php", "class@anonymous::run"),
        (Php, "helper", "/srv/www/help.php", "www/help.php\nhelper"),
        (Ruby, "block (2 levels) in Cart#pay", "/srv/app/cart.rb", "app/cart.rb\npay"),
        (Ruby, "pay", "/srv/app/cart.rb", "app/cart.rb\npay"),
        (Ruby, "Cart.build", "/srv/app/cart.rb", "app/cart.rb\nbuild"),
        (Native, "std::vector<int, std::allocator<int>>::at(unsigned long) const", "", "std::vector::at"),
        (Native, "__29-[Foo bar:]_block_invoke_2", "", "-[Foo bar:]"),
        (Native, "closure #1 in Foo.bar()", "", "Foo.bar"),
        (Native, "do_work.isra.0+0x1f", "", "do_work"),
        (Native, "0x00007fff", "", ""),
        (Native, "<redacted>", "", ""),
    ] {
        check(style, function, file, expected);
    }
}

#[test]
fn fields_and_text_have_one_key() {
    let same = |a: Frame<'_>, b: Frame<'_>| assert_eq!(key(a), key(b), "{a:?} {b:?}");
    let text = |style, function, file| Frame { style, function, file, ..Frame::default() };
    same(
        text(Style::Dotted, "com.acme.Orders.pay", ""),
        Frame { function: "pay", module: "com.acme.Orders", file: "Orders.java", ..Frame::default() },
    );
    same(
        text(Style::Python, "pay", "/srv/app/pay.py"),
        Frame { function: "pay", module: "app.pay", file: "app/pay.py", path: "/srv/app/pay.py", ..Frame::default() },
    );
    same(
        text(Style::Go, "main.(*Cart).Pay", "/x/cart.go"),
        Frame { function: "(*Cart).Pay", module: "main", file: "cart.go", ..Frame::default() },
    );
    same(
        text(Style::Dotted, "Acme.Orders.<PayAsync>d__12.MoveNext", ""),
        Frame { style: Style::Dotted, function: "MoveNext", module: "Acme.Orders+<PayAsync>d__9", ..Frame::default() },
    );
    same(
        text(Style::Script, "Cart.checkout", "/srv/app/cart.js"),
        Frame { function: "checkout", file: "/srv/app/cart.js", ..Frame::default() },
    );
}

#[test]
fn tells_the_programs_own_frames() {
    let role = |style, function, file| Frame { style, function, file, ..Frame::default() }.role();
    assert_eq!(role(Style::Python, "f", "/srv/app.py"), Role::Own);
    assert_eq!(role(Style::Python, "f", "/venv/lib/python3.11/site-packages/x.py"), Role::Library);
    assert_eq!(role(Style::Python, "<listcomp>", "/srv/app.py"), Role::Nothing);
    assert_eq!(role(Style::Script, "f", "/srv/app.js"), Role::Own);
    assert_eq!(role(Style::Script, "f", "/srv/node_modules/x/index.js"), Role::Library);
    assert_eq!(role(Style::Script, "f", "node:internal/timers"), Role::Library);
    assert_eq!(role(Style::Dotted, "com.acme.Main.run", ""), Role::Own);
    assert_eq!(role(Style::Dotted, "java.base/java.lang.Thread.run", ""), Role::Library);
    assert_eq!(role(Style::Dotted, "jdk.internal.reflect.NativeMethodAccessorImpl.invoke", ""), Role::Nothing);
    assert_eq!(role(Style::Dotted, "com.acme.Orders$$EnhancerBySpringCGLIB$$1a2b.pay", ""), Role::Nothing);
    assert_eq!(role(Style::Dotted, "System.Threading.Tasks.Task.Run", ""), Role::Library);
    assert_eq!(role(Style::Go, "main.run", "/src/app/main.go"), Role::Own);
    assert_eq!(role(Style::Go, "net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go"), Role::Library);
    assert_eq!(role(Style::Go, "panic", "/usr/local/go/src/runtime/panic.go"), Role::Nothing);
    assert_eq!(role(Style::Rust, "app::run", "src/main.rs"), Role::Own);
    assert_eq!(
        role(Style::Rust, "core::panicking::panic_fmt", "/rustc/abc/library/core/src/panicking.rs"),
        Role::Nothing
    );
    assert_eq!(role(Style::Rust, "tokio::runtime::run", ""), Role::Library);
}
