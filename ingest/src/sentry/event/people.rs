//! Who was affected, and what they wrote.

use std::net::IpAddr;

use super::is_empty;
use crate::conventions::Slot;
use crate::draft::Draft;
use crate::value::Value;

/// What SDKs write where the server shall fill in the address that the request came from.
const AUTO: &str = "{{auto}}";

/// Takes the user: id, email and address have columns, the rest is kept as `user.…`.
pub(super) fn put<'a>(draft: &mut Draft<'a>, user: Value<'a>, client_address: Option<IpAddr>, infers_ip: bool) {
    let mut auto = infers_ip;
    match user {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                if is_empty(&value) {
                    continue;
                }
                let full = format!("user.{name}").into();
                match name.as_ref() {
                    "id" => draft.put_slot(Slot::UserId, full, value),
                    "email" => draft.put_slot(Slot::UserEmail, full, value),
                    "ip_address" | "ip" if matches!(&value, Value::Text(text) if text.trim() == AUTO) => auto = true,
                    "ip_address" | "ip" => draft.put_slot(Slot::UserIp, full, value),
                    _ => draft.keep(full, value),
                }
            }
        }
        scalar => draft.put_slot(Slot::UserId, "user".into(), scalar),
    }
    if let (true, None, Some(address)) = (auto, draft.get(Slot::UserIp), client_address) {
        draft.set(Slot::UserIp, address.to_canonical().to_string().into());
    }
}

/// Takes what a user wrote, from the context that carries it.
pub(in crate::sentry) fn put_feedback<'a>(draft: &mut Draft<'a>, feedback: Value<'a>) {
    let Value::Map(pairs) = feedback else { return };
    for (name, value) in pairs {
        match (name.as_ref(), value) {
            ("message", Value::Text(text)) if draft.get(Slot::Message).is_none() => draft.set(Slot::Message, text),
            ("contact_email", Value::Text(text)) if draft.get(Slot::UserEmail).is_none() => {
                draft.set(Slot::UserEmail, text);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn check(user: &str, infers_ip: bool, expected: [Option<&str>; 3]) {
        let mut draft = Draft::default();
        put(&mut draft, parse(user).unwrap(), Some([203, 0, 113, 9].into()), infers_ip);
        let found = [Slot::UserId, Slot::UserEmail, Slot::UserIp].map(|slot| draft.get(slot));
        assert_eq!(found, expected, "{user}");
    }

    #[test]
    fn reads_each_form() {
        check(r#"{"id":7,"email":"a@b","ip_address":"10.0.0.1"}"#, true, [Some("7"), Some("a@b"), Some("10.0.0.1")]);
        check(r#"{"ip_address":"{{auto}}","id":null}"#, false, [None, None, Some("203.0.113.9")]);
        check("{}", true, [None, None, Some("203.0.113.9")]);
        check("{}", false, [None, None, None]);
        check("null", false, [None, None, None]);
        check(r#""me""#, false, [Some("me"), None, None]);
    }
}
