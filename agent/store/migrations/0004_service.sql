-- What the service for other programs keeps: keys, items that changed since training, people, and who changed what.

-- A key is never stored, only its SHA-256. Keys of one name belong to one caller: rotating makes a new one of that name.
CREATE TABLE api_key (
    id TEXT PRIMARY KEY, -- public part of the key
    name TEXT NOT NULL,
    hash TEXT NOT NULL, -- SHA-256 of the whole key, hex
    catalogues TEXT NOT NULL, -- JSON array; empty: every one
    verbs TEXT NOT NULL, -- JSON array
    person TEXT, -- NULL: any; otherwise the one person that the key may ask for
    per_minute INTEGER NOT NULL, -- requests
    created REAL NOT NULL, -- seconds since 1970
    expires REAL, -- NULL: never
    revoked REAL -- NULL: in force
);
CREATE INDEX api_key_name ON api_key (name);

-- Items that were changed or added since the models were fitted. One row an item, replaced as a whole.
CREATE TABLE live_item (
    item_id TEXT PRIMARY KEY,
    document TEXT, -- JSON of title and attributes; NULL: as the data set has them
    status TEXT NOT NULL, -- shown, hidden or deleted
    expires REAL, -- seconds since 1970; NULL: never
    revision INTEGER NOT NULL UNIQUE -- counts all changes, so that a reader finds what is new to it
);

-- People whom callers name. The salt is the only link between a name and the pseudonym that the log knows.
CREATE TABLE person (
    id TEXT PRIMARY KEY,
    salt TEXT NOT NULL,
    created REAL NOT NULL,
    forgotten REAL -- seconds since 1970, of people of the data set: their past there is no longer used; NULL: it is
);

-- What they did, as callers report it; the id is the caller's key, so that a report that is sent twice counts once.
CREATE TABLE person_event (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (id),
    item_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value REAL,
    timestamp REAL NOT NULL
);
CREATE INDEX person_event_person ON person_event (person, timestamp);

-- Who changed what, and when; names of people are pseudonyms here.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    timestamp REAL NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE (ABORT, 'audit is append-only'); END;
