//! The mails about accounts: a link for a forgotten password, an invitation, a word that the password was changed.
//!
//! A link's secret stands in the mail alone, behind a `#`, which browsers send to nobody; the database has its hash. Without
//! a mail server nothing is written, and the log says what an operator can do instead.

use tephra_storage::meta::resets::{self, Purpose};
use tephra_storage::meta::users::User;
use tephra_storage::meta::{Tx, outbox};

use super::{digest, secret};
use crate::answer::Result;
use crate::settings::Settings;

const MINUTE_US: i64 = 60_000_000;
/// How long a link for a forgotten password holds.
pub(crate) const RESET_US: i64 = 60 * MINUTE_US;
/// How long an invitation holds.
pub(crate) const INVITATION_US: i64 = 7 * 24 * 60 * MINUTE_US;

/// Whether mails can be sent at all.
pub(crate) fn is_configured(settings: &Settings) -> bool {
    !settings.mail.url.is_empty()
}

/// Writes a mail with a new link. The links before it stop working.
pub(crate) async fn send_link(tx: &mut Tx, settings: &Settings, user: &User, purpose: Purpose, by: &str) -> Result<()> {
    let secret = secret();
    let lasts = match purpose {
        Purpose::Reset => RESET_US,
        Purpose::Invitation => INVITATION_US,
    };
    let expires = tx.now_us() + lasts;
    resets::forget(tx, &user.id).await?;
    resets::create(tx, &user.id, purpose, &digest(&secret), expires).await?;
    let url = settings.public_url();
    let link = format!("{url}/password#{secret}");
    let (subject, body) = match purpose {
        Purpose::Reset => (
            "A new password for Tephra".to_owned(),
            format!(
                "Somebody asked for a new password for {email} at {url}.\n\n\
                 To choose one, open this address within an hour; it works once:\n\n{link}\n\n\
                 If it was not you, there is nothing to do: the password stays as it is.\n",
                email = user.email,
            ),
        ),
        Purpose::Invitation => (
            "An invitation to Tephra".to_owned(),
            format!(
                "{by} invites you to Tephra at {url}, as {email}.\n\n\
                 To choose a password, open this address within a week; it works once:\n\n{link}\n",
                email = user.email,
            ),
        ),
    };
    outbox::put(tx, &user.email, &subject, &body, expires).await?;
    Ok(())
}

/// Writes a mail that the password was changed, where mails are sent.
pub(crate) async fn tell_changed(tx: &mut Tx, settings: &Settings, user: &User, address: &str) -> Result<()> {
    if !is_configured(settings) {
        return Ok(());
    }
    let body = format!(
        "The password of {} at {} was changed from {address}. All other sessions ended.\n\n\
         If it was not you, ask for a new one at {}/password and tell your administrator.\n",
        user.email,
        settings.public_url(),
        settings.public_url(),
    );
    let expires = tx.now_us() + INVITATION_US;
    outbox::put(tx, &user.email, "Your password for Tephra was changed", &body, expires).await?;
    Ok(())
}
