use super::*;

fn check(message: &str, expected: &str) {
    let mut out = String::new();
    write(message, &mut out);
    assert_eq!(out, expected, "{message}");
}

#[test]
fn words_stay() {
    for text in [
        "",
        "connection refused",
        "can't open O'Brien's file",
        "unclosed 'quote",
        "and/or n/a",
        "com.acme.Orders failed",
        "java.lang.NullPointerException",
        "std::fs::read",
        "May the force",
        "deadbeef",
        "module.py missing",
        "a: b",
        "Sun sets",
    ] {
        check(text, text);
    }
    check("a\n\tb\r\n c", "a b c");
}

#[test]
fn numbers_and_amounts() {
    check("took 12 ms", "took <duration>");
    check("took 12.5ms,  retry 3/5", "took <duration>, retry <n>");
    check("in 1h30m5s and 3 seconds", "in <duration> and <duration>");
    check("used 12 KB of 3.5GiB", "used <size> of <size>");
    check("worker-7 user42 utf8", "worker-<n> user<n> utf<n>");
    check("at -3 and +4 1.5e-7 99%", "at <n> and <n> <n> <n>%");
    check("blk_-1608999687919862906 blk_38865049064139660", "blk_<n> blk_<n>");
    check("größe 5€ — 東京 7", "größe <n>€ — 東京 <n>");
    check("error 5 items", "error <n> items");
}

#[test]
fn ids_and_hashes() {
    check("id 67e55044-10b1-426f-9247-bb680e5fe0c8.", "id <uuid>.");
    check("ptr 0x7fff5fbff8a0 and 0xZZ", "ptr <hex> and <n>xZZ");
    check("commit 3f2a1b9c deadbeef facade1", "commit <hex> deadbeef facade<n>");
    check("d41d8cd98f00b204e9800998ecf8427e", "<hash>");
    check("token sk1live2abcdefghijklmn34", "token <id>");
}

#[test]
fn addresses() {
    check("10.250.9.207:59759 down", "<ip> down");
    check("from 2001:db8::1, [::1]:80 ::1", "from <ip> <ip>");
    check("mail bob.b+x@mail.example.com now", "mail <email> now");
    check("GET https://x.io/a?b=c#d failed.", "GET <url> failed.");
    check("db-3.prod.internal:5432 and localhost:80", "<host> and <host>");
    check("redis:6379 host example.com", "redis:<n> host <host>");
    check("(see http://a.b/c)", "(see <url>)");
}

#[test]
fn times() {
    check("at 2024-01-02T03:04:05.123Z ok", "at <date> ok");
    check("at 2024-01-02 03:04:05,123 ok", "at <date> ok");
    check("[21/Nov/2026:14:06:35 +0000]", "[<date>]");
    check("Mon Nov 21 14:06:35 2026 x", "<date> x");
    check("Nov 21 14:06:35 host", "<date> host");
    check("17/06/09 20:10:40 INFO", "<date> INFO");
    check("03-17 16:13:38.811 x", "<date> x");
    check("Mon, 21 Nov 2026 14:06:35 GMT", "<date>");
    check("on 2024-01-02", "on <date>");
}

#[test]
fn quotes_and_paths() {
    check("key 'user:42' not found in \"a b\" or `c`", "key <str> not found in <str> or <str>");
    check("it's 'don't' here", "it's <str> here");
    check("open /var/log/x.log: denied", "open <path>: denied");
    check("open C:\\work\\x.txt now", "open <path> now");
    check("~/x.txt and / alone", "<path> and / alone");
    for padding in 0..4 {
        let long = format!("{}/a/{}", "x ".repeat(padding), "ä".repeat(1_000));
        let mut out = String::new();
        write(&long, &mut out);
        assert!(out.contains("<path>"), "{out}");
    }
}

#[test]
fn the_head_is_two_lines() {
    let mut out = String::new();
    write_head("\n  first 1\n\n second 2\nthird 3", &mut out);
    assert_eq!(out, "first <n> second <n>");
}
