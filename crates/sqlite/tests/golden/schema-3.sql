-- A database that the program with schema version 3 wrote: accounts, two keys, an operation with an Idempotency-Key,
-- operations without one, corrections (from version 3 on), and holds that were open when the process was killed.
-- active: shop_cGQu6WQmK5msVlUDlhBVsPpjRRGa5HgAjEb7kHTDM9b2q2wf3
-- revoked: shop_kxzjLiWeBJIbmCjN2fKdKQppsRUM13aK23l4BEir4Zm26tSq7
-- pepper: 0db066c4ebf4377e5810c071c1e0069ba45d7e95c7375e0c2807450f8b15d651
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
INSERT INTO operation VALUES(1,'acme','order-1',X'0101010101010101010101010101010101010101010101010101010101010101',10,0,'2026-11-01',1,7,0,1795176000000000,4,1796091387675360);
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
INSERT INTO "key" VALUES('key_01a22f639f0c73659fff69dea3da50e8','acme','shop','shop',1795176000000000,NULL,NULL,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
INSERT INTO "key" VALUES('key_01a22f639f1077239e51b2ae3bfb9ad7','bob','shop','shop',1795176000000000,NULL,1795176000000000,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
CREATE TABLE secret (
        digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
        key     TEXT NOT NULL REFERENCES key (id),
        pepper  INTEGER NOT NULL,
        ends    INTEGER,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO secret VALUES(X'b8467043e7c67da98d4fd2558fd43392f0579eafabbe1764b2ed46f73b196bca','key_01a22f639f0c73659fff69dea3da50e8',1,NULL,1795176000000000);
INSERT INTO secret VALUES(X'c07024bc820a17c1b32cb539d163b2574df62391dc5beb5b8d2bfd013a69142a','key_01a22f639f1077239e51b2ae3bfb9ad7',1,NULL,1795176000000000);
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
INSERT INTO batch VALUES(1,1796091387681484,1,3,X'04020461636d6509726571756573742d310500ed93ac3980a0a8debf96980305',1);
INSERT INTO batch VALUES(2,1796091387688544,3,3,X'05020506',3);
INSERT INTO batch VALUES(3,1796091387688822,3,4,X'04030461636d6509726571756573742d320400ed93ac3980a0a8debf96980307',3);
INSERT INTO batch VALUES(4,1796091387690234,5,4,X'05030008',5);
INSERT INTO batch VALUES(5,1796091387697196,5,5,X'04040461636d65066f70656e2d310300ed93ac3980a0a8debf9698030a',5);
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
CREATE INDEX operation_held ON operation (hold) WHERE state = 0;
CREATE INDEX key_of_account ON key (account);
CREATE INDEX secret_of_key ON secret (key);
COMMIT;
PRAGMA user_version = 3;
PRAGMA application_id = 1145918802;
