-- A database that the program with schema version 2 wrote: grants, top-ups, a month that ended, operations in
-- rows and batches, two holds that were open when it ended, two accounts whose operations were pruned.
BEGIN TRANSACTION;
CREATE TABLE account (
        id      TEXT PRIMARY KEY,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
INSERT INTO "account" VALUES('acme','acme','paid',1795176000000000);
INSERT INTO "account" VALUES('pruned','pruned','paid',1795176000000000);
INSERT INTO "account" VALUES('bob','bob','paid',1795176000000000);
CREATE TABLE batch (
        id        INTEGER PRIMARY KEY,
        created   INTEGER NOT NULL,
        open_from INTEGER NOT NULL,
        next_hold INTEGER NOT NULL,
        entries   BLOB NOT NULL
    ) STRICT;
INSERT INTO "batch" VALUES(8,1795197260560246,9,7,X'020600');
INSERT INTO "batch" VALUES(9,1795197260644303,9,9,X'010803626F620673696E676C650A00ED93AC3980A0A8DEBF969803');
INSERT INTO "batch" VALUES(10,1795197260656523,11,9,X'020804');
INSERT INTO "batch" VALUES(11,1795197260668326,11,10,X'010903626F62076E6F7468696E670A00ED93AC3980A0A8DEBF969803');
INSERT INTO "batch" VALUES(12,1795197260673986,13,10,X'020900');
INSERT INTO "batch" VALUES(13,1795197260677086,13,11,X'010A03626F62046F7665720A00ED93AC3980A0A8DEBF969803');
INSERT INTO "batch" VALUES(14,1795197260716294,15,11,X'020A00');
INSERT INTO "batch" VALUES(15,1795197260729990,15,12,X'010B03626F62046F70656E0A00D194AC3980E0ACA094B29803');
CREATE TABLE correction (
        account   TEXT NOT NULL REFERENCES account (id),
        kind      INTEGER NOT NULL CHECK (kind IN (0, 1)),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL CHECK (amount > 0),
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL,
        PRIMARY KEY (account, kind, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "correction" VALUES('acme',1,'single',3,'no help',1795176000000000);
INSERT INTO "correction" VALUES('bob',1,'single',3,'no help',1795176000000000);
INSERT INTO "correction" VALUES('pruned',0,'w-1',5,'mistake',1795176000000000);
INSERT INTO "correction" VALUES('pruned',1,'single',3,'no help',1795176000000000);
CREATE TABLE foreign_form (
        api      TEXT NOT NULL,
        prefix   TEXT NOT NULL,
        shortest INTEGER NOT NULL,
        longest  INTEGER NOT NULL,
        hash     TEXT NOT NULL,
        PRIMARY KEY (api, prefix, shortest, longest, hash)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE "key" (
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
CREATE TABLE monthly_grant (
        account TEXT NOT NULL REFERENCES account (id),
        begins  TEXT NOT NULL,
        ends    INTEGER NOT NULL,
        amount  INTEGER NOT NULL,
        PRIMARY KEY (account, begins)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "monthly_grant" VALUES('acme','2026-11-01',1796083200000000,100);
INSERT INTO "monthly_grant" VALUES('bob','2026-11-01',1796083200000000,100);
INSERT INTO "monthly_grant" VALUES('bob','2026-12-01',1798761600000000,100);
INSERT INTO "monthly_grant" VALUES('pruned','2026-11-01',1796083200000000,100);
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
INSERT INTO "operation" VALUES(7,'bob','named',X'0303030303030303030303030303030303030303030303030303030303030303',10,0,'2026-11-01',1,10,0,1795176000000000);
INSERT INTO "operation" VALUES(12,'bob','open-named',X'0303030303030303030303030303030303030303030303030303030303030303',10,0,'2026-12-01',0,0,0,1796126400000000);
CREATE TABLE pruned (
        account    TEXT PRIMARY KEY REFERENCES account (id),
        operations INTEGER NOT NULL,
        posted     INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "pruned" VALUES('acme',3,14);
INSERT INTO "pruned" VALUES('pruned',3,14);
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
INSERT INTO "purse" VALUES('acme',86,53,0,11,150,0,'2026-11-01',1796083200000000,100);
INSERT INTO "purse" VALUES('pruned',86,48,0,11,145,0,'2026-11-01',1796083200000000,100);
INSERT INTO "purse" VALUES('bob',80,53,20,11,250,86,'2026-12-01',1798761600000000,100);
CREATE TABLE quota_use (
        account   TEXT PRIMARY KEY,
        day_start INTEGER NOT NULL,
        day_end   INTEGER NOT NULL,
        used      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE secret (
        digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
        key     TEXT NOT NULL REFERENCES key (id),
        pepper  INTEGER NOT NULL,
        ends    INTEGER,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
CREATE TABLE top_up (
        account   TEXT NOT NULL REFERENCES account (id),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL,
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL,
        PRIMARY KEY (account, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "top_up" VALUES('acme','t-1',50,'bought',1795176000000000);
INSERT INTO "top_up" VALUES('bob','t-1',50,'bought',1795176000000000);
INSERT INTO "top_up" VALUES('pruned','t-1',50,'bought',1795176000000000);
CREATE INDEX operation_held ON operation (hold) WHERE state = 0;
CREATE INDEX key_of_account ON key (account);
CREATE INDEX secret_of_key ON secret (key);
COMMIT;
PRAGMA user_version = 2;
PRAGMA application_id = 1145918802;
