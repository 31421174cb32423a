//! [`Route`]: what is served where, and who may ask for it.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// What a path and a method stand for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// The list of routes.
    List,
    /// How things stand.
    Status,
    /// Why something or nothing happens on a channel.
    Why {
        /// The channel, as the operator names it.
        channel: String,
    },
    /// Stop new payments; the body says where.
    Pause,
    /// Allow them again; the body says where.
    Resume,
    /// Read the configuration again.
    Reload,
    /// The figures.
    Metrics,
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Miss {
    /// Nothing is served there.
    NoSuchPath,
    /// Something is, by this method.
    OtherMethod(&'static str),
    /// The path cannot be read.
    BadPath(&'static str),
}

/// All routes: method, path, what is served.
pub(super) const ROUTES: [(&str, &str, &str); 7] = [
    ("GET", "/", "these routes"),
    ("GET", "/status", "how the daemon stands"),
    ("GET", "/why/{channel}", "why something or nothing happens on a channel"),
    ("POST", "/pause", "stop new payments: {\"scope\", \"forMs\"?, \"reason\"?}"),
    ("POST", "/resume", "allow them again: {\"scope\"}"),
    ("POST", "/reload", "read the configuration again"),
    ("GET", "/metrics", "the figures, in Prometheus' text format"),
];

impl Route {
    /// The route of a request.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, Miss> {
        let (wanted, route) = match path {
            "/" => ("GET", Self::List),
            "/status" => ("GET", Self::Status),
            "/pause" => ("POST", Self::Pause),
            "/resume" => ("POST", Self::Resume),
            "/reload" => ("POST", Self::Reload),
            "/metrics" => ("GET", Self::Metrics),
            _ => {
                let named = path.strip_prefix("/why/").filter(|named| !named.is_empty());
                let channel = percent_decode_str(named.ok_or(Miss::NoSuchPath)?).decode_utf8();
                let channel = channel
                    .map_err(|_| Miss::BadPath("the channel should be percent-encoded UTF-8"))?;
                ("GET", Self::Why { channel: channel.into_owned() })
            }
        };
        if method.as_str() == wanted { Ok(route) } else { Err(Miss::OtherMethod(wanted)) }
    }

    /// Whether a caller on this machine may ask over TCP without a token: it is only looked at.
    pub(super) const fn is_open(&self) -> bool {
        match self {
            Self::Status | Self::Metrics => true,
            Self::List | Self::Why { .. } | Self::Pause | Self::Resume | Self::Reload => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: Result<Route, Miss>) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(Route::of(&method, path), expected, "{method} {path}");
    }

    #[test]
    fn a_channel_may_be_named_by_whatever_names_it() {
        let why = |channel: &str| Ok(Route::Why { channel: channel.to_owned() });
        check("GET", "/why/700123x1x0", why("700123x1x0"));
        check("GET", "/why/ab:0", why("ab:0"));
        check("GET", "/why/Zo%C3%AB%2FB%20%25", why("Zoë/B %"));
        check("GET", "/why/a/b", why("a/b"));
        check("GET", "/why/", Err(Miss::NoSuchPath));
        check("GET", "/why/%ff", Err(Miss::BadPath("the channel should be percent-encoded UTF-8")));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_one() {
        check("POST", "/status", Err(Miss::OtherMethod("GET")));
        check("GET", "/pause", Err(Miss::OtherMethod("POST")));
        check("HEAD", "/metrics", Err(Miss::OtherMethod("GET")));
        check("GET", "/statuses", Err(Miss::NoSuchPath));
    }

    #[test]
    fn the_list_names_what_is_served() {
        for (method, path, _) in ROUTES {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert!(Route::of(&method, path).is_ok(), "{method} {path}");
        }
    }
}
