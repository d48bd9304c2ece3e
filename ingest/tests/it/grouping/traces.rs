//! Stack traces as eight platforms print them, and the same errors as they come from another build, host or version.

/// Whether two traces of one exception type fall into one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// By the program's own frames, not by all.
    SameOwn,
    Other,
}

/// Two traces.
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    pub(crate) a: &'static str,
    pub(crate) b: &'static str,
    pub(crate) verdict: Verdict,
}

const PYTHON: &str = "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17";

const PYTHON_CHAIN: &str = "Traceback (most recent call last):
  File \"/srv/app/db.py\", line 7, in load
    return rows[key]
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in get
    load(1)
E: lost";

const NODE: &str = "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)";

const CHROME: &str = "E: bad
    at Cart.pay (https://shop.io/assets/index-BxK3f9aQ.js:1:2345)
    at HTMLButtonElement.<anonymous> (https://shop.io/assets/index-BxK3f9aQ.js:9:1)";

const FIREFOX: &str = "pay@https://shop.io/assets/index-BxK3f9aQ.js:1:2345
@https://shop.io/assets/index-BxK3f9aQ.js:9:1";

const JAVA: &str = "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more";

const SPRING: &str = "E: x
\tat com.acme.Cart.pay(Cart.java:10)
\tat com.acme.Cart$$FastClassBySpringCGLIB$$1a2b3c4d.invoke(<generated>)
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218)
\tat com.acme.Cart$$EnhancerBySpringCGLIB$$5e6f7a8b.pay(<generated>)
\tat com.acme.Web.post(Web.java:5)
\tat jdk.internal.reflect.GeneratedMethodAccessor99.invoke(Unknown Source)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)";

const KOTLIN: &str = "E: x
\tat com.acme.ShopKt$main$1.invokeSuspend(Shop.kt:12)
\tat kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)";

const GO: &str = "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44";

const RUST: &str = "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main";

const DOTNET: &str = "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)";

const PHP: &str = "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(30): App\\Cart->pay('17', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12";

const RUBY: &str = "app/cart.rb:12:in 'Cart#pay': x (E)
\tfrom app/shop.rb:5:in 'block (2 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in 'Rack::Builder#call'
\tfrom app/main.rb:1:in '<main>'";

