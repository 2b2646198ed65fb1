-- What tests of a template came to, whether its text was saved or not.

CREATE TABLE template_test (
    number INTEGER PRIMARY KEY,
    pack TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL, -- users: an offline trial; cases: the template's own test cases
    template TEXT NOT NULL, -- the version that was tested (state@3), or that its text started from
    hash TEXT NOT NULL, -- SHA-256 of the text that was tested
    against TEXT NOT NULL, -- the version that it was compared with; empty for test cases
    author TEXT NOT NULL,
    timestamp REAL NOT NULL, -- seconds since 1970
    document TEXT NOT NULL -- JSON: the figures
);
CREATE INDEX template_test_name ON template_test (pack, name, number);
