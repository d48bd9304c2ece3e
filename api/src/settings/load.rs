//! Reads settings from their sources. A flag wins over a variable, a variable over the file, the file over the default.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use super::Settings;
use super::table::{Setting, TABLE};

/// The file that is read where none is named and it is there.
const DEFAULT_FILE: &str = "tephra.toml";

/// Variables that are no settings: for the clients, the tests, and where the file is.
const OTHER_VARIABLES: [&str; 13] = [
    "TEPHRA_CA",
    "TEPHRA_CONFIG",
    "TEPHRA_URL",
    "TEPHRA_GRPC",
    "TEPHRA_KEY",
    "TEPHRA_TOKEN",
    "TEPHRA_DSN",
    "TEPHRA_EMAIL",
    "TEPHRA_PASSWORD",
    "TEPHRA_CACHE",
    "TEPHRA_CORPUS",
    "TEPHRA_PROFILE",
    "TEPHRA_PYTHON",
];
const TEST_PREFIXES: [&str; 4] = ["TEPHRA_TEST_", "TEPHRA_BENCH_", "TEPHRA_FAILPOINTS", "TEPHRA_PLANT"];

/// A short name of `TEPHRA_LOG_LEVEL`.
const LOG_VARIABLE: &str = "TEPHRA_LOG";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The settings file.
    File,
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

/// A setting that was given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as the user wrote it, `--http`.
    pub flag: &'static str,
    /// The name of the setting, `http.address`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Settings, and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values in force.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// In the order of the table.
    pub(super) origins: Vec<Origin>,
}

/// Reads the settings of this process.
pub fn load(file: Option<&Path>, flags: &[Flag]) -> anyhow::Result<Loaded> {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let variables = variables.filter(|(name, _)| name.starts_with("TEPHRA_")).map(|(name, value)| {
        let value = value.into_string().map_err(|_| anyhow!("the variable `{name}` is not UTF-8"))?;
        Ok((name, value))
    });
    let variables = variables.collect::<anyhow::Result<Vec<_>>>()?;
    load_from(file, &variables, flags)
}

/// Reads settings from the given sources; without a `file` the default one is read where it is there.
pub fn load_from(file: Option<&Path>, variables: &[(String, String)], flags: &[Flag]) -> anyhow::Result<Loaded> {
    let named = file.map(Path::to_owned).or_else(|| find(variables, "TEPHRA_CONFIG").map(PathBuf::from));
    let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let mut loaded = Loaded { settings: Settings::default(), file, origins: vec![Origin::Default; TABLE.len()] };
    if let Some(path) = loaded.file.clone() {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("could not read the settings file `{}`", path.display()))?;
        loaded.read_file(&text).with_context(|| format!("in the settings file `{}`", path.display()))?;
    }
    for (name, value) in variables {
        loaded.read_variable(name, value)?;
    }
    for flag in flags {
        let index = index(flag.name).ok_or_else(|| anyhow!("no setting `{}`", flag.name))?;
        loaded
            .set(index, &flag.value, Origin::Flag(flag.flag))
            .with_context(|| format!("in the flag `{}`", flag.flag))?;
    }
    Ok(loaded)
}

impl Loaded {
    fn set(&mut self, index: usize, value: &str, origin: Origin) -> anyhow::Result<()> {
        let setting = &TABLE[index];
        (setting.read)(&mut self.settings, value).map_err(|fault| {
            if setting.secret {
                anyhow!("`{}`: the value is not fit", setting.name)
            } else {
                anyhow!("`{}`: {fault}", setting.name)
            }
        })?;
        self.origins[index] = origin;
        Ok(())
    }

