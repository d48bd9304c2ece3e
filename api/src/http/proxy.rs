//! Who really asks: the address of a client, looked for behind the proxies that the operator trusts.
//!
//! Anybody can write `X-Forwarded-For`, so only the word of a trusted proxy counts, read from the right: each proxy adds the
//! address that it saw, and the first one that is no trusted proxy is the client. A proxy that knows only one of the two
//! kinds of headers passes the other through as the client wrote it; where they disagree, neither is believed.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, Uri};

use crate::server::Peer;
use crate::settings::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who asks, and how; an extension of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// The person's or program's own address, as far as we are told.
    pub(crate) ip: IpAddr,
    /// Whether it came by https, to us or to a trusted proxy.
    pub(crate) https: bool,
    /// The host that it asked for.
    pub(crate) host: Option<String>,
}

impl ClientAddress {
    /// Finds the client of a request.
    pub(crate) fn find(peer: &Peer, uri: &Uri, headers: &HeaderMap, trusted: &Networks) -> Self {
        let ip = peer.address.ip().to_canonical();
        let host = uri.authority().map(ToString::to_string).or_else(|| last(headers, &HOST).map(str::to_owned));
        let direct = Self { ip, https: peer.tls, host };
        if !trusted.contain(ip) {
            return direct;
        }
        let (standard, usual) = (Standard::read(headers, trusted), Usual::read(headers, trusted));
        let ip = agreed(standard.ip, usual.ip).unwrap_or(direct.ip);
        let https = agreed(standard.https, usual.https).unwrap_or(direct.https);
        let host = agreed(standard.host, usual.host).or(direct.host);
        Self { ip, https, host }
    }
}

/// What two headers say, where they do not contradict each other.
fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other),
    }
}

/// What one kind of headers says.
struct Told {
    ip: Option<IpAddr>,
    https: Option<bool>,
    host: Option<String>,
}

/// `Forwarded` (RFC 7239).
struct Standard;

impl Standard {
    fn read(headers: &HeaderMap, trusted: &Networks) -> Told {
        let elements: Vec<&str> = values(headers, &FORWARDED).flat_map(|value| value.split(',')).collect();
        let named = |element: &str, name: &str| {
            let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
            let value = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?.1;
            Some(value.trim().trim_matches('"').to_owned())
        };
        let hops: Vec<Option<IpAddr>> =
            elements.iter().map(|element| named(element, "for").as_deref().and_then(address)).collect();
        // What the nearest proxy saw was a proxy, unless it is the only one: the element of the client tells its scheme.
        let (ip, place) = client(&hops, trusted);
        let element = place.and_then(|place| elements.get(place));
        Told {
            ip,
            https: element.and_then(|element| named(element, "proto")).map(|proto| is_https(&proto)),
            host: element.and_then(|element| named(element, "host")),
        }
    }
}

/// `X-Forwarded-For`, `-Proto` and `-Host`.
struct Usual;

impl Usual {
    fn read(headers: &HeaderMap, trusted: &Networks) -> Told {
        let entries = values(headers, &FORWARDED_FOR).flat_map(|value| value.split(','));
        let hops: Vec<Option<IpAddr>> = entries.map(address).collect();
        Told {
            ip: client(&hops, trusted).0,
            https: last(headers, &FORWARDED_PROTO).map(is_https),
            host: last(headers, &FORWARDED_HOST).map(str::to_owned),
        }
    }
}

/// The rightmost address that is no trusted proxy, and its place; where all are trusted, the leftmost. A hop that is no
/// address ends the search: what stands left of it was not added by anybody whom we trust.
fn client(hops: &[Option<IpAddr>], trusted: &Networks) -> (Option<IpAddr>, Option<usize>) {
    let mut found = (None, None);
    for (place, hop) in hops.iter().enumerate().rev() {
        let Some(ip) = hop else { break };
        found = (Some(*ip), Some(place));
        if !trusted.contain(*ip) {
            break;
        }
    }
    found
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text.split_once(':').filter(|(_, rest)| !rest.contains(':')).map_or(text, |(ip, _)| ip),
    };
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn is_https(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss")
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// The last entry of the last line: the one that the nearest proxy wrote.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = values(headers, name).last()?;
    value.rsplit(',').next().map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load_from;

    fn find(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool, Option<String>) {
        let variable = ("TEPHRA_HTTP_TRUSTED_PROXIES".to_owned(), "10.0.0.0/8, fd00::/8".to_owned());
        let trusted = load_from(None, &[variable], &[]).unwrap().settings.http.trusted_proxies;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = ClientAddress::find(&Peer::of(peer.parse().unwrap()), &Uri::from_static("/"), &map, &trusted);
        (found.ip.to_string(), found.https, found.host)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let check = |peer: &str, headers: &[(&'static str, &str)], ip: &str, https: bool| {
            let found = find(peer, headers);
            assert_eq!((found.0.as_str(), found.1), (ip, https), "{peer} {headers:?}");
        };
        let proto = ("x-forwarded-proto", "https");
        check("7.7.7.7:1", &[], "7.7.7.7", false);
        check("7.7.7.7:1", &[("x-forwarded-for", "1.1.1.1"), proto], "7.7.7.7", false);
        check("7.7.7.7:1", &[("forwarded", "for=1.1.1.1;proto=https")], "7.7.7.7", false);
        check("10.0.0.1:1", &[("x-forwarded-for", "1.1.1.1"), proto], "1.1.1.1", true);
        check("[::ffff:10.0.0.1]:1", &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1", false);
        // What the client wrote stands left of what the proxy saw.
        check("10.0.0.1:1", &[("x-forwarded-for", "9.9.9.9, 1.1.1.1, 10.2.3.4")], "1.1.1.1", false);
        check("10.0.0.1:1", &[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "1.1.1.1:4711")], "1.1.1.1", false);
        check("10.0.0.1:1", &[("x-forwarded-for", "10.1.1.1, 10.1.1.2")], "10.1.1.1", false);
        check("10.0.0.1:1", &[("x-forwarded-for", "9.9.9.9, unknown, 10.1.1.2")], "10.1.1.2", false);
        check("10.0.0.1:1", &[("x-forwarded-for", "nonsense")], "10.0.0.1", false);
        check("10.0.0.1:1", &[("x-forwarded-proto", "https, http")], "10.0.0.1", false);
        check("[fd00::1]:1", &[("x-forwarded-for", "2001:db8::7")], "2001:db8::7", false);
    }

    #[test]
    fn the_standard_header_is_read_too() {
        let text = "for=9.9.9.9;proto=http, For=\"[2001:db8::7]:4711\";Proto=https;host=errors.example, for=10.3.3.3";
        let found = find("10.0.0.1:1", &[("forwarded", text), ("host", "inner")]);
        assert_eq!(found, ("2001:db8::7".to_owned(), true, Some("errors.example".to_owned())));
    }

    #[test]
    fn headers_that_disagree_are_not_believed() {
        let lie = [("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "1.1.1.1"), ("host", "h")];
        assert_eq!(find("10.0.0.1:1", &lie), ("10.0.0.1".to_owned(), true, Some("h".to_owned())));
        let same = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "1.1.1.1")];
        assert_eq!(find("10.0.0.1:1", &same).0, "1.1.1.1");
    }
}
