//! The REST API: one file for each noun, each with the routes that it answers.
//!
//! Who calls is found first (`Caller`), then what is asked is read (`input`), so that somebody without a right learns nothing
//! from what is said about their input. Every answer's shape and every status stands at its handler, and the OpenAPI
//! document is made of nothing else.

#![allow(unused_qualifications, reason = "utoipa writes them for types of parameters")]

mod attachments;
mod audit;
mod comments;
mod events;
mod facets;
mod grouping_rules;
mod input;
mod intake;
mod issues;
mod keys;
mod ledger;
mod login;
mod me;
mod members;
mod organisation;
mod page;
mod projects;
mod reach;
mod refusals;
mod regroup;
mod releases;
mod scrub_rules;
mod searches;
mod second_factor;
mod selection;
mod storage;
mod teams;
mod time;
mod tokens;
mod users;
mod version;

use utoipa_axum::router::OpenApiRouter;

use crate::state::State;

pub(crate) use input::{JsonBody, PathOf, QueryOf};
pub(crate) use page::{Limit, Page};
pub(crate) use reach::{ProjectNames, projects};
pub(crate) use refusals::{
    Asks, AsksAndWrites, Ingests, Opens, OtlpRefusals, Reads, SentryRefusals, SqlRefusals, Writes,
};
pub(crate) use time::Time;
pub(crate) use version::{IfMatch, Versioned, unless_known};

pub(super) use refusals::responses;

/// All nouns.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .merge(login::routes())
        .merge(me::routes())
        .merge(second_factor::routes())
        .merge(organisation::routes())
        .merge(users::routes())
        .merge(teams::routes())
        .merge(members::routes())
        .merge(keys::routes())
        .merge(tokens::routes())
        .merge(projects::routes())
        .merge(scrub_rules::routes())
        .merge(grouping_rules::routes())
        .merge(regroup::routes())
        .merge(intake::routes())
        .merge(storage::routes())
        .merge(events::routes())
        .merge(attachments::routes())
        .merge(facets::routes())
        .merge(issues::routes())
        .merge(comments::routes())
        .merge(releases::routes())
        .merge(searches::routes())
        .merge(audit::routes())
        .merge(ledger::routes())
}
