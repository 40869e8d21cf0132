//! The URL a provider knows this source by, for signatures that bind it.
//!
//! Behind a proxy the gateway sees another host and often another path, so the URL is configured
//! as it was registered; the query is taken from each request, for providers add to it.

use std::fmt;

/// An absolute URL without query, fragment and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https://`
    scheme: &'static str,
    /// `example.com`, `[::1]`
    host: String,
    /// `:8443`; empty when none is written.
    port: String,
    /// From `/`; empty when the URL ends at the host.
    path: String,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicUrlProblem {
    /// It starts neither with `https://` nor with `http://`, or has no host.
    NotAUrl,
    /// It has a query, a fragment or a user.
    TooMuch,
}

impl fmt::Display for PublicUrlProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAUrl => "the URL registered at the provider is needed, such as \"https://hooks.example.com/in/calls\"",
            Self::TooMuch => "the URL is written without query, fragment and user: the query is taken from each request",
        })
    }
}

impl PublicUrl {
    /// Reads a URL as it was registered. Nothing is normalised: signatures bind characters.
    pub fn parse(text: &str) -> Result<Self, PublicUrlProblem> {
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or(PublicUrlProblem::NotAUrl)?;
        let rest = &text[scheme.len()..];
        if rest.contains(['?', '#', '@']) {
            return Err(PublicUrlProblem::TooMuch);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // A colon starts the port only after the bracket of an IPv6 address.
        let after_address = authority.find(']').map_or(0, |at| at + 1);
        let port_at =
            authority[after_address..].find(':').map_or(authority.len(), |at| after_address + at);
        let (host, port) = authority.split_at(port_at);
        let is_number = port.is_empty() || port[1..].parse::<u16>().is_ok();
        if host.is_empty() || !is_number || text.contains(char::is_whitespace) {
            return Err(PublicUrlProblem::NotAUrl);
        }
        let (host, port, path) = (host.to_owned(), port.to_owned(), path.to_owned());
        Ok(Self { scheme, host, port, path })
    }

    /// With the query of a request, as registered.
    #[must_use]
    pub fn with_query(&self, query: &str) -> String {
        self.written(&self.port, query)
    }

    /// With the query of a request, without a port and with one: Twilio signs either.
    #[must_use]
    pub fn with_and_without_port(&self, query: &str) -> [String; 2] {
        let standard = if self.scheme == "https://" { ":443" } else { ":80" };
        let port = if self.port.is_empty() { standard } else { &self.port };
        [self.written("", query), self.written(port, query)]
    }

    fn written(&self, port: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        [self.scheme, &self.host, port, &self.path, mark, query].concat()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.with_query(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        PublicUrl::parse(text).unwrap()
    }

    #[test]
    fn a_query_is_appended_and_ports_come_and_go() {
        let plain = url("https://example.com/in/calls");
        assert_eq!(plain.with_query("a=1"), "https://example.com/in/calls?a=1");
        assert_eq!(plain.with_query(""), "https://example.com/in/calls");
        assert_eq!(
            plain.with_and_without_port(""),
            ["https://example.com/in/calls", "https://example.com:443/in/calls"]
        );
        assert_eq!(
            url("http://[::1]:8080/x").with_and_without_port("q"),
            ["http://[::1]/x?q", "http://[::1]:8080/x?q"]
        );
        assert_eq!(url("http://a").with_and_without_port("")[1], "http://a:80");
    }

    #[test]
    fn what_is_no_such_url_is_refused() {
        use PublicUrlProblem::*;
        for (text, problem) in [
            ("example.com/in", NotAUrl),
            ("ftp://example.com", NotAUrl),
            ("https:///in", NotAUrl),
            ("https://a:b/", NotAUrl),
            ("https://a /", NotAUrl),
            ("https://a/?b", TooMuch),
            ("https://a/#b", TooMuch),
            ("https://user@a/", TooMuch),
        ] {
            assert_eq!(PublicUrl::parse(text), Err(problem), "{text}");
        }
    }
}
