-- A journal of schema 4, as it was written then: never to be edited.
BEGIN TRANSACTION;
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    at_wall_s REAL NOT NULL,
    until_wall_s REAL NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    mode TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    act INTEGER NOT NULL,
    plugged INTEGER NOT NULL,
    online INTEGER NOT NULL,
    proposed INTEGER NOT NULL,
    target INTEGER NOT NULL,
    next_vcpus INTEGER NOT NULL,
    inputs TEXT NOT NULL
, newest_inputs TEXT) STRICT;
INSERT INTO "decisions" VALUES(7,1000.0,1060.0,12,'qemu:///system','6695eb01-f6a4-8304-79aa-97f2502e193f','web-1','web','d','auto','grow','demand-high',1,1,1,3,3,3,'{"clamps": [["step", 9, 3]]}',NULL);
INSERT INTO "decisions" VALUES(8,1100.0,1100.0,0,'qemu:///system','6695eb01-f6a4-8304-79aa-97f2502e193f','web-1','web','d','auto','shrink','demand-low',1,3,3,2,2,2,'{"clamps": []}',NULL);
CREATE TABLE history (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    start_wall_s REAL NOT NULL,
    packed BLOB NOT NULL
) STRICT;
INSERT INTO "history" VALUES('qemu:///system','6695eb01-f6a4-8304-79aa-97f2502e193f','web-1',1200.0,X'789C63B0611859708000D308832C030419181AEC0186201EC0');
CREATE TABLE learned (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT,
    at_wall_s REAL NOT NULL,
    learned TEXT NOT NULL,
    PRIMARY KEY (host, uuid)
) STRICT;
INSERT INTO "learned" VALUES('qemu:///system','6695eb01-f6a4-8304-79aa-97f2502e193f','web-1',1100.0,'{"rho": 0.5}');
CREATE TABLE operations (
    decision_id INTEGER PRIMARY KEY REFERENCES decisions (id),
    at_wall_s REAL NOT NULL,
    domain TEXT NOT NULL,
    direction TEXT NOT NULL,
    from_vcpus INTEGER NOT NULL,
    to_vcpus INTEGER NOT NULL,
    reason TEXT NOT NULL,
    stages TEXT NOT NULL DEFAULT '{}',
    outcome TEXT,
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "operations" VALUES(7,1000.0,'web-1','up',1,3,'demand-high','{"online": 0.5}','done','');
INSERT INTO "operations" VALUES(8,1100.0,'web-1','down',3,2,'demand-low','{}',NULL,'');
CREATE TABLE orders (
    host TEXT NOT NULL,
    uuid TEXT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    vcpus INTEGER,
    by_uid INTEGER NOT NULL,
    at_wall_s REAL NOT NULL,
    until_wall_s REAL,
    PRIMARY KEY (host, uuid)
) STRICT;
INSERT INTO "orders" VALUES('qemu:///system','6695eb01-f6a4-8304-79aa-97f2502e193f','web-1','pause',NULL,7,1050.0,NULL);
CREATE TABLE tape (
    id INTEGER PRIMARY KEY,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX decisions_by_domain ON decisions (domain, id, at_wall_s);
CREATE INDEX decisions_by_uuid ON decisions (uuid, id, at_wall_s);
CREATE INDEX history_by_start ON history (start_wall_s);
CREATE INDEX operations_open ON operations (decision_id) WHERE outcome IS NULL;
COMMIT;
PRAGMA user_version = 4;
