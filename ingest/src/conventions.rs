//! Which attribute lands in which column: OpenTelemetry's semantic conventions, and Sentry's names where it has its own.
//!
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>

/// A text column that an attribute can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Message,
    Template,
    Platform,
    Logger,
    ExceptionType,
    ExceptionValue,
    Culprit,
    Stack,
    Frames,
    FrameVars,
    Breadcrumbs,
    Contexts,
    Request,
    Extra,
    Environment,
    Release,
    Dist,
    Service,
    ServerName,
    UserId,
    UserEmail,
    UserIp,
    SessionId,
    SdkName,
    SdkVersion,
}

impl Slot {
    pub(crate) const COUNT: usize = Self::SdkVersion as usize + 1;
}

/// Where an attribute goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'k> {
    /// Into a column.
    Column(Slot),
    /// Into a column that nothing better has filled: an older or more general name.
    Spare(Slot),
    /// Into the tags, under this name.
    Tag(&'k str),
    /// `log.record.uid`.
    EventId,
    /// `exception.escaped`.
    Escaped,
    /// An explicit fingerprint, as a string or a list.
    Fingerprint,
    /// A common word that is a fingerprint only as a list.
    FingerprintList,
    /// `code.function` and `code.namespace`, which make a culprit together.
    CodeFunction,
    CodeNamespace,
    /// Into `attributes`.
    Rest,
}

/// Where the attribute `key` of a record, scope or resource goes.
pub(crate) fn target(key: &str) -> Target<'_> {
    use Target::{Column, Spare};
    match key {
        "service.name" => Column(Slot::Service),
        "service.version" => Column(Slot::Release),
        "sentry.release" => Spare(Slot::Release),
        "sentry.dist" => Column(Slot::Dist),
        "deployment.environment.name" => Column(Slot::Environment),
        "deployment.environment" | "sentry.environment" => Spare(Slot::Environment),
        "host.name" => Column(Slot::ServerName),
        "telemetry.sdk.language" => Column(Slot::Platform),
        "telemetry.sdk.name" => Column(Slot::SdkName),
        "telemetry.sdk.version" => Column(Slot::SdkVersion),
        "sentry.sdk.name" => Spare(Slot::SdkName),
        "sentry.sdk.version" => Spare(Slot::SdkVersion),
        "exception.type" => Column(Slot::ExceptionType),
        "exception.message" => Column(Slot::ExceptionValue),
        "exception.stacktrace" => Column(Slot::Stack),
        "exception.escaped" => Target::Escaped,
        "user.id" => Column(Slot::UserId),
        "enduser.id" => Spare(Slot::UserId),
        "user.email" => Column(Slot::UserEmail),
        "client.address" => Column(Slot::UserIp),
        "session.id" => Column(Slot::SessionId),
        "log.record.uid" => Target::EventId,
        "sentry.message.template" => Column(Slot::Template),
        "code.function.name" => Column(Slot::Culprit),
        "code.function" => Target::CodeFunction,
        "code.namespace" => Target::CodeNamespace,
        "tephra.fingerprint" | "sentry.fingerprint" => Target::Fingerprint,
        "fingerprint" => Target::FingerprintList,
        _ => match key.strip_prefix("tags.").or_else(|| key.strip_prefix("tag.")) {
            Some(name) if !name.is_empty() => Target::Tag(name),
            _ => Target::Rest,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_conventions() {
        for (key, expected) in [
            ("service.name", Target::Column(Slot::Service)),
            ("deployment.environment", Target::Spare(Slot::Environment)),
            ("tag.tier", Target::Tag("tier")),
            ("tags.a.b", Target::Tag("a.b")),
            ("tag.", Target::Rest),
            ("http.route", Target::Rest),
            ("", Target::Rest),
        ] {
            assert_eq!(target(key), expected, "{key}");
        }
    }
}
