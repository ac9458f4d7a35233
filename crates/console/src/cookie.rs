//! The cookie that a session is kept in.
//!
//! It is `Secure`, and of this host alone, however the console is reached, but for one way: by plain HTTP
//! within one machine. There is nobody to listen in there, and not every browser would send a `Secure`
//! cookie. That way has to be what is configured, and what the browser asked for by name, with nobody between who
//! forwards it: whoever comes through a proxy that speaks TLS gets a cookie that stays with TLS.

use std::{borrow::Cow, net::IpAddr};

use chancery_application::Application;
use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, HOST, SET_COOKIE},
    uri::Authority,
};

/// `__Host-` keeps other hosts of the domain, and plain HTTP, from setting it; it asks for `Secure`.
const SECURE: &str = "__Host-chancery-console";
/// With the port, since cookies are shared by all that listens on one host.
const PLAIN: &str = "chancery-console";
/// What a proxy says that it forwards by.
const FORWARDED: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Whether the browser is on this machine and comes in without TLS.
fn is_plain(headers: &HeaderMap, application: &Application) -> bool {
    let configured = application.console_url();
    let is_direct = FORWARDED.iter().all(|name| !headers.contains_key(*name));
    is_direct && configured.starts_with("http://") && host(headers).is_some_and(is_this_machine)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// The name of the cookie.
fn name(headers: &HeaderMap, application: &Application) -> Cow<'static, str> {
    if !is_plain(headers, application) {
        return SECURE.into();
    }
    let authority = host(headers).and_then(|host| host.parse::<Authority>().ok());
    let port = authority.as_ref().and_then(Authority::port_u16);
    port.map_or(PLAIN.into(), |port| format!("{PLAIN}-{port}").into())
}

/// Whether a `Host` names the machine that the browser is on: no other name leads there for sure.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    !host.contains('@')
        && (name.eq_ignore_ascii_case("localhost")
            || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()))
}

/// Whether the browser keeps no session here: it came by plain HTTP from another machine, where it takes no `Secure`
/// cookie. It then says nothing of where a request comes from either, as it does everywhere else.
pub(crate) fn is_lost(headers: &HeaderMap, application: &Application) -> bool {
    application.console_url().starts_with("http://")
        && !is_plain(headers, application)
        && !headers.contains_key("sec-fetch-site")
}

/// The session's token, as the browser sent it.
pub(crate) fn sent<'a>(headers: &'a HeaderMap, application: &Application) -> Option<&'a str> {
    let name = name(headers, application);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Has the browser that sent `asked` keep this token until it is closed; an empty one: has it forget.
pub(crate) fn set(
    headers: &mut HeaderMap,
    asked: &HeaderMap,
    application: &Application,
    token: &str,
) {
    let name = name(asked, application);
    // Cookies know no ports: by plain HTTP whatever else listens on this machine gets what is sent to every path.
    let (path, secure) = if name == SECURE {
        ("/", "; Secure")
    } else {
        ("/console", "")
    };
    let gone = if token.is_empty() { "; Max-Age=0" } else { "" };
    let cookie = format!("{name}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}{gone}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.insert(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_of_this_machine() {
        for own in [
            "localhost",
            "LOCALHOST:9090",
            "127.0.0.1",
            "127.3.2.1:80",
            "[::1]:9090",
        ] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in [
            "",
            "ops.example",
            "localhost.evil.example",
            "10.0.0.7:9090",
            "[::2]:80",
            "127.0.0.1.evil.example",
            "x@127.0.0.1",
        ] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
