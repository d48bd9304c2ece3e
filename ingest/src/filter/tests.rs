use super::*;

const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn filters(rules: FilterRules) -> Filters {
    Filters::new(&rules).unwrap()
}

fn all() -> FilterRules {
    FilterRules {
        browser_extensions: true,
        web_crawlers: true,
        localhost: true,
        health_checks: true,
        legacy_browsers: true,
        messages: vec!["*ResizeObserver loop*".to_owned(), "ValueError: no such *".to_owned()],
        releases: vec!["*-dev".to_owned()],
    }
}

fn request(json: &str) -> Event {
    Event { request: Some(json.into()), platform: Some("javascript".into()), ..Event::default() }
}

fn attributes(json: &str) -> Event {
    Event { attributes: Some(json.into()), platform: Some("python".into()), ..Event::default() }
}

#[test]
fn each_rule_finds_what_it_is_for() {
    use FilterReason as R;
    let crawler = format!("{{\"url\":\"https://a.com/\",\"headers\":{{\"User-Agent\":\"{CRAWLER}\"}}}}");
    let pairs = format!("{{\"headers\":[[\"accept\",\"*\"],[\"user-agent\",\"{CRAWLER}\"]]}}");
    let otel = format!("{{\"user_agent.original\":\"{CRAWLER}\",\"n\":1}}");
    let local = attributes(r#"{"http.url":"http://localhost:8000/a","http.status_code":500}"#);
    let user = Event { user_ip: Some("127.0.0.1".into()), ..Event::default() };
    let probe = Event { culprit: Some("GET /healthz".into()), ..Event::default() };
    let kube = attributes(r#"{"user_agent.original":"kube-probe/1.29"}"#);
    let old = request(r#"{"headers":{"User-Agent":"Mozilla/4.0 (compatible; MSIE 8.0)"}}"#);
    let noise = Event { message: Some("a resizeobserver loop limit".into()), ..Event::default() };
    let missing = Event {
        exception_type: Some("ValueError".into()),
        exception_value: Some("no such user".into()),
        ..Event::default()
    };
    let dev = Event { release: Some("shop@1.2-DEV".into()), ..Event::default() };
    let stack = "TypeError: x\n    at f (chrome-extension://abc/a.js:1:2)";
    let extension = Event { stack: Some(stack.into()), ..Event::default() };
    let cases = [
        (request(&crawler), R::WebCrawlers),
        (request(&pairs), R::WebCrawlers),
        (attributes(&otel), R::WebCrawlers),
        (request(r#"{"url":"http://localhost:3000/"}"#), R::Localhost),
        (local, R::Localhost),
        (user, R::Localhost),
        (request(r#"{"url":"https://a.com/readyz?x=1"}"#), R::HealthChecks),
        (attributes(r#"{"url.path":"/healthz"}"#), R::HealthChecks),
        (attributes(r#"{"http.route":"/ping/"}"#), R::HealthChecks),
        (probe, R::HealthChecks),
        (kube, R::HealthChecks),
        (old, R::LegacyBrowsers),
        (noise, R::Messages),
        (missing, R::Messages),
        (dev, R::Releases),
        (extension, R::BrowserExtensions),
    ];
    let (every, none) = (filters(all()), filters(FilterRules::default()));
    assert!(none.is_empty() && !every.is_empty());
    for (event, reason) in cases {
        assert_eq!(every.reason(&event, None), Some(reason), "{event:?}");
        assert_eq!(none.reason(&event, None), None, "{event:?}");
        let mut rules = all();
        match reason {
            R::BrowserExtensions => rules.browser_extensions = false,
            R::WebCrawlers => rules.web_crawlers = false,
            R::Localhost => rules.localhost = false,
            R::HealthChecks => rules.health_checks = false,
            R::LegacyBrowsers => rules.legacy_browsers = false,
            R::Messages => rules.messages.clear(),
            R::Releases => rules.releases.clear(),
        }
        assert_eq!(filters(rules).reason(&event, None), None, "{event:?}");
    }
}

#[test]
fn what_is_wanted_is_kept() {
    let every = filters(all());
    for event in [
        Event::default(),
        request(r#"{"url":"https://a.com/cart","headers":{"User-Agent":"Mozilla/5.0 Chrome/131.0 Safari/537.36"}}"#),
        request(r#"{"url":7,"headers":"none"}"#),
        request("no json"),
        attributes(r#"{"http.url":["http://localhost/"]}"#),
        attributes(r#"{"note":"see http://localhost/healthz, Googlebot"}"#),
        Event {
            message: Some("could not find ResizeObserver".into()),
            release: Some("1.0".into()),
            ..Event::default()
        },
    ] {
        assert_eq!(every.reason(&event, None), None, "{event:?}");
    }
}

#[test]
fn the_sender_speaks_for_a_page_only() {
    let every = filters(all());
    let page = Event { platform: Some("javascript".into()), ..Event::default() };
    assert_eq!(every.reason(&page, Some(CRAWLER)), Some(FilterReason::WebCrawlers));
    let program = Event { platform: Some("python".into()), ..Event::default() };
    assert_eq!(every.reason(&program, Some(CRAWLER)), None);
    let named = request(r#"{"headers":{"User-Agent":"Mozilla/5.0 Chrome/131.0 Safari/537.36"}}"#);
    assert_eq!(every.reason(&named, Some(CRAWLER)), None);
}

#[test]
fn rules_that_are_not_allowed_are_named() {
    let error = Filters::new(&FilterRules { messages: vec!["a".into(), "*".into()], ..all() }).unwrap_err();
    assert_eq!((error.field.as_str(), error.message.as_str()), ("messages[1]", "a pattern that matches everything"));
    let many = vec!["a".to_owned(); 101];
    assert_eq!(Filters::new(&FilterRules { releases: many, ..all() }).unwrap_err().field, "releases");
    assert!(serde_json::from_str::<FilterRules>(r#"{"localhost":true,"crawlers":true}"#).is_err());
    assert_eq!(FilterReason::ALL.map(FilterReason::as_str).len(), 7);
}
