//! Settings that are lists or addresses of the web: trusted networks, origins, the address that people use.
//!
//! Lists are texts with commas, in variables as in files; a file may also write an array.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::value::{Unit, Value};

/// Networks, each an address or a CIDR such as `10.0.0.0/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether an address is in one of them. An IPv4 address that is written as IPv6 is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Origins of browsers, `https://host` or `https://host:port`, each exactly as a browser sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(pub Vec<String>);

/// The address that people use, without a slash at its end; empty until the listener's is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicUrl(pub String);

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Value for Networks {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        let network = |entry: &str| {
            let parsed = entry.parse::<IpAddr>().map(IpNet::from).or_else(|_| entry.parse::<IpNet>());
            parsed.map_err(|_| format!("`{entry}` is neither an address nor a network such as `10.0.0.0/8`"))
        };
        entries(text).map(network).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self, _: Unit) -> String {
        quoted(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }

    fn kind(_: Unit) -> &'static str {
        "list of networks"
    }
}

impl Value for Origins {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        let origin = |entry: &str| {
            let url = web_address(entry)?;
            if url.path() == "/" && url.query().is_none() {
                Ok(url.origin().ascii_serialization())
            } else {
                Err(format!("`{entry}` is more than an origin such as `https://example.com`"))
            }
        };
        entries(text).map(origin).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self, _: Unit) -> String {
        quoted(&self.0.join(", "))
    }

    fn kind(_: Unit) -> &'static str {
        "list of origins"
    }
}

impl Value for PublicUrl {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let url = web_address(text)?;
        if url.path() == "/" && url.query().is_none() {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(format!("`{text}` has a path, and Tephra is served at the root of a host"))
        }
    }

    fn show(&self, _: Unit) -> String {
        quoted(&self.0)
    }

    fn kind(_: Unit) -> &'static str {
        "address"
    }
}

fn web_address(text: &str) -> Result<Url, String> {
    let fault = || format!("`{text}` is not an address such as `https://tephra.example.com`");
    let url = Url::parse(text).map_err(|_| fault())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if plain && matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(fault()) }
}

impl Value for Option<PathBuf> {
    fn read(_: Unit, text: &str) -> Result<Self, String> {
        Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    fn show(&self, _: Unit) -> String {
        quoted(&self.as_deref().map_or_else(Default::default, |path| path.to_string_lossy()))
    }

    fn kind(_: Unit) -> &'static str {
        "path"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<V: Value>(text: &str) -> Result<V, String> {
        V::read(Unit::Plain, text)
    }

    #[test]
    fn networks_hold_addresses_of_both_kinds() {
        let networks: Networks = read("10.0.0.0/8, ::1,192.168.1.7").unwrap();
        assert!(networks.contain("10.9.8.7".parse().unwrap()) && networks.contain("::ffff:10.1.1.1".parse().unwrap()));
        assert!(networks.contain("::1".parse().unwrap()) && networks.contain("192.168.1.7".parse().unwrap()));
        assert!(!networks.contain("192.168.1.8".parse().unwrap()));
        assert_eq!(networks.show(Unit::Plain), "\"10.0.0.0/8, ::1/128, 192.168.1.7/32\"");
        assert!(read::<Networks>("10.0.0.0/33").unwrap_err().contains("10.0.0.0/33"));
        assert!(!read::<Networks>("").unwrap().contain("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn origins_are_as_browsers_send_them() {
        let origins: Origins = read("https://A.example:443/, http://localhost:5173").unwrap();
        assert_eq!(origins.0, ["https://a.example", "http://localhost:5173"]);
        for wrong in ["*", "example.com", "https://a.example/x", "ftp://a.example", "https://u@a.example"] {
            assert!(read::<Origins>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_public_address_has_no_path() {
        assert_eq!(read("https://tephra.example.com/"), Ok(PublicUrl("https://tephra.example.com".to_owned())));
        assert_eq!(read(" "), Ok(PublicUrl::default()));
        assert!(read::<PublicUrl>("https://example.com/tephra").unwrap_err().contains("path"));
        assert!(read::<PublicUrl>("tephra.example.com").is_err());
    }
}
