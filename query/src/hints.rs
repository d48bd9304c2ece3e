//! Reads the text of DataFusion's and the parser's messages: where they point, and what was probably meant.

/// The message without the names of the layers that passed it on.
pub(crate) fn clean(text: &str) -> String {
    const NOISE: [&str; 16] = [
        "DataFusion error: ",
        "Error during planning: ",
        "SQL error: ",
        "Execution error: ",
        "Arrow error: ",
        "Schema error: ",
        "External error: ",
        "Optimizer rule 'simplify_expressions' failed",
        "caused by",
        "sql parser error: ",
        "Compute error: ",
        "Resources exhausted: ",
        "Parquet error: ",
        "ParserError(\"",
        "This feature is not implemented: ",
        "Invalid argument error: ",
    ];
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let mut text = text.trim();
    while let Some(rest) = NOISE.iter().find_map(|noise| text.strip_prefix(noise)) {
        text = rest.trim_start();
    }
    lower_first(text.trim_end_matches("\")"))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // `SELECT …`, `UNION …` stay as they are.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Cuts `… at Line: 1, Column: 8` off the parser's message.
pub(crate) fn take_position(text: &str) -> Option<(String, (u64, u64))> {
    let (before, after) = text.split_once(" at Line: ")?;
    let (line, rest) = after.split_once(", Column: ")?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let position = (line.trim().parse().ok()?, rest[..digits].parse().ok()?);
    Some((format!("{before}{}", rest[digits..].trim_end()), position))
}

/// The table of `table 'tephra.public.x' not found`.
pub(crate) fn missing_table(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("table '")?;
    let (name, rest) = after.split_once('\'')?;
    let name = name.strip_prefix("tephra.").unwrap_or(name);
    rest.starts_with(" not found").then(|| name.strip_prefix("public.").unwrap_or(name))
}

/// The known name nearest to `name`, where one is near.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_ascii_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        // Of two as near, a letter forgotten is likelier than a letter too many.
        .min_by_key(|(distance, candidate)| (*distance, candidate.len() < name.len(), *candidate))
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` ``.
pub(crate) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_cut_off() {
        let found = take_position("Expected: an expression, found: FROM at Line: 2, Column: 8");
        assert_eq!(found, Some(("Expected: an expression, found: FROM".into(), (2, 8))));
    }

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("servce", &["service", "level"]), Some("service"));
        assert_eq!(nearest("enviroment", &["environment", "event_id"]), Some("environment"));
        assert_eq!(nearest("zzz", &["service", "level"]), None);
    }

    #[test]
    fn noise_is_dropped() {
        assert_eq!(clean("Error during planning: Unsupported thing"), "unsupported thing");
        assert_eq!(missing_table("table 'tephra.public.evnts' not found"), Some("evnts"));
    }
}
