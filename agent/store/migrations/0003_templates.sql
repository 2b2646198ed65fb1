-- Prompt templates that people edited: every saved version, which of them served when, and text not saved yet.

-- One version of one template. Nothing in it ever changes; which ones serve is told by template_serving.
CREATE TABLE template_version (
    number INTEGER PRIMARY KEY, -- order of saving
    pack TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL, -- from 1 within the name
    role TEXT NOT NULL,
    parent INTEGER, -- the version that the author started from
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    timestamp REAL NOT NULL, -- seconds since 1970
    hash TEXT NOT NULL, -- SHA-256 of source
    source TEXT NOT NULL, -- the whole template file
    origin TEXT, -- SHA-256 of the file that came with the product; NULL: saved by a person
    UNIQUE (pack, name, version)
);

-- What serves a role from a moment on; the latest row of a role is in force.
CREATE TABLE template_serving (
    number INTEGER PRIMARY KEY,
    pack TEXT NOT NULL,
    role TEXT NOT NULL,
    timestamp REAL NOT NULL,
    author TEXT NOT NULL,
    note TEXT NOT NULL,
    action TEXT NOT NULL, -- activate, experiment or roll back
    shares TEXT NOT NULL, -- JSON array of [name, version, weight]; empty: the template that comes with the product
    previous INTEGER REFERENCES template_serving (number) -- what a roll back returns to; NULL: the product's own
);
CREATE INDEX template_serving_role ON template_serving (pack, role, number);

-- Text in somebody's editor that is not saved as a version yet.
CREATE TABLE template_draft (
    owner TEXT NOT NULL,
    pack TEXT NOT NULL,
    name TEXT NOT NULL,
    parent INTEGER,
    source TEXT NOT NULL,
    updated REAL NOT NULL,
    PRIMARY KEY (owner, pack, name)
);

-- The insert triggers are there for INSERT OR REPLACE, which deletes without firing the delete triggers.
CREATE TRIGGER template_version_no_replace BEFORE INSERT ON template_version
WHEN EXISTS (
    SELECT 1 FROM template_version
    WHERE number = NEW.number OR (pack = NEW.pack AND name = NEW.name AND version = NEW.version)
)
BEGIN SELECT RAISE (ABORT, 'template_version is append-only'); END;
CREATE TRIGGER template_version_no_update BEFORE UPDATE ON template_version
BEGIN SELECT RAISE (ABORT, 'template_version is append-only'); END;
CREATE TRIGGER template_version_no_delete BEFORE DELETE ON template_version
BEGIN SELECT RAISE (ABORT, 'template_version is append-only'); END;

CREATE TRIGGER template_serving_no_replace BEFORE INSERT ON template_serving
WHEN EXISTS (SELECT 1 FROM template_serving WHERE number = NEW.number)
BEGIN SELECT RAISE (ABORT, 'template_serving is append-only'); END;
CREATE TRIGGER template_serving_no_update BEFORE UPDATE ON template_serving
BEGIN SELECT RAISE (ABORT, 'template_serving is append-only'); END;
CREATE TRIGGER template_serving_no_delete BEFORE DELETE ON template_serving
BEGIN SELECT RAISE (ABORT, 'template_serving is append-only'); END;
