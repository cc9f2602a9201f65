-- A database that the program with schema version 1 wrote: accounts, two keys, an operation with an Idempotency-Key,
-- operations without one, corrections (from version 3 on), and holds that were open when the process was killed.
-- active: shop_Ntvs5PGs47ZEUndxZ5o2Ji6wGSH048hw50XATsDuLGo2cMH2V
-- revoked: shop_hx6GGe4TeTD5fta9tLMvBg6Ip0YIvjTwK0Xw9GXwT4o39BSyS
-- pepper: 6951c5df74c546c1fe3828f816cacd6fe1016aaf12cb73b8b7f1ad5404eafbb7
BEGIN TRANSACTION;
CREATE TABLE account (
        id      TEXT PRIMARY KEY,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
INSERT INTO account VALUES('acme','acme','paid',1795176000000000);
INSERT INTO account VALUES('bob','bob','open',1795176000000000);
CREATE TABLE key (
        id      TEXT PRIMARY KEY,
        digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        account TEXT NOT NULL REFERENCES account (id),
        api     TEXT NOT NULL,
        hint    TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        revoked INTEGER,
        grants  TEXT NOT NULL
    ) STRICT;
INSERT INTO "key" VALUES('key_01a22f61dca57044af985a1dc7a66f67',X'd66533ea0eb887bfc56a63862ccbf2b9db6ccd89e85243f422be4d4e48393d92','acme','shop','shop',1795176000000000,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}');
INSERT INTO "key" VALUES('key_01a22f61dcac729290688cdcf6f5ee10',X'91a9f0f88a69c61167fdcaaecf26c92747ef84a955bfd2cc514a42da363a6120','bob','shop','shop',1795176000000000,NULL,1795176000000000,'{"operations":"all","scopes":[],"resources":"all"}');
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
        month_amount INTEGER,
        CHECK (granted = monthly + lasting + held + posted + expired)
    ) STRICT;
INSERT INTO purse VALUES('acme',85,50,3,12,150,0,'2026-11-01',1796083200000000,100);
INSERT INTO purse VALUES('bob',0,20,0,0,20,0,NULL,NULL,NULL);
CREATE TABLE monthly_grant (
        account TEXT NOT NULL REFERENCES account (id),
        begins  TEXT NOT NULL,
        ends    INTEGER NOT NULL,
        amount  INTEGER NOT NULL,
        PRIMARY KEY (account, begins)
    ) STRICT, WITHOUT ROWID;
INSERT INTO monthly_grant VALUES('acme','2026-11-01',1796083200000000,100);
CREATE TABLE top_up (
        account   TEXT NOT NULL REFERENCES account (id),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL,
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL,
        PRIMARY KEY (account, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO top_up VALUES('acme','t-1',50,'bought',1795176000000000);
INSERT INTO top_up VALUES('bob','t-1',20,'bought',1795176000000000);
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
        created         INTEGER NOT NULL,
        UNIQUE (account, id)
    ) STRICT;
INSERT INTO operation VALUES(1,'acme','order-1',X'0101010101010101010101010101010101010101010101010101010101010101',10,0,'2026-11-01',1,7,0,1795176000000000);
INSERT INTO operation VALUES(2,'acme','request-1',X'0202020202020202020202020202020202020202020202020202020202020202',5,0,'2026-11-01',1,5,0,1795176000000000);
INSERT INTO operation VALUES(3,'acme','request-2',X'0202020202020202020202020202020202020202020202020202020202020202',4,0,'2026-11-01',2,0,0,1795176000000000);
INSERT INTO operation VALUES(4,'acme','open-1',X'0202020202020202020202020202020202020202020202020202020202020202',3,0,'2026-11-01',0,0,0,1795176000000000);
CREATE TABLE quota_use (
        account   TEXT PRIMARY KEY,
        day_start INTEGER NOT NULL,
        day_end   INTEGER NOT NULL,
        used      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE INDEX key_of_account ON key (account);
CREATE INDEX operation_held ON operation (hold) WHERE state = 0;
COMMIT;
PRAGMA user_version = 1;
PRAGMA application_id = 1145918802;
