//! People and what belongs to them, on both databases.

use super::super::keys::{self, IngestKey};
use super::super::projects::{self, NewProject};
use super::super::resets::{self, Purpose};
use super::super::roles::{self, Grant, Holder};
use super::super::sessions::{self, NewSession, SecondFactor};
use super::super::tests::each;
use super::super::tokens::{self, NewToken};
use super::super::{outbox, second_factor, teams};
use super::*;

const HOUR: i64 = 3_600_000_000;

async fn person(meta: &Meta, email: &str, role: Role) -> User {
    let mut tx = meta.begin().await.unwrap();
    let new = NewUser { email, name: "Somebody", role, password: Some("hash"), password_once: false };
    let user = create(&mut tx, &Actor::system(), &new).await.unwrap();
    tx.commit().await.unwrap();
    user
}

async fn project(meta: &Meta, slug: &str) -> projects::Project {
    let mut tx = meta.begin().await.unwrap();
    let new = NewProject { slug: slug.to_owned(), name: slug.to_owned(), platform: None, retention_days: 90 };
    let made = projects::create(&mut tx, &Actor::system(), &new).await.unwrap();
    tx.commit().await.unwrap();
    made
}

#[tokio::test]
async fn people_are_found_by_email_and_the_last_owner_stays() {
    each(|meta, _| async move {
        let owner = person(&meta, " Ada@Example.com ", Role::Owner).await;
        assert_eq!(meta.user_by_email("ADA@example.com").await.unwrap(), Some(owner.clone()));
        let mut tx = meta.begin().await.unwrap();
        for email in ["", "nobody", "a b@c.d", "a@b@c.d", "a@b\r\nBcc: x@y.z", "<a@b.c>"] {
            let new = NewUser { email, name: "", role: Role::Viewer, password: None, password_once: false };
            let error = create(&mut tx, &Actor::system(), &new).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{email}");
        }
        let new =
            NewUser { email: "ada@example.com", name: "", role: Role::Viewer, password: None, password_once: false };
        assert_eq!(create(&mut tx, &Actor::system(), &new).await.unwrap_err().kind(), ErrorKind::Conflict);
        drop(tx);

        for after in [User { role: Role::Admin, ..owner.clone() }, User { disabled: true, ..owner.clone() }] {
            let mut tx = meta.begin().await.unwrap();
            let error = update(&mut tx, &Actor::system(), &owner, &after).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        person(&meta, "second@example.com", Role::Owner).await;
        let mut tx = meta.begin().await.unwrap();
        update(&mut tx, &Actor::system(), &owner, &User { role: Role::Admin, ..owner.clone() }).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = meta.begin().await.unwrap();
        let error = update(&mut tx, &Actor::system(), &owner, &owner).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "a stale version");
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_links() {
    each(|meta, clock| async move {
        let user = person(&meta, "a@example.com", Role::Owner).await;
        let mut tx = meta.begin().await.unwrap();
        let mut ids = Vec::new();
        for hash in ["one", "two"] {
            let new = NewSession {
                hash,
                user_id: &user.id,
                csrf: "csrf",
                expires_at_us: tx.now_us() + HOUR,
                second_factor: SecondFactor::None,
                address: "127.0.0.1",
                agent: "",
            };
            ids.push(sessions::begin(&mut tx, &new).await.unwrap());
        }
        resets::create(&mut tx, &user.id, Purpose::Reset, "link", meta.now_us() + HOUR).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.link("link").await.unwrap(), Some(user.id.clone()));
        assert_eq!(meta.sessions_of(&user.id).await.unwrap().len(), 2);

        assert!(meta.rotate_session(&ids[0], "one", "new").await.unwrap());
        assert!(!meta.rotate_session(&ids[0], "one", "other").await.unwrap());
        assert!(meta.session("one").await.unwrap().unwrap().0.by_previous);
        assert!(!meta.session("new").await.unwrap().unwrap().0.by_previous);

        let mut tx = meta.begin().await.unwrap();
        set_password(&mut tx, &Actor::system(), &user.id, "other", false, Some(&ids[0])).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.session("two").await.unwrap(), None);
        assert!(meta.session("new").await.unwrap().is_some());
        assert_eq!(meta.link("link").await.unwrap(), None);
        clock.advance_us(HOUR);
        assert_eq!(meta.sweep_sessions(0).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_link_and_a_code_hold_once() {
    each(|meta, clock| async move {
        let user = person(&meta, "a@example.com", Role::Owner).await;
        let mut tx = meta.begin().await.unwrap();
        resets::create(&mut tx, &user.id, Purpose::Invitation, "link", meta.now_us() + HOUR).await.unwrap();
        resets::create(&mut tx, &user.id, Purpose::Reset, "late", meta.now_us() + HOUR).await.unwrap();
        assert_eq!(resets::take(&mut tx, "link").await.unwrap(), Some(user.id.clone()));
        assert_eq!(resets::take(&mut tx, "link").await.unwrap(), None);
        tx.commit().await.unwrap();
        clock.advance_us(HOUR);
        assert_eq!(meta.link("late").await.unwrap(), None);

        assert!(!meta.use_totp_step(&user.id, 7).await.unwrap(), "there is none yet");
        let mut tx = meta.begin().await.unwrap();
        second_factor::prepare(&mut tx, &user.id, "secret").await.unwrap();
        let codes = ["a".to_owned(), "b".to_owned()];
        second_factor::confirm(&mut tx, &Actor::system(), &user.id, "secret", 7, &codes).await.unwrap();
        assert_eq!(second_factor::prepare(&mut tx, &user.id, "x").await.unwrap_err().kind(), ErrorKind::Conflict);
        tx.commit().await.unwrap();
        assert!(!meta.use_totp_step(&user.id, 7).await.unwrap());
        assert!(meta.use_totp_step(&user.id, 8).await.unwrap());
        assert!(!meta.use_totp_step(&user.id, 8).await.unwrap());
        assert!(meta.use_recovery_code(&user.id, "a").await.unwrap());
        assert!(!meta.use_recovery_code(&user.id, "a").await.unwrap());
        assert_eq!(meta.recovery_codes(&user.id).await.unwrap(), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn the_highest_role_counts_and_goes_with_the_team() {
    each(|meta, _| async move {
        let actor = Actor::system();
        let owner = person(&meta, "owner@example.com", Role::Owner).await;
        let user = person(&meta, "user@example.com", Role::Member).await;
        let (shop, desk) = (project(&meta, "shop").await, project(&meta, "desk").await);
        assert_eq!(meta.reach(&owner.id, Role::Owner).await.unwrap().len(), 2);
        assert!(meta.reach(&user.id, Role::Member).await.unwrap().is_empty());

        let mut tx = meta.begin().await.unwrap();
        let team = teams::create(&mut tx, &actor, "web", "Web").await.unwrap();
        teams::set_member(&mut tx, &actor, &team.id, &user.id, true).await.unwrap();
        teams::set_member(&mut tx, &actor, &team.id, &user.id, true).await.unwrap();
        let (person, group) = (Holder::User(user.id.clone()), Holder::Team(team.id.clone()));
        roles::grant(&mut tx, &actor, shop.id, &person, Some(Role::Viewer)).await.unwrap();
        roles::grant(&mut tx, &actor, shop.id, &group, Some(Role::Viewer)).await.unwrap();
        let before = roles::grant(&mut tx, &actor, shop.id, &group, Some(Role::Admin)).await.unwrap();
        assert_eq!(before, Some(Role::Viewer));
        tx.commit().await.unwrap();
        let reach = meta.reach(&user.id, Role::Member).await.unwrap();
        assert_eq!(reach.into_iter().collect::<Vec<_>>(), [(shop.id, Role::Admin)]);
        let grants = meta.grants(shop.id).await.unwrap();
        let expected = Grant { holder: group, name: "Web".to_owned(), role: Role::Admin };
        assert_eq!((grants.len(), &grants[1]), (2, &expected));
        assert!(meta.grants(desk.id).await.unwrap().is_empty());

        let mut tx = meta.begin().await.unwrap();
        teams::delete(&mut tx, &actor, &team).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.reach(&user.id, Role::Member).await.unwrap()[&shop.id], Role::Viewer);
        let mut tx = meta.begin().await.unwrap();
        projects::delete(&mut tx, &actor, &shop).await.unwrap();
        tx.commit().await.unwrap();
        assert!(meta.reach(&user.id, Role::Member).await.unwrap().is_empty());
        assert!(matches!(meta.verify_audit().await.unwrap(), Ok(rows) if rows > 8));
    })
    .await;
}

#[tokio::test]
async fn keys_and_tokens_end_for_ever() {
    each(|meta, _| async move {
        let (actor, user) = (Actor::shell("root"), person(&meta, "a@example.com", Role::Owner).await);
        let shop = project(&meta, "shop").await;
        let mut tx = meta.begin().await.unwrap();
        let key = keys::create(&mut tx, &actor, shop.id, "web", "abcdefgh", "teph_k_abcdefgh").await.unwrap();
        let new = NewToken {
            id: "token",
            user_id: &user.id,
            name: "ci",
            hash: "hash",
            projects: Some(&[shop.id]),
            verbs: Some(&["event:read"]),
            expires_at_us: None,
        };
        let token = tokens::create(&mut tx, &actor, &new).await.unwrap();
        let late = NewToken { id: "late", expires_at_us: Some(tx.now_us()), ..new };
        assert_eq!(tokens::create(&mut tx, &actor, &late).await.unwrap_err().kind(), ErrorKind::Invalid);
        tx.commit().await.unwrap();
        assert_eq!(meta.token("token").await.unwrap(), Some(token.clone()));
        assert_eq!(meta.keys(None).await.unwrap(), std::slice::from_ref(&key));

        meta.note_used(&[(key.id.clone(), 5)], &[(token.id.clone(), 6)]).await.unwrap();
        meta.note_used(&[(key.id.clone(), 4)], &[]).await.unwrap();
        assert_eq!(meta.key(&key.id).await.unwrap().unwrap().used_at_us, Some(5));

        let mut tx = meta.begin().await.unwrap();
        let off: IngestKey = {
            let rate = Some(keys::KeyRate { events: 5, seconds: 60, burst: 0 });
            keys::update(&mut tx, &actor, &key, "web", true, rate).await.unwrap()
        };
        tokens::revoke(&mut tx, &actor, &token).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.keys(None).await.unwrap(), []);
        assert_eq!(meta.key(&key.id).await.unwrap().unwrap().rate, off.rate);
        assert_eq!(meta.token("token").await.unwrap(), None);
        let mut tx = meta.begin().await.unwrap();
        assert_eq!(keys::revoke(&mut tx, &actor, &key).await.unwrap_err().kind(), ErrorKind::Conflict);
        keys::revoke(&mut tx, &actor, &off).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(meta.keys(Some(shop.id)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_mail_is_taken_again_until_it_is_sent_or_too_old() {
    each(|meta, clock| async move {
        let mut tx = meta.begin().await.unwrap();
        let expires = tx.now_us() + HOUR;
        outbox::put(&mut tx, "a@example.com", "Hello", "body", expires).await.unwrap();
        outbox::put(&mut tx, "b@example.com", "Hello", "body", expires).await.unwrap();
        tx.commit().await.unwrap();
        let retry = |_: i64| 10;
        let taken = meta.take_mails(10, retry).await.unwrap();
        assert_eq!((taken.len(), taken[0].attempts), (2, 1));
        assert!(meta.take_mails(10, retry).await.unwrap().is_empty());
        meta.mail_sent(&taken[0].id).await.unwrap();
        clock.advance_us(10);
        let again = meta.take_mails(10, retry).await.unwrap();
        assert_eq!((again.len(), again[0].attempts, &again[0].id), (1, 2, &taken[1].id));
        clock.advance_us(HOUR);
        assert!(meta.take_mails(10, retry).await.unwrap().is_empty());
    })
    .await;
}
