//! `tephra config`: the settings in force as a file that could be used, and where each came from.

use std::fmt::Write;

use super::Settings;
use super::load::{Loaded, Origin};
use super::table::{Setting, TABLE};

/// What is in force, as TOML with the origins as comments.
pub fn show(loaded: &Loaded) -> String {
    let mut out = String::new();
    if let Some(file) = &loaded.file {
        let _ = writeln!(out, "# file: {}", file.display());
    }
    let width = TABLE.iter().map(|setting| line(setting, &loaded.settings).chars().count()).max().unwrap_or(0);
    let mut section = "";
    for (setting, origin) in TABLE.iter().zip(&loaded.origins) {
        let place = setting.place().0;
        if place != section {
            let _ = writeln!(out, "\n[{place}]");
            section = place;
        }
        let origin = match origin {
            Origin::Default => "default".to_owned(),
            Origin::File => "file".to_owned(),
            Origin::Variable(name) => format!("environment {name}"),
            Origin::Flag(flag) => format!("flag {flag}"),
        };
        let _ = writeln!(out, "{:width$}  # {origin}", line(setting, &loaded.settings));
    }
    out
}

fn line(setting: &Setting, settings: &Settings) -> String {
    let value = (setting.show)(settings);
    let masked = setting.secret && value != "\"\"";
    format!("{} = {}", setting.place().1, if masked { "\"***\"" } else { &value })
}

/// The text of `docs/SETTINGS.md`.
pub fn markdown() -> String {
    let defaults = Settings::default();
    let mut out = String::from(
        "# Settings\n\n\
         Tephra reads one TOML file (`--config FILE`, else `TEPHRA_CONFIG`, else `tephra.toml` in the working directory where \
         it is there), environment variables and a few flags. A flag wins over a variable, a variable over the file, the file \
         over the default. `tephra config` prints what is in force and where each value came from. An unknown name is an \
         error that names the nearest known one.\n\n\
         Sizes are numbers of bytes or texts such as `\"256MiB\"`; times are numbers of the unit in the name or texts such as \
         `\"5m\"` (`ms`, `s`, `m`, `h`, `d`).\n\n\
         The flags of `tephra serve`: `--data-dir` (`data_dir`), `--http` (`http.address`), `--grpc` (`grpc.address`), \
         `--log-format` (`log.format`), `--accept-data-loss` (`hot.accept_data_loss`).\n\n\
         This page is made by `tephra config --markdown`.\n",
    );
    let mut section = None;
    for setting in TABLE {
        let (place, key) = setting.place();
        if section != Some(place) {
            let title = if place.is_empty() { "No section".to_owned() } else { format!("`[{place}]`") };
            let _ =
                write!(out, "\n## {title}\n\n| key | type | default | variable | meaning |\n|---|---|---|---|---|\n");
            section = Some(place);
        }
        let default = (setting.show)(&defaults);
        let (kind, variable) = ((setting.kind)(), setting.variable());
        let _ = writeln!(out, "| `{key}` | {kind} | `{default}` | `{variable}` | {} |", setting.doc);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load_from;

    #[test]
    fn what_is_shown_is_a_settings_file_without_secrets() {
        let variables = [("TEPHRA_COLD_S3_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned())];
        let loaded = load_from(None, &variables, &[]).unwrap();
        let text = show(&loaded);
        assert!(!text.contains("hunter2") && text.contains("\"***\""), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tephra.toml");
        std::fs::write(&path, &text).unwrap();
        load_from(Some(&path), &[], &[]).unwrap();
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SETTINGS.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "run `tephra config --markdown > docs/SETTINGS.md`");
    }
}