    fn read_file(&mut self, text: &str) -> anyhow::Result<()> {
        let table: toml::Table = text.parse()?;
        for (key, value) in table {
            match value {
                toml::Value::Table(section) => {
                    for (inner, value) in section {
                        self.read_entry(&format!("{key}.{inner}"), value)?;
                    }
                }
                value => self.read_entry(&key, value)?,
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, name: &str, value: toml::Value) -> anyhow::Result<()> {
        let Some(index) = index(name) else {
            bail!("there is no setting `{name}`{}", nearest(name, TABLE.iter().map(|setting| setting.name.to_owned())));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            toml::Value::Array(list) if list.iter().all(toml::Value::is_str) => {
                list.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(", ")
            }
            other => bail!("`{name}` cannot be a value of type {}", other.type_str()),
        };
        self.set(index, &text, Origin::File)
    }

    fn read_variable(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        if OTHER_VARIABLES.contains(&name) || TEST_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Ok(());
        }
        let wanted = if name == LOG_VARIABLE { "TEPHRA_LOG_LEVEL" } else { name };
        let Some(index) = TABLE.iter().position(|setting| setting.variable() == wanted) else {
            let known = TABLE.iter().map(Setting::variable).chain(OTHER_VARIABLES.map(str::to_owned));
            bail!("there is no setting for the variable `{name}`{}", nearest(name, known));
        };
        self.set(index, value, Origin::Variable(name.to_owned())).with_context(|| format!("in the variable `{name}`"))
    }
}

fn find<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn index(name: &str) -> Option<usize> {
    TABLE.iter().position(|setting| setting.name == name)
}

/// `; did you mean …?` with the known name that is most alike.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    let likeness = |other: &String| strsim::jaro_winkler(name, other);
    let best = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    best.map_or_else(String::new, |best| format!("; did you mean `{best}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn with_file(text: &str, list: &[(&str, &str)], flags: &[Flag]) -> anyhow::Result<Loaded> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("tephra.toml");
        std::fs::write(&path, text)?;
        load_from(Some(&path), &variables(list), flags)
    }

    #[test]
    fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
        let file = "data_dir = \"/a\"\n[query]\nrows_max = 5\nmemory_bytes_max = \"64MiB\"\n[http]\naddress = \"127.0.0.1:1\"\n";
        let list = [("TEPHRA_QUERY_ROWS_MAX", "6"), ("TEPHRA_HTTP_ADDRESS", "127.0.0.1:2")];
        let flag = Flag { flag: "--http", name: "http.address", value: "127.0.0.1:3".to_owned() };
        let loaded = with_file(file, &list, &[flag]).unwrap();
        assert_eq!(loaded.settings.storage.data_dir, Path::new("/a"));
        assert_eq!(loaded.settings.http.address.to_string(), "127.0.0.1:3");
        assert_eq!(loaded.origins[index("http.address").unwrap()], Origin::Flag("--http"));
        assert_eq!(
            loaded.origins[index("query.rows_max").unwrap()],
            Origin::Variable("TEPHRA_QUERY_ROWS_MAX".to_owned())
        );
        assert_eq!(loaded.origins[index("query.memory_bytes_max").unwrap()], Origin::File);
        assert_eq!(loaded.origins[index("query.threads").unwrap()], Origin::Default);
    }

    #[test]
    fn a_list_is_an_array_or_a_text_with_commas() {
        let file = "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
        let from_file = with_file(file, &[], &[]).unwrap().settings.http.trusted_proxies;
        let variable = [("TEPHRA_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,::1")];
        let from_variable = with_file("", &variable, &[]).unwrap().settings.http.trusted_proxies;
        assert_eq!((from_file.0.len(), &from_file), (2, &from_variable));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_the_nearest() {
        let check = |file: &str, list: &[(&str, &str)], expected: &str| {
            let message = format!("{:#}", with_file(file, list, &[]).unwrap_err());
            assert!(message.contains(expected), "{message}");
        };
        check("[query]\nmemory_byte_max = 1", &[], "did you mean `query.memory_bytes_max`?");
        check("datadir = \"x\"", &[], "did you mean `data_dir`?");
        check("[qurey]\nrows_max = 1", &[], "did you mean `query.rows_max`?");
        check("", &[("TEPHRA_DATADIR", "x")], "did you mean `TEPHRA_DATA_DIR`?");
        check("", &[("TEPHRA_HTTP_ADDRESS", "here")], "`http.address`: `here` is not an address");
        check("[query]\nrows_max = [1]", &[], "type array");
    }

    #[test]
    fn variables_of_clients_and_tests_are_left_alone() {
        let list =
            [("TEPHRA_URL", "x"), ("TEPHRA_TEST_ROUNDS", "3"), ("TEPHRA_FAILPOINTS", "a"), ("TEPHRA_LOG", "debug")];
        assert_eq!(with_file("", &list, &[]).unwrap().settings.log.level, "debug");
    }
}
