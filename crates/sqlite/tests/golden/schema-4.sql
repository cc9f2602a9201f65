-- A database that the program with schema version 4 wrote: accounts, two keys, an operation with an Idempotency-Key,
-- operations without one, corrections (from version 3 on), and holds that were open when the process was killed.
-- active: shop_kGQtVIueeb6EpwUPkqlB6kHC2YZp0bMrzrtakJesUy94F6YJF
-- revoked: shop_xIZnyV1QNhlr4bASPyTSwUCgNsxzOmtVCujEAiYWZgy1hmIK9
-- pepper: 07452b77a426603b9d5a750316c0bf67a32740e444b38e231b8dc57e582ec1bc
BEGIN TRANSACTION;
CREATE TABLE account (
        id      TEXT PRIMARY KEY,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
INSERT INTO account VALUES('acme','acme','paid',1795176000000000);
INSERT INTO account VALUES('bob','bob','open',1795176000000000);
CREATE TABLE purse (
        account      TEXT PRIMARY KEY REFERENCES account (id),
        monthly      INTEGER NOT NULL DEFAULT 0 CHECK (monthly >= 0),
        lasting      INTEGER NOT NULL DEFAULT 0 CHECK (lasting >= 0),
        held         INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
        posted       INTEGER NOT NULL DEFAULT 0 CHECK (posted >= 0),
        granted      INTEGER NOT NULL DEFAULT 0,
        expired      INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0),
        month_begins TEXT,
        month_ends   INTEGER,
        month_amount INTEGER, bookings INTEGER NOT NULL DEFAULT 0,
        CHECK (granted = monthly + lasting + held + posted + expired)
    ) STRICT;
