//! What an event says of the page or request it is about: addresses, paths, the user agent.
//!
//! They stand in the `request` of events that SDKs for errors send, and among the attributes of OpenTelemetry, in its present
//! names and in older ones. Only those few values are read out of the JSON; the rest is passed over.

use serde::Deserialize;
use serde_json::value::RawValue;
use tephra_storage::Event;

/// What is compared of an address.
const URL_BYTES_MAX: usize = 2048;

/// What a filter may ask.
#[derive(Debug, Default)]
pub(super) struct Facts<'e> {
    pub(super) agent: Option<String>,
    urls: Vec<String>,
    paths: Vec<String>,
    culprit: Option<&'e str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'t> {
    #[serde(borrow)]
    url: Option<&'t RawValue>,
    #[serde(borrow)]
    headers: Option<&'t RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes<'t> {
    #[serde(borrow, rename = "user_agent.original")]
    agent: Option<&'t RawValue>,
    #[serde(borrow, rename = "http.user_agent")]
    older_agent: Option<&'t RawValue>,
    #[serde(borrow, rename = "url.full")]
    url: Option<&'t RawValue>,
    #[serde(borrow, rename = "http.url")]
    older_url: Option<&'t RawValue>,
    #[serde(borrow, rename = "url.path")]
    path: Option<&'t RawValue>,
    #[serde(borrow, rename = "http.target")]
    older_path: Option<&'t RawValue>,
    #[serde(borrow, rename = "http.route")]
    route: Option<&'t RawValue>,
}

/// What attributes with one of those names hold.
const MARKS: [&str; 3] = ["\"user_agent.", "\"url.", "\"http."];

impl<'e> Facts<'e> {
    pub(super) fn of(event: &'e Event, sender: Option<&str>) -> Self {
        let mut facts = Self { culprit: event.culprit.as_deref(), ..Self::default() };
        if let Some(request) = event.request.as_deref().and_then(|text| serde_json::from_str::<Request<'_>>(text).ok())
        {
            facts.urls.extend(text(request.url));
            facts.agent = request.headers.and_then(|headers| header(headers.get(), "user-agent"));
        }
        let attributes = event.attributes.as_deref().filter(|text| MARKS.iter().any(|mark| text.contains(mark)));
        if let Some(found) = attributes.and_then(|text| serde_json::from_str::<Attributes<'_>>(text).ok()) {
            facts.agent = facts.agent.or_else(|| text(found.agent)).or_else(|| text(found.older_agent));
            facts.urls.extend([found.url, found.older_url].into_iter().filter_map(text));
            facts.paths.extend([found.path, found.older_path, found.route].into_iter().filter_map(text));
        }
        // A browser's SDK sends from the page itself, so that its agent is the page's.
        let in_browser = matches!(event.platform.as_deref(), Some("javascript"));
        facts.agent = facts.agent.or_else(|| sender.filter(|_| in_browser).map(str::to_owned));
        facts
    }

    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(String::as_str)
    }

    /// Addresses, paths and the route.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.urls().chain(self.paths.iter().map(String::as_str)).chain(self.culprit)
    }
}

fn text(value: Option<&RawValue>) -> Option<String> {
    let mut text: String = serde_json::from_str(value?.get()).ok()?;
    text.truncate(text.floor_char_boundary(URL_BYTES_MAX));
    Some(text)
}

/// The value of a header, in an object or in a list of pairs.
fn header(json: &str, wanted: &str) -> Option<String> {
    type Raw<'t> = &'t RawValue;
    let found = |name: &str, value: Raw<'_>| {
        let value = value.get();
        let many = || serde_json::from_str::<Vec<String>>(value).ok()?.into_iter().next();
        name.eq_ignore_ascii_case(wanted).then(|| serde_json::from_str(value).ok().or_else(many)).flatten()
    };
    if let Ok(pairs) = serde_json::from_str::<std::collections::HashMap<String, Raw<'_>>>(json) {
        return pairs.iter().find_map(|(name, value)| found(name, value));
    }
    let pairs = serde_json::from_str::<Vec<(String, Raw<'_>)>>(json).ok()?;
    pairs.iter().find_map(|(name, value)| found(name, value))
}
