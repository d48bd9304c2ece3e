//! What a `User-Agent` tells: a crawler, a probe, a browser that nobody supports any more.

/// What is compared of one.
const AGENT_BYTES_MAX: usize = 512;

/// Crawlers that do not call themselves a bot, in small letters.
const CRAWLERS: [&str; 28] = [
    "adsbot-google",
    "ahrefs",
    "archive.org",
    "baiduspider",
    "bingpreview",
    "bytespider",
    "calypso appcrawler",
    "chrome-lighthouse",
    "crawler",
    "crawling",
    "duckduckgo-favicons",
    "facebookcatalog",
    "facebookexternalhit",
    "feedfetcher",
    "google page speed",
    "google-read-aloud",
    "google-safety",
    "headlesschrome-crawler",
    "heritrix",
    "ia_archiver",
    "mediapartners-google",
    "meta-externalagent",
    "phantomjs",
    "slurp",
    "sogou",
    "spider",
    "storebot",
    "whatsapp/",
];

/// Those who ask whether a program is alive, in small letters.
const PROBES: [&str; 16] = [
    "amazon-route53-health-check",
    "better uptime",
    "blackbox-exporter",
    "consul health check",
    "datadog/synthetics",
    "elb-healthchecker",
    "envoy/hc",
    "googlehc/",
    "googlestackdrivermonitoring",
    "haproxy health",
    "kube-probe",
    "pingdom",
    "site24x7",
    "statuscake",
    "uptimerobot",
    "updown.io",
];

/// Whether it is a crawler's.
pub(super) fn is_crawler(agent: &str) -> bool {
    let agent = lowercase(agent);
    has_any(&agent, &CRAWLERS) || is_bot(&agent)
}

/// Whether it is a probe's.
pub(super) fn is_probe(agent: &str) -> bool {
    has_any(&lowercase(agent), &PROBES)
}

/// Whether it is of Internet Explorer, Opera Mini, Opera 12, the old Edge, the Android browser, or a version of Chrome, Firefox
/// or Safari of before 2018.
pub(super) fn is_legacy_browser(agent: &str) -> bool {
    let agent = lowercase(agent);
    if has_any(&agent, &["msie ", "trident/", "opera mini", "opera/", "presto/", "edge/"]) {
        return true;
    }
    let older = |name: &str, least: u32| version(&agent, name).map(|version| version < least);
    // Each browser also names those it wants to be taken for, Safari last of all.
    if let Some(older) = older("firefox/", 58).or_else(|| older("fxios/", 10)) {
        return older;
    }
    if let Some(older) = older("chrome/", 63).or_else(|| older("crios/", 63)) {
        return older;
    }
    if agent.contains("android") && agent.contains("version/") {
        return true;
    }
    agent.contains("safari/") && older("version/", 11).unwrap_or(false)
}

/// Whether a word of it ends in `bot`, as in `Googlebot/2.1` and `my-bot;`. Cubot makes telephones.
fn is_bot(agent: &str) -> bool {
    agent.match_indices("bot").any(|(at, _)| {
        let next = agent[at + 3..].chars().next();
        let ends = next.is_none_or(|next| !next.is_alphanumeric());
        let plural = agent[at + 3..].strip_prefix('s').is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        (ends || plural) && !agent[..at].ends_with("cu")
    })
}

fn has_any(agent: &str, words: &[&str]) -> bool {
    words.iter().any(|word| agent.contains(word))
}

/// The whole number behind a name.
fn version(agent: &str, name: &str) -> Option<u32> {
    let rest = &agent[agent.find(name)? + name.len()..];
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

fn lowercase(agent: &str) -> String {
    agent[..agent.floor_char_boundary(AGENT_BYTES_MAX)].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
    const IE: &str = "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko";

    #[test]
    fn crawlers_are_told_from_people() {
        for (agent, expected) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", true),
            ("Mozilla/5.0 (compatible; bingbot/2.0)", true),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", true),
            ("facebookexternalhit/1.1", true),
            ("Baiduspider-render/2.0", true),
            ("my-bot", true),
            ("GPTBot/1.0", true),
            ("Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) Chrome/99.0", false),
            ("robotics-client/1.0", false),
            (CHROME, false),
            (IPHONE, false),
            ("python-requests/2.31", false),
            ("", false),
        ] {
            assert_eq!(is_crawler(agent), expected, "{agent}");
        }
    }

    #[test]
    fn probes_are_known() {
        assert!(is_probe("kube-probe/1.29"));
        assert!(is_probe("ELB-HealthChecker/2.0"));
        assert!(!is_probe(CHROME));
    }

    #[test]
    fn old_browsers_are_told_from_others() {
        for (agent, expected) in [
            (IE, true),
            ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", true),
            ("Opera/9.80 (J2ME/MIDP; Opera Mini/7.1; U; en) Presto/2.8 Version/11.10", true),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/64.0 Safari/537.36 Edge/17.17134", true),
            ("Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 Chrome/49.0.2623.112 Safari/537.36", true),
            ("Mozilla/5.0 (Windows NT 6.1; rv:45.0) Gecko/20100101 Firefox/45.0", true),
            ("Mozilla/5.0 (Linux; U; Android 4.0.3) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30", true),
            ("Mozilla/5.0 (Macintosh) AppleWebKit/601.7.7 (KHTML, like Gecko) Version/9.1.2 Safari/601.7.7", true),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0", false),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", false),
            (CHROME, false),
            (IPHONE, false),
            ("sentry.python/2.0", false),
            ("", false),
        ] {
            assert_eq!(is_legacy_browser(agent), expected, "{agent}");
        }
    }
}