INSERT INTO purse VALUES('acme',85,52,3,10,150,0,'2026-11-01',1796083200000000,100,10);
INSERT INTO purse VALUES('bob',0,15,0,0,15,0,NULL,NULL,NULL,2);
CREATE TABLE top_up (
        account   TEXT NOT NULL REFERENCES account (id),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL,
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL, booking INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO top_up VALUES('acme','t-1',50,'bought',1795176000000000,2);
INSERT INTO top_up VALUES('bob','t-1',20,'bought',1795176000000000,1);
CREATE TABLE operation (
        hold            INTEGER PRIMARY KEY,
        account         TEXT NOT NULL REFERENCES account (id),
        id              TEXT NOT NULL,
        fingerprint     BLOB NOT NULL,
        from_monthly    INTEGER NOT NULL,
        from_lasting    INTEGER NOT NULL,
        month           TEXT,
        state           INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
        posted          INTEGER NOT NULL DEFAULT 0 CHECK (posted BETWEEN 0 AND from_monthly + from_lasting),
        outcome_unknown INTEGER NOT NULL DEFAULT 0,
        created         INTEGER NOT NULL, booking INTEGER NOT NULL DEFAULT 0, ended INTEGER,
        UNIQUE (account, id)
    ) STRICT;
INSERT INTO operation VALUES(1,'acme','order-1',X'0101010101010101010101010101010101010101010101010101010101010101',10,0,'2026-11-01',1,7,0,1795176000000000,4,1796091774971041);
CREATE TABLE quota_use (
        account   TEXT PRIMARY KEY,
        day_start INTEGER NOT NULL,
        day_end   INTEGER NOT NULL,
        used      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "key" (
        id        TEXT PRIMARY KEY,
        account   TEXT NOT NULL REFERENCES account (id),
        api       TEXT NOT NULL,
        hint      TEXT NOT NULL,
        created   INTEGER NOT NULL,
        expires   INTEGER,
        revoked   INTEGER,
        disabled  INTEGER,
        last_used INTEGER,
        grants    TEXT NOT NULL,
        metadata  TEXT NOT NULL
    ) STRICT;
INSERT INTO "key" VALUES('key_01a22f6987a877f89520a1d5e29237d0','acme','shop','shop',1795176000000000,NULL,NULL,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
INSERT INTO "key" VALUES('key_01a22f6987a972539cc6c107828016a5','bob','shop','shop',1795176000000000,NULL,1795176000000000,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
CREATE TABLE secret (
        digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
        key     TEXT NOT NULL REFERENCES key (id),
        pepper  INTEGER NOT NULL,
        ends    INTEGER,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO secret VALUES(X'312996b8c14a3448970671a323c8be7dddea3fe3f2aa7f30627abbfbf0ec62ba','key_01a22f6987a877f89520a1d5e29237d0',1,NULL,1795176000000000);
INSERT INTO secret VALUES(X'bb46fd547c0047e536b6383495d1c33eaca1dda99db9742c30ec687e48fa0aad','key_01a22f6987a972539cc6c107828016a5',1,NULL,1795176000000000);
CREATE TABLE foreign_form (
        api      TEXT NOT NULL,
        prefix   TEXT NOT NULL,
        shortest INTEGER NOT NULL,
        longest  INTEGER NOT NULL,
        hash     TEXT NOT NULL,
        PRIMARY KEY (api, prefix, shortest, longest, hash)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE batch (
        id        INTEGER PRIMARY KEY,
        created   INTEGER NOT NULL,
        open_from INTEGER NOT NULL,
        next_hold INTEGER NOT NULL,
        entries   BLOB NOT NULL
    , read_from INTEGER) STRICT;
INSERT INTO batch VALUES(1,1796091774976595,1,3,X'04020461636d6509726571756573742d310500ed93ac3980a0a8debf96980305',1);
INSERT INTO batch VALUES(2,1796091774980022,3,3,X'05020506',3);
INSERT INTO batch VALUES(3,1796091774988593,3,4,X'04030461636d6509726571756573742d320400ed93ac3980a0a8debf96980307',3);
INSERT INTO batch VALUES(4,1796091774992557,5,4,X'05030008',5);
INSERT INTO batch VALUES(5,1796091775001395,5,5,X'04040461636d65066f70656e2d310300ed93ac3980a0a8debf9698030a',5);
CREATE TABLE correction (
        account   TEXT NOT NULL REFERENCES account (id),
        kind      INTEGER NOT NULL CHECK (kind IN (0, 1)),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL CHECK (amount > 0),
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL, booking INTEGER NOT NULL DEFAULT 0, from_monthly INTEGER, forgotten INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, kind, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO correction VALUES('acme',1,'order-1',2,'broken',1795176000000000,9,0,0);
INSERT INTO correction VALUES('bob',0,'w-1',5,'mistake',1795176000000000,2,0,0);
CREATE TABLE pruned (
        account    TEXT PRIMARY KEY REFERENCES account (id),
        operations INTEGER NOT NULL,
        posted     INTEGER NOT NULL
    , from_monthly INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "monthly_grant" (
        account TEXT NOT NULL REFERENCES account (id),
        begins  TEXT NOT NULL,
        granted INTEGER NOT NULL,
        ends    INTEGER NOT NULL,
        amount  INTEGER NOT NULL CHECK (amount BETWEEN 0 AND granted),
        created INTEGER NOT NULL,
        booking INTEGER NOT NULL,
        PRIMARY KEY (account, begins, granted)
    ) STRICT, WITHOUT ROWID;
INSERT INTO monthly_grant VALUES('acme','2026-11-01',100,1796083200000000,100,1795176000000000,1);
CREATE TABLE expiry (
        account TEXT NOT NULL REFERENCES account (id),
        booking INTEGER NOT NULL,
        begins  TEXT,
        amount  INTEGER NOT NULL CHECK (amount > 0),
        created INTEGER NOT NULL,
        PRIMARY KEY (account, booking)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE store (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id  BLOB NOT NULL CHECK (length(id) = 16)
    ) STRICT;
INSERT INTO store VALUES(1,X'c0fc0034af10ac39aff212081de3ff2a');
CREATE TABLE written (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        commands INTEGER NOT NULL
    ) STRICT;
INSERT INTO written VALUES(1,9);
CREATE TABLE pepper (
        number INTEGER PRIMARY KEY,
        mark   BLOB NOT NULL UNIQUE CHECK (length(mark) = 32)
    ) STRICT;
INSERT INTO pepper VALUES(1,X'7e7e1eb37f7b2c0323456c167c0258d658ac7b8d6054c044c371c93b281b2993');
CREATE INDEX operation_held ON operation (hold) WHERE state = 0;
CREATE INDEX key_of_account ON key (account);
CREATE INDEX secret_of_key ON secret (key);
CREATE INDEX account_of_plan ON account (plan);
CREATE INDEX key_of_prefix ON key (api, hint) WHERE revoked IS NULL;
CREATE INDEX key_of_grants ON key (api, grants)
        WHERE revoked IS NULL AND grants <> '{"operations":"all","scopes":[],"resources":"all"}';
COMMIT;
PRAGMA user_version = 4;
PRAGMA application_id = 1145918802;
