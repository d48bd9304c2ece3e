//! Addresses: whether a page is on the local machine, and whether a path only asks if a program is alive.

use std::net::IpAddr;

/// The last part of a path that asks whether a program is alive.
const ALIVE: [&str; 15] = [
    "_health",
    "_ping",
    "alive",
    "health",
    "healthy",
    "healthz",
    "live",
    "liveness",
    "livez",
    "ping",
    "pingz",
    "readiness",
    "ready",
    "readyz",
    "up",
];

/// What stands in such a path anywhere.
const PROBES: [&str; 4] = ["healthcheck", "health-check", "health_check", "heartbeat"];

/// Whether the address of a page is of the local machine.
pub(super) fn is_local(url: &str) -> bool {
    let Some(host) = host(url) else { return false };
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host == "0.0.0.0" || is_loopback(&host)
}

/// Whether it is an address of the local machine.
pub(super) fn is_loopback(address: &str) -> bool {
    let address = address.trim().trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a path, the path of an address, or the name of a route such as `GET /healthz` asks only if a program is alive.
pub(super) fn is_health_check(text: &str) -> bool {
    let path = path(text).trim_end_matches('/').to_ascii_lowercase();
    if !path.starts_with('/') {
        return false;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    ALIVE.contains(&last) || PROBES.iter().any(|probe| path.contains(probe))
}

/// The host of an address, without user and port.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.starts_with('[') {
        return host.split_inclusive(']').next();
    }
    host.split(':').next().map(|host| host.trim_end_matches('.'))
}

fn path(text: &str) -> &str {
    // A route has its method before it.
    let text = text.trim().rsplit(' ').next().unwrap_or_default();
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => text,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_machine_is_known_by_its_names() {
        for (url, expected) in [
            ("http://localhost:3000/a", true),
            ("https://shop.localhost/", true),
            ("http://127.0.0.1", true),
            ("http://127.8.9.1:80/x", true),
            ("http://[::1]:8080/", true),
            ("http://user:pass@LOCALHOST./?a=http://example.com", true),
            ("http://0.0.0.0:8000/", true),
            ("https://example.com/?u=http://localhost/", false),
            ("https://localhost.example.com/", false),
            ("http://notlocalhost/", false),
            ("http://10.0.0.1/", false),
            ("localhost", false),
            ("", false),
            ("http://", false),
        ] {
            assert_eq!(is_local(url), expected, "{url}");
        }
        for (address, expected) in [("::1", true), ("::ffff:127.0.0.1", true), ("127.0.0.1", true), ("8.8.8.8", false)]
        {
            assert_eq!(is_loopback(address), expected, "{address}");
        }
    }

    #[test]
    fn probes_are_known_by_their_paths() {
        for (text, expected) in [
            ("/healthz", true),
            ("GET /healthz/", true),
            ("https://example.com/api/Health?full=1", true),
            ("http://10.0.0.1:8080/ready", true),
            ("/internal/health-check/db", true),
            ("/_health", true),
            ("/up", true),
            ("/signup", false),
            ("/health/advice", false),
            ("/orders/live-view", false),
            ("https://example.com", false),
            ("health", false),
            ("", false),
            ("handle_health", false),
        ] {
            assert_eq!(is_health_check(text), expected, "{text}");
        }
    }
}
