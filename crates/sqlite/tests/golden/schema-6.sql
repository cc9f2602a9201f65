-- A database that the program with schema version 6 wrote: accounts, two keys, an operation with an Idempotency-Key,
-- operations without one, corrections (from version 3 on), and holds that were open when the process was killed.
-- active: shop_0LqHiqVQXlup4UGRjKbJOGknqrbypaqTSGAJXQgBWfd3XWtRb
-- revoked: shop_2Jo6Mzv3fpeuhJJVezHaja1vPM1ZUUoZX2Giu4ajYW92812p2
-- pepper: 757e1f2a69874838249a5509a06b787758b5a025a4cad713eb45a5583f7bd4cf
BEGIN TRANSACTION;
CREATE TABLE account (
        id      TEXT PRIMARY KEY,
        name    TEXT NOT NULL,
        plan    TEXT NOT NULL,
        created INTEGER NOT NULL
    , grant_day INTEGER CHECK (grant_day BETWEEN 1 AND 31)) STRICT;
INSERT INTO account VALUES('acme','acme','paid',1795176000000000,NULL);
INSERT INTO account VALUES('bob','bob','open',1795176000000000,31);
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
INSERT INTO purse VALUES('acme',81,52,3,14,150,0,'2026-11-01',1796083200000000,100,12);
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
INSERT INTO operation VALUES(1,'acme','order-1',X'0101010101010101010101010101010101010101010101010101010101010101',10,0,'2026-11-01',1,7,0,1795176000000000,4,1796091402364682);
INSERT INTO operation VALUES(4,'acme','order-2',X'0101010101010101010101010101010101010101010101010101010101010101',4,0,'2026-11-01',1,4,0,1795176000000000,10,1796091402408617);
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
INSERT INTO "key" VALUES('key_01a22f63d8647413b95553459a283905','acme','shop','shop',1795176000000000,NULL,NULL,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
INSERT INTO "key" VALUES('key_01a22f63d868755eb89a87e20d823923','bob','shop','shop',1795176000000000,NULL,1795176000000000,NULL,NULL,'{"operations":"all","scopes":[],"resources":"all"}','{}');
CREATE TABLE secret (
        digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
        key     TEXT NOT NULL REFERENCES key (id),
        pepper  INTEGER NOT NULL,
        ends    INTEGER,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO secret VALUES(X'36a46a55224721bde8558cc7572db8312843d8941dd1dec389d876fbea7bf443','key_01a22f63d8647413b95553459a283905',1,NULL,1795176000000000);
INSERT INTO secret VALUES(X'3f04fec42ee5ff3baa2d080f21e8833c8dc480af16a6c6a6f034a6d91031d0e8','key_01a22f63d868755eb89a87e20d823923',1,NULL,1795176000000000);
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
INSERT INTO batch VALUES(1,1796091402372691,1,3,X'04020461636d6509726571756573742d310500ed93ac3980a0a8debf96980305',1);
INSERT INTO batch VALUES(2,1796091402380648,3,3,X'05020506',3);
INSERT INTO batch VALUES(3,1796091402385871,3,4,X'04030461636d6509726571756573742d320400ed93ac3980a0a8debf96980307',3);
INSERT INTO batch VALUES(4,1796091402392603,5,4,X'05030008',5);
INSERT INTO batch VALUES(5,1796091402432686,5,7,X'04060461636d65066f70656e2d310300ed93ac3980a0a8debf9698030c',5);
CREATE TABLE correction (
        account   TEXT NOT NULL REFERENCES account (id),
        kind      INTEGER NOT NULL CHECK (kind IN (0, 1)),
        operation TEXT NOT NULL,
        amount    INTEGER NOT NULL CHECK (amount > 0),
        reason    TEXT NOT NULL,
        created   INTEGER NOT NULL, booking INTEGER NOT NULL DEFAULT 0, from_monthly INTEGER, forgotten INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, kind, operation)
    ) STRICT, WITHOUT ROWID;
INSERT INTO correction VALUES('acme',1,'order-1',2,'broken',1795176000000000,11,0,0);
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
INSERT INTO store VALUES(1,X'8e184771d5f70b416b87ea8afb3cbd89');
CREATE TABLE written (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        commands INTEGER NOT NULL
    ) STRICT;
INSERT INTO written VALUES(1,9);
CREATE TABLE pepper (
        number INTEGER PRIMARY KEY,
        mark   BLOB NOT NULL UNIQUE CHECK (length(mark) = 32)
    ) STRICT;
INSERT INTO pepper VALUES(1,X'71bea3a16cc8735e772f687587a017733edade18c640f89238aacf6a6eee2480');
CREATE TABLE claim (
        number      INTEGER PRIMARY KEY,
        account     TEXT NOT NULL REFERENCES account (id),
        id          TEXT NOT NULL,
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        state       INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
        owner       INTEGER NOT NULL,
        hold        INTEGER CHECK (hold IS NULL OR state = 0),
        lease_ends  INTEGER NOT NULL,
        repeats     INTEGER NOT NULL DEFAULT 0,
        expires     INTEGER NOT NULL,
        forgotten   INTEGER NOT NULL,
        size        INTEGER NOT NULL DEFAULT 0,
        response    BLOB,
        UNIQUE (account, id),
        CHECK (size = coalesce(length(response), 0))
    ) STRICT;
INSERT INTO claim VALUES(1,'acme','order-1',X'0101010101010101010101010101010101010101010101010101010101010101',1,1,NULL,1795176030000000,0,2425896000000000,2428488000000000,0,NULL);
INSERT INTO claim VALUES(2,'acme','order-2',X'0101010101010101010101010101010101010101010101010101010101010101',1,1,NULL,1795176030000000,0,2425896000000000,2428488000000000,3,X'746561');
INSERT INTO claim VALUES(3,'acme','open-2',X'0101010101010101010101010101010101010101010101010101010101010101',0,1,5,1795176030000000,0,2425896000000000,2428488000000000,0,NULL);
CREATE TABLE claim_use (
        account TEXT PRIMARY KEY,
        claims  INTEGER NOT NULL CHECK (claims >= 0),
        bytes   INTEGER NOT NULL CHECK (bytes >= 0)
    ) STRICT, WITHOUT ROWID;
INSERT INTO claim_use VALUES('',3,3);
INSERT INTO claim_use VALUES('acme',3,3);
CREATE INDEX operation_held ON operation (hold) WHERE state = 0;
CREATE INDEX key_of_account ON key (account);
CREATE INDEX secret_of_key ON secret (key);
CREATE INDEX account_of_plan ON account (plan);
CREATE INDEX key_of_prefix ON key (api, hint) WHERE revoked IS NULL;
CREATE INDEX key_of_grants ON key (api, grants)
        WHERE revoked IS NULL AND grants <> '{"operations":"all","scopes":[],"resources":"all"}';
CREATE INDEX claim_of_account ON claim (account, number);
CREATE INDEX claim_in_flight ON claim (number) WHERE state = 0;
CREATE INDEX claim_stored ON claim (number) WHERE size > 0;
CREATE INDEX claim_stored_of_account ON claim (account, number) WHERE size > 0;
CREATE INDEX claim_expires ON claim (expires) WHERE size > 0;
CREATE INDEX claim_forgotten ON claim (forgotten) WHERE state > 0;
CREATE TRIGGER claim_made AFTER INSERT ON claim BEGIN
        INSERT INTO claim_use VALUES (NEW.account, 1, NEW.size), ('', 1, NEW.size)
            ON CONFLICT (account) DO UPDATE SET claims = claims + 1, bytes = bytes + excluded.bytes;
    END;
CREATE TRIGGER claim_resized AFTER UPDATE OF size ON claim BEGIN
        UPDATE claim_use SET bytes = bytes + NEW.size - OLD.size WHERE account IN (OLD.account, '');
    END;
CREATE TRIGGER claim_gone AFTER DELETE ON claim BEGIN
        UPDATE claim_use SET claims = claims - 1, bytes = bytes - OLD.size WHERE account IN (OLD.account, '');
        DELETE FROM claim_use WHERE account = OLD.account AND claims = 0;
    END;
COMMIT;
PRAGMA user_version = 6;
PRAGMA application_id = 1145918802;
