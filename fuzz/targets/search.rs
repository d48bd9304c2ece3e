//! Text as a search: an error points into it, and what was read compiles and prints as something that reads the same.
#![no_main]
#![allow(unsafe_code, missing_docs, reason = "the macro of libFuzzer")]

use libfuzzer_sys::fuzz_target;
use tephra_query::Search;

fuzz_target!(|text: &str| {
    let now_us = 1_763_654_400_000_000;
    match Search::parse(text) {
        Ok(search) => {
            let printed = search.to_string();
            let again = Search::parse(&printed).map(|search| search.to_string());
            assert_eq!(again.as_ref().ok(), Some(&printed), "`{text}`");
            let _ = (search.filter(now_us), search.matcher(now_us), search.split());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