#[rustfmt::skip]
pub(crate) const PAIRS: &[Pair] = &[
    Pair { name: "python: another line", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 99, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: another text", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 18", verdict: Verdict::Same },
    Pair { name: "python: another home", a: PYTHON, b: "Traceback (most recent call last):
  File \"/home/bob/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/home/bob/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: another release's folder", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/releases/20261121/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/releases/20261121/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: another version of Python", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.12/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: Windows paths", a: PYTHON, b: "Traceback (most recent call last):
  File \"C:\\work\\app\\views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: another function", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in refund
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Other },
    Pair { name: "python: another file", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/bill.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Other },
    Pair { name: "python: another library call", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in request
    raise E(1)
E: cart 17", verdict: Verdict::SameOwn },
    Pair { name: "python: a comprehension more", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/views.py\", line 11, in <listcomp>
  File \"/srv/app/pay.py\", line 20, in pay
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: recursion deeper", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
    pay(cart)
  File \"/srv/app/pay.py\", line 20, in pay
  File \"/srv/app/pay.py\", line 20, in pay
  [Previous line repeated 996 more times]
    requests.post(url)
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
    raise E(1)
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: without source", a: PYTHON, b: "Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in checkout
  File \"/srv/app/pay.py\", line 20, in pay
  File \"/venv/lib/python3.11/site-packages/requests/api.py\", line 5, in post
E: cart 17", verdict: Verdict::Same },
    Pair { name: "python: another cause", a: PYTHON_CHAIN, b: "Traceback (most recent call last):
  File \"/srv/app/db.py\", line 7, in load
    return rows[key]
IndexError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in get
    load(1)
E: lost", verdict: Verdict::Other },
    Pair { name: "python: another text of the cause", a: PYTHON_CHAIN, b: "Traceback (most recent call last):
  File \"/srv/app/db.py\", line 7, in load
    return rows[key]
KeyError: 'b'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in get
    load(1)
E: lost", verdict: Verdict::Same },
    Pair { name: "python: raised from", a: PYTHON_CHAIN, b: "Traceback (most recent call last):
  File \"/srv/app/db.py\", line 7, in load
    return rows[key]
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/srv/app/views.py\", line 10, in get
    load(1)
E: lost", verdict: Verdict::Same },
    Pair { name: "python: the cause alone", a: PYTHON_CHAIN, b: "Traceback (most recent call last):
  File \"/srv/app/db.py\", line 7, in load
    return rows[key]
KeyError: 'a'", verdict: Verdict::Other },
    Pair { name: "node: another line", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:99:9)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Same },
    Pair { name: "node: another text", a: NODE, b: "E: y is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Same },
    Pair { name: "node: another function", a: NODE, b: "E: x is undefined
    at refund (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Other },
    Pair { name: "node: pnpm's folders", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/.pnpm/express@4.18.2/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Same },
    Pair { name: "node: another library call", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.next (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::SameOwn },
    Pair { name: "node: a method's other name", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as go] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Same },
    Pair { name: "node: no longer async", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)", verdict: Verdict::Same },
    Pair { name: "node: without internals", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)", verdict: Verdict::SameOwn },
    Pair { name: "node: a cause", a: NODE, b: "E: x is undefined
    at pay (/srv/app/pay.js:10:5)
    at async Cart.checkout [as run] (/srv/app/cart.js:3:1)
    at /srv/app/index.js:1:1
    at Layer.handle (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {
  [cause]: TypeError: y
      at charge (/srv/app/bank.js:3:3)
}", verdict: Verdict::Same },
    Pair { name: "browser: another build", a: CHROME, b: "E: bad
    at Cart.pay (https://shop.io/assets/index-DiwrgTda.js:1:2345)
    at HTMLButtonElement.<anonymous> (https://shop.io/assets/index-DiwrgTda.js:9:1)", verdict: Verdict::Same },
    Pair { name: "browser: a query", a: CHROME, b: "E: bad
    at Cart.pay (https://shop.io/assets/index-BxK3f9aQ.js?v=17:1:2345)
    at HTMLButtonElement.<anonymous> (https://shop.io/assets/index-BxK3f9aQ.js?v=17:9:1)", verdict: Verdict::Same },
    Pair { name: "browser: another host", a: CHROME, b: "E: bad
    at Cart.pay (https://www.shop.com/assets/index-BxK3f9aQ.js:1:2345)
    at HTMLButtonElement.<anonymous> (https://www.shop.com/assets/index-BxK3f9aQ.js:9:1)", verdict: Verdict::Same },
    Pair { name: "browser: Chrome and Firefox", a: CHROME, b: "pay@https://shop.io/assets/index-BxK3f9aQ.js:1:2345
@https://shop.io/assets/index-BxK3f9aQ.js:9:1", verdict: Verdict::Same },
    Pair { name: "browser: Safari's module", a: FIREFOX, b: "async*pay@https://shop.io/assets/index-BxK3f9aQ.js:1:2345
@https://shop.io/assets/index-BxK3f9aQ.js:9:1", verdict: Verdict::Same },
    Pair { name: "browser: another function", a: FIREFOX, b: "refund@https://shop.io/assets/index-BxK3f9aQ.js:1:2345
@https://shop.io/assets/index-BxK3f9aQ.js:9:1", verdict: Verdict::Other },
    Pair { name: "browser: webpack's chunk", a: "pay@https://shop.io/static/js/117.3f2a1b9c.chunk.js:1:2345
@https://shop.io/static/js/117.3f2a1b9c.chunk.js:9:1", b: "pay@https://shop.io/static/js/204.77aa00ff.chunk.js:1:2345
@https://shop.io/static/js/204.77aa00ff.chunk.js:9:1", verdict: Verdict::Same },
    Pair { name: "browser: an extension", a: FIREFOX, b: "pay@https://shop.io/assets/index-BxK3f9aQ.js:1:2345
f@moz-extension://0a1b/x.js:1:1
@https://shop.io/assets/index-BxK3f9aQ.js:9:1", verdict: Verdict::SameOwn },
    Pair { name: "java: another line", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:43)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: another text", a: JAVA, b: "E: order 18
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 4 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: another lambda", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$12(Orders.java:50)
\tat com.acme.Orders$$Lambda$15/0x0000000800077777.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: without hidden frames", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 3 more", verdict: Verdict::Same },
    Pair { name: "java: without modules", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: another version of Java", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base@17.0.1/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base@17.0.1/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: another method", a: JAVA, b: "E: order 17
\tat com.acme.Orders.refund(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.refund(Orders.java:40)
\t... 4 more", verdict: Verdict::Other },
    Pair { name: "java: another cause", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.sql.SQLException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Other },
    Pair { name: "java: another library call", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.LinkedList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::SameOwn },
    Pair { name: "java: a suppressed exception", a: JAVA, b: "E: order 17
\tat com.acme.Orders.pay(Orders.java:42)
\tat com.acme.Orders.lambda$all$3(Orders.java:50)
\tat com.acme.Orders$$Lambda$14/0x0000000800066840.run(Unknown Source)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat java.base/java.lang.Thread.run(Thread.java:833)
\tSuppressed: java.lang.Exception: close
\t\tat com.acme.Res.close(Res.java:3)
\t\t... 6 more
Caused by: java.io.IOException: disk 3 full
\tat com.acme.Disk.write(Disk.java:7)
\tat com.acme.Orders.pay(Orders.java:40)
\t... 4 more", verdict: Verdict::Same },
    Pair { name: "java: proxies come and go", a: SPRING, b: "E: x
\tat com.acme.Cart.pay(Cart.java:10)
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218)
\tat com.acme.Web.post(Web.java:5)
\tat jdk.internal.reflect.GeneratedMethodAccessor99.invoke(Unknown Source)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)", verdict: Verdict::Same },
    Pair { name: "java: another proxy's hash", a: SPRING, b: "E: x
\tat com.acme.Cart.pay(Cart.java:10)
\tat com.acme.Cart$$FastClassBySpringCGLIB$$99ff00aa.invoke(<generated>)
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218)
\tat com.acme.Cart$$EnhancerBySpringCGLIB$$5e6f7a8b.pay(<generated>)
\tat com.acme.Web.post(Web.java:5)
\tat jdk.internal.reflect.GeneratedMethodAccessor99.invoke(Unknown Source)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)", verdict: Verdict::Same },
    Pair { name: "java: reflection inflated", a: SPRING, b: "E: x
\tat com.acme.Cart.pay(Cart.java:10)
\tat com.acme.Cart$$FastClassBySpringCGLIB$$1a2b3c4d.invoke(<generated>)
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218)
\tat com.acme.Cart$$EnhancerBySpringCGLIB$$5e6f7a8b.pay(<generated>)
\tat com.acme.Web.post(Web.java:5)
\tat jdk.internal.reflect.NativeMethodAccessorImpl.invoke(Unknown Source)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)", verdict: Verdict::Same },
    Pair { name: "java: another controller", a: SPRING, b: "E: x
\tat com.acme.Cart.pay(Cart.java:10)
\tat com.acme.Cart$$FastClassBySpringCGLIB$$1a2b3c4d.invoke(<generated>)
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218)
\tat com.acme.Cart$$EnhancerBySpringCGLIB$$5e6f7a8b.pay(<generated>)
\tat com.acme.Web.put(Web.java:5)
\tat jdk.internal.reflect.GeneratedMethodAccessor99.invoke(Unknown Source)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568)", verdict: Verdict::Other },
    Pair { name: "kotlin: another lambda", a: KOTLIN, b: "E: x
\tat com.acme.ShopKt$main$2.invokeSuspend(Shop.kt:12)
\tat kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)", verdict: Verdict::Same },
    Pair { name: "kotlin: another function", a: KOTLIN, b: "E: x
\tat com.acme.ShopKt$pay$1.invokeSuspend(Shop.kt:12)
\tat kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)", verdict: Verdict::Other },
    Pair { name: "go: another address", a: GO, b: "panic: boom [recovered]

goroutine 99 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc0000fffff, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x2d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::Same },
    Pair { name: "go: another closure", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func3()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::Same },
    Pair { name: "go: without runtime", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::Same },
    Pair { name: "go: another starter", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.other in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::Same },
    Pair { name: "go: other goroutines", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44

goroutine 2 [select]:
main.idle()
\t/src/shop/idle.go:3 +0x1", verdict: Verdict::Same },
    Pair { name: "go: another method", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Refund(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.HandlerFunc.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::Other },
    Pair { name: "go: another library call", a: GO, b: "panic: boom [recovered]

goroutine 17 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
panic({0x1020, 0x3040})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.(*Cart).Pay(0xc000010000, {0x1, 0x2})
\t/src/shop/cart.go:12 +0x1d
main.serve.func2()
\t/src/shop/serve.go:30 +0x22
net/http.Handler.ServeHTTP(...)
\t/usr/local/go/src/net/http/server.go:2136
created by main.main in goroutine 1
\t/src/shop/main.go:9 +0x44", verdict: Verdict::SameOwn },
    Pair { name: "rust: another build", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/17dca489ac2d933c78d3c5158e3f43beefeb02cf/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/17dca489ac2d933c78d3c5158e3f43beefeb02cf/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::hfedcba9876543210
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Same },
    Pair { name: "rust: another type", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<u8>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Same },
    Pair { name: "rust: an async closure", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Same },
    Pair { name: "rust: without machinery", a: RUST, b: "stack backtrace:
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Same },
    Pair { name: "rust: another version of tokio", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.40.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Same },
    Pair { name: "rust: another function", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::refund::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_future
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::Other },
    Pair { name: "rust: another library call", a: RUST, b: "stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: shop::cart::Cart<T>::pay::h0123456789abcdef
             at ./src/cart.rs:4:9
   3: shop::main::{{closure}}
             at ./src/main.rs:14:9
   4: tokio::runtime::task::harness::poll_inner
             at /root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/tokio-1.36.0/src/runtime/task/harness.rs:1:2
   5: main", verdict: Verdict::SameOwn },
    Pair { name: "dotnet: another line", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 43
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Same },
    Pair { name: "dotnet: another state machine", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__13.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass7_1.<Post>b__4() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Same },
    Pair { name: "dotnet: without symbols", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext()
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Same },
    Pair { name: "dotnet: without awaiters", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Same },
    Pair { name: "dotnet: another method", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<RefundAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Other },
    Pair { name: "dotnet: another cause", a: DOTNET, b: "E: order 17
 ---> System.Exception: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Run(Action`1 action)", verdict: Verdict::Other },
    Pair { name: "dotnet: another library call", a: DOTNET, b: "E: order 17
 ---> System.IO.IOException: disk
   at Acme.Disk.Write(Byte[] data) in C:\\src\\Disk.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.<PayAsync>d__12.MoveNext() in C:\\src\\Orders.cs:line 42
--- End of stack trace from previous location ---
   at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw()
   at System.Runtime.CompilerServices.TaskAwaiter.HandleNonSuccessAndDebuggerNotification(Task task)
   at Acme.Web.<>c__DisplayClass3_0.<Post>b__1() in C:\\src\\Web.cs:line 9
   at System.Threading.Tasks.Task.Go(Action`1 action)", verdict: Verdict::SameOwn },
    Pair { name: "php: another argument", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(30): App\\Cart->pay('18', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12", verdict: Verdict::Same },
    Pair { name: "php: another line", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(31): App\\Cart->pay('17', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12", verdict: Verdict::Same },
    Pair { name: "php: another folder", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /var/www/html/src/Cart.php:12
Stack trace:
#0 /var/www/html/src/Shop.php(30): App\\Cart->pay('17', Array)
#1 /var/www/html/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /var/www/html/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /var/www/html/src/Cart.php on line 12", verdict: Verdict::Same },
    Pair { name: "php: another method", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(30): App\\Cart->refund('17', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12", verdict: Verdict::Other },
    Pair { name: "php: static now", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(30): App\\Cart::pay('17', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12", verdict: Verdict::Same },
    Pair { name: "php: PHP 8.4's closures", a: PHP, b: "PHP Fatal error:  Uncaught E: x in /srv/www/src/Cart.php:12
Stack trace:
#0 /srv/www/src/Shop.php(30): App\\Cart->pay('17', Array)
#1 /srv/www/vendor/slim/App.php(99): App\\Shop->App\\{closure:/srv/www/src/Shop.php:29}(Object(Request))
#2 /srv/www/public/index.php(5): Slim\\App->run()
#3 {main}
  thrown in /srv/www/src/Cart.php on line 12", verdict: Verdict::Same },
    Pair { name: "ruby: another line", a: RUBY, b: "app/cart.rb:13:in 'Cart#pay': x (E)
\tfrom app/shop.rb:5:in 'block (2 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in 'Rack::Builder#call'
\tfrom app/main.rb:1:in '<main>'", verdict: Verdict::Same },
    Pair { name: "ruby: Ruby 3.3's names", a: RUBY, b: "app/cart.rb:12:in `pay': x (E)
\tfrom app/shop.rb:5:in `block (2 levels) in all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in `call'
\tfrom app/main.rb:1:in `<main>'", verdict: Verdict::Same },
    Pair { name: "ruby: a block more", a: RUBY, b: "app/cart.rb:12:in 'Cart#pay': x (E)
\tfrom app/shop.rb:5:in 'block (3 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in 'Rack::Builder#call'
\tfrom app/main.rb:1:in '<main>'", verdict: Verdict::Same },
    Pair { name: "ruby: another version of a gem", a: RUBY, b: "app/cart.rb:12:in 'Cart#pay': x (E)
\tfrom app/shop.rb:5:in 'block (2 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.1.0/lib/rack/builder.rb:99:in 'Rack::Builder#call'
\tfrom app/main.rb:1:in '<main>'", verdict: Verdict::Same },
    Pair { name: "ruby: another method", a: RUBY, b: "app/cart.rb:12:in 'Cart#refund': x (E)
\tfrom app/shop.rb:5:in 'block (2 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in 'Rack::Builder#call'
\tfrom app/main.rb:1:in '<main>'", verdict: Verdict::Other },
    Pair { name: "ruby: another library call", a: RUBY, b: "app/cart.rb:12:in 'Cart#pay': x (E)
\tfrom app/shop.rb:5:in 'block (2 levels) in Shop#all'
\tfrom /usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb:99:in 'Rack::Builder#run'
\tfrom app/main.rb:1:in '<main>'", verdict: Verdict::SameOwn },
];

/// A trace, and its frames as an SDK sends them (JSON, the oldest call first).
#[rustfmt::skip]
pub(crate) const STRUCTURED: &[(&str, &str, &str)] = &[
    (PYTHON, "[{\"function\": \"checkout\", \"module\": \"app.views\", \"filename\": \"app/views.py\", \"abs_path\": \"/srv/app/views.py\", \"in_app\": true}, {\"function\": \"pay\", \"module\": \"app.pay\", \"filename\": \"app/pay.py\", \"abs_path\": \"/srv/app/pay.py\", \"in_app\": true}, {\"function\": \"post\", \"module\": \"requests.api\", \"filename\": \"requests/api.py\", \"abs_path\": \"/venv/lib/python3.11/site-packages/requests/api.py\", \"in_app\": false}]", "python"),
    (NODE, "[{\"function\": \"process.processTicksAndRejections\", \"filename\": \"node:internal/process/task_queues\", \"in_app\": false}, {\"function\": \"Layer.handle\", \"filename\": \"/srv/app/node_modules/express/lib/router/layer.js\", \"in_app\": false}, {\"function\": \"?\", \"filename\": \"/srv/app/index.js\", \"in_app\": true}, {\"function\": \"async Cart.checkout\", \"module\": \"cart\", \"filename\": \"/srv/app/cart.js\", \"in_app\": true}, {\"function\": \"pay\", \"module\": \"pay\", \"filename\": \"/srv/app/pay.js\", \"in_app\": true}]", "node"),
    (CHROME, "[{\"function\": \"HTMLButtonElement.<anonymous>\", \"filename\": \"https://shop.io/assets/index-BxK3f9aQ.js\", \"in_app\": true}, {\"function\": \"Cart.pay\", \"filename\": \"https://shop.io/assets/index-BxK3f9aQ.js\", \"in_app\": true}]", "browser"),
    (SPRING, "[{\"function\": \"invoke\", \"module\": \"java.lang.reflect.Method\", \"filename\": \"Method.java\", \"in_app\": false}, {\"function\": \"post\", \"module\": \"com.acme.Web\", \"filename\": \"Web.java\", \"in_app\": true}, {\"function\": \"pay\", \"module\": \"com.acme.Cart$$EnhancerBySpringCGLIB$$5e6f7a8b\", \"filename\": \"<generated>\", \"in_app\": true}, {\"function\": \"invoke\", \"module\": \"org.springframework.cglib.proxy.MethodProxy\", \"filename\": \"MethodProxy.java\", \"in_app\": false}, {\"function\": \"pay\", \"module\": \"com.acme.Cart\", \"filename\": \"Cart.java\", \"in_app\": true}]", "java"),
    (GO, "[{\"function\": \"HandlerFunc.ServeHTTP\", \"module\": \"net/http\", \"filename\": \"server.go\", \"abs_path\": \"/usr/local/go/src/net/http/server.go\", \"in_app\": false}, {\"function\": \"serve.func2\", \"module\": \"main\", \"filename\": \"serve.go\", \"abs_path\": \"/src/shop/serve.go\", \"in_app\": true}, {\"function\": \"(*Cart).Pay\", \"module\": \"main\", \"filename\": \"cart.go\", \"abs_path\": \"/src/shop/cart.go\", \"in_app\": true}]", "go"),
    (RUST, "[{\"function\": \"tokio::runtime::task::harness::poll_future\", \"filename\": \"harness.rs\", \"in_app\": false}, {\"function\": \"shop::main::{{closure}}\", \"filename\": \"main.rs\", \"abs_path\": \"./src/main.rs\", \"in_app\": true}, {\"function\": \"shop::cart::Cart<T>::pay\", \"filename\": \"cart.rs\", \"in_app\": true}]", "rust"),
    (PHP, "[{\"filename\": \"/public/index.php\", \"abs_path\": \"/srv/www/public/index.php\", \"in_app\": true}, {\"function\": \"Slim\\\\App::run\", \"filename\": \"/vendor/slim/App.php\", \"abs_path\": \"/srv/www/vendor/slim/App.php\", \"in_app\": false}, {\"function\": \"App\\\\Shop::App\\\\{closure}\", \"filename\": \"/src/Shop.php\", \"abs_path\": \"/srv/www/src/Shop.php\", \"in_app\": true}, {\"function\": \"App\\\\Cart::pay\", \"filename\": \"/src/Cart.php\", \"abs_path\": \"/srv/www/src/Cart.php\", \"in_app\": true}]", "php"),
    (RUBY, "[{\"function\": \"<main>\", \"filename\": \"app/main.rb\", \"in_app\": true}, {\"function\": \"Rack::Builder#call\", \"filename\": \"rack/builder.rb\", \"abs_path\": \"/usr/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack/builder.rb\", \"in_app\": false}, {\"function\": \"block (2 levels) in all\", \"filename\": \"app/shop.rb\", \"in_app\": true}, {\"function\": \"pay\", \"filename\": \"app/cart.rb\", \"in_app\": true}]", "ruby"),
];
