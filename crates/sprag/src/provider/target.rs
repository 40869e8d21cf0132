//! Where requests are sent: a plain `http` URL without a query.

use http::HeaderValue;
use http::uri::{PathAndQuery, Scheme, Uri};
use std::fmt;

/// Where events are posted: `http://HOST[:PORT]/in/SOURCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    address: String,
    host: HeaderValue,
    path: String,
}

/// Why an address cannot be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetProblem {
    /// It is no URL with scheme and host.
    NoUrl,
    /// Only plain `http` is spoken here: Sprag ends no TLS itself.
    NotHttp,
    /// The query is for values of events.
    Query,
}

impl fmt::Display for TargetProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoUrl => "a URL is needed, such as http://127.0.0.1:8080/in/billing",
            Self::NotHttp => "only http:// is posted to, TLS is not spoken here: give the plain address behind it",
            Self::Query => "the URL may have no query; values of events are put there",
        })
    }
}

impl Target {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, TargetProblem> {
        let uri: Uri = url.parse().map_err(|_| TargetProblem::NoUrl)?;
        let authority = uri.authority().ok_or(TargetProblem::NoUrl)?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(TargetProblem::NotHttp);
        }
        if uri.query().is_some() {
            return Err(TargetProblem::Query);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| TargetProblem::NoUrl)?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        Ok(Self { address, host, path: uri.path().to_owned() })
    }

    /// Host and port to connect to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the `Host` header says.
    pub(crate) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// With a query; none when the two are no URI together.
    pub(super) fn uri(&self, query: &str) -> Option<Uri> {
        match query {
            "" => self.path.parse().ok(),
            query => format!("{}?{query}", self.path).parse().ok(),
        }
    }

    /// What was asked of somebody in front of it: its own path, and what was asked behind that.
    pub(crate) fn behind(&self, asked: &Uri) -> Option<Uri> {
        let own = self.path.trim_end_matches('/');
        match asked.path_and_query().map_or("/", PathAndQuery::as_str) {
            "/" if !own.is_empty() => own.parse().ok(),
            rest if rest.starts_with("/?") && !own.is_empty() => {
                format!("{own}{}", &rest[1..]).parse().ok()
            }
            rest => format!("{own}{rest}").parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_plain_http_urls_without_a_query() {
        let target = Target::parse("http://localhost:8080/in/billing").unwrap();
        assert_eq!(
            (target.address.as_str(), target.path.as_str()),
            ("localhost:8080", "/in/billing")
        );
        assert_eq!(target.uri("a=1").unwrap().to_string(), "/in/billing?a=1");
        assert_eq!(Target::parse("http://[::1]/in/a").unwrap().address, "[::1]:80");
        for (url, problem) in [
            ("/in/billing", TargetProblem::NoUrl),
            ("not a url", TargetProblem::NoUrl),
            ("https://example.com/in/a", TargetProblem::NotHttp),
            ("http://localhost/in/a?x=1", TargetProblem::Query),
        ] {
            assert_eq!(Target::parse(url), Err(problem), "{url}");
        }
    }

    #[test]
    fn what_was_asked_stands_behind_its_own_path() {
        for (target, asked, uri) in [
            ("http://a:1", "/", "/"),
            ("http://a:1/", "/in/billing?x=1", "/in/billing?x=1"),
            ("http://a:1/hooks", "/", "/hooks"),
            ("http://a:1/hooks/", "/?x=1", "/hooks?x=1"),
            ("http://a:1/hooks", "/b/c?x=/", "/hooks/b/c?x=/"),
        ] {
            let behind = Target::parse(target).unwrap().behind(&asked.parse().unwrap());
            assert_eq!(behind.unwrap().to_string(), uri, "{target} {asked}");
        }
    }
}
