//! Tokens: who may use the API, and as what. Only digests are stored.

use std::time::Duration;

use demur_admission::Secret;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{AdminDatabase, DatabaseError, NewAudit, audit, moment, optional_moment};
use crate::Role;

/// What tokens begin with.
const PREFIX: &str = "demur_admin";
/// How long the first token is valid.
const FIRST_VALID_FOR: Duration = Duration::from_secs(30 * 86_400);

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken<'t> {
    /// What it is for, or whose it is.
    pub name: &'t str,
    /// What it may do.
    pub role: Role,
    /// How long it is valid.
    pub valid_for: Duration,
}

/// A token that was made, with its secret.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token.
    pub token: StoredToken,
    /// The secret, which is not stored.
    pub secret: Secret,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredToken {
    /// Its ID.
    pub id: String,
    /// What it is for, or whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It is valid.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The ID of the token.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl StoredToken {
    /// Its state at a moment.
    pub fn state(&self, now: Timestamp) -> TokenState {
        match self.revoked {
            Some(_) => TokenState::Revoked,
            None if self.expires <= now => TokenState::Expired,
            None => TokenState::Active,
        }
    }
}

impl AdminDatabase {
    /// Makes a token. `by` is who makes it, for the audit log.
    pub fn create_token(&self, new: &NewToken<'_>, by: &str) -> Result<Issued, DatabaseError> {
        let now = Timestamp::now();
        let secret = Secret::generate(PREFIX).map_err(|_| DatabaseError::NoRandomness)?;
        let token = StoredToken {
            id: format!("tok_{}", Uuid::now_v7().simple()),
            name: new.name.to_owned(),
            role: new.role,
            created: now,
            expires: now.checked_add(new.valid_for).unwrap_or(Timestamp::MAX),
            revoked: None,
        };
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            insert(&transaction, &token, &secret)?;
            audit::record(&transaction, &change("createToken", &token, by), now)?;
            transaction.commit()
        })?;
        Ok(Issued { token, secret })
    }

    /// Makes a token for an operator where there has never been one.
    pub fn create_first_token(&self) -> Result<Option<Issued>, DatabaseError> {
        let any = |connection: &mut Connection| {
            connection.query_row("SELECT EXISTS (SELECT 1 FROM token)", [], |row| row.get(0))
        };
        if self.run(any)? {
            return Ok(None);
        }
        let new = NewToken { name: "first start", role: Role::Operator, valid_for: FIRST_VALID_FOR };
        self.create_token(&new, "gateway").map(Some)
    }

    /// All tokens, oldest first.
    pub fn tokens(&self) -> Result<Vec<StoredToken>, DatabaseError> {
        self.run(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, name, role, created, expires, revoked FROM token ORDER BY id")?;
            statement.query_map([], token)?.collect()
        })
    }

    /// Revokes a token, from the next request on. `None` if there is none with this ID.
    pub fn revoke_token(&self, id: &str, by: &str) -> Result<Option<StoredToken>, DatabaseError> {
        let now = Timestamp::now();
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let sql = "UPDATE token SET revoked = coalesce(revoked, ?2) WHERE id = ?1
                       RETURNING id, name, role, created, expires, revoked";
            let revoked = transaction.query_row(sql, params![id, now.as_millisecond()], token).optional()?;
            if let Some(token) = &revoked {
                audit::record(&transaction, &change("revokeToken", token, by), now)?;
            }
            transaction.commit()?;
            Ok(revoked)
        })
    }

    /// Whose secret this is, and the state of the token. `None` if it is no token's.
    pub(crate) fn authenticate(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<(Actor, TokenState)>, DatabaseError> {
        // Most of what is no token is rejected without a look at the file.
        if Secret::check(secret, PREFIX).is_err() {
            return Ok(None);
        }
        let digest = digest(secret);
        let found = self.run(|connection| {
            let sql = "SELECT id, name, role, created, expires, revoked, digest FROM token WHERE digest = ?1";
            let row = |row: &Row<'_>| Ok((token(row)?, row.get::<_, [u8; 32]>(6)?));
            connection.prepare_cached(sql)?.query_row([&digest[..]], row).optional()
        })?;
        let found = found.filter(|(_, stored)| bool::from(stored.ct_eq(&digest)));
        Ok(found.map(|(token, _)| {
            let state = token.state(now);
            (Actor { id: token.id, name: token.name, role: token.role }, state)
        }))
    }
}

fn change<'c>(operation: &'c str, token: &'c StoredToken, by: &'c str) -> NewAudit<'c> {
    let details = serde_json::json!({ "name": token.name, "role": token.role, "expires": token.expires });
    NewAudit {
        actor: by.to_owned(),
        role: None,
        operation,
        target: Some(&token.id),
        details: Some(details),
        request_id: None,
        outcome: Some((200, None)),
    }
}

/// A random secret of 256 bits needs no slow hash and no pepper.
fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn insert(connection: &Connection, token: &StoredToken, secret: &Secret) -> rusqlite::Result<()> {
    let StoredToken { id, name, role, created, expires, .. } = token;
    let sql = "INSERT INTO token (id, name, role, digest, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (created, expires) = (created.as_millisecond(), expires.as_millisecond());
    let digest = digest(secret.expose());
    connection.execute(sql, params![id, name, role.as_str(), &digest[..], created, expires])?;
    Ok(())
}

fn token(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    let role: String = row.get(2)?;
    Ok(StoredToken {
        id: row.get(0)?,
        name: row.get(1)?,
        // A role that this version does not know may do the least.
        role: role.parse().unwrap_or(Role::Viewer),
        created: moment(row, 3)?,
        expires: moment(row, 4)?,
        revoked: optional_moment(row, 5)?,
    })
}
