//! What is read, what it becomes, and what is refused where.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::hot::table_column;

const NOW: i64 = 1_790_000_000_000_000;

/// The text as it reads back.
fn check(text: &str, expected: &str) {
    let search = Search::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(search.to_string(), expected, "{text}");
    assert_eq!(Search::parse(expected).unwrap().to_string(), expected, "{text}: not stable");
}

#[test]
fn texts_are_read() {
    check("", "");
    check("  \t ", "");
    check("timeout", "timeout");
    check("connection refused", "connection refused");
    check("\"connection refused\"", "\"connection refused\"");
    check("level:error environment:prod", "level:error environment:prod");
    check("level:error AND env:prod", "level:error environment:prod");
    check("level:ERR", "level:error");
    check("Level:[warn, fatal]", "level:[warning,fatal]");
    check("level:>=error", "level:>=error");
    check("level:f*", "level:f*");
    check("kind:ERROR", "kind:error");
    check("a OR b c", "a OR b c");
    check("(a OR b) c", "(a OR b) c");
    check("((a b)) OR (c)", "a b OR c");
    check("a (b c) d", "a b c d");
    check("a or b", "a or b");
    check("\"OR\" \"AND\"", "\"OR\" \"AND\"");
    check("ORDER ANDROID NOTHING", "ORDER ANDROID NOTHING");
    check("!release:1.2.*", "!release:1.2.*");
    check("-release:1.2.* !timeout -\"a b\"", "!release:1.2.* !timeout !\"a b\"");
    check("NOT level:error", "!level:error");
    check("!(a OR b)", "!(a OR b)");
    check("!!a", "a");
    check("!(-a)", "a");
    check("a - b", "a \"-\" b");
    check("user.id:42 user.email:a@b.org user.ip:::1", "user_id:42 user_email:a@b.org user_ip:\"::1\"");
    check("stack:\"at parse_header\"", "stack:\"at parse_header\"");
    check("error.type:ValueError error.value:bad", "exception_type:ValueError exception_value:bad");
    check("message:=\"whole text\"", "message:=\"whole text\"");
    check("release:=1.0", "release:1.0");
    check("severity:>=17 severity:[1,-2]", "severity:>=17 severity:[1,-2]");
    check("handled:no", "handled:false");
    check("customer:c5", "customer:c5");
    check("tags[customer]:c5 tags.customer:c6", "customer:c5 customer:c6");
    check("tags[level]:gold tags.env:x", "tags[\"level\"]:gold tags[\"env\"]:x");
    check("tags[\"a b\"]:x \"a b\":y", "tags[\"a b\"]:x tags[\"a b\"]:y");
    check("duration:>1.5 duration:<=1e3", "duration:>1.5 duration:<=1000");
    check("has:user.id !has:customer has:tags[level]", "has:user_id !has:customer has:\"tags[level]\"");
    check("event_id:0AF76519-16CD-43DD-8448-EB211C80319C", "event_id:0af7651916cd43dd8448eb211c80319c");
    check("trace:0AF7*", "trace_id:0af7*");
    check("timestamp:-24h", "timestamp:>=-1d");
    check("timestamp:+90m", "timestamp:<=-90m");
    check("age:<7d age:>=36h", "timestamp:>-1w timestamp:<=-36h");
    check("timestamp:>2026-09-21T14:30:00Z received:2026-09", "timestamp:>2026-09-21T14:30:00Z received_at:2026-09");
    check("is:Unresolved assigned:me bookmarks:me issue:12", "is:unresolved assigned:me bookmarks:me issue:12");
    check("is:ignored times_seen:>100 first_seen:-1d", "is:archived times_seen:>100 first_seen:>=-1d");
    check("core::panic https://a.org/x?y=1", "\"core::panic\" \"https://a.org/x?y=1\"");
    check("parse_header() (f(a,b))", "\"parse_header()\" \"f(a,b)\"");
    check("12:30", "\"12:30\"");
    check(r"a\ b c\*d \(e C:\dir", r#""a b" "c*d" "(e" C:"\\dir""#);
    check(r#"say:"\"hi\"" "my app "*"#, r#"say:"\"hi\"" "my app "*"#);
    check("* foo*bar", "* foo*bar");
    check("release:\"\"", "release:\"\"");
    check("überfehler größe:ü", "überfehler größe:ü");
}

#[test]
fn mistakes_are_told_where_they_are() {
    fn check(text: &str, position: usize, message: &str) {
        let error = Search::parse(text).expect_err(text);
        assert_eq!((error.position, error.message.as_str()), (position, message), "{text}: {error}");
    }
    check("level:", 7, "expected a value after `level:`");
    check("TypeError: x", 11, "expected a value after `TypeError:`");
    check("level:loud", 7, "`loud` is not a level");
    check("ü level:loud", 9, "`loud` is not a level");
    check("level:[error,", 14, "expected a value after `level:`");
    check("level:[error", 7, "a `[` that is not closed");
    check("level:[error fatal]", 14, "expected `,` or `]`");
    check("level:[]", 8, "expected a value after `level:`");
    check("kind:x", 6, "`x` is not a kind");
    check("severity:high", 10, "`high` is not a whole number");
    check("severity:99999999999", 10, "`99999999999` is not a whole number");
    check("severity:1*", 10, "`severity` takes a whole number, without `*`");
    check("handled:maybe", 9, "`maybe` is not `true` or `false`");
    check("event_id:12", 10, "`12` is not an id");
    check("event_id:x*", 10, "`event_id` takes an id, without `*`");
    check("timestamp:24h", 11, "`24h` is not a time");
    check("timestamp:2026-13", 11, "`2026-13` is not a time");
    check("age:7d", 5, "expected `<` or `>` after `age:`");
    check("age:<x", 6, "expected a length of time");
    check("release:>1.2", 9, "`release` is not ordered: only numbers, times and `level` compare with `<` and `>`");
    check("release:!=1.2", 9, "`!=` is not a comparison");
    check("duration:>x", 11, "expected a number to compare `duration` with");
    check("a b)", 4, "a `)` without its `(`");
    check("(a", 1, "a `(` that is not closed");
    check("a ()", 4, "expected a condition");
    check("a AND", 6, "expected a condition");
    check("a OR OR b", 6, "expected a condition");
    check("AND a", 1, "expected a condition");
    check("!", 2, "expected a condition");
    check("a \"b", 3, "a quote that is not closed");
    check("\"\"", 1, "an empty text");
    check("tags[x:y", 5, "a `[` that is not closed");
    check("tags[]:y", 6, "expected a tag's name");
    check("has:", 5, "expected a value after `has:`");
    check("has:a*", 5, "`has:` takes a key, without `*`");
    check("is:unresolvd", 4, "`unresolvd` is not a state");
    check("issue:x", 7, "`x` is not a whole number");
    let hint = Search::parse("is:unresolvd").unwrap_err().hint;
    assert_eq!(hint.as_deref(), Some("did you mean `unresolved`?"));
}

#[test]
fn searches_are_bounded() {
    let refused = |text: &str| Search::parse(text).expect_err("too much").message;
    assert_eq!(refused(&"a".repeat(4_097)), "a search of 4097 bytes; at most 4096 are allowed");
    assert_eq!(refused(&"a:1 ".repeat(201)), "more than 200 conditions and values");
    assert_eq!(refused(&"a ".repeat(33)), "more than 32 words and phrases without a key");
    assert_eq!(refused(&format!("x:[{}1]", "1,".repeat(200))), "more than 200 conditions and values");
    let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(refused(&deep(51)), "more than 50 levels of parentheses and negations");
    assert_eq!(refused(&format!("{}a", "!".repeat(51))), "more than 50 levels of parentheses and negations");
    assert!(Search::parse(&deep(50)).is_ok() && Search::parse(&("b:1 ".repeat(168) + &"a ".repeat(32))).is_ok());
    // What is allowed is also planned, whole and on a thread of usual size.
    let wide = format!("!({})", vec!["!(b:1 c:*x)"; 66].join(" OR "));
    let nested = (0..16).fold("a".to_owned(), |inner, _| format!("(x OR !(y:1 {inner}))"));
    for worst in [wide, nested, deep(50)] {
        let search = Search::parse(&worst).unwrap();
        assert!(search.matcher(NOW).is_ok() && Search::parse(&search.to_string()).is_ok(), "{worst}");
    }
}

#[test]
fn conditions_are_those_of_sql() {
    fn check(text: &str, expected: &str) {
        let filter = Search::parse(text).unwrap().filter(NOW).unwrap();
        assert_eq!(filter.to_string(), expected, "{text}");
    }
    check("", "Boolean(true)");
    check("service:api", "service = Utf8View(\"api\")");
    check("!service:api", "service != Utf8View(\"api\") OR service IS NULL");
    check("!level:error", "level != Utf8View(\"error\")");
    check("level:[error,fatal]", "level IN ([Utf8View(\"error\"), Utf8View(\"fatal\")])");
    check("level:>=error", "level IN ([Utf8View(\"error\"), Utf8View(\"fatal\")])");
    check("level:<trace", "Boolean(false)");
    check("severity:17", "severity = Int32(17)");
    check("project:1", "project_id = Int64(1)");
    check("!severity:>3", "severity <= Int32(3) OR severity IS NULL");
    check("handled:true", "handled = Boolean(true)");
    check("release:1.*", "release LIKE Utf8View(\"1.%\")");
    check("release:1_%*", "release LIKE Utf8View(\"1\\_\\%%\")");
    check("message:a*b", "message ILIKE Utf8View(\"%a%b%\")");
    check("message:*b", "message ILIKE Utf8View(\"%b%\")");
    check("logger:*", "logger IS NOT NULL");
    check("!message:**", "message IS NULL");
    check("message:=ab", "message = Utf8View(\"ab\")");
    check("customer:c5", "get_field(tags, Utf8(\"customer\")) = Utf8(\"c5\")");
    check(
        "it's:x",
        "message ILIKE Utf8View(\"%it's:x%\") OR exception_type ILIKE Utf8View(\"%it's:x%\") OR \
        exception_value ILIKE Utf8View(\"%it's:x%\") OR culprit ILIKE Utf8View(\"%it's:x%\") OR \
        logger ILIKE Utf8View(\"%it's:x%\") OR stack ILIKE Utf8View(\"%it's:x%\")",
    );
    check("timestamp:-1s", "timestamp >= TimestampMicrosecond(1789999999000000, Some(\"UTC\"))");
    check("age:>1s", "timestamp < TimestampMicrosecond(1789999999000000, Some(\"UTC\"))");
    check(
        "!(a:1 OR has:level)",
        "(get_field(tags, Utf8(\"a\")) != Utf8(\"1\") OR get_field(tags, Utf8(\"a\")) IS NULL) AND level IS NULL",
    );
    let error = Search::parse("a (b OR is:resolved)").unwrap().filter(NOW).unwrap_err();
    assert_eq!((error.position, error.message.as_str()), (9, "`is` is about issues, not about events"));
}

#[test]
fn programs_say_what_they_mean() {
    fn check(key: &str, value: &str, expected: &str) {
        let search = Search::parse("a OR b").unwrap().and(Search::equal(key, value).unwrap());
        assert_eq!(search.to_string(), format!("(a OR b) {expected}"));
        assert_eq!(Search::parse(&search.to_string()).unwrap(), search);
    }
    check("env", "a \"b\" *", r#"environment:"a \"b\" *""#);
    check("message", "x", "message:=x");
    check("tags[level]", "", "tags[\"level\"]:\"\"");
    check("level", "WARN", "level:warning");
    assert_eq!(Search::equal("level", "loud").unwrap_err().message, "`loud` is not a level");
}

#[test]
fn issues_and_events_are_taken_apart() {
    fn check(text: &str, events: &str, issues: &str) {
        let split = Search::parse(text).unwrap().split().unwrap();
        assert_eq!((split.events.to_string(), split.issues.to_string()), (events.into(), issues.into()), "{text}");
    }
    check("", "", "");
    check("level:error", "level:error", "");
    check("is:resolved", "", "is:resolved");
    check("a is:resolved b !assigned:me", "a b", "is:resolved !assigned:me");
    check("(is:resolved OR is:archived) (a OR b)", "a OR b", "is:resolved OR is:archived");
    for (text, position) in [("a OR is:resolved", 6), ("x !(a is:new)", 7)] {
        assert_eq!(Search::parse(text).unwrap().split().unwrap_err().position, position, "{text}");
    }
}

/// Events in the hot form: message, service, tags.
fn hot_batch() -> RecordBatch {
    use arrow::array::{MapBuilder, MapFieldNames, StringArray, StringBuilder, StringDictionaryBuilder};
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut tags = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for tag in [Some("c1"), None, Some("c2")] {
        tag.into_iter().for_each(|tag| {
            tags.keys().append_value("customer");
            tags.values().append_value(tag);
        });
        tags.append(true).unwrap();
    }
    let mut words = [(); 5].map(|()| StringDictionaryBuilder::<arrow::datatypes::Int32Type>::new());
    for word in &mut words {
        word.append_option(Some("api"));
        word.append_option(None::<&str>);
        word.append_option(Some("Web 100%"));
    }
    let [service, logger, culprit, kind, stack] = words.map(|mut word| Arc::new(word.finish()) as Arc<dyn Array>);
    let text = || Arc::new(StringArray::from(vec![Some("Timed OUT"), None, Some("a_b")])) as Arc<dyn Array>;
    let (message, value) = (text(), text());
    let columns = [
        ("tags", Arc::new(tags.finish()) as _),
        ("service", service),
        ("message", message),
        ("exception_type", kind),
        ("exception_value", value),
        ("culprit", culprit),
        ("logger", logger),
        ("stack", stack),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

#[test]
fn a_matcher_takes_both_forms() {
    let hot = hot_batch();
    let table = hot.columns().iter().map(|column| table_column(column).unwrap());
    let names: Vec<String> = hot.schema().fields().iter().map(|field| field.name().clone()).collect();
    let table = RecordBatch::try_from_iter_with_nullable(names.iter().zip(table).map(|(n, c)| (n, c, true))).unwrap();
    let check = |text: &str, expected: [bool; 3]| {
        let matcher = Search::parse(text).unwrap().matcher(NOW).unwrap();
        for batch in [&hot, &table] {
            let found = matcher.select(batch).unwrap();
            assert_eq!(found, BooleanArray::from(expected.to_vec()), "{text}: {:?}", batch.schema());
        }
    };
    check("", [true, true, true]);
    check("timed", [true, false, false]);
    check("!timed", [false, true, true]);
    check("\"100%\"", [false, false, true]);
    check("a_b !a%b", [false, false, true]);
    check("message:a.b", [false, false, false]);
    check("service:api", [true, false, false]);
    check("!service:api", [false, true, true]);
    check("service:a* OR customer:c2", [true, false, true]);
    check("has:customer", [true, false, true]);
    check("!customer:[c1,c2]", [false, true, false]);
    check("customer:>1", [false, false, false]);
    let lacking = hot.project(&[0]).unwrap();
    assert!(Search::parse("timed").unwrap().matcher(NOW).unwrap().select(&lacking).is_err());
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "level:",
        "error",
        " ",
        "(",
        ")",
        "!",
        "-",
        "OR",
        "AND",
        "NOT",
        "\"",
        "*",
        "[",
        "]",
        ",",
        "\\",
        ":",
        ">=",
        "<",
        "=",
        "timestamp:",
        "-24h",
        "2026-09-21",
        "tags[",
        "tags.x:",
        "severity:",
        "17",
        "has:",
        "age:",
        "is:",
        "new",
        "ü",
        "a",
        "b",
        "user.id:",
        "event_id:",
        "0af7*",
        "customer:",
        "1.5",
        "stack:",
        "handled:",
        "true",
        "%",
        "_",
        "'",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_text_makes_it_panic(text in proptest::prelude::any::<String>()) {
        if let Ok(search) = Search::parse(&text) {
            let _ = (search.split(), search.filter(NOW));
        }
    }

    #[test]
    fn what_is_read_reads_back(text in words()) {
        match Search::parse(&text) {
            Err(error) => prop_assert!(error.position <= text.chars().count() + 1, "{text}: {error}"),
            Ok(search) => {
                let shown = search.to_string();
                let again = Search::parse(&shown);
                prop_assert!(again.is_ok(), "{text} is {shown}: {again:?}");
                let again = again.unwrap();
                prop_assert_eq!(again.to_string(), shown);
                prop_assert_eq!(again.filter(NOW).ok(), search.filter(NOW).ok());
            }
        }
    }
}
