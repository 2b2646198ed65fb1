-- The chat's memory: what was shown, what people did with it, and their conversations.

-- One slate that was shown. Lists are JSON arrays; propensities and scores run parallel to the slate.
CREATE TABLE impression (
    number INTEGER PRIMARY KEY, -- order of recording
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    timestamp REAL NOT NULL, -- seconds since 1970
    user TEXT,
    request TEXT NOT NULL,
    candidates TEXT NOT NULL,
    slate TEXT NOT NULL,
    propensities TEXT NOT NULL,
    scores TEXT NOT NULL,
    policy TEXT NOT NULL,
    template_name TEXT NOT NULL,
    template_version TEXT NOT NULL,
    template_hash TEXT NOT NULL,
    constraints TEXT NOT NULL,
    temperature REAL NOT NULL,
    latency_ms REAL NOT NULL
);
CREATE INDEX impression_timestamp ON impression (timestamp);

-- One thing that a person did with one item, shown or not.
CREATE TABLE outcome (
    number INTEGER PRIMARY KEY, -- order of recording
    id TEXT NOT NULL UNIQUE,
    impression_id TEXT REFERENCES impression (id),
    conversation_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value REAL,
    position INTEGER, -- in the slate, from 0
    timestamp REAL NOT NULL
);
CREATE INDEX outcome_impression ON outcome (impression_id);

-- Conversations change and can be deleted; impressions and outcomes stay as they were written.
CREATE TABLE conversation (
    id TEXT PRIMARY KEY,
    owner TEXT, -- NULL until somebody claims it
    title TEXT NOT NULL,
    updated REAL NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX conversation_owner ON conversation (owner, updated);

-- The insert triggers are there for INSERT OR REPLACE, which deletes without firing the delete triggers.
CREATE TRIGGER impression_no_replace BEFORE INSERT ON impression
WHEN EXISTS (SELECT 1 FROM impression WHERE id = NEW.id OR number = NEW.number)
BEGIN SELECT RAISE (ABORT, 'impression is append-only'); END;
CREATE TRIGGER impression_no_update BEFORE UPDATE ON impression
BEGIN SELECT RAISE (ABORT, 'impression is append-only'); END;
CREATE TRIGGER impression_no_delete BEFORE DELETE ON impression
BEGIN SELECT RAISE (ABORT, 'impression is append-only'); END;

CREATE TRIGGER outcome_no_replace BEFORE INSERT ON outcome
WHEN EXISTS (SELECT 1 FROM outcome WHERE id = NEW.id OR number = NEW.number)
BEGIN SELECT RAISE (ABORT, 'outcome is append-only'); END;
CREATE TRIGGER outcome_no_update BEFORE UPDATE ON outcome
BEGIN SELECT RAISE (ABORT, 'outcome is append-only'); END;
CREATE TRIGGER outcome_no_delete BEFORE DELETE ON outcome
BEGIN SELECT RAISE (ABORT, 'outcome is append-only'); END;
