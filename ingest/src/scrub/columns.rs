//! The columns that hold what a sender wrote, and how each is looked through.

use tephra_storage::{Event, Text};

use crate::conventions::Slot;

/// How a column is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Running text.
    Plain,
    /// One JSON value.
    Json,
    /// An id or a name that other columns and people refer to: left alone but for a project's own rules.
    Id,
    /// The column `user_email`.
    Email,
    /// The column `user_ip`.
    Ip,
}

/// The columns that a draft fills, with their names.
#[rustfmt::skip]
pub(super) const COLUMNS: [(Slot, &str, Form); Slot::COUNT] = [
    (Slot::Message, "message", Form::Plain),
    (Slot::Template, "template", Form::Plain),
    (Slot::Platform, "platform", Form::Id),
    (Slot::Logger, "logger", Form::Plain),
    (Slot::ExceptionType, "exception_type", Form::Plain),
    (Slot::ExceptionValue, "exception_value", Form::Plain),
    (Slot::Culprit, "culprit", Form::Plain),
    (Slot::Stack, "stack", Form::Plain),
    (Slot::Frames, "frames", Form::Json),
    (Slot::FrameVars, "frame_vars", Form::Json),
    (Slot::Breadcrumbs, "breadcrumbs", Form::Json),
    (Slot::Contexts, "contexts", Form::Json),
    (Slot::Request, "request", Form::Json),
    (Slot::Extra, "extra", Form::Json),
    (Slot::Environment, "environment", Form::Plain),
    (Slot::Release, "release", Form::Id),
    (Slot::Dist, "dist", Form::Id),
    (Slot::Service, "service", Form::Plain),
    (Slot::ServerName, "server_name", Form::Plain),
    (Slot::UserId, "user_id", Form::Id),
    (Slot::UserEmail, "user_email", Form::Email),
    (Slot::UserIp, "user_ip", Form::Ip),
    (Slot::SessionId, "session_id", Form::Id),
    (Slot::SdkName, "sdk_name", Form::Id),
    (Slot::SdkVersion, "sdk_version", Form::Id),
];

/// The names that a path can begin with.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(_, name, _)| *name).chain(["tags", "attributes"])
}

/// How the column of that name is looked through.
pub(super) fn form(name: &str) -> Option<Form> {
    COLUMNS.iter().find(|(_, column, _)| *column == name).map(|(_, _, form)| *form)
}

/// The column of a stored event that belongs to a slot.
pub(super) fn of_event(event: &mut Event, slot: Slot) -> &mut Option<Text> {
    match slot {
        Slot::Message => &mut event.message,
        Slot::Template => &mut event.template,
        Slot::Platform => &mut event.platform,
        Slot::Logger => &mut event.logger,
        Slot::ExceptionType => &mut event.exception_type,
        Slot::ExceptionValue => &mut event.exception_value,
        Slot::Culprit => &mut event.culprit,
        Slot::Stack => &mut event.stack,
        Slot::Frames => &mut event.frames,
        Slot::FrameVars => &mut event.frame_vars,
        Slot::Breadcrumbs => &mut event.breadcrumbs,
        Slot::Contexts => &mut event.contexts,
        Slot::Request => &mut event.request,
        Slot::Extra => &mut event.extra,
        Slot::Environment => &mut event.environment,
        Slot::Release => &mut event.release,
        Slot::Dist => &mut event.dist,
        Slot::Service => &mut event.service,
        Slot::ServerName => &mut event.server_name,
        Slot::UserId => &mut event.user_id,
        Slot::UserEmail => &mut event.user_email,
        Slot::UserIp => &mut event.user_ip,
        Slot::SessionId => &mut event.session_id,
        Slot::SdkName => &mut event.sdk_name,
        Slot::SdkVersion => &mut event.sdk_version,
    }
}
