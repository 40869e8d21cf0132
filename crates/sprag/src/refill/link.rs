//! Where the next page is: the `Link` header (RFC 8288), and where a link may lead.

use crate::config::Url;
use crate::limits;

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProblem {
    /// It leads to another server, or by another scheme.
    Elsewhere,
    /// It is no link that can be followed.
    Unreadable,
}

/// The first link of a `Link` header whose relation is `next`.
#[must_use]
pub fn next_of(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let (parameters, after) = split_outside_quotes(after, ',');
        if is_next(parameters) {
            return Some(target);
        }
        rest = after;
    }
    None
}

/// What lies before the first `at` that is not quoted, and what lies behind it.
fn split_outside_quotes(text: &str, at: char) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (index, found) in text.char_indices() {
        match found {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            found if found == at && !quoted => {
                return (&text[..index], &text[index + at.len_utf8()..]);
            }
            _ => {}
        }
    }
    (text, "")
}

fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, rest) = split_outside_quotes(parameters, ';');
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            let value = value.trim().trim_matches('"');
            // Only the first counts (RFC 8288 section 3.3).
            return value.split_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        parameters = rest;
    }
    false
}

/// Path and query that a link on the page at `current` leads to, on the same server.
///
/// # Errors
/// [`LinkProblem`] says why it is not followed.
pub fn resolve(server: &Url, current: &str, link: &str) -> Result<String, LinkProblem> {
    if link.len() > limits::REFILL_URL_BYTES {
        return Err(LinkProblem::Unreadable);
    }
    let target = if link.starts_with("//") {
        return Err(LinkProblem::Elsewhere);
    } else if link.starts_with('/') {
        link.to_owned()
    } else if link.starts_with('?') {
        let path = current.split('?').next().unwrap_or("/");
        format!("{path}{link}")
    } else {
        let url: Url = link.parse().map_err(|_| LinkProblem::Unreadable)?;
        let same = url.tls == server.tls
            && url.port == server.port
            && url.host.eq_ignore_ascii_case(&server.host);
        if !same {
            return Err(LinkProblem::Elsewhere);
        }
        url.target
    };
    let is_target = target.parse::<http::uri::PathAndQuery>().is_ok() && !target.contains('#');
    if is_target { Ok(target) } else { Err(LinkProblem::Unreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (header, next) in [
            (r#"<https://a/?page=2>; rel="next""#, Some("https://a/?page=2")),
            (r#"<https://a/?page=1>; rel="prev", </b?c=d,e>; rel=next"#, Some("/b?c=d,e")),
            (r#"</x>; title="a, <b>; rel=next"; rel="last", </y>; REL="first Next""#, Some("/y")),
            (r#"</x>; title="a \" b, c"; rel="next""#, Some("/x")),
            (r#"</x>; rel="prev"; rel="next""#, None),
            ("</x>", None),
            ("</x; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_of(header), next, "{header}");
        }
    }

    #[test]
    fn a_link_leads_to_the_same_server_only() {
        let server: Url = "https://api.example/events".parse().unwrap();
        let resolve = |link| resolve(&server, "/events?page=1", link);
        assert_eq!(resolve("/more?page=2").unwrap(), "/more?page=2");
        assert_eq!(resolve("?page=2").unwrap(), "/events?page=2");
        assert_eq!(resolve("https://API.example:443/x").unwrap(), "/x");
        for link in [
            "https://api.example.evil/x",
            "http://api.example/x",
            "https://api.example:444/x",
            "//evil.example/x",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert_eq!(resolve(link), Err(LinkProblem::Elsewhere), "{link}");
        }
        for link in ["page2", "", "file:///etc/passwd", "/x#y", "/a b", "https://me@api.example/x"]
        {
            assert_eq!(resolve(link), Err(LinkProblem::Unreadable), "{link}");
        }
    }
}
